//! Consent: facts with a time of their own, taken back by the person, by a shared address, by one click.

use std::time::Duration;

use jiff::Timestamp;
use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{
        CheckPurposeRequest, Consent, ConsentChoice, Decision, DecisionReason, Effect, Evidence,
        EvidenceMethod, GetConsentReceiptRequest, GivenBy, IssueWithdrawalTokenRequest,
        ListConsentsRequest, RecordConsentRequest, RegisterCollectionRequest, SubjectRef,
        WithdrawConsentRequest, WithdrawConsentResponse, withdraw_consent_request::Who,
    },
};
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients,
        sample::{by, by_id, identifier, text},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.com";
const NOON: &str = "2026-06-01T12:00:00Z";

/// A visitor whose e-mail address was collected, and who was asked nothing yet.
async fn visitor(clients: &mut Clients, email: &str) -> String {
    let registration = RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", email)],
        ..RegisterCollectionRequest::default()
    };
    let answer = clients.collection.register_collection(registration).await;
    answer.expect("registered").into_inner().subject_id
}

fn at(text: &str) -> prost_types::Timestamp {
    let at: Timestamp = text.parse().expect("an instant");
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}

fn said(subject: SubjectRef, choice: ConsentChoice) -> RecordConsentRequest {
    RecordConsentRequest {
        subject: Some(subject),
        purposes: vec!["newsletter".to_owned()],
        choice: choice.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::Checkbox.into(),
            ..Evidence::default()
        }),
        ..RecordConsentRequest::default()
    }
}

async fn record(
    clients: &mut Clients,
    request: RecordConsentRequest,
) -> Result<Vec<Consent>, Status> {
    let answer = clients.consent.record_consent(request).await?;
    Ok(answer.into_inner().consents)
}

fn taken_back(subject: SubjectRef) -> WithdrawConsentRequest {
    WithdrawConsentRequest {
        who: Some(Who::Subject(subject)),
        purposes: vec!["newsletter".to_owned()],
        ..WithdrawConsentRequest::default()
    }
}

async fn withdraw(
    clients: &mut Clients,
    request: WithdrawConsentRequest,
) -> Result<WithdrawConsentResponse, Status> {
    let answer = clients.consent.withdraw_consent(request).await?;
    Ok(answer.into_inner())
}

async fn decide(clients: &mut Clients, subject: SubjectRef, processor: &str) -> Decision {
    let check = CheckPurposeRequest {
        subject: Some(subject),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: processor.to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients
        .purpose
        .check_purpose(check)
        .await
        .expect("answered");
    answer.into_inner().decision.expect("a decision")
}

/// What a check of the newsletter to AWeber answers: `LAWFUL` or why not.
async fn answer(clients: &mut Clients, subject: SubjectRef) -> DecisionReason {
    let decision = decide(clients, subject, "aweber").await;
    let is_allowed = decision.effect() == Effect::Allow;
    assert_eq!(is_allowed, decision.reason() == DecisionReason::Lawful);
    decision.reason()
}

async fn history(clients: &mut Clients, subject: SubjectRef) -> Vec<Consent> {
    let request = ListConsentsRequest {
        subject: Some(subject),
        ..ListConsentsRequest::default()
    };
    let answer = clients
        .consent
        .list_consents(request)
        .await
        .expect("listed");
    answer.into_inner().consents
}

async fn token(clients: &mut Clients, subject: SubjectRef, purposes: &[&str]) -> String {
    let request = IssueWithdrawalTokenRequest {
        subject: Some(subject),
        purposes: purposes.iter().map(|&name| name.to_owned()).collect(),
        ..IssueWithdrawalTokenRequest::default()
    };
    let answer = clients.consent.issue_withdrawal_token(request).await;
    answer.expect("issued").into_inner().withdrawal_token
}

fn clicked(token: &str) -> WithdrawConsentRequest {
    WithdrawConsentRequest {
        who: Some(Who::WithdrawalToken(token.to_owned())),
        ..WithdrawConsentRequest::default()
    }
}

fn code_and_reason(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

on_both! {
    async fn consent_that_was_given_allows_and_names_the_fact(server: TestServer) {
        let mut admin = server.admin().await;
        visitor(&mut admin, ADA).await;
        assert_eq!(answer(&mut admin, by("email", ADA)).await, DecisionReason::ConsentMissing);
        let given = record(&mut admin, said(by("email", ADA), ConsentChoice::Given)).await;
        let facts = given.expect("recorded");
        let decision = decide(&mut admin, by("email", ADA), "aweber").await;
        assert_eq!(decision.reason(), DecisionReason::Lawful);
        assert_eq!(decision.consent_id, facts[0].consent_id);
        assert_eq!(facts[0].occurred_at, Some(at(NOON)));
    }

    async fn a_withdrawal_at_ten_outlives_a_grant_of_nine_recorded_later(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut withdrawal = taken_back(by_id(&ada));
        withdrawal.occurred_at = Some(at("2026-06-01T10:00:00Z"));
        withdraw(&mut admin, withdrawal).await.expect("withdrawn");
        server.clock.advance(Duration::from_hours(1));
        let mut late = said(by_id(&ada), ConsentChoice::Given);
        late.occurred_at = Some(at("2026-06-01T09:00:00Z"));
        record(&mut admin, late).await.expect("recorded");
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentWithdrawn);
        let history = history(&mut admin, by_id(&ada)).await;
        assert_eq!(history.len(), 2);
        assert_eq!(history[0].occurred_at, Some(at("2026-06-01T09:00:00Z")));
        assert_eq!(history[1].recorded_at, Some(at(NOON)));
    }

    async fn of_two_answers_of_the_same_instant_the_denial_stands(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        for choice in [ConsentChoice::Refused, ConsentChoice::Given] {
            let mut request = said(by_id(&ada), choice);
            request.occurred_at = Some(at("2026-06-01T11:00:00Z"));
            record(&mut admin, request).await.expect("recorded");
        }
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentRefused);
    }

    async fn a_grant_dated_ahead_does_not_come_back_after_a_withdrawal(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut ahead = said(by_id(&ada), ConsentChoice::Given);
        ahead.occurred_at = Some(at("2026-06-01T12:05:00Z"));
        record(&mut admin, ahead.clone()).await.expect("five minutes are let pass");
        withdraw(&mut admin, taken_back(by_id(&ada))).await.expect("withdrawn");
        server.clock.advance(Duration::from_mins(6));
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentWithdrawn);
        ahead.occurred_at = Some(at("2026-06-01T12:11:00.000001Z"));
        let refused = record(&mut admin, ahead).await.unwrap_err();
        assert_eq!(fields(&refused), ["occurred_at"]);
    }

    async fn consent_limited_to_a_processor_allows_the_controller_and_that_one(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut limited = said(by_id(&ada), ConsentChoice::Given);
        limited.processors = vec!["aweber".to_owned()];
        record(&mut admin, limited).await.expect("recorded");
        for processor in ["", "aweber"] {
            let decision = decide(&mut admin, by_id(&ada), processor).await;
            assert_eq!(decision.reason(), DecisionReason::Lawful, "{processor:?}");
        }
    }

    async fn consent_ends_at_its_own_end(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut brief = said(by_id(&ada), ConsentChoice::Given);
        brief.expires_at = Some(at("2026-06-01T12:10:00Z"));
        record(&mut admin, brief).await.expect("recorded");
        let decision = decide(&mut admin, by_id(&ada), "").await;
        assert_eq!(decision.valid_until, Some(at("2026-06-01T12:10:00Z")));
        server.clock.advance(Duration::from_mins(10));
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentExpired);
    }

    async fn a_withdrawal_by_a_shared_address_reaches_everyone_who_shares_it(server: TestServer) {
        let mut admin = server.admin().await;
        let mut ids = Vec::new();
        for account in ["forum-ada", "forum-bob"] {
            let registration = RegisterCollectionRequest {
                subject: Some(by("forum_member", account)),
                identifiers: vec![identifier("email", "home@example.com")],
                subject_category: "visitor".to_owned(),
                items: vec![text("email_address", "home@example.com")],
                ..RegisterCollectionRequest::default()
            };
            let answer = admin.collection.register_collection(registration).await;
            let subject_id = answer.expect("registered").into_inner().subject_id;
            record(&mut admin, said(by_id(&subject_id), ConsentChoice::Given)).await.expect("recorded");
            ids.push(subject_id);
        }
        let shared = by("email", "home@example.com");
        let ambiguous = record(&mut admin, said(shared.clone(), ConsentChoice::Given)).await;
        assert_eq!(reason(&ambiguous.unwrap_err()), "SUBJECT_AMBIGUOUS");
        let mut withdrawn = withdraw(&mut admin, taken_back(shared)).await.expect("withdrawn");
        withdrawn.subject_ids.sort();
        ids.sort();
        assert_eq!(withdrawn.subject_ids, ids);
        for id in &ids {
            assert_eq!(answer(&mut admin, by_id(id)).await, DecisionReason::ConsentWithdrawn);
        }
    }

    async fn taking_everything_back_reaches_a_yes_that_is_recorded_late(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut everything = taken_back(by_id(&ada));
        everything.purposes.clear();
        everything.all_purposes = true;
        let withdrawn = withdraw(&mut admin, everything).await.expect("withdrawn");
        let purposes: Vec<_> = withdrawn.consents.iter().map(|fact| fact.purpose.as_str()).collect();
        assert_eq!(
            purposes,
            ["educational_materials", "interface_research", "newsletter", "website_personalisation"]
        );
        let mut late = said(by_id(&ada), ConsentChoice::Given);
        late.occurred_at = Some(at("2026-06-01T11:00:00Z"));
        record(&mut admin, late).await.expect("recorded");
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentWithdrawn);
    }

    async fn one_click_on_a_link_withdraws_under_the_scope_alone(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        record(&mut admin, said(by_id(&ada), ConsentChoice::Given)).await.expect("recorded");
        let token = token(&mut admin, by_id(&ada), &["newsletter"]).await;
        assert!(token.len() <= 512 && token.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let web = Grant {
            scopes: vec![Scope::Consent],
            sources: Vec::new(),
            purposes: Vec::new(),
            processors: Vec::new(),
            ..Grant::everything("web", Duration::from_hours(1))
        };
        let mut web = server.clients(&server.token(&web)).await;
        for _ in 0..2 {
            let withdrawn = withdraw(&mut web, clicked(&token)).await.expect("withdrawn");
            assert_eq!(withdrawn.subject_ids, [ada.as_str()]);
        }
        assert_eq!(answer(&mut admin, by_id(&ada)).await, DecisionReason::ConsentWithdrawn);
    }

    async fn a_token_that_is_forged_or_has_run_out_is_not_found(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let token = token(&mut admin, by_id(&ada), &["newsletter"]).await;
        let mut forged = token.clone();
        let last = forged.pop();
        forged.push(if last == Some('A') { 'E' } else { 'A' });
        let not_found = (Code::NotFound, "WITHDRAWAL_TOKEN_NOT_FOUND".to_owned());
        let refused = withdraw(&mut admin, clicked(&forged)).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), not_found);
        server.clock.advance(Duration::from_hours(90 * 24));
        let mut admin = server.admin().await;
        let refused = withdraw(&mut admin, clicked(&token)).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), not_found);
    }

    async fn the_proof_comes_back_as_it_was_given(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let proof = Evidence {
            method: EvidenceMethod::Oral.into(),
            policy_version: "2018-05-24".to_owned(),
            wording: "Dürfen wir Ihnen schreiben? 📬".to_owned(),
            locale: "de-AT".to_owned(),
            reference: "call 4711".to_owned(),
            collected_by: "booth 4".to_owned(),
            given_by: GivenBy::Guardian.into(),
        };
        let mut request = said(by_id(&ada), ConsentChoice::Given);
        request.evidence = Some(proof.clone());
        let facts = record(&mut admin, request).await.expect("recorded");
        assert_eq!(facts[0].evidence, Some(proof.clone()));
        assert_eq!(history(&mut admin, by_id(&ada)).await, facts);
        let receipt = admin.consent.get_consent_receipt(GetConsentReceiptRequest {
            subject: Some(by_id(&ada)),
            consent_id: facts[0].consent_id.clone(),
        }).await.expect("a receipt").into_inner().receipt.expect("a receipt");
        assert_eq!(receipt.consent.as_ref(), Some(&facts[0]));
        assert_eq!((receipt.controller_name.as_str(), receipt.policy_version.as_str()), ("AliDropship", "2018-05-24"));
        assert_eq!(receipt.recipients[0].processor, "aweber");
    }

    async fn a_receipt_of_another_persons_consent_is_not_found(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let bob = visitor(&mut admin, "bob@example.com").await;
        let facts = record(&mut admin, said(by_id(&ada), ConsentChoice::Given)).await.expect("recorded");
        let refused = admin.consent.get_consent_receipt(GetConsentReceiptRequest {
            subject: Some(by_id(&bob)),
            consent_id: facts[0].consent_id.clone(),
        }).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), (Code::NotFound, "CONSENT_NOT_FOUND".to_owned()));
    }

    async fn a_repeat_changes_nothing_and_another_request_under_its_id_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut request = said(by_id(&ada), ConsentChoice::Given);
        request.request_id = uuid::Uuid::new_v4().to_string();
        let first = admin.consent.record_consent(request.clone()).await.expect("recorded").into_inner();
        server.clock.advance(Duration::from_hours(1));
        let second = admin.consent.record_consent(request.clone()).await.expect("repeated").into_inner();
        assert_eq!(first, second);
        assert_eq!(history(&mut admin, by_id(&ada)).await.len(), 1);
        request.choice = ConsentChoice::Refused.into();
        let refused = record(&mut admin, request).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    }

    async fn of_many_duplicates_at_once_one_is_recorded(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut request = taken_back(by_id(&ada));
        request.request_id = uuid::Uuid::new_v4().to_string();
        let duplicates = (0..8).map(|_| {
            let (mut clients, request) = (admin.clone(), request.clone());
            async move { withdraw(&mut clients, request).await.expect("withdrawn") }
        });
        let answers = futures::future::join_all(duplicates).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(history(&mut admin, by_id(&ada)).await.len(), 1);
    }

    async fn nobody_unknown_gives_or_takes_back(server: TestServer) {
        let mut admin = server.admin().await;
        let not_found = (Code::NotFound, "SUBJECT_NOT_FOUND".to_owned());
        let nobody = || by("email", "nobody@example.com");
        let refused = record(&mut admin, said(nobody(), ConsentChoice::Given)).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), not_found);
        let refused = withdraw(&mut admin, taken_back(nobody())).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), not_found);
    }

    async fn a_caller_speaks_for_no_purpose_beyond_its_claims(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mailing = Grant {
            purposes: vec!["newsletter".to_owned()],
            ..Grant::everything("mailing", Duration::from_hours(1))
        };
        let mut mailing = server.clients(&server.token(&mailing)).await;
        record(&mut mailing, said(by_id(&ada), ConsentChoice::Given)).await.expect("recorded");
        let mut beyond = said(by_id(&ada), ConsentChoice::Given);
        beyond.purposes.push("interface_research".to_owned());
        let refused = record(&mut mailing, beyond).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), (Code::PermissionDenied, "CLAIM_MISSING".to_owned()));
        let mut everything = taken_back(by_id(&ada));
        everything.purposes.clear();
        everything.all_purposes = true;
        let refused = withdraw(&mut mailing, everything).await.unwrap_err();
        assert_eq!(reason(&refused), "CLAIM_MISSING");
        let mut reader = server.service("reader", &[Scope::Check]).await;
        let refused = withdraw(&mut reader, taken_back(by_id(&ada))).await.unwrap_err();
        assert_eq!(reason(&refused), "SCOPE_MISSING");
        assert_eq!(history(&mut admin, by_id(&ada)).await.len(), 1);
    }

    async fn everything_that_is_wrong_with_a_statement_is_said_at_once(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut malformed = said(by_id(""), ConsentChoice::Withdrawn);
        malformed.purposes = vec!["newsletter".to_owned(), "newsletter".to_owned()];
        "once".clone_into(&mut malformed.request_id);
        let refused = record(&mut admin, malformed).await.unwrap_err();
        assert_eq!(fields(&refused), ["request_id", "subject.subject_id", "purposes[1]", "choice"]);
        let mut unknown = said(by_id(&ada), ConsentChoice::Given);
        unknown.purposes.push("telemarketing".to_owned());
        unknown.processors.push("mailer".to_owned());
        unknown.evidence = None;
        unknown.expires_at = Some(at(NOON));
        let refused = record(&mut admin, unknown).await.unwrap_err();
        assert_eq!(fields(&refused), ["purposes[1]", "processors[0]", "expires_at", "evidence.method"]);
        assert!(history(&mut admin, by_id(&ada)).await.is_empty());
    }

    async fn a_history_is_read_in_pages_that_belong_to_one_list(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = visitor(&mut admin, ADA).await;
        let mut request = said(by_id(&ada), ConsentChoice::Given);
        request.purposes = ["newsletter", "interface_research", "website_personalisation"].map(str::to_owned).to_vec();
        record(&mut admin, request).await.expect("recorded");
        let list = |page_size, page_token: &str| ListConsentsRequest {
            subject: Some(by_id(&ada)),
            page_size,
            page_token: page_token.to_owned(),
            ..ListConsentsRequest::default()
        };
        let first = admin.consent.list_consents(list(2, "")).await.expect("listed").into_inner();
        let second = admin.consent.list_consents(list(2, &first.next_page_token)).await.expect("listed").into_inner();
        assert!(second.next_page_token.is_empty());
        let read: Vec<_> = first.consents.into_iter().chain(second.consents).collect();
        assert_eq!(read, history(&mut admin, by_id(&ada)).await);
        let mut filtered = list(2, &first.next_page_token);
        filtered.purposes = vec!["newsletter".to_owned()];
        let refused = admin.consent.list_consents(filtered).await.unwrap_err();
        assert_eq!(code_and_reason(&refused), (Code::InvalidArgument, "CURSOR_INVALID".to_owned()));
    }
}
