//! Subjects: what leads to them, their roles, and two that turn out to be one. What takes something away
//! counts in every check that starts afterwards.

use registry::{
    domain::caller::Scope,
    proto::v1::{
        AddSubjectCategoryRequest, CheckPurposeRequest, ConsentChoice, DecisionReason, Effect,
        EndSubjectCategoryRequest, GetSubjectRequest, IdentifierKind, LinkIdentifierRequest,
        MergeSubjectsRequest, RegisterCollectionRequest, Subject, SubjectRef,
        UnlinkIdentifierRequest,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, by_id, everything_of, identifier, yes},
        status::{fields, reason},
    },
    on_both,
};

/// Registers a client with everything and returns the subject.
async fn client(clients: &mut Clients, shop_user: &str, email: &str) -> String {
    let mut request = everything_of("client", email);
    request.subject = Some(by("shop_user", shop_user));
    request.identifiers = vec![identifier("email", email)];
    register(clients, request).await
}

async fn register(clients: &mut Clients, request: RegisterCollectionRequest) -> String {
    let answer = clients.collection.register_collection(request).await;
    answer.expect("registered").into_inner().subject_id
}

async fn get(clients: &mut Clients, subject: SubjectRef) -> Result<Subject, Status> {
    let request = GetSubjectRequest {
        subject: Some(subject),
        ..GetSubjectRequest::default()
    };
    let answer = clients.subject.get_subject(request).await?.into_inner();
    Ok(answer.subject.expect("a subject"))
}

/// May the controller use a client's address for support?
async fn support(clients: &mut Clients, subject: SubjectRef) -> (Effect, DecisionReason) {
    let request = CheckPurposeRequest {
        subject: Some(subject),
        data_categories: vec!["email_address".to_owned()],
        purpose: "contact_and_support".to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients
        .purpose
        .check_purpose(request)
        .await
        .expect("answered");
    let decision = answer.into_inner().decision.expect("a decision");
    (decision.effect(), decision.reason())
}

const LAWFUL: (Effect, DecisionReason) = (Effect::Allow, DecisionReason::Lawful);

fn link(subject: &str, kind: &str, value: &str) -> LinkIdentifierRequest {
    LinkIdentifierRequest {
        subject: Some(by_id(subject)),
        identifier: Some(identifier(kind, value)),
        ..LinkIdentifierRequest::default()
    }
}

fn unlink(subject: SubjectRef, kind: &str, value: &str) -> UnlinkIdentifierRequest {
    UnlinkIdentifierRequest {
        subject: Some(subject),
        identifier: Some(identifier(kind, value)),
        ..UnlinkIdentifierRequest::default()
    }
}

fn merge(into: SubjectRef, from: SubjectRef) -> MergeSubjectsRequest {
    MergeSubjectsRequest {
        into: Some(into),
        from: Some(from),
        ..MergeSubjectsRequest::default()
    }
}

fn end(subject: &str, category: &str) -> EndSubjectCategoryRequest {
    EndSubjectCategoryRequest {
        subject: Some(by_id(subject)),
        subject_category: category.to_owned(),
        ..EndSubjectCategoryRequest::default()
    }
}

fn add(subject: &str, category: &str) -> AddSubjectCategoryRequest {
    AddSubjectCategoryRequest {
        subject: Some(by_id(subject)),
        subject_category: category.to_owned(),
        ..AddSubjectCategoryRequest::default()
    }
}

#[track_caller]
fn check<T: std::fmt::Debug>(refused: Result<T, Status>, code: Code, expected: &str) -> Status {
    let status = refused.expect_err("it is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    status
}

on_both! {
    async fn a_person_is_shown_with_identifiers_and_roles(server: TestServer) {
        let mut admin = server.admin().await;
        let id = client(&mut admin, "1", "Anna@Example.com").await;
        let subject = get(&mut admin, by("email", "anna@example.com")).await.expect("found");
        assert_eq!(subject.subject_id, id);
        assert!(subject.created_at.is_some());
        let shown: Vec<_> = subject.identifiers.iter().map(|one| {
            let identifier = one.identifier.clone().expect("an identifier");
            (one.kind(), identifier.r#type, identifier.value)
        }).collect();
        let expect = |kind, name: &str, value: &str| (kind, name.to_owned(), value.to_owned());
        assert!(shown.contains(&expect(IdentifierKind::Account, "shop_user", "1")));
        assert!(shown.contains(&expect(IdentifierKind::Contact, "email", "Anna@Example.com")));
        assert_eq!(subject.categories.len(), 1);
        assert_eq!(subject.categories[0].subject_category, "client");
        let unknown = get(&mut admin, by("email", "nobody@example.com")).await;
        check(unknown, Code::NotFound, "SUBJECT_NOT_FOUND");
    }

    async fn no_call_of_the_service_works_without_its_scope(server: TestServer) {
        let mut admin = server.admin().await;
        let id = client(&mut admin, "1", "anna@example.com").await;
        let mut shop = server.service("shop", &[Scope::Collect, Scope::Check]).await;
        check(get(&mut shop, by_id(&id)).await, Code::PermissionDenied, "SCOPE_MISSING");
        let linked = shop.subject.link_identifier(link(&id, "skype", "anna")).await;
        check(linked, Code::PermissionDenied, "SCOPE_MISSING");
        let unlinked = shop.subject.unlink_identifier(unlink(by_id(&id), "shop_user", "1")).await;
        check(unlinked, Code::PermissionDenied, "SCOPE_MISSING");
        let merged = shop.subject.merge_subjects(merge(by_id(&id), by_id(&id))).await;
        check(merged, Code::PermissionDenied, "SCOPE_MISSING");
        let added = shop.subject.add_subject_category(add(&id, "affiliate")).await;
        check(added, Code::PermissionDenied, "SCOPE_MISSING");
        let ended = shop.subject.end_subject_category(end(&id, "client")).await;
        check(ended, Code::PermissionDenied, "SCOPE_MISSING");
    }

    async fn an_identifier_is_linked_and_again_and_never_taken_from_somebody(server: TestServer) {
        let mut admin = server.admin().await;
        let anna = client(&mut admin, "1", "anna@example.com").await;
        let ben = client(&mut admin, "2", "ben@example.com").await;
        for _ in 0..2 {
            let answer = admin.subject.link_identifier(link(&anna, "skype", "Anna")).await;
            let subject = answer.expect("linked").into_inner().subject.expect("a subject");
            assert_eq!(subject.identifiers.len(), 3);
        }
        let theirs = admin.subject.link_identifier(link(&ben, "shop_user", "1")).await;
        check(theirs, Code::AlreadyExists, "IDENTIFIER_CONFLICT");
        let unknown = admin.subject.link_identifier(link(&Uuid::new_v4().to_string(), "skype", "x")).await;
        check(unknown, Code::NotFound, "SUBJECT_NOT_FOUND");
        let bad = admin.subject.link_identifier(link(&anna, "email", "no address")).await;
        let status = check(bad, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), ["identifier.value"]);
    }

    async fn an_identifier_that_was_taken_off_leads_no_check_to_anybody(server: TestServer) {
        let mut admin = server.admin().await;
        let anna = client(&mut admin, "1", "anna@example.com").await;
        let by_email = || by("email", "anna@example.com");
        assert_eq!(support(&mut admin, by_email()).await, LAWFUL);
        let request = UnlinkIdentifierRequest {
            request_id: Uuid::new_v4().to_string(),
            ..unlink(by_email(), "email", "Anna@Example.com")
        };
        let first = admin.subject.unlink_identifier(request.clone()).await.expect("unlinked");
        let unknown = (Effect::Deny, DecisionReason::SubjectUnknown);
        assert_eq!(support(&mut admin, by_email()).await, unknown);
        assert_eq!(support(&mut admin, by_id(&anna)).await, LAWFUL);
        let again = admin.subject.unlink_identifier(request).await.expect("answered");
        assert_eq!(again.into_inner(), first.into_inner());
        let twice = admin.subject.unlink_identifier(unlink(by_id(&anna), "email", "anna@example.com")).await;
        check(twice, Code::NotFound, "IDENTIFIER_NOT_FOUND");
    }

    async fn who_left_a_category_is_not_served_in_it_until_coming_back(server: TestServer) {
        let mut admin = server.admin().await;
        let anna = client(&mut admin, "1", "anna@example.com").await;
        assert_eq!(support(&mut admin, by_id(&anna)).await, LAWFUL);
        let ended = admin.subject.end_subject_category(end(&anna, "client")).await.expect("ended");
        let subject = ended.into_inner().subject.expect("a subject");
        assert!(subject.categories[0].ended_at.is_some());
        let left = (Effect::Deny, DecisionReason::NoActivity);
        assert_eq!(support(&mut admin, by_id(&anna)).await, left);
        let twice = admin.subject.end_subject_category(end(&anna, "client")).await;
        check(twice, Code::NotFound, "SUBJECT_CATEGORY_NOT_FOUND");
        server.clock.advance(std::time::Duration::from_secs(1));
        admin.subject.add_subject_category(add(&anna, "client")).await.expect("added");
        assert_eq!(support(&mut admin, by_id(&anna)).await, LAWFUL);
        let unknown = admin.subject.add_subject_category(add(&anna, "employee")).await;
        let status = check(unknown, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), ["subject_category"]);
    }

    async fn two_that_turn_out_to_be_one_keep_everything_and_the_denial(server: TestServer) {
        let mut admin = server.admin().await;
        let newsletter = |subject: SubjectRef| CheckPurposeRequest {
            subject: Some(subject),
            data_categories: vec!["email_address".to_owned()],
            purpose: "newsletter".to_owned(),
            processor: "aweber".to_owned(),
            ..CheckPurposeRequest::default()
        };
        let visitor = |user: &str, choice: ConsentChoice| {
            let mut request = everything_of("visitor", "home@example.com");
            request.subject = Some(by("shop_user", user));
            request.consents = vec![yes(&["newsletter"])];
            request.consents[0].choice = choice.into();
            request
        };
        let no = register(&mut admin, visitor("1", ConsentChoice::Refused)).await;
        server.clock.advance(std::time::Duration::from_mins(1));
        let yes = register(&mut admin, visitor("2", ConsentChoice::Given)).await;
        let allowed = admin.purpose.check_purpose(newsletter(by_id(&yes))).await.expect("answered");
        assert_eq!(allowed.into_inner().decision.expect("a decision").effect(), Effect::Allow);

        let request = MergeSubjectsRequest {
            request_id: Uuid::new_v4().to_string(),
            ..merge(by_id(&yes), by_id(&no))
        };
        let merged = admin.subject.merge_subjects(request.clone()).await.expect("merged").into_inner();
        let again = admin.subject.merge_subjects(request).await.expect("answered").into_inner();
        assert_eq!(merged, again);
        assert_eq!(merged.subject.expect("a subject").merged_ids, std::slice::from_ref(&no));
        for subject in [&yes, &no] {
            assert_eq!(get(&mut admin, by_id(subject)).await.expect("found").subject_id, yes);
            let denied = admin.purpose.check_purpose(newsletter(by_id(subject))).await.expect("answered");
            let decision = denied.into_inner().decision.expect("a decision");
            assert_eq!(decision.reason(), DecisionReason::ConsentRefused);
        }
    }

    async fn what_cannot_be_merged_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        let anna = client(&mut admin, "1", "home@example.com").await;
        client(&mut admin, "2", "home@example.com").await;
        let itself = admin.subject.merge_subjects(merge(by_id(&anna), by("shop_user", "1"))).await;
        let status = check(itself, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(fields(&status), ["from"]);
        let nobody = by_id(&Uuid::new_v4().to_string());
        let unknown = admin.subject.merge_subjects(merge(by_id(&anna), nobody)).await;
        check(unknown, Code::NotFound, "SUBJECT_NOT_FOUND");
        let ambiguous = merge(by_id(&anna), by("email", "home@example.com"));
        let ambiguous = admin.subject.merge_subjects(ambiguous).await;
        check(ambiguous, Code::FailedPrecondition, "SUBJECT_AMBIGUOUS");
    }

    async fn merges_and_registrations_at_the_same_time_lose_nothing(server: TestServer) {
        let mut admin = server.admin().await;
        let one = client(&mut admin, "1", "one@example.com").await;
        let two = client(&mut admin, "2", "two@example.com").await;
        let mut calls = JoinSet::new();
        for (into, from) in [(&one, &two), (&two, &one)] {
            let (mut admin, request) = (server.admin().await, merge(by_id(into), by_id(from)));
            calls.spawn(async move {
                // Whichever comes second finds one subject only.
                drop(admin.subject.merge_subjects(request).await);
                String::new()
            });
        }
        for n in 0..12 {
            let mut admin = server.admin().await;
            calls.spawn(async move {
                let mut request = everything_of("client", "three@example.com");
                request.subject = Some(by("shop_user", if n % 2 == 0 { "1" } else { "2" }));
                request.items.retain(|item| item.data_category == "order_contents");
                request.items[0].item_key = n.to_string();
                register(&mut admin, request).await
            });
        }
        calls.join_all().await;
        let survivor = get(&mut admin, by_id(&one)).await.expect("found");
        let other = get(&mut admin, by_id(&two)).await.expect("found");
        assert_eq!(survivor.subject_id, other.subject_id);
        assert_eq!(survivor.merged_ids.len(), 1);
        let request = registry::proto::v1::FetchRecordsRequest {
            subject: Some(by_id(&one)),
            purpose: "service_rendering".to_owned(),
            data_categories: vec!["order_contents".to_owned()],
            ..Default::default()
        };
        let mut stream = admin.record.fetch_records(request).await.expect("a stream").into_inner();
        let mut count = 0;
        while let Some(message) = stream.message().await.expect("no error") {
            if let Some(registry::proto::v1::fetch_records_response::Result::Item(_)) = message.result {
                count += 1;
            }
        }
        // Twelve by their keys, and one without, that both had.
        assert_eq!(count, 13);
    }
}
