//! The audit log: who did what to whose data, and why a decision was as it was.

use registry::{
    domain::caller::Scope,
    proto::v1::{
        AuditEntry, CheckPurposeRequest, Effect, FetchRecordsRequest, GetDecisionRequest,
        ListAuditEntriesRequest, subject_ref::Ref,
    },
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, by_id, everything_of},
        status::{fields, reason},
    },
    on_both,
};

async fn register(clients: &mut Clients, email: &str) -> String {
    let registration = everything_of("visitor", email);
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

async fn list(
    clients: &mut Clients,
    request: ListAuditEntriesRequest,
) -> Result<Vec<AuditEntry>, Status> {
    let answer = clients.audit.list_audit_entries(request).await?;
    Ok(answer.into_inner().entries)
}

fn actions(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

fn question(email: &str) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        record: true,
        explain: true,
        ..CheckPurposeRequest::default()
    }
}

on_both! {
    async fn the_log_of_one_person_tells_of_that_person_alone(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = register(&mut admin, "ada@example.com").await;
        register(&mut admin, "bob@example.com").await;
        let all = list(&mut admin, ListAuditEntriesRequest::default()).await.expect("listed");
        assert_eq!(actions(&all), ["RegisterCollection", "RegisterCollection", "PublishPolicy"]);
        assert_ne!(all[0].subject_pseudonym, all[1].subject_pseudonym);
        for subject in [by("email", "Ada@Example.com"), by_id(&ada)] {
            let request = ListAuditEntriesRequest { subject: Some(subject), ..Default::default() };
            assert_eq!(list(&mut admin, request).await.expect("listed"), all[1..2]);
        }
    }

    async fn an_entry_holds_neither_the_person_nor_their_data(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = register(&mut admin, "ada@example.com").await;
        let entries = list(&mut admin, ListAuditEntriesRequest::default()).await.expect("listed");
        let entry = &entries[0];
        assert_eq!((entry.caller.as_str(), entry.outcome.as_str()), ("admin", "OK"));
        assert!(entry.data_categories.contains(&"email_address".to_owned()));
        assert!(!entry.revision.is_empty() && !entry.subject_pseudonym.is_empty());
        let printed = format!("{entry:?}");
        for personal in ["ada@example.com", "a value", ada.as_str()] {
            assert!(!printed.contains(personal), "{printed}");
        }
    }

    async fn each_filter_narrows_the_log(server: TestServer) {
        let mut admin = server.admin().await;
        let mut shop = server.service("shop", Scope::ALL).await;
        register(&mut admin, "ada@example.com").await;
        register(&mut shop, "bob@example.com").await;
        let by_caller = ListAuditEntriesRequest { caller: "shop".to_owned(), ..Default::default() };
        assert_eq!(list(&mut admin, by_caller).await.expect("listed").len(), 1);
        let by_action = ListAuditEntriesRequest { action: "PublishPolicy".to_owned(), ..Default::default() };
        assert_eq!(list(&mut admin, by_action).await.expect("listed").len(), 1);
        let by_data = ListAuditEntriesRequest {
            data_categories: vec!["navigation".to_owned(), "payment_details".to_owned()],
            ..Default::default()
        };
        assert_eq!(list(&mut admin, by_data).await.expect("listed").len(), 2);
        let until = prost_types::Timestamp { seconds: server.now().as_second(), nanos: 0 };
        let before = ListAuditEntriesRequest { to: Some(until), ..Default::default() };
        assert_eq!(list(&mut admin, before).await.expect("listed"), []);
    }

    async fn who_has_seen_whose_data_in_a_span_of_time_is_told_without_everything_else(server: TestServer) {
        let mut admin = server.admin().await;
        let mut desk = server.service("desk", Scope::ALL).await;
        for email in ["ada@example.com", "bob@example.com"] {
            register(&mut admin, email).await;
        }
        let fetch = |email: &str| FetchRecordsRequest {
            subject: Some(by("email", email)),
            data_categories: vec!["navigation".to_owned()],
            purpose: "site_analytics".to_owned(),
            ..FetchRecordsRequest::default()
        };
        server.clock.advance(std::time::Duration::from_hours(1));
        let begin = prost_types::Timestamp { seconds: server.now().as_second(), nanos: 0 };
        for email in ["ada@example.com", "bob@example.com", "ada@example.com"] {
            let mut fetched = desk.record.fetch_records(fetch(email)).await.expect("a stream").into_inner();
            while fetched.message().await.expect("a part").is_some() {}
        }
        admin.purpose.check_purpose(question("ada@example.com")).await.expect("answered");
        server.clock.advance(std::time::Duration::from_hours(1));
        let end = prost_types::Timestamp { seconds: server.now().as_second(), nanos: 0 };
        let asked = ListAuditEntriesRequest {
            from: Some(begin), to: Some(end), content_reads: true, ..Default::default()
        };
        let seen = list(&mut admin, asked.clone()).await.expect("listed");
        assert_eq!(actions(&seen), ["FetchRecords"; 3]);
        assert!(seen.iter().all(|entry| entry.caller == "desk"));
        assert_eq!(seen[0].subject_pseudonym, seen[2].subject_pseudonym);
        assert_ne!(seen[0].subject_pseudonym, seen[1].subject_pseudonym);
        let of_data = ListAuditEntriesRequest { data_categories: vec!["payment_details".to_owned()], ..asked.clone() };
        assert_eq!(list(&mut admin, of_data).await.expect("listed"), []);
        let before = ListAuditEntriesRequest { from: None, to: Some(begin), ..asked };
        assert_eq!(list(&mut admin, before).await.expect("listed"), []);
    }

    async fn the_log_is_read_page_by_page(server: TestServer) {
        let mut admin = server.admin().await;
        register(&mut admin, "ada@example.com").await;
        let first = ListAuditEntriesRequest { page_size: 1, ..Default::default() };
        let page = admin.audit.list_audit_entries(first.clone()).await.expect("listed").into_inner();
        assert_eq!(actions(&page.entries), ["RegisterCollection"]);
        let next = ListAuditEntriesRequest { page_token: page.next_page_token, ..first };
        let page = admin.audit.list_audit_entries(next.clone()).await.expect("listed").into_inner();
        assert_eq!((actions(&page.entries), page.next_page_token.as_str()), (vec!["PublishPolicy"], ""));
        let other = ListAuditEntriesRequest { caller: "admin".to_owned(), ..next };
        let status = list(&mut admin, other).await.unwrap_err();
        assert_eq!(reason(&status), "CURSOR_INVALID");
    }

    async fn a_question_about_nobody_or_nothing_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        let unknown = ListAuditEntriesRequest {
            subject: Some(by("email", "nobody@example.com")),
            ..Default::default()
        };
        let status = list(&mut admin, unknown).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBJECT_NOT_FOUND"));
        let malformed = ListAuditEntriesRequest {
            action: "Snoop".to_owned(),
            data_categories: vec!["E Mail".to_owned()],
            page_size: -1,
            ..Default::default()
        };
        let status = list(&mut admin, malformed).await.unwrap_err();
        assert_eq!(fields(&status), ["action", "data_categories[0]", "page_size"]);
        let mut shop = server.service("shop", &[Scope::Collect]).await;
        let status = list(&mut shop, ListAuditEntriesRequest::default()).await.unwrap_err();
        assert_eq!(reason(&status), "SCOPE_MISSING");
    }

    async fn a_decision_that_was_kept_is_given_back_as_it_was(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = register(&mut admin, "ada@example.com").await;
        let answer = admin.purpose.check_purpose(question("ada@example.com")).await;
        let decision = answer.expect("answered").into_inner().decision.expect("a decision");
        assert_eq!(decision.effect(), Effect::Deny);
        assert!(!decision.trace.is_empty());
        let asked = GetDecisionRequest { decision_id: decision.decision_id.clone() };
        let kept = admin.audit.get_decision(asked).await.expect("kept").into_inner();
        assert_eq!(kept.decision.as_ref(), Some(&decision));
        assert_eq!((kept.purpose.as_str(), kept.processor.as_str()), ("newsletter", "aweber"));
        assert_eq!(kept.caller, "admin");
        assert_eq!(kept.subject.and_then(|subject| subject.r#ref), Some(Ref::SubjectId(ada)));
        let checks = ListAuditEntriesRequest { action: "CheckPurpose".to_owned(), ..Default::default() };
        let entries = list(&mut admin, checks).await.expect("listed");
        assert_eq!(entries[0].decision_id, decision.decision_id);
        assert_eq!(entries[0].outcome, "DENY CONSENT_MISSING");
    }

    async fn a_decision_that_was_never_kept_is_not_found(server: TestServer) {
        let mut admin = server.admin().await;
        let unknown = GetDecisionRequest { decision_id: Uuid::new_v4().to_string() };
        let status = admin.audit.get_decision(unknown).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "DECISION_NOT_FOUND"));
        let status = admin.audit.get_decision(GetDecisionRequest::default()).await.unwrap_err();
        assert_eq!(fields(&status), ["decision_id"]);
    }
}
