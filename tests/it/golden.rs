//! The golden table: what the example policy answers for the people it speaks of.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use registry::proto::v1::{
    CheckPurposeRequest, ConsentChoice, ConsentStatement, Decision, DecisionReason,
    EndSubjectCategoryRequest, Evidence, EvidenceMethod, LawfulBasis, RecordConsentRequest,
    RegisterCollectionRequest, WithdrawConsentRequest, withdraw_consent_request::Who,
};

use crate::{
    harness::{
        Clients,
        sample::{by, everything_of, yes},
    },
    on_both,
};

/// Who, which data, what for, for whom (`-`: the controller), and the answer.
const TABLE: &[(&str, &[&str], &str, &str, Answer)] = &[
    (
        "visitor",
        &["email_address"],
        "newsletter",
        "aweber",
        ALLOWED_BY_CONSENT,
    ),
    (
        "visitor",
        &["email_address"],
        "newsletter",
        "stripe",
        Denied(DecisionReason::ProcessorNotNamed),
    ),
    (
        "visitor",
        &["email_address"],
        "contact_and_support",
        "-",
        Denied(DecisionReason::NoActivity),
    ),
    (
        "visitor",
        &["forum_member_name"],
        "newsletter",
        "-",
        Denied(DecisionReason::NoActivity),
    ),
    (
        "visitor",
        &["navigation"],
        "interface_research",
        "google_analytics",
        ALLOWED_BY_CONSENT,
    ),
    (
        "visitor of old",
        &["navigation"],
        "interface_research",
        "google_analytics",
        Denied(DecisionReason::RetentionExpired),
    ),
    (
        "visitor of old",
        &["navigation"],
        "interface_research",
        "-",
        ALLOWED_BY_CONSENT,
    ),
    (
        "visitor who browsed on",
        &["navigation"],
        "interface_research",
        "-",
        Denied(DecisionReason::ConsentEvidenceInsufficient),
    ),
    (
        "visitor who was not asked",
        &["email_address"],
        "educational_materials",
        "-",
        Denied(DecisionReason::ConsentMissing),
    ),
    (
        "visitor who withdrew",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::ConsentWithdrawn),
    ),
    (
        "visitor without e-mail",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::NotCollected),
    ),
    (
        "client",
        &["payment_details"],
        "order_processing",
        "stripe",
        Allowed(LawfulBasis::Contract),
    ),
    (
        "client",
        &["payment_details"],
        "fraud_screening",
        "-",
        Allowed(LawfulBasis::LegitimateInterests),
    ),
    (
        "client",
        &["payment_details"],
        "fraud_screening",
        "stripe",
        Denied(DecisionReason::ProcessorNotNamed),
    ),
    (
        "client",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::NoActivity),
    ),
    (
        "client and visitor",
        &["email_address"],
        "newsletter",
        "aweber",
        ALLOWED_BY_CONSENT,
    ),
    (
        "client and visitor, e-mail as client",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::NotCollected),
    ),
    (
        "visitor with a late yes",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::ConsentWithdrawn),
    ),
    (
        "visitor with a yes to aweber",
        &["email_address"],
        "newsletter",
        "-",
        ALLOWED_BY_CONSENT,
    ),
    (
        "client who refused screening",
        &["payment_details"],
        "fraud_screening",
        "-",
        Denied(DecisionReason::ConsentRefused),
    ),
    (
        "affiliate who left",
        &["paypal_account"],
        "commission_payment",
        "-",
        Allowed(LawfulBasis::Contract),
    ),
    (
        "affiliate who left",
        &["email_address"],
        "affiliate_contact",
        "-",
        Denied(DecisionReason::NoActivity),
    ),
    (
        "client",
        &["email_address", "skype_contact"],
        "contact_and_support",
        "-",
        Allowed(LawfulBasis::Contract),
    ),
    (
        "client",
        &["email_address", "navigation"],
        "contact_and_support",
        "-",
        Denied(DecisionReason::NoActivity),
    ),
    (
        "affiliate",
        &["paypal_account"],
        "commission_payment",
        "-",
        Allowed(LawfulBasis::Contract),
    ),
    (
        "affiliate",
        &["paypal_account"],
        "commission_payment",
        "paypal",
        Denied(DecisionReason::ProcessorNotNamed),
    ),
    (
        "affiliate",
        &["navigation"],
        "interface_research",
        "google_analytics",
        Denied(DecisionReason::ProcessorNotNamed),
    ),
    (
        "affiliate",
        &["paypal_account"],
        "telemarketing",
        "-",
        Denied(DecisionReason::PurposeUnknown),
    ),
    (
        "nobody",
        &["email_address"],
        "newsletter",
        "aweber",
        Denied(DecisionReason::SubjectUnknown),
    ),
];

const ALLOWED_BY_CONSENT: Answer = Allowed(LawfulBasis::Consent);
const CONSENT_PURPOSES: &[&str] = &[
    "educational_materials",
    "newsletter",
    "website_personalisation",
    "interface_research",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allowed(LawfulBasis),
    Denied(DecisionReason),
}
use Answer::{Allowed, Denied};

impl From<&Decision> for Answer {
    fn from(decision: &Decision) -> Self {
        match decision.reason() {
            DecisionReason::Lawful => Allowed(decision.lawful_basis()),
            reason => Denied(reason),
        }
    }
}

on_both! {
    async fn the_example_policy_answers_as_the_golden_table_says(server: TestServer) {
        let mut clients = server.admin().await;
        Cast { clients: clients.clone(), now: server.now() }.enter().await;
        let mut wrong = Vec::new();
        for row in TABLE {
            let (who, data, purpose, processor, expected) = *row;
            let check = CheckPurposeRequest {
                subject: Some(by("email", &address(who))),
                data_categories: data.iter().map(|&data| data.to_owned()).collect(),
                purpose: purpose.to_owned(),
                processor: processor.trim_start_matches('-').to_owned(),
                ..CheckPurposeRequest::default()
            };
            let answer = clients.purpose.check_purpose(check).await.expect("answered");
            let decision = answer.into_inner().decision.expect("a decision");
            let answer = Answer::from(&decision);
            if answer != expected {
                wrong.push(format!("{who} {data:?} {purpose} {processor}: {answer:?}, not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
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
            evidence: evidence(EvidenceMethod::Checkbox),
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
        evidence: evidence(method),
        ..yes(purposes)
    }
}

fn evidence(method: EvidenceMethod) -> Option<Evidence> {
    Some(Evidence {
        method: method.into(),
        ..Evidence::default()
    })
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
