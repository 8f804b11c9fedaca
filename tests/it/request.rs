//! Whole lives of requests of data subjects.

mod calendar;
mod deadline;
mod objection;
mod refusal;

use std::time::Duration;

use registry::proto::v1::{
    CheckPurposeRequest, CompleteTaskRequest, Correction, CreateRequestRequest, DecisionReason,
    EventKind, GetRequestRequest, IdentityMethod, LeaseTasksRequest, LeasedTask,
    ListAuditEntriesRequest, ListTasksRequest, PlaceLegalHoldRequest, ReleaseLegalHoldRequest,
    RequestKind, RequestPartState, RequestScope, RequestState, SubjectRequest, Task, TaskKind,
    TaskOutcome, TaskState, VerifyIdentityRequest, VerifyIdentityResponse, WatchEventsRequest,
    correction, task_item, watch_events_response::Result as Watched,
};
use sea_orm::{ConnectionTrait, Database};
use tonic::Status;
use uuid::Uuid;

use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, by_id, everything_of, yes},
    },
    on_both,
};

const ADA: &str = "ada@example.org";
const DAY: Duration = Duration::from_hours(24);

/// A visitor who said yes to the newsletter, which goes by AWeber.
async fn subscriber(clients: &mut Clients) -> String {
    let mut visitor = everything_of("visitor", ADA);
    visitor.consents = vec![yes(&["newsletter"])];
    let registered = clients.collection.register_collection(visitor).await;
    registered.expect("registered").into_inner().subject_id
}

fn asked(kinds: &[RequestKind]) -> CreateRequestRequest {
    CreateRequestRequest {
        kinds: kinds.iter().map(|&kind| kind.into()).collect(),
        subject: Some(by("email", ADA)),
        channel: "email".to_owned(),
        request_id: Uuid::new_v4().to_string(),
        ..CreateRequestRequest::default()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the field that it goes into is optional"
)]
fn about(purposes: &[&str], data: &[&str]) -> Option<RequestScope> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Some(RequestScope {
        purposes: owned(purposes),
        data_categories: owned(data),
        ..RequestScope::default()
    })
}

async fn create(
    clients: &mut Clients,
    asked: CreateRequestRequest,
) -> Result<SubjectRequest, Status> {
    let created = clients.request.create_request(asked).await?.into_inner();
    Ok(created.request.expect("a request"))
}

async fn created(clients: &mut Clients, asked: CreateRequestRequest) -> String {
    let created = create(clients, asked).await.expect("created");
    created.subject_request_id
}

fn verification(id: &str) -> VerifyIdentityRequest {
    VerifyIdentityRequest {
        subject_request_id: id.to_owned(),
        method: IdentityMethod::Document.into(),
        request_id: String::new(),
    }
}

async fn answer_to(
    clients: &mut Clients,
    verify: VerifyIdentityRequest,
) -> Result<VerifyIdentityResponse, Status> {
    Ok(clients.request.verify_identity(verify).await?.into_inner())
}

async fn verify(clients: &mut Clients, id: &str) -> Result<SubjectRequest, Status> {
    let answer = answer_to(clients, verification(id)).await?;
    Ok(answer.request.expect("a request"))
}

async fn get(clients: &mut Clients, id: &str) -> SubjectRequest {
    let asked = GetRequestRequest {
        subject_request_id: id.to_owned(),
    };
    let got = clients
        .request
        .get_request(asked)
        .await
        .expect("it is there");
    got.into_inner().request.expect("a request")
}

/// Waits until the worker has moved the request there.
async fn becomes(clients: &mut Clients, id: &str, state: RequestState) -> SubjectRequest {
    let mut seen = RequestState::Unspecified;
    for _ in 0..200 {
        let request = get(clients, id).await;
        if request.state() == state {
            return request;
        }
        seen = request.state();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is {seen:?} and never became {state:?}");
}

async fn check(clients: &mut Clients, data: &str, purpose: &str) -> DecisionReason {
    let asked = CheckPurposeRequest {
        subject: Some(by("email", ADA)),
        data_categories: vec![data.to_owned()],
        purpose: purpose.to_owned(),
        ..CheckPurposeRequest::default()
    };
    let checked = clients.purpose.check_purpose(asked).await.expect("checked");
    checked.into_inner().decision.expect("a decision").reason()
}

async fn tasks(clients: &mut Clients, id: &str) -> Vec<Task> {
    let asked = ListTasksRequest {
        subject_request_id: id.to_owned(),
        ..ListTasksRequest::default()
    };
    let listed = clients.task.list_tasks(asked).await.expect("listed");
    listed.into_inner().tasks
}

async fn lease(clients: &mut Clients) -> Vec<LeasedTask> {
    lease_of(clients, "aweber").await
}

async fn lease_of(clients: &mut Clients, processor: &str) -> Vec<LeasedTask> {
    let asked = LeaseTasksRequest {
        processor: processor.to_owned(),
        ..LeaseTasksRequest::default()
    };
    let leased = clients.task.lease_tasks(asked).await.expect("leased");
    leased.into_inner().tasks
}

/// AWeber does whatever it is asked to do.
async fn complete_all(clients: &mut Clients) -> Vec<TaskKind> {
    let leased = lease(clients).await;
    complete(clients, leased).await
}

async fn complete(clients: &mut Clients, leased: Vec<LeasedTask>) -> Vec<TaskKind> {
    let mut kinds = Vec::new();
    for leased in leased {
        let task = leased.task.expect("a task");
        let done = CompleteTaskRequest {
            task_id: task.task_id.clone(),
            lease_id: leased.lease_id,
            outcome: TaskOutcome::Done.into(),
            ..CompleteTaskRequest::default()
        };
        clients.task.complete_task(done).await.expect("completed");
        kinds.push(task.kind());
    }
    kinds.sort_unstable();
    kinds
}

fn part_states(request: &SubjectRequest) -> Vec<RequestPartState> {
    request
        .parts
        .iter()
        .map(registry::proto::v1::RequestPart::state)
        .collect()
}

/// Changes the database behind the server's back.
async fn run_sql(server: &TestServer, sql: &str) {
    let url = server.config.database.url.expose();
    let database = Database::connect(url).await.expect("it is there");
    let done = database.execute_unprepared(sql).await.expect("it runs");
    assert!(done.rows_affected() > 0, "{sql}");
    database.close().await.expect("nothing is pending");
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the field that it goes into is optional"
)]
fn at(instant: jiff::Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: instant.as_second(),
        nanos: instant.subsec_nanosecond(),
    })
}

on_both! {
    async fn a_withdrawal_counts_at_once_and_is_complete_when_the_recipient_has_stopped(server: TestServer) {
        let mut admin = server.admin().await;
        let subject = subscriber(&mut admin).await;
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::Lawful);
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Withdrawal]) }).await;
        let received = get(&mut admin, &id).await;
        assert_eq!((received.state(), received.subject_id.as_str()), (RequestState::Received, subject.as_str()));
        assert_eq!(part_states(&received), [RequestPartState::Pending]);
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::Lawful, "nobody knows who asks");
        let verified = verify(&mut admin, &id).await.expect("verified");
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::ConsentWithdrawn);
        assert_eq!((verified.state(), verified.open_tasks), (RequestState::WaitingOnProcessors, 1));
        assert_eq!(verified.identity_method(), IdentityMethod::Document);
        assert_eq!(complete_all(&mut admin).await, [TaskKind::Stop]);
        let ended = becomes(&mut admin, &id, RequestState::Completed).await;
        assert_eq!(part_states(&ended), [RequestPartState::Done]);
        assert_eq!((ended.open_tasks, ended.unconfirmed_tasks), (0, 0));
        assert!(ended.completed_at.is_some() && ended.answered_at.is_none(), "who told the person?");
    }

    async fn all_consent_is_withdrawn_by_one_request(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let scope = Some(RequestScope { all_purposes: true, ..RequestScope::default() });
        let id = created(&mut admin, CreateRequestRequest { scope, ..asked(&[RequestKind::Withdrawal]) }).await;
        verify(&mut admin, &id).await.expect("verified");
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::ConsentWithdrawn);
        assert_eq!(check(&mut admin, "browser_and_device", "website_functionality").await, DecisionReason::Lawful);
    }

    async fn a_right_value_is_put_in_place_and_the_recipient_has_it_from_its_task(server: TestServer) {
        let mut admin = server.admin().await;
        let registered = admin.collection.register_collection(everything_of("visitor", ADA)).await;
        let registered = registered.expect("registered").into_inner();
        let item = registered.items.iter().find(|item| item.data_category == "email_address").expect("an item");
        let scope = Some(RequestScope {
            corrections: vec![Correction {
                item_id: item.item_id.clone(),
                content: Some(correction::Content::Text("ada.qx7@geheim.example".to_owned())),
            }],
            ..RequestScope::default()
        });
        let id = created(&mut admin, CreateRequestRequest { scope, ..asked(&[RequestKind::Rectification]) }).await;
        let received = get(&mut admin, &id).await;
        let shown = &received.scope.as_ref().expect("a scope").corrections;
        assert_eq!((shown.len(), shown[0].content.clone()), (1, None), "the value is not shown");
        verify(&mut admin, &id).await.expect("verified");
        let leased = lease(&mut admin).await;
        assert_eq!(leased[0].task.as_ref().expect("a task").kind(), TaskKind::Rectify);
        let right = task_item::Content::Text("ada.qx7@geheim.example".to_owned());
        assert_eq!(leased[0].items[0].content, Some(right));
    }

    async fn a_copy_comes_before_the_erasure_that_was_asked_for_with_it(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let kinds = [RequestKind::Erasure, RequestKind::Objection, RequestKind::Access];
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&kinds) }).await;
        let verified = verify(&mut admin, &id).await.expect("verified");
        let states = part_states(&verified);
        assert_eq!(states[0], RequestPartState::Pending, "the copy is not complete");
        assert_eq!(states[1], RequestPartState::Waiting, "an objection waits for nothing");
        assert_eq!(check(&mut admin, "email_address", "newsletter").await, DecisionReason::Objected);
        assert!(tasks(&mut admin, &id).await.iter().all(|task| task.kind() == TaskKind::Stop));
    }

    async fn a_request_that_nobody_does_anything_about_comes_to_its_end_by_time_alone(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) }).await;
        verify(&mut admin, &id).await.expect("verified");
        server.clock.advance(31 * DAY);
        let mut admin = server.admin().await;
        for _ in 0..200 {
            if tasks(&mut admin, &id).await[0].state() == TaskState::DeadLetter {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.clock.advance(31 * DAY);
        let mut admin = server.admin().await;
        let ended = becomes(&mut admin, &id, RequestState::Completed).await;
        assert_eq!((ended.open_tasks, ended.unconfirmed_tasks), (0, 1), "the person has to be told");
    }

    async fn an_item_under_a_legal_hold_keeps_the_request_until_it_is_released(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let hold = PlaceLegalHoldRequest {
            subject: Some(by("email", ADA)),
            data_categories: vec!["forum_messages".to_owned()],
            matter: "case 7".to_owned(),
            ..PlaceLegalHoldRequest::default()
        };
        let hold = admin.hold.place_legal_hold(hold).await.expect("placed").into_inner().legal_hold.expect("a hold");
        let scope = about(&[], &["forum_messages", "navigation"]);
        let id = created(&mut admin, CreateRequestRequest { scope, ..asked(&[RequestKind::Erasure]) }).await;
        let verified = verify(&mut admin, &id).await.expect("verified");
        for processor in ["aweber", "google_analytics"] {
            let leased = lease_of(&mut admin, processor).await;
            for kind in complete(&mut admin, leased).await {
                assert_eq!(kind, TaskKind::Erase);
            }
        }
        let waiting = becomes(&mut admin, &id, RequestState::OnHold).await;
        assert_eq!(waiting.subject_request_id, verified.subject_request_id);
        assert!(waiting.waiting_items > 0);
        let release = ReleaseLegalHoldRequest { legal_hold_id: hold.legal_hold_id, ..ReleaseLegalHoldRequest::default() };
        admin.hold.release_legal_hold(release).await.expect("released");
        becomes(&mut admin, &id, RequestState::Completed).await;
    }

    async fn a_request_that_does_not_read_holds_up_no_other(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let objection = || CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) };
        let broken = created(&mut admin, objection()).await;
        verify(&mut admin, &broken).await.expect("verified");
        run_sql(&server, "UPDATE subject_requests SET document = '{'").await;
        let id = created(&mut admin, objection()).await;
        verify(&mut admin, &id).await.expect("verified");
        assert_eq!(complete_all(&mut admin).await, [TaskKind::Stop, TaskKind::Stop]);
        becomes(&mut admin, &id, RequestState::Completed).await;
    }

    async fn every_step_is_in_the_log_and_in_the_events(server: TestServer) {
        let mut admin = server.admin().await;
        let subject = subscriber(&mut admin).await;
        let id = created(&mut admin, CreateRequestRequest { scope: about(&["newsletter"], &[]), ..asked(&[RequestKind::Objection]) }).await;
        verify(&mut admin, &id).await.expect("verified");
        complete_all(&mut admin).await;
        becomes(&mut admin, &id, RequestState::Completed).await;
        let listed = ListAuditEntriesRequest { subject: Some(by_id(&subject)), page_size: 100, ..ListAuditEntriesRequest::default() };
        let log = admin.audit.list_audit_entries(listed).await.expect("listed").into_inner().entries;
        let mut logged: Vec<_> = log.iter().rev().filter(|entry| entry.subject_request_id == id)
            .map(|entry| (entry.action.as_str(), entry.caller.as_str())).collect();
        logged.dedup();
        assert_eq!(logged, [
            ("CreateRequest", "admin"), ("VerifyIdentity", "admin"), ("LeaseTasks", "admin"),
            ("CompleteTask", "admin"), ("AdvanceRequest", "registry"),
        ]);
        let kinds = [EventKind::RequestReceived, EventKind::ObjectionRecorded, EventKind::RequestChanged];
        let watch = WatchEventsRequest { kinds: kinds.iter().map(|&kind| kind.into()).collect(), ..WatchEventsRequest::default() };
        let mut stream = admin.event.watch_events(watch).await.expect("watched").into_inner();
        let mut heard = Vec::new();
        while heard.len() < 4 {
            let message = stream.message().await.expect("it goes on").expect("a message");
            if let Some(Watched::Event(envelope)) = message.result {
                let event = envelope.event.expect("an event");
                assert_eq!((event.subject_request_id.as_str(), event.subject_id.as_str()), (id.as_str(), subject.as_str()));
                heard.push(event.kind());
            }
        }
        assert_eq!(heard, [kinds[0], kinds[1], kinds[2], kinds[2]]);
    }
}
