//! The collected values: handed out for a purpose, corrected, deleted.

use std::time::Duration;

use futures::StreamExt;
use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{
        CheckPurposeRequest, CorrectRecordRequest, Decision, DecisionReason, DeleteRecordsRequest,
        DeleteRecordsResponse, Effect, FetchRecordsRequest, GetDecisionRequest, Item,
        correct_record_request, fetch_records_response, item::Content,
    },
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, everything_of},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";
const SUPPORT: &str = "contact_and_support";

async fn client(clients: &mut Clients) {
    let client = everything_of("client", ADA);
    clients
        .collection
        .register_collection(client)
        .await
        .expect("registered");
}

fn wanted(data: &[&str]) -> FetchRecordsRequest {
    FetchRecordsRequest {
        subject: Some(by("email", ADA)),
        purpose: SUPPORT.to_owned(),
        data_categories: data.iter().map(|&data| data.to_owned()).collect(),
        ..FetchRecordsRequest::default()
    }
}

async fn fetch(clients: &mut Clients, wanted: FetchRecordsRequest) -> (Vec<Item>, Decision) {
    let parts = clients
        .record
        .fetch_records(wanted)
        .await
        .expect("a stream")
        .into_inner();
    let (mut items, mut decisions) = (Vec::new(), Vec::new());
    for part in parts.collect::<Vec<_>>().await {
        match part.expect("a part").result.expect("a result") {
            fetch_records_response::Result::Item(item) => {
                assert!(decisions.is_empty(), "the decision is the last");
                items.push(item);
            }
            fetch_records_response::Result::Decision(decision) => decisions.push(decision),
        }
    }
    assert_eq!(decisions.len(), 1, "the decision always ends the stream");
    (items, decisions.remove(0))
}

fn deletion(data: &[&str]) -> DeleteRecordsRequest {
    DeleteRecordsRequest {
        subject: Some(by("email", ADA)),
        data_categories: data.iter().map(|&data| data.to_owned()).collect(),
        ..DeleteRecordsRequest::default()
    }
}

async fn delete(
    clients: &mut Clients,
    deletion: DeleteRecordsRequest,
) -> Result<DeleteRecordsResponse, Status> {
    Ok(clients.record.delete_records(deletion).await?.into_inner())
}

async fn check(clients: &mut Clients, data: &str) -> DecisionReason {
    let check = CheckPurposeRequest {
        subject: Some(by("email", ADA)),
        data_categories: vec![data.to_owned()],
        purpose: SUPPORT.to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients
        .purpose
        .check_purpose(check)
        .await
        .expect("answered");
    answer.into_inner().decision.expect("a decision").reason()
}

on_both! {
    async fn a_fetch_hands_out_what_was_asked_for_with_its_content_and_keeps_the_decision(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let (items, decision) = fetch(&mut clients, wanted(&["email_address"])).await;
        assert_eq!(decision.effect(), Effect::Allow);
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].content, Some(Content::Text("a value".to_owned())));
        let id = GetDecisionRequest { decision_id: decision.decision_id.clone() };
        let kept = clients.audit.get_decision(id).await.expect("kept").into_inner();
        assert_eq!(kept.decision, Some(decision));
    }

    async fn a_fetch_that_is_not_lawful_for_all_of_it_hands_out_nothing(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let (items, decision) = fetch(&mut clients, wanted(&["email_address", "navigation"])).await;
        assert_eq!((items.len(), decision.reason()), (0, DecisionReason::NoActivity));
        assert!(!decision.decision_id.is_empty());
        let (items, decision) = fetch(&mut clients, wanted(&[])).await;
        assert_eq!(decision.effect(), Effect::Allow);
        assert!(items.iter().all(|item| item.data_category != "navigation"), "{items:?}");
        assert!(items.iter().any(|item| item.data_category == "skype_contact"), "{items:?}");
    }

    async fn a_fetch_needs_somebody_a_purpose_and_the_claims_for_it(server: TestServer) {
        let mut clients = server.admin().await;
        let status = clients.record.fetch_records(wanted(&[])).await.expect_err("nobody");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBJECT_NOT_FOUND"));
        let empty = FetchRecordsRequest::default();
        let status = clients.record.fetch_records(empty).await.expect_err("refused");
        assert_eq!(fields(&status), ["subject", "purpose"]);
        let mut checker = server.service("checker", &[Scope::Check]).await;
        let status = checker.record.fetch_records(wanted(&[])).await.expect_err("refused");
        assert_eq!(reason(&status), "SCOPE_MISSING");
        let grant = Grant {
            purposes: vec!["newsletter".to_owned()],
            ..Grant::everything("mailing", Duration::from_hours(1))
        };
        let mut mailing = server.clients(&server.token(&grant)).await;
        let status = mailing.record.fetch_records(wanted(&[])).await.expect_err("refused");
        assert_eq!(reason(&status), "CLAIM_MISSING");
    }

    async fn what_is_deleted_is_gone_for_the_next_check_and_a_repeat_changes_nothing(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let preview = DeleteRecordsRequest { validate_only: true, ..deletion(&["email_address"]) };
        let previewed = delete(&mut clients, preview).await.expect("previewed");
        assert_eq!(previewed.revision, "");
        assert_eq!(check(&mut clients, "email_address").await, DecisionReason::Lawful);
        let keyed = DeleteRecordsRequest {
            request_id: Uuid::new_v4().to_string(),
            ..deletion(&["email_address"])
        };
        let deleted = delete(&mut clients, keyed.clone()).await.expect("deleted");
        assert_eq!(deleted.deleted_item_ids, previewed.deleted_item_ids);
        assert_eq!(check(&mut clients, "email_address").await, DecisionReason::NotCollected);
        assert_eq!(delete(&mut clients, keyed.clone()).await.expect("repeated"), deleted);
        let reused = DeleteRecordsRequest { data_categories: vec!["first_name".to_owned()], ..keyed };
        let status = delete(&mut clients, reused).await.expect_err("another request");
        assert_eq!(reason(&status), "REQUEST_ID_REUSED");
        let (items, _) = fetch(&mut clients, wanted(&[])).await;
        assert!(items.iter().all(|item| item.data_category != "email_address"));
    }

    async fn a_deletion_of_an_item_that_is_not_there_deletes_nothing(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let (items, _) = fetch(&mut clients, wanted(&["email_address"])).await;
        let asked = DeleteRecordsRequest {
            item_ids: vec![items[0].item_id.clone(), Uuid::new_v4().to_string()],
            ..deletion(&[])
        };
        let status = delete(&mut clients, asked).await.expect_err("refused");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ITEM_NOT_FOUND"));
        let status = delete(&mut clients, deletion(&[])).await.expect_err("nothing asked");
        assert_eq!(fields(&status), ["data_categories"]);
        let grant = Grant {
            sources: vec!["forum".to_owned()],
            ..Grant::everything("forum", Duration::from_hours(1))
        };
        let mut forum = server.clients(&server.token(&grant)).await;
        let status = delete(&mut forum, deletion(&["email_address"])).await.expect_err("refused");
        assert_eq!(reason(&status), "CLAIM_MISSING");
        assert_eq!(check(&mut clients, "email_address").await, DecisionReason::Lawful);
    }

    async fn a_correction_is_handed_out_by_the_next_fetch(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let (items, _) = fetch(&mut clients, wanted(&["email_address"])).await;
        let correction = CorrectRecordRequest {
            subject: Some(by("email", ADA)),
            item_id: items[0].item_id.clone(),
            content: Some(correct_record_request::Content::Text("new@example.org".to_owned())),
            request_id: Uuid::new_v4().to_string(),
            ..CorrectRecordRequest::default()
        };
        let first = clients.record.correct_record(correction.clone()).await.expect("corrected").into_inner();
        let again = clients.record.correct_record(correction).await.expect("repeated").into_inner();
        assert_eq!(first, again);
        assert_eq!(first.item.expect("the item").content, None);
        let (items, _) = fetch(&mut clients, wanted(&["email_address"])).await;
        assert_eq!(items[0].content, Some(Content::Text("new@example.org".to_owned())));
        let status = clients.record.correct_record(CorrectRecordRequest::default()).await.expect_err("empty");
        assert_eq!(fields(&status), ["subject", "item_id", "content"]);
    }
}
