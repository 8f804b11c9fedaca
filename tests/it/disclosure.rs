//! What went to whom: checked and recorded in one step.

use std::time::Duration;

use prost::Message;
use registry::{
    auth::dev_issuer::Grant,
    proto::v1::{
        BatchRecordDisclosureRequest, Decision, DecisionReason, Disclosure, ErrorReason,
        GetDecisionRequest, ListDisclosuresRequest, RecordDisclosureRequest,
        RecordDisclosureResponse, WithdrawConsentRequest, record_disclosure_result::Result as Kind,
        withdraw_consent_request::Who,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::{StatusExt, pb};
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, everything_of, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";

async fn visitor(clients: &mut Clients, email: &str) {
    let mut visitor = everything_of("visitor", email);
    visitor.consents = vec![yes(&["newsletter"])];
    clients
        .collection
        .register_collection(visitor)
        .await
        .expect("registered");
}

async fn withdraw(clients: &mut Clients, email: &str) {
    let withdrawn = WithdrawConsentRequest {
        who: Some(Who::Subject(by("email", email))),
        purposes: vec!["newsletter".to_owned()],
        ..WithdrawConsentRequest::default()
    };
    clients
        .consent
        .withdraw_consent(withdrawn)
        .await
        .expect("withdrawn");
}

fn newsletter(email: &str) -> RecordDisclosureRequest {
    RecordDisclosureRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        external_reference: "list 7".to_owned(),
        request_id: Uuid::new_v4().to_string(),
        ..RecordDisclosureRequest::default()
    }
}

async fn record(
    clients: &mut Clients,
    disclosure: RecordDisclosureRequest,
) -> Result<RecordDisclosureResponse, Status> {
    Ok(clients
        .disclosure
        .record_disclosure(disclosure)
        .await?
        .into_inner())
}

async fn list(clients: &mut Clients, asked: ListDisclosuresRequest) -> (Vec<Disclosure>, String) {
    let page = clients
        .disclosure
        .list_disclosures(asked)
        .await
        .expect("a page")
        .into_inner();
    (page.disclosures, page.next_page_token)
}

fn all_of(email: &str) -> ListDisclosuresRequest {
    ListDisclosuresRequest {
        subject: Some(by("email", email)),
        ..ListDisclosuresRequest::default()
    }
}

/// The decision among the details of a refusal.
fn decision(status: &Status) -> Decision {
    let details = pb::Status::decode(status.details())
        .expect("details")
        .details;
    let packed = details
        .iter()
        .find(|any| any.type_url.ends_with("personaldata.registry.v1.Decision"))
        .expect("a decision");
    Decision::decode(packed.value.as_slice()).expect("it decodes")
}

on_both! {
    async fn a_disclosure_is_recorded_once_with_the_decision_that_permits_it(server: TestServer) {
        let mut clients = server.admin().await;
        visitor(&mut clients, ADA).await;
        let asked = newsletter(ADA);
        let recorded = record(&mut clients, asked.clone()).await.expect("recorded");
        assert_eq!(record(&mut clients, asked).await.expect("repeated"), recorded);
        let disclosure = recorded.disclosure.expect("a disclosure");
        assert_eq!(disclosure.external_reference, "list 7");
        assert_eq!(disclosure.data_categories, ["email_address"]);
        let id = GetDecisionRequest { decision_id: disclosure.decision_id.clone() };
        let kept = clients.audit.get_decision(id).await.expect("kept").into_inner();
        assert_eq!(kept.decision, recorded.decision);
        assert_eq!(list(&mut clients, all_of(ADA)).await, (vec![disclosure], String::new()));
    }

    async fn a_disclosure_that_is_not_lawful_is_refused_with_its_decision_and_not_recorded(server: TestServer) {
        let mut clients = server.admin().await;
        visitor(&mut clients, ADA).await;
        withdraw(&mut clients, ADA).await;
        let status = record(&mut clients, newsletter(ADA)).await.expect_err("refused");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOT_LAWFUL"));
        let failed = status.get_error_details();
        let failed = failed.precondition_failure().expect("a precondition").violations.clone();
        assert_eq!((failed[0].subject.as_str(), failed[0].description.as_str()), ("email_address", "CONSENT_WITHDRAWN"));
        let decision = decision(&status);
        assert_eq!(decision.reason(), DecisionReason::ConsentWithdrawn);
        let id = GetDecisionRequest { decision_id: decision.decision_id };
        clients.audit.get_decision(id).await.expect("a refused one is kept too");
        assert_eq!(list(&mut clients, all_of(ADA)).await.0, []);
    }

    async fn a_disclosure_needs_somebody_data_a_purpose_and_a_recipient(server: TestServer) {
        let mut clients = server.admin().await;
        let status = record(&mut clients, RecordDisclosureRequest::default()).await.expect_err("empty");
        assert_eq!(fields(&status), ["subject", "data_categories", "purpose", "processor"]);
        let status = record(&mut clients, newsletter(ADA)).await.expect_err("nobody");
        assert_eq!(reason(&status), "SUBJECT_NOT_FOUND");
        let grant = Grant {
            processors: vec!["-".to_owned()],
            ..Grant::everything("shop", Duration::from_hours(1))
        };
        let mut shop = server.clients(&server.token(&grant)).await;
        let status = record(&mut shop, newsletter(ADA)).await.expect_err("no claim");
        assert_eq!(reason(&status), "CLAIM_MISSING");
    }

    async fn a_batch_has_a_result_for_each_entry_in_its_place(server: TestServer) {
        let mut clients = server.admin().await;
        visitor(&mut clients, ADA).await;
        visitor(&mut clients, "ben@example.org").await;
        withdraw(&mut clients, "ben@example.org").await;
        let unkeyed = |email| RecordDisclosureRequest { request_id: String::new(), ..newsletter(email) };
        let batch = BatchRecordDisclosureRequest {
            entries: vec![
                unkeyed("ben@example.org"),
                unkeyed("nobody@example.org"),
                newsletter(ADA),
                unkeyed(ADA),
            ],
            request_id: Uuid::new_v4().to_string(),
        };
        let first = clients.disclosure.batch_record_disclosure(batch.clone()).await.expect("answered").into_inner();
        let results: Vec<_> = first.results.iter().map(|one| match one.result.as_ref().expect("a result") {
            Kind::Recorded(_) => None,
            Kind::Error(error) => Some(error.reason()),
        }).collect();
        assert_eq!(
            results,
            [
                Some(ErrorReason::NotLawful),
                Some(ErrorReason::SubjectNotFound),
                Some(ErrorReason::FieldInvalid),
                None
            ]
        );
        let again = clients.disclosure.batch_record_disclosure(batch).await.expect("repeated").into_inner();
        assert_eq!(again, first);
        assert_eq!(list(&mut clients, all_of(ADA)).await.0.len(), 1);
    }

    async fn disclosures_are_paged_and_a_token_is_good_for_its_list_only(server: TestServer) {
        let mut clients = server.admin().await;
        visitor(&mut clients, ADA).await;
        let mut recorded = Vec::new();
        for _ in 0..3 {
            server.clock.advance(Duration::from_secs(1));
            let answer = record(&mut clients, newsletter(ADA)).await.expect("recorded");
            recorded.insert(0, answer.disclosure.expect("a disclosure"));
        }
        let asked = ListDisclosuresRequest { page_size: 2, ..all_of(ADA) };
        let (first, token) = list(&mut clients, asked.clone()).await;
        let (rest, end) = list(&mut clients, ListDisclosuresRequest { page_token: token.clone(), ..asked }).await;
        assert_eq!([first, rest].concat(), recorded);
        assert_eq!(end, "");
        let other = ListDisclosuresRequest {
            processor: "aweber".to_owned(),
            page_token: token,
            ..all_of(ADA)
        };
        let status = clients.disclosure.list_disclosures(other).await.expect_err("another list");
        assert_eq!(reason(&status), "CURSOR_INVALID");
    }

    async fn no_disclosure_is_recorded_after_the_withdrawal_that_it_races_with_has_returned(server: TestServer) {
        let mut clients = server.admin().await;
        visitor(&mut clients, ADA).await;
        let mut racers = JoinSet::new();
        for _ in 0..8 {
            let mut clients = clients.clone();
            racers.spawn(async move { record(&mut clients, newsletter(ADA)).await.is_ok() });
        }
        withdraw(&mut clients, ADA).await;
        let recorded = list(&mut clients, all_of(ADA)).await.0.len();
        let late = record(&mut clients, newsletter(ADA)).await.expect_err("withdrawn");
        assert_eq!(decision(&late).reason(), DecisionReason::ConsentWithdrawn);
        let outcomes = racers.join_all().await;
        let good = outcomes.into_iter().filter(|good| *good).count();
        assert_eq!(list(&mut clients, all_of(ADA)).await.0.len(), good);
        assert_eq!(recorded, good, "what is recorded was recorded before the withdrawal returned");
    }
}
