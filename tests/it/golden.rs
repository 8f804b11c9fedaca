//! The golden table: what the example policy answers for the people it speaks of.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use registry::proto::v1::{
    CheckPurposeRequest, ConsentChoice, ConsentStatement, Decision, DecisionReason, Effect,
    EndSubjectCategoryRequest, Evidence, EvidenceMethod, RecordConsentRequest,
    RegisterCollectionRequest, WithdrawConsentRequest, withdraw_consent_request::Who,
};

use crate::{
    harness::{
        Clients,
        sample::{by, everything_of, yes},
    },
    on_both,
};

/// Who | which data | what for | for whom (`-`: the controller) | the answer.
const TABLE: &str = "
    visitor                               | email_address                | newsletter            | aweber           | ALLOW CONSENT
    visitor                               | email_address                | newsletter            | stripe           | DENY PROCESSOR_NOT_NAMED
    visitor                               | email_address                | contact_and_support   | -                | DENY NO_ACTIVITY
    visitor                               | forum_member_name            | newsletter            | -                | DENY NO_ACTIVITY
    visitor                               | navigation                   | interface_research    | google_analytics | ALLOW CONSENT
    visitor of old                        | navigation                   | interface_research    | google_analytics | DENY RETENTION_EXPIRED
    visitor of old                        | navigation                   | interface_research    | -                | ALLOW CONSENT
    visitor who browsed on                | navigation                   | interface_research    | -                | DENY CONSENT_EVIDENCE_INSUFFICIENT
    visitor who was not asked             | email_address                | educational_materials | -                | DENY CONSENT_MISSING
    visitor who withdrew                  | email_address                | newsletter            | aweber           | DENY CONSENT_WITHDRAWN
    visitor without e-mail                | email_address                | newsletter            | aweber           | DENY NOT_COLLECTED
    client                                | payment_details              | order_processing      | stripe           | ALLOW CONTRACT
    client                                | payment_details              | fraud_screening       | -                | ALLOW LEGITIMATE_INTERESTS
    client                                | payment_details              | fraud_screening       | stripe           | DENY PROCESSOR_NOT_NAMED
    client                                | email_address                | newsletter            | aweber           | DENY NO_ACTIVITY
    client and visitor                    | email_address                | newsletter            | aweber           | ALLOW CONSENT
    client and visitor, e-mail as client  | email_address                | newsletter            | aweber           | DENY NOT_COLLECTED
    visitor with a late yes               | email_address                | newsletter            | aweber           | DENY CONSENT_WITHDRAWN
    visitor with a yes to aweber          | email_address                | newsletter            | -                | ALLOW CONSENT
    client who refused screening          | payment_details              | fraud_screening       | -                | DENY CONSENT_REFUSED
    affiliate who left                    | paypal_account               | commission_payment    | -                | ALLOW CONTRACT
    affiliate who left                    | email_address                | affiliate_contact     | -                | DENY NO_ACTIVITY
    client                                | email_address, skype_contact | contact_and_support   | -                | ALLOW CONTRACT
    client                                | email_address, navigation    | contact_and_support   | -                | DENY NO_ACTIVITY
    affiliate                             | paypal_account               | commission_payment    | -                | ALLOW CONTRACT
    affiliate                             | paypal_account               | commission_payment    | paypal           | DENY PROCESSOR_NOT_NAMED
    affiliate                             | navigation                   | interface_research    | google_analytics | DENY PROCESSOR_NOT_NAMED
    affiliate                             | paypal_account               | telemarketing         | -                | DENY PURPOSE_UNKNOWN
    nobody                                | email_address                | newsletter            | aweber           | DENY SUBJECT_UNKNOWN
";

const CONSENT_PURPOSES: &[&str] = &[
    "educational_materials",
    "newsletter",
    "website_personalisation",
    "interface_research",
];

on_both! {
    async fn the_example_policy_answers_as_the_golden_table_says(server: TestServer) {
        let mut clients = server.admin().await;
        Cast { clients: clients.clone(), now: server.now() }.enter().await;
        let rows: Vec<_> = TABLE.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(rows.len(), 29);
        let mut wrong = Vec::new();
        for row in rows {
            let (check, expected) = question(row);
            let answer = clients.purpose.check_purpose(check).await.expect("answered");
            let answer = answer.into_inner().decision.expect("a decision");
            let answer = words(&answer);
            if answer != expected {
                wrong.push(format!("{row}\n    {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// A row's question and its answer.
fn question(row: &str) -> (CheckPurposeRequest, &str) {
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let [who, data, purpose, processor, answer] = cells.as_slice() else {
        panic!("a row has five cells: {row}")
    };
    let check = CheckPurposeRequest {
        subject: Some(by("email", &address(who))),
        data_categories: data.split(", ").map(str::to_owned).collect(),
        purpose: (*purpose).to_owned(),
        processor: processor.trim_start_matches('-').to_owned(),
        ..CheckPurposeRequest::default()
    };
    (check, answer)
}

/// An answer as the table puts it.
fn words(decision: &Decision) -> String {
    match decision.effect() {
        Effect::Allow => {
            assert_eq!(decision.reason(), DecisionReason::Lawful);
            let basis = decision.lawful_basis().as_str_name();
            format!("ALLOW {}", basis.trim_start_matches("LAWFUL_BASIS_"))
        }
        effect => {
            assert_eq!(effect, Effect::Deny);
            let reason = decision.reason().as_str_name();
            format!("DENY {}", reason.trim_start_matches("DECISION_REASON_"))
        }
    }
}

/// The people of the table come into the registry.
struct Cast {
    clients: Clients,
    now: Timestamp,
}

impl Cast {
    async fn enter(&mut self) {
        self.visitors().await;
        self.clients_and_visitors().await;
        self.affiliates().await;
    }

    async fn visitors(&mut self) {
        self.register(with_consent("visitor", "visitor")).await;
        let today = self.now.to_zoned_datetime(TimeZone::UTC);
        let then = today
            .checked_sub(25.months())
            .expect("a day of the calendar");
        self.register(RegisterCollectionRequest {
            collected_at: Some(stamp(then.timestamp())),
            ..with_consent("visitor", "visitor of old")
        })
        .await;
        let mut browsed = plain("visitor", "visitor who browsed on");
        browsed.consents = vec![said(
            ConsentChoice::Given,
            EvidenceMethod::ImpliedByUse,
            &["interface_research"],
        )];
        self.register(browsed).await;
        self.register(plain("visitor", "visitor who was not asked"))
            .await;
        self.register(with_consent("visitor", "visitor who withdrew"))
            .await;
        self.withdraw("visitor who withdrew", self.now).await;
        let mut without = with_consent("visitor", "visitor without e-mail");
        without
            .items
            .retain(|item| item.data_category != "email_address");
        self.register(without).await;
        self.late_yes("visitor with a late yes").await;
        let mut to_aweber = plain("visitor", "visitor with a yes to aweber");
        to_aweber.consents = vec![ConsentStatement {
            processors: vec!["aweber".to_owned()],
            ..yes(&["newsletter"])
        }];
        self.register(to_aweber).await;
    }

    async fn clients_and_visitors(&mut self) {
        self.register(plain("client", "client")).await;
        let both = "client and visitor";
        self.register(plain("client", both)).await;
        self.register(with_consent("visitor", both)).await;
        let as_client = "client and visitor, e-mail as client";
        self.register(plain("client", as_client)).await;
        let mut without = with_consent("visitor", as_client);
        without
            .items
            .retain(|item| item.data_category != "email_address");
        self.register(without).await;
        let mut refused = plain("client", "client who refused screening");
        refused.consents = vec![said(
            ConsentChoice::Refused,
            EvidenceMethod::Form,
            &["fraud_screening"],
        )];
        self.register(refused).await;
    }

    async fn affiliates(&mut self) {
        self.register(with_consent("affiliate", "affiliate")).await;
        let who = "affiliate who left";
        let weeks_ago = self.now - Duration::from_hours(24 * 14);
        self.register(RegisterCollectionRequest {
            collected_at: Some(stamp(weeks_ago)),
            ..plain("affiliate", who)
        })
        .await;
        let ended = EndSubjectCategoryRequest {
            subject: Some(by("email", &address(who))),
            subject_category: "affiliate".to_owned(),
            ended_at: Some(stamp(self.now - Duration::from_hours(24))),
            ..EndSubjectCategoryRequest::default()
        };
        self.clients
            .subject
            .end_subject_category(ended)
            .await
            .expect("ended");
    }

    /// Withdrawn at ten; a yes of nine o'clock is recorded after that.
    async fn late_yes(&mut self, who: &str) {
        self.register(plain("visitor", who)).await;
        let (nine, ten) = (
            self.now - Duration::from_hours(3),
            self.now - Duration::from_hours(2),
        );
        self.withdraw(who, ten).await;
        let given = RecordConsentRequest {
            subject: Some(by("email", &address(who))),
            purposes: vec!["newsletter".to_owned()],
            choice: ConsentChoice::Given.into(),
            evidence: Some(evidence(EvidenceMethod::Checkbox)),
            occurred_at: Some(stamp(nine)),
            ..RecordConsentRequest::default()
        };
        self.clients
            .consent
            .record_consent(given)
            .await
            .expect("recorded");
    }

    async fn withdraw(&mut self, who: &str, at: Timestamp) {
        let withdrawn = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", &address(who)))),
            purposes: vec!["newsletter".to_owned()],
            occurred_at: Some(stamp(at)),
            ..WithdrawConsentRequest::default()
        };
        self.clients
            .consent
            .withdraw_consent(withdrawn)
            .await
            .expect("withdrawn");
    }

    async fn register(&mut self, registration: RegisterCollectionRequest) {
        let registered = self.clients.collection.register_collection(registration);
        registered.await.expect("registered");
    }
}

/// Everything that the category's section lists, and nothing said about consent.
fn plain(category: &str, who: &str) -> RegisterCollectionRequest {
    everything_of(category, &address(who))
}

/// The same, with a yes to every consent purpose.
fn with_consent(category: &str, who: &str) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        consents: vec![yes(CONSENT_PURPOSES)],
        ..plain(category, who)
    }
}

fn said(choice: ConsentChoice, method: EvidenceMethod, purposes: &[&str]) -> ConsentStatement {
    ConsentStatement {
        choice: choice.into(),
        evidence: Some(evidence(method)),
        ..yes(purposes)
    }
}

fn evidence(method: EvidenceMethod) -> Evidence {
    Evidence {
        method: method.into(),
        ..Evidence::default()
    }
}

fn address(who: &str) -> String {
    let local = who.replace([' ', ','], "_");
    format!("{local}@example.org")
}

fn stamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: 0,
    }
}
