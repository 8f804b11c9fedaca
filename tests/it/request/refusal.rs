//! What is repeated, unknown, forbidden, illegal, or wanted by several at once.

use registry::{
    domain::caller::Scope,
    proto::v1::{
        AnswerRequestRequest, CancelRequestRequest, CreateRequestRequest, DoubtIdentityRequest,
        GetRequestRequest, LiftRestrictionRequest, ListRequestsRequest, RejectRequestRequest,
        RequestKind, RequestPartState, RequestScope, RequestState, SubjectRequest,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use uuid::Uuid;

use super::{
    ADA, DAY, about, answer_to, asked, at, becomes, complete_all, create, created, get,
    part_states, subscriber, tasks, verification, verify,
};
use crate::{
    harness::{
        Clients,
        sample::{by, by_id},
        status::{fields, reason},
    },
    on_both,
};

fn rejection(id: &str) -> RejectRequestRequest {
    RejectRequestRequest {
        subject_request_id: id.to_owned(),
        reason: "manifestly unfounded".to_owned(),
        request_id: String::new(),
    }
}

async fn reject(clients: &mut Clients, id: &str) -> Result<SubjectRequest, Status> {
    let rejected = clients.request.reject_request(rejection(id)).await?;
    Ok(rejected.into_inner().request.expect("a request"))
}

async fn cancel(clients: &mut Clients, id: &str) -> Result<SubjectRequest, Status> {
    let cancel = CancelRequestRequest {
        subject_request_id: id.to_owned(),
        request_id: String::new(),
    };
    let cancelled = clients.request.cancel_request(cancel).await?;
    Ok(cancelled.into_inner().request.expect("a request"))
}

async fn answer(
    clients: &mut Clients,
    id: &str,
    answered_at: Option<prost_types::Timestamp>,
) -> Result<SubjectRequest, Status> {
    let answer = AnswerRequestRequest {
        subject_request_id: id.to_owned(),
        answered_at,
        request_id: String::new(),
    };
    let answered = clients.request.answer_request(answer).await?;
    Ok(answered.into_inner().request.expect("a request"))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>) {
    let status = outcome.expect_err("it is not to be had");
    let refused = (status.code(), reason(&status));
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "ILLEGAL_TRANSITION".to_owned())
    );
}

on_both! {
    async fn a_request_is_recorded_once_and_another_one_under_its_key_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let first = asked(&[RequestKind::Access]);
        let recorded = create(&mut admin, first.clone()).await.expect("recorded");
        assert_eq!(create(&mut admin, first.clone()).await.expect("repeated"), recorded);
        let other = CreateRequestRequest { channel: "letter".to_owned(), ..first };
        let status = create(&mut admin, other).await.expect_err("another one");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        let all = admin.request.list_requests(ListRequestsRequest::default()).await.expect("listed").into_inner();
        assert_eq!(all.requests, [recorded]);
    }

    async fn a_verification_is_repeated_and_nobody_is_told_twice(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) }).await;
        let mut once = verification(&id);
        once.request_id = Uuid::new_v4().to_string();
        let first = answer_to(&mut admin, once.clone()).await.expect("verified");
        assert_eq!(answer_to(&mut admin, once).await.expect("repeated"), first);
        assert_eq!(tasks(&mut admin, &id).await.len(), 1);
        refused(verify(&mut admin, &id).await);
    }

    async fn everything_that_is_wrong_with_a_request_is_said_at_once(server: TestServer) {
        let mut admin = server.admin().await;
        let status = create(&mut admin, CreateRequestRequest::default()).await.expect_err("empty");
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, ["kinds", "subject", "channel"].map(str::to_owned).to_vec()));
        let nobody = create(&mut admin, asked(&[RequestKind::Access])).await.expect_err("nobody");
        assert_eq!(reason(&nobody), "SUBJECT_NOT_FOUND");
        subscriber(&mut admin).await;
        let wrong = CreateRequestRequest {
            scope: Some(RequestScope { purposes: vec!["weather".to_owned()], all_purposes: true, ..RequestScope::default() }),
            received_at: at(server.now() + std::time::Duration::from_secs(301)),
            ..asked(&[RequestKind::Erasure, RequestKind::Erasure])
        };
        let status = create(&mut admin, wrong).await.expect_err("wrong");
        assert_eq!(fields(&status), ["kinds[1]", "scope.purposes", "scope.all_purposes", "scope.purposes[0]", "received_at"]);
        let stranger = CreateRequestRequest {
            scope: Some(RequestScope { item_ids: vec![Uuid::now_v7().to_string()], ..RequestScope::default() }),
            ..asked(&[RequestKind::Erasure])
        };
        assert_eq!(reason(&create(&mut admin, stranger).await.expect_err("no such item")), "ITEM_NOT_FOUND");
        let unknown = Uuid::now_v7().to_string();
        let found = admin.request.get_request(GetRequestRequest { subject_request_id: unknown.clone() }).await;
        assert_eq!(reason(&found.expect_err("unknown")), "SUBJECT_REQUEST_NOT_FOUND");
        assert_eq!(reason(&verify(&mut admin, &unknown).await.expect_err("unknown")), "SUBJECT_REQUEST_NOT_FOUND");
        assert_eq!(reason(&reject(&mut admin, &unknown).await.expect_err("unknown")), "SUBJECT_REQUEST_NOT_FOUND");
        let unsaid = RejectRequestRequest { reason: " ".to_owned(), ..rejection("7") };
        let status = admin.request.reject_request(unsaid).await.expect_err("not said");
        assert_eq!(fields(&status), ["subject_request_id", "reason"]);
    }

    async fn what_cannot_be_read_hides_neither_a_broken_rule_nor_an_unknown_name(server: TestServer) {
        let mut admin = server.admin().await;
        let ahead = at(server.now() + std::time::Duration::from_secs(301));
        let wrong = CreateRequestRequest {
            subject: Some(by("telex", ADA)),
            scope: about(&["Not Fine", "weather"], &["shoe_size", "email_address"]),
            channel: "Not Fine".to_owned(),
            received_at: ahead,
            request_id: "7".to_owned(),
            ..asked(&[RequestKind::Objection, RequestKind::Objection])
        };
        let status = create(&mut admin, wrong).await.expect_err("wrong");
        assert_eq!(fields(&status), [
            "request_id",
            "kinds[1]",
            "scope.data_categories",
            "scope.purposes[0]",
            "channel",
            "scope.data_categories[0]",
            "scope.purposes[1]",
            "subject.identifier.type",
            "received_at",
        ]);
        // What only the policies tell is said together as well.
        let unknown = CreateRequestRequest {
            subject: Some(by("email", "nobody")),
            scope: about(&["weather"], &[]),
            received_at: ahead,
            ..asked(&[RequestKind::Objection])
        };
        let status = create(&mut admin, unknown).await.expect_err("unknown");
        assert_eq!(fields(&status), ["scope.purposes[0]", "subject.identifier.value", "received_at"]);
        let answer = AnswerRequestRequest { subject_request_id: "7".to_owned(), answered_at: ahead, request_id: "7".to_owned() };
        let status = admin.request.answer_request(answer).await.expect_err("wrong");
        assert_eq!(fields(&status), ["request_id", "subject_request_id", "answered_at"]);
        let lift = LiftRestrictionRequest { subject_request_id: "7".to_owned(), informed_at: ahead, request_id: String::new() };
        let status = admin.request.lift_restriction(lift).await.expect_err("wrong");
        assert_eq!(fields(&status), ["subject_request_id", "informed_at"]);
        let page = ListRequestsRequest { subject: Some(by("telex", ADA)), page_size: -1, ..ListRequestsRequest::default() };
        let status = admin.request.list_requests(page).await.expect_err("wrong");
        assert_eq!(fields(&status), ["page_size", "subject.identifier.type"]);
    }

    async fn only_the_scope_for_requests_sees_and_moves_them(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, asked(&[RequestKind::Access])).await;
        let mut shop = server.service("shop", &[Scope::Subjects, Scope::Tasks, Scope::Consent]).await;
        let listed = shop.request.list_requests(ListRequestsRequest::default()).await.expect_err("no scope");
        for status in [
            verify(&mut shop, &id).await.expect_err("no scope"),
            create(&mut shop, asked(&[RequestKind::Access])).await.expect_err("no scope"),
            listed,
        ] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
        }
        let mut support = server.service("support", &[Scope::Requests]).await;
        verify(&mut support, &id).await.expect("that is what it has the scope for");
    }

    async fn of_verifications_at_once_one_is_done(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) }).await;
        let mut racers = JoinSet::new();
        for _ in 0..6 {
            let (mut clients, id) = (admin.clone(), id.clone());
            racers.spawn(async move { verify(&mut clients, &id).await.map_err(|status| reason(&status)) });
        }
        let outcomes = racers.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().filter_map(|it| it.as_ref().err()).all(|reason| reason == "ILLEGAL_TRANSITION"));
        assert_eq!(tasks(&mut admin, &id).await.len(), 1);
    }

    async fn what_was_refused_is_dropped_and_the_person_was_answered_by_it(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let kinds = [RequestKind::Access, RequestKind::Objection];
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&kinds) }).await;
        verify(&mut admin, &id).await.expect("verified");
        let rejected = reject(&mut admin, &id).await.expect("rejected");
        assert_eq!(rejected.state(), RequestState::Rejected);
        assert_eq!(part_states(&rejected), [RequestPartState::Dropped, RequestPartState::Waiting]);
        assert_eq!(rejected.rejection_reason, "manifestly unfounded");
        assert!(rejected.answered_at.is_some() && rejected.completed_at.is_none());
        complete_all(&mut admin).await;
        for _ in 0..200 {
            if get(&mut admin, &id).await.completed_at.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let ended = get(&mut admin, &id).await;
        assert_eq!(part_states(&ended), [RequestPartState::Dropped, RequestPartState::Done]);
        assert_eq!(ended.state(), RequestState::Rejected);
        refused(reject(&mut admin, &id).await);
        refused(cancel(&mut admin, &id).await);
        refused(verify(&mut admin, &id).await);
        refused(answer(&mut admin, &id, None).await);
    }

    async fn a_request_that_is_taken_back_is_owed_no_answer(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, asked(&[RequestKind::Erasure])).await;
        let cancelled = cancel(&mut admin, &id).await.expect("cancelled");
        assert_eq!((cancelled.state(), cancelled.answered_at), (RequestState::Cancelled, None));
        assert!(cancelled.completed_at.is_some());
        let doubt = DoubtIdentityRequest { subject_request_id: id.clone(), request_id: String::new() };
        refused(admin.request.doubt_identity(doubt).await);
        refused(verify(&mut admin, &id).await);
        refused(answer(&mut admin, &id, None).await);
        let due = ListRequestsRequest { due_before: at(server.now() + DAY * 400), ..ListRequestsRequest::default() };
        let due = admin.request.list_requests(due).await.expect("listed").into_inner();
        assert_eq!(due.requests, []);
    }

    async fn what_was_carried_out_can_be_neither_refused_nor_taken_back_and_is_answered_once(server: TestServer) {
        let mut admin = server.admin().await;
        let subject = subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Withdrawal]) }).await;
        refused(answer(&mut admin, &id, None).await);
        verify(&mut admin, &id).await.expect("verified");
        refused(reject(&mut admin, &id).await);
        refused(cancel(&mut admin, &id).await);
        let early = answer(&mut admin, &id, at(server.now() - std::time::Duration::from_secs(1))).await;
        assert_eq!(fields(&early.expect_err("before it was received")), ["answered_at"]);
        let ahead = answer(&mut admin, &id, at(server.now() + std::time::Duration::from_secs(301))).await;
        assert_eq!(fields(&ahead.expect_err("ahead")), ["answered_at"]);
        let answered = answer(&mut admin, &id, None).await.expect("answered");
        assert_eq!((answered.state(), answered.answered_at), (RequestState::WaitingOnProcessors, at(server.now())));
        refused(answer(&mut admin, &id, None).await);
        complete_all(&mut admin).await;
        becomes(&mut admin, &id, RequestState::Completed).await;
        let of_her = ListRequestsRequest { subject: Some(by_id(&subject)), state: RequestState::Completed.into(), ..ListRequestsRequest::default() };
        let of_her = admin.request.list_requests(of_her).await.expect("listed").into_inner();
        assert_eq!(of_her.requests.len(), 1);
    }
}
