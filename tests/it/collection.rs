//! Registering what was collected: all of it or nothing, once, and only what the policy declares.

use std::time::Duration;

use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{
        FetchRecordsRequest, GetSubjectRequest, Item, RecordActivityRequest,
        RegisterCollectionRequest, RegisterCollectionResponse,
        fetch_records_response::Result as Fetched, item::Content,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, by_id, everything_of, identifier, text, yes},
        status::{fields, reason},
    },
    on_both,
};

fn order(email: &str, key: &str, contents: &str) -> RegisterCollectionRequest {
    let mut item = text("order_contents", contents);
    key.clone_into(&mut item.item_key);
    RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: "client".to_owned(),
        items: vec![item],
        ..RegisterCollectionRequest::default()
    }
}

async fn register(
    clients: &mut Clients,
    request: RegisterCollectionRequest,
) -> Result<RegisterCollectionResponse, Status> {
    let answer = clients.collection.register_collection(request).await?;
    Ok(answer.into_inner())
}

async fn is_known(clients: &mut Clients, email: &str) -> bool {
    let request = GetSubjectRequest {
        subject: Some(by("email", email)),
        ..GetSubjectRequest::default()
    };
    clients.subject.get_subject(request).await.is_ok()
}

/// The texts of a person's orders, as rendering the service may read them.
async fn orders(clients: &mut Clients, subject_id: &str) -> Vec<String> {
    let request = FetchRecordsRequest {
        subject: Some(by_id(subject_id)),
        purpose: "service_rendering".to_owned(),
        data_categories: vec!["order_contents".to_owned()],
        ..FetchRecordsRequest::default()
    };
    let mut stream = clients
        .record
        .fetch_records(request)
        .await
        .expect("a stream")
        .into_inner();
    let mut texts = Vec::new();
    while let Some(message) = stream.message().await.expect("no error") {
        if let Some(Fetched::Item(Item {
            content: Some(Content::Text(text)),
            ..
        })) = message.result
        {
            texts.push(text);
        }
    }
    texts
}

#[track_caller]
fn check<T: std::fmt::Debug>(refused: Result<T, Status>, code: Code, expected: &str) -> Status {
    let status = refused.expect_err("it is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    status
}

on_both! {
    async fn everything_that_the_policy_lists_is_registered_and_answered_without_content(server: TestServer) {
        let mut admin = server.admin().await;
        let mut request = everything_of("client", "anna@example.com");
        request.consents = vec![yes(&["newsletter", "interface_research"])];
        let answer = register(&mut admin, request.clone()).await.expect("registered");
        assert!(answer.subject_created);
        assert_eq!(answer.items.len(), request.items.len());
        assert_eq!(answer.consent_ids.len(), 2);
        assert!(!answer.revision.is_empty());
        for (answered, asked) in answer.items.iter().zip(&request.items) {
            assert_eq!(answered.data_category, asked.data_category);
            assert_eq!((answered.source.as_str(), answered.policy_version.as_str()), ("admin", "2018-05-24"));
            assert!(answered.content.is_none() && !answered.item_id.is_empty());
        }
        let again = register(&mut admin, everything_of("client", "ANNA@example.com")).await;
        let again = again.expect("registered");
        assert!(!again.subject_created);
        let ids = |answer: &RegisterCollectionResponse| -> Vec<String> {
            answer.items.iter().map(|item| item.item_id.clone()).collect()
        };
        assert_eq!((again.subject_id.as_str(), ids(&again)), (answer.subject_id.as_str(), ids(&answer)));
    }

    async fn a_repeated_request_id_gives_the_first_answer_and_changes_nothing(server: TestServer) {
        let mut admin = server.admin().await;
        let request = RegisterCollectionRequest {
            request_id: Uuid::new_v4().to_string(),
            ..order("anna@example.com", "A-1", "one lamp")
        };
        let first = register(&mut admin, request.clone()).await.expect("registered");
        server.clock.advance(Duration::from_mins(1));
        let newer = register(&mut admin, order("anna@example.com", "A-1", "two lamps")).await;
        newer.expect("registered");
        let again = register(&mut admin, request.clone()).await.expect("answered");
        assert_eq!(first, again);
        assert_eq!(orders(&mut admin, &first.subject_id).await, ["two lamps"]);
        let other = RegisterCollectionRequest {
            request_id: request.request_id,
            ..order("anna@example.com", "A-1", "three lamps")
        };
        check(register(&mut admin, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    }

    async fn duplicates_at_the_same_time_are_one_registration(server: TestServer) {
        let request = RegisterCollectionRequest {
            request_id: Uuid::new_v4().to_string(),
            ..order("anna@example.com", "A-1", "one lamp")
        };
        let mut calls = JoinSet::new();
        for _ in 0..16 {
            let (mut admin, request) = (server.admin().await, request.clone());
            calls.spawn(async move { register(&mut admin, request).await.expect("answered") });
        }
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert!(answers[0].subject_created);
    }

    async fn first_registrations_of_one_address_at_the_same_time_make_one_subject(server: TestServer) {
        let mut calls = JoinSet::new();
        for n in 0..16 {
            let mut admin = server.admin().await;
            calls.spawn(async move {
                let key = format!("A-{n}");
                register(&mut admin, order("anna@example.com", &key, "a lamp")).await.expect("registered")
            });
        }
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|answer| answer.subject_id == answers[0].subject_id));
        assert_eq!(answers.iter().filter(|answer| answer.subject_created).count(), 1);
        let mut admin = server.admin().await;
        assert_eq!(orders(&mut admin, &answers[0].subject_id).await.len(), 16);
    }

    async fn undeclared_fields_are_refused_by_their_paths_and_nothing_is_written(server: TestServer) {
        let mut admin = server.admin().await;
        let mut request = order("anna@example.com", "A-1", "one lamp");
        request.items.push(text("forum_messages", "hello"));
        request.items.push(text("shoe_size", "38"));
        let status = check(
            register(&mut admin, request).await,
            Code::FailedPrecondition,
            "COLLECTION_UNDECLARED",
        );
        assert_eq!(fields(&status), ["items[1].data_category", "items[2].data_category"]);
        assert!(!is_known(&mut admin, "anna@example.com").await);
    }

    async fn everything_that_is_malformed_is_said_at_once(server: TestServer) {
        let mut admin = server.admin().await;
        let bad = Item {
            item_id: Uuid::new_v4().to_string(),
            policy_version: "1".to_owned(),
            data_category: "Not A Name".to_owned(),
            item_key: "k".repeat(257),
            ..Item::default()
        };
        let request = RegisterCollectionRequest {
            subject: None,
            identifiers: vec![identifier("email", " ")],
            items: vec![bad],
            request_id: "once".to_owned(),
            ..RegisterCollectionRequest::default()
        };
        let status = check(register(&mut admin, request).await, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), [
            "request_id",
            "subject",
            "identifiers[0].value",
            "subject_category",
            "items[0].item_id",
            "items[0].policy_version",
            "items[0].data_category",
            "items[0].item_key",
        ]);
    }

    async fn a_registration_may_be_as_large_as_its_limits_and_no_larger(server: TestServer) {
        let mut admin = server.admin().await;
        let mut request = order("anna@example.com", "", "one lamp");
        request.items = (0..100)
            .map(|n| Item { item_key: n.to_string(), ..text("order_contents", "a lamp") })
            .collect();
        request.identifiers = (0..20).map(|n| identifier("skype", &format!("anna{n}"))).collect();
        register(&mut admin, request.clone()).await.expect("registered");
        request.items.push(text("order_contents", "one more"));
        request.identifiers.push(identifier("skype", "one.more"));
        let status = check(register(&mut admin, request).await, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), ["identifiers", "items"]);
    }

    async fn a_subject_id_must_exist(server: TestServer) {
        let mut admin = server.admin().await;
        let request = RegisterCollectionRequest {
            subject: Some(by_id(&Uuid::new_v4().to_string())),
            ..order("anna@example.com", "A-1", "one lamp")
        };
        check(register(&mut admin, request).await, Code::NotFound, "SUBJECT_NOT_FOUND");
    }

    async fn only_the_scope_collect_registers_and_only_for_the_sources_of_the_token(server: TestServer) {
        let mut checker = server.service("checkout", &[Scope::Check]).await;
        let request = order("anna@example.com", "A-1", "one lamp");
        check(register(&mut checker, request.clone()).await, Code::PermissionDenied, "SCOPE_MISSING");

        let grant = Grant {
            sources: vec!["shop".to_owned()],
            ..Grant::everything("shop", Duration::from_hours(1))
        };
        let mut shop = server.clients(&server.token(&grant)).await;
        let mut foreign = request.clone();
        foreign.items[0].source = "forum".into();
        check(register(&mut shop, foreign).await, Code::PermissionDenied, "CLAIM_MISSING");
        assert!(!is_known(&mut server.admin().await, "anna@example.com").await);
        let own = register(&mut shop, request.clone()).await.expect("registered");
        assert_eq!(own.items[0].source, "shop");

        let grant = Grant { sources: Vec::new(), ..grant };
        let mut nobody = server.clients(&server.token(&grant)).await;
        check(register(&mut nobody, request).await, Code::PermissionDenied, "CLAIM_MISSING");
    }

    async fn accounts_of_two_subjects_are_a_conflict_that_names_both(server: TestServer) {
        let mut admin = server.admin().await;
        let mut subjects = Vec::new();
        for (kind, value) in [("shop_user", "1"), ("forum_member", "anna")] {
            let request = RegisterCollectionRequest {
                subject: Some(by(kind, value)),
                ..order("", "A-1", "one lamp")
            };
            subjects.push(register(&mut admin, request).await.expect("registered").subject_id);
        }
        let request = RegisterCollectionRequest {
            subject: Some(by("shop_user", "1")),
            identifiers: vec![identifier("forum_member", "Anna")],
            ..order("", "A-2", "two lamps")
        };
        let refused = register(&mut admin, request).await;
        let status = check(refused, Code::AlreadyExists, "IDENTIFIER_CONFLICT");
        let details = status.get_error_details();
        let metadata = &details.error_info().expect("an ErrorInfo").metadata;
        assert_eq!([&metadata["subject_id"], &metadata["other_subject_id"]], [&subjects[0], &subjects[1]]);
        assert!(status.message().contains("MergeSubjects"));
    }

    async fn a_preview_answers_as_registering_would_and_changes_nothing(server: TestServer) {
        let mut admin = server.admin().await;
        let mut preview = order("anna@example.com", "A-1", "one lamp");
        preview.validate_only = true;
        let answer = register(&mut admin, preview.clone()).await.expect("it may be collected");
        assert_eq!((answer.subject_id.as_str(), answer.revision.as_str()), ("", ""));
        assert!(!is_known(&mut admin, "anna@example.com").await);
        preview.items.push(text("shoe_size", "38"));
        check(
            register(&mut admin, preview).await,
            Code::FailedPrecondition,
            "COLLECTION_UNDECLARED",
        );
    }

    async fn the_latest_content_of_an_item_is_live_whatever_arrives_last(server: TestServer) {
        let mut admin = server.admin().await;
        let at = |contents: &str, minutes: i64| {
            let mut request = order("anna@example.com", "A-1", contents);
            let seconds = server.now().as_second() - minutes * 60;
            request.items[0].collected_at = Some(prost_types::Timestamp { seconds, nanos: 0 });
            request
        };
        let first = register(&mut admin, at("first", 30)).await.expect("registered");
        register(&mut admin, at("second", 10)).await.expect("registered");
        let late = register(&mut admin, at("late", 20)).await.expect("registered");
        assert_eq!(first.items[0].item_id, late.items[0].item_id);
        assert_eq!(orders(&mut admin, &first.subject_id).await, ["second"]);
    }

    async fn an_activity_is_recorded_for_a_known_person_and_an_own_source(server: TestServer) {
        let mut admin = server.admin().await;
        let activity = RecordActivityRequest {
            subject: Some(by("email", "anna@example.com")),
            ..RecordActivityRequest::default()
        };
        let unknown = admin.collection.record_activity(activity.clone()).await;
        check(unknown, Code::NotFound, "SUBJECT_NOT_FOUND");
        register(&mut admin, order("anna@example.com", "A-1", "one lamp")).await.expect("registered");
        let seen = admin.collection.record_activity(activity.clone()).await.expect("recorded");
        let seen = seen.into_inner().last_activity_at.expect("an instant");
        let earlier = RecordActivityRequest {
            at: Some(prost_types::Timestamp { seconds: seen.seconds - 60, nanos: 0 }),
            ..activity.clone()
        };
        let earlier = admin.collection.record_activity(earlier).await.expect("recorded");
        assert_eq!(earlier.into_inner().last_activity_at, Some(seen));

        let grant = Grant {
            sources: vec!["shop".to_owned()],
            ..Grant::everything("shop", Duration::from_hours(1))
        };
        let mut shop = server.clients(&server.token(&grant)).await;
        let foreign = RecordActivityRequest { source: "web".to_owned(), ..activity };
        check(shop.collection.record_activity(foreign).await, Code::PermissionDenied, "CLAIM_MISSING");
    }
}
