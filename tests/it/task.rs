//! What recipients must do: leased, acknowledged, failed, settled, and forgotten at the end.

use std::time::Duration;

use jiff::Timestamp;
use registry::{
    auth::dev_issuer::Grant,
    cli::compose,
    domain::{caller::Scope, id::TaskId},
    proto::v1::{
        CompleteTaskRequest, CorrectRecordRequest, DeleteRecordsRequest, FailTaskRequest,
        FetchRecordsRequest, GetTaskRequest, LeaseTasksRequest, LeasedTask, ListTasksRequest,
        MergeSubjectsRequest, ParkTaskRequest, RecordConsentRequest, RecordDisclosureRequest,
        RenewLeaseRequest, ResolveTaskRequest, RetryTaskRequest, Task, TaskCause, TaskKind,
        TaskOutcome, TaskState, WithdrawConsentRequest, correct_record_request,
        fetch_records_response, item::Content, task_item, withdraw_consent_request::Who,
    },
    store::TimeSource,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients, TestServer, files_below,
        sample::{by, by_id, everything_of, text, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada.qx7@geheim.example";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A visitor whose address went to AWeber for the newsletter.
async fn subscriber(clients: &mut Clients, email: &str) -> String {
    let mut visitor = everything_of("visitor", email);
    visitor.consents = vec![yes(&["newsletter"])];
    let registered = clients.collection.register_collection(visitor).await;
    let registered = registered.expect("registered").into_inner();
    let disclosure = RecordDisclosureRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        external_reference: "list 7".to_owned(),
        ..RecordDisclosureRequest::default()
    };
    let recorded = clients.disclosure.record_disclosure(disclosure).await;
    recorded.expect("disclosed");
    registered.subject_id
}

async fn delete(clients: &mut Clients, email: &str, data: &[&str]) {
    let delete = DeleteRecordsRequest {
        subject: Some(by("email", email)),
        data_categories: data.iter().map(|&data| data.to_owned()).collect(),
        ..DeleteRecordsRequest::default()
    };
    clients
        .record
        .delete_records(delete)
        .await
        .expect("deleted");
}

/// An erasure that AWeber has to carry out.
async fn erasure(clients: &mut Clients) -> String {
    let subject = subscriber(clients, ADA).await;
    delete(clients, ADA, &["email_address"]).await;
    subject
}

fn of_aweber() -> LeaseTasksRequest {
    LeaseTasksRequest {
        processor: "aweber".to_owned(),
        ..LeaseTasksRequest::default()
    }
}

async fn lease(clients: &mut Clients) -> Vec<LeasedTask> {
    let leased = clients.task.lease_tasks(of_aweber()).await;
    leased.expect("leased").into_inner().tasks
}

async fn lease_one(clients: &mut Clients) -> LeasedTask {
    let mut leased = lease(clients).await;
    assert_eq!(leased.len(), 1);
    leased.remove(0)
}

fn id(leased: &LeasedTask) -> String {
    leased.task.as_ref().expect("a task").task_id.clone()
}

fn completion(leased: &LeasedTask, outcome: TaskOutcome) -> CompleteTaskRequest {
    CompleteTaskRequest {
        task_id: id(leased),
        lease_id: leased.lease_id.clone(),
        outcome: outcome.into(),
        evidence: "job 7".to_owned(),
        ..CompleteTaskRequest::default()
    }
}

async fn complete(clients: &mut Clients, asked: CompleteTaskRequest) -> Result<Task, Status> {
    let answer = clients.task.complete_task(asked).await?.into_inner();
    Ok(answer.task.expect("a task"))
}

async fn fail(clients: &mut Clients, leased: &LeasedTask, retryable: bool) -> Task {
    let failed = FailTaskRequest {
        task_id: id(leased),
        lease_id: leased.lease_id.clone(),
        retryable,
        reason: "the vendor said 500".to_owned(),
        not_before: None,
    };
    let answer = clients.task.fail_task(failed).await.expect("failed");
    answer.into_inner().task.expect("a task")
}

async fn list(clients: &mut Clients) -> Vec<Task> {
    let listed = clients.task.list_tasks(ListTasksRequest::default()).await;
    listed.expect("listed").into_inner().tasks
}

async fn get(clients: &mut Clients, task_id: &str) -> Result<Task, Status> {
    let asked = GetTaskRequest {
        task_id: task_id.to_owned(),
    };
    let answer = clients.task.get_task(asked).await?.into_inner();
    Ok(answer.task.expect("a task"))
}

async fn of_kind(clients: &mut Clients, kind: TaskKind) -> Vec<Task> {
    let mut tasks = list(clients).await;
    tasks.retain(|task| task.kind() == kind);
    tasks
}

fn at(instant: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: instant.as_second(),
        nanos: instant.subsec_nanosecond(),
    }
}

/// Waits until the worker has moved the only erasure of AWeber there.
async fn becomes(clients: &mut Clients, state: TaskState) -> Task {
    for _ in 0..200 {
        let tasks = list(clients).await;
        let found = tasks.into_iter().find(|task| task.processor == "aweber");
        let task = found.expect("there is one");
        if task.state() == state {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never became {state:?}");
}

/// Whether the key that the task's content is sealed under is there.
async fn has_key(server: &TestServer, leased: &LeasedTask) -> bool {
    let store = compose::open_store(&server.config, TimeSource::Caller).await;
    let store = store.expect("the store opens");
    let snapshot = store.snapshot(server.now()).await.expect("a state");
    let task: TaskId = id(leased).parse().expect("an id");
    snapshot.has_own_key(task).await.expect("asked")
}

async fn item_of(clients: &mut Clients, data: &str) -> String {
    let fetch = FetchRecordsRequest {
        subject: Some(by("email", ADA)),
        data_categories: vec![data.to_owned()],
        purpose: "newsletter".to_owned(),
        ..FetchRecordsRequest::default()
    };
    let mut fetched = clients
        .record
        .fetch_records(fetch)
        .await
        .expect("fetched")
        .into_inner();
    while let Some(answer) = fetched.message().await.expect("an answer") {
        if let Some(fetch_records_response::Result::Item(item)) = answer.result {
            return item.item_id;
        }
    }
    panic!("there is no such item");
}

on_both! {
    async fn a_deletion_names_the_person_and_the_list_to_the_recipient(server: TestServer) {
        let mut admin = server.admin().await;
        let subject = erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        let task = leased.task.as_ref().expect("a task");
        assert_eq!((task.kind(), task.cause(), task.state()), (TaskKind::Erase, TaskCause::Deletion, TaskState::Leased));
        assert_eq!((task.subject_id.as_str(), task.processor.as_str()), (subject.as_str(), "aweber"));
        assert_eq!(task.data_categories, ["email_address"]);
        assert_eq!(leased.identifiers[0].value, ADA);
        assert_eq!(leased.items[0].external_references, ["list 7"]);
        assert_eq!(leased.items[0].item_id, task.item_ids[0]);
    }

    async fn a_correction_brings_the_right_value_to_the_recipient(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let correct = CorrectRecordRequest {
            subject: Some(by("email", ADA)),
            item_id: item_of(&mut admin, "email_address").await,
            content: Some(correct_record_request::Content::Text("right@example.org".to_owned())),
            ..CorrectRecordRequest::default()
        };
        admin.record.correct_record(correct).await.expect("corrected");
        let leased = lease_one(&mut admin).await;
        assert_eq!(leased.task.as_ref().expect("a task").kind(), TaskKind::Rectify);
        assert_eq!(leased.items[0].content, Some(task_item::Content::Text("right@example.org".to_owned())));
    }

    async fn an_internal_holder_is_told_where_it_has_the_item(server: TestServer) {
        let mut admin = server.admin().await;
        let mut visitor = everything_of("visitor", ADA);
        let mut photo = text("forum_profile_photo", "");
        photo.content = Some(Content::Locator("photos://77".to_owned()));
        visitor.items = vec![photo];
        admin.collection.register_collection(visitor).await.expect("registered");
        delete(&mut admin, ADA, &["forum_profile_photo"]).await;
        let tasks = of_kind(&mut admin, TaskKind::Erase).await;
        let held = tasks.iter().find(|task| !task.holder.is_empty()).expect("the holder's");
        let asked = LeaseTasksRequest { holder: held.holder.clone(), ..LeaseTasksRequest::default() };
        let leased = admin.task.lease_tasks(asked).await.expect("leased").into_inner().tasks;
        assert_eq!(leased[0].items[0].locator, "photos://77");
    }

    async fn a_withdrawal_stops_those_who_have_the_data_for_the_purpose(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin, ADA).await;
        let withdraw = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", ADA))),
            purposes: vec!["newsletter".to_owned()],
            ..WithdrawConsentRequest::default()
        };
        for _ in 0..2 {
            admin.consent.withdraw_consent(withdraw.clone()).await.expect("withdrawn");
        }
        let told = of_kind(&mut admin, TaskKind::Stop).await;
        let of_aweber: Vec<_> = told.iter().filter(|task| task.processor == "aweber").collect();
        assert_eq!(of_aweber.len(), 1, "a second click tells nobody anything new");
        assert_eq!(of_aweber[0].purposes, ["newsletter"]);
        assert_eq!(of_aweber[0].cause(), TaskCause::Withdrawal);
    }

    async fn a_no_stops_somebody_only_after_a_yes(server: TestServer) {
        let mut admin = server.admin().await;
        let say = async |admin: &mut Clients, choice| {
            let statement = yes(&["newsletter"]);
            let said = RecordConsentRequest {
                subject: Some(by("email", ADA)),
                purposes: statement.purposes,
                choice,
                evidence: statement.evidence,
                ..RecordConsentRequest::default()
            };
            admin.consent.record_consent(said).await.expect("recorded");
        };
        let refused = registry::proto::v1::ConsentChoice::Refused.into();
        admin.collection.register_collection(everything_of("visitor", ADA)).await.expect("registered");
        say(&mut admin, refused).await;
        assert_eq!(of_kind(&mut admin, TaskKind::Stop).await, []);
        say(&mut admin, registry::proto::v1::ConsentChoice::Given.into()).await;
        say(&mut admin, refused).await;
        assert!(!of_kind(&mut admin, TaskKind::Stop).await.is_empty());
    }

    async fn two_who_lease_at_once_never_share_a_task(server: TestServer) {
        let mut admin = server.admin().await;
        for n in 0..6 {
            let email = format!("{n}@example.org");
            subscriber(&mut admin, &email).await;
            delete(&mut admin, &email, &["email_address"]).await;
        }
        let mut workers = JoinSet::new();
        for _ in 0..6 {
            let mut worker = admin.clone();
            workers.spawn(async move {
                let asked = LeaseTasksRequest { max_tasks: 2, ..of_aweber() };
                worker.task.lease_tasks(asked).await.expect("leased").into_inner().tasks
            });
        }
        let mut ids: Vec<_> = workers.join_all().await.iter().flatten().map(id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(count + lease(&mut admin).await.len(), 6);
    }

    async fn the_lease_of_a_worker_that_died_passes_on_and_is_lost_to_it(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let first = lease_one(&mut admin).await;
        assert_eq!(lease(&mut admin).await, [], "somebody has it");
        server.clock.advance(Duration::from_mins(3));
        let second = lease_one(&mut admin).await;
        assert_eq!(id(&second), id(&first));
        assert_eq!(second.task.as_ref().expect("a task").attempts, 1);
        let lost = complete(&mut admin, completion(&first, TaskOutcome::Done)).await.expect_err("lost");
        assert_eq!((lost.code(), reason(&lost).as_str()), (Code::Aborted, "LEASE_LOST"));
        complete(&mut admin, completion(&second, TaskOutcome::Done)).await.expect("completed");
    }

    async fn a_lease_is_prolonged(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        server.clock.advance(Duration::from_secs(50));
        let renew = RenewLeaseRequest { task_id: id(&leased), lease_id: leased.lease_id.clone(), lease_duration: None };
        admin.task.renew_lease(renew).await.expect("renewed");
        server.clock.advance(Duration::from_secs(50));
        complete(&mut admin, completion(&leased, TaskOutcome::Done)).await.expect("still held");
    }

    async fn a_completion_that_is_repeated_is_answered_as_the_first_time(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        let asked = completion(&leased, TaskOutcome::Done);
        let first = admin.task.complete_task(asked.clone()).await.expect("completed").into_inner();
        server.clock.advance(HOUR);
        let again = admin.task.complete_task(asked.clone()).await.expect("repeated").into_inner();
        assert_eq!(again, first);
        let other = CompleteTaskRequest { outcome: TaskOutcome::AlreadyGone.into(), ..asked };
        let status = complete(&mut admin, other).await.expect_err("it has ended");
        assert_eq!(reason(&status), "LEASE_LOST");
    }

    async fn a_recipient_may_keep_a_part_or_take_it_from_the_person_only_and_says_why(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        for outcome in [TaskOutcome::Partial, TaskOutcome::DirectedToRecipient] {
            let status = complete(&mut admin, completion(&leased, outcome)).await.expect_err("no ground");
            assert_eq!(fields(&status), ["ground"]);
        }
        let partial = CompleteTaskRequest { ground: "tax law".to_owned(), ..completion(&leased, TaskOutcome::Partial) };
        let task = complete(&mut admin, partial).await.expect("completed");
        assert_eq!((task.state(), task.outcome(), task.ground.as_str()), (TaskState::Completed, TaskOutcome::Partial, "tax law"));
    }

    async fn what_is_hidden_is_handed_out_again_when_its_purge_is_expected(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        let hidden = completion(&leased, TaskOutcome::Suppressed);
        let status = complete(&mut admin, hidden.clone()).await.expect_err("until when?");
        assert_eq!(fields(&status), ["expected_completion"]);
        let purge = server.now() + jiff::SignedDuration::from_hours(20 * 24);
        let hidden = CompleteTaskRequest { expected_completion: Some(at(purge)), ..hidden };
        let task = complete(&mut admin, hidden).await.expect("hidden");
        assert_eq!((task.state(), task.completed_at), (TaskState::Suppressed, None));
        server.clock.advance(19 * DAY);
        let mut admin = server.admin().await;
        assert_eq!(lease(&mut admin).await, []);
        server.clock.advance(DAY);
        let mut admin = server.admin().await;
        let again = lease_one(&mut admin).await;
        assert_eq!(again.identifiers[0].value, ADA, "it is still known who is meant");
        let task = complete(&mut admin, completion(&again, TaskOutcome::Done)).await.expect("purged");
        assert_eq!(task.state(), TaskState::Completed);
        assert!(task.suppressed_at.is_some());
    }

    async fn a_parked_task_comes_back_with_what_was_kept(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        let kind = prost_types::value::Kind::StringValue("job-1".to_owned());
        let progress = prost_types::Struct {
            fields: [("job".to_owned(), prost_types::Value { kind: Some(kind) })].into(),
        };
        let park = ParkTaskRequest {
            task_id: id(&leased),
            lease_id: leased.lease_id.clone(),
            not_before: Some(at(server.now() + jiff::SignedDuration::from_hours(1))),
            progress: Some(progress.clone()),
        };
        admin.task.park_task(park).await.expect("parked");
        assert_eq!(lease(&mut admin).await, []);
        server.clock.advance(HOUR);
        let again = lease_one(&mut admin).await;
        assert_eq!(again.progress, Some(progress));
        assert_eq!(again.task.expect("a task").attempts, 0);
    }

    async fn failures_pause_longer_and_longer_and_end_in_the_dead_letters(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let mut attempts = 0;
        let dead = loop {
            let leased = lease_one(&mut admin).await;
            let task = fail(&mut admin, &leased, true).await;
            attempts += 1;
            if task.state() == TaskState::DeadLetter {
                break task;
            }
            assert_eq!(lease(&mut admin).await, [], "not at once");
            server.clock.advance(12 * HOUR);
            // A token is good for a day.
            admin = server.admin().await;
        };
        assert_eq!((attempts, dead.failure.as_str()), (15, "the vendor said 500"));
        let retry = RetryTaskRequest { task_id: dead.task_id.clone(), request_id: String::new() };
        admin.task.retry_task(retry.clone()).await.expect("taken up again");
        let leased = lease_one(&mut admin).await;
        let status = admin.task.retry_task(retry).await.expect_err("it is no dead letter");
        assert_eq!(reason(&status), "ILLEGAL_TRANSITION");
        assert_eq!(fail(&mut admin, &leased, false).await.state(), TaskState::DeadLetter);
        let resolve = ResolveTaskRequest {
            task_id: dead.task_id,
            outcome: TaskOutcome::Done.into(),
            evidence: "letter of 3 June".to_owned(),
            ..ResolveTaskRequest::default()
        };
        let resolved = admin.task.resolve_task(resolve).await.expect("resolved").into_inner();
        assert_eq!(resolved.task.expect("a task").state(), TaskState::Completed);
    }

    async fn what_nobody_takes_and_nobody_settles_is_given_up_unconfirmed(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        server.clock.advance(30 * DAY);
        let mut admin = server.admin().await;
        becomes(&mut admin, TaskState::DeadLetter).await;
        server.clock.advance(30 * DAY);
        let mut admin = server.admin().await;
        let task = becomes(&mut admin, TaskState::Unconfirmed).await;
        assert!(task.completed_at.is_some());
        assert_eq!(task.outcome(), TaskOutcome::Unspecified);
    }

    async fn a_connector_sees_its_own_processors_tasks_and_no_others(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        let grant = Grant {
            scopes: vec![Scope::Tasks],
            processors: vec!["stripe".to_owned()],
            sources: Vec::new(),
            ..Grant::everything("stripe_connector", HOUR)
        };
        let mut stripe = server.clients(&server.token(&grant)).await;
        let status = stripe.task.lease_tasks(of_aweber()).await.expect_err("another's");
        assert_eq!(reason(&status), "CLAIM_MISSING");
        let status = complete(&mut stripe, completion(&leased, TaskOutcome::Done)).await.expect_err("another's");
        assert_eq!(reason(&status), "CLAIM_MISSING");
        assert!(list(&mut stripe).await.iter().all(|task| task.processor == "stripe"));
        let unknown = CompleteTaskRequest {
            task_id: TaskId(uuid::Uuid::now_v7()).to_string(),
            ..completion(&leased, TaskOutcome::Done)
        };
        let status = complete(&mut admin, unknown).await.expect_err("unknown");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "TASK_NOT_FOUND"));
        let mut other = server.service("shop", &[Scope::Collect]).await;
        let status = other.task.lease_tasks(of_aweber()).await.expect_err("no scope");
        assert_eq!(reason(&status), "SCOPE_MISSING");
    }

    async fn one_task_is_shown_to_whom_it_is_for(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let listed = of_kind(&mut admin, TaskKind::Erase).await;
        let task = listed.iter().find(|task| task.processor == "aweber").expect("AWeber's");
        let id = &task.task_id;
        assert_eq!(get(&mut admin, id).await.as_ref().ok(), Some(task));
        let leased = lease_one(&mut admin).await;
        let done = complete(&mut admin, completion(&leased, TaskOutcome::Done)).await.expect("completed");
        assert_eq!(get(&mut admin, id).await.expect("ended tasks are shown as well"), done);
        let of = |processor: &str| Grant {
            scopes: vec![Scope::Tasks],
            processors: vec![processor.to_owned()],
            sources: Vec::new(),
            ..Grant::everything("connector", HOUR)
        };
        let mut aweber = server.clients(&server.token(&of("aweber"))).await;
        assert_eq!(get(&mut aweber, id).await.expect("its own"), done);
        let mut stripe = server.clients(&server.token(&of("stripe"))).await;
        let status = get(&mut stripe, id).await.expect_err("another's");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "CLAIM_MISSING"));
        let unknown = TaskId(uuid::Uuid::now_v7()).to_string();
        let status = get(&mut stripe, &unknown).await.expect_err("unknown");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "TASK_NOT_FOUND"));
        let status = get(&mut admin, "7").await.expect_err("no id");
        assert_eq!(fields(&status), ["task_id"]);
        let mut other = server.service("shop", &[Scope::Collect]).await;
        assert_eq!(reason(&get(&mut other, id).await.expect_err("no scope")), "SCOPE_MISSING");
    }

    async fn a_lease_says_whose_and_for_how_long(server: TestServer) {
        let mut admin = server.admin().await;
        let asked = LeaseTasksRequest { max_tasks: 101, lease_duration: Some(prost_types::Duration { seconds: 3_601, nanos: 0 }), ..LeaseTasksRequest::default() };
        let status = admin.task.lease_tasks(asked).await.expect_err("nothing fits");
        assert_eq!(fields(&status), ["processor", "max_tasks", "lease_duration"]);
        let both = LeaseTasksRequest { holder: "forum".to_owned(), ..of_aweber() };
        let status = admin.task.lease_tasks(both).await.expect_err("one of both");
        assert_eq!(fields(&status), ["holder"]);
    }

    async fn the_tasks_of_a_person_who_is_merged_away_go_on(server: TestServer) {
        let mut admin = server.admin().await;
        let ada = erasure(&mut admin).await;
        let bob = subscriber(&mut admin, "bob@example.org").await;
        let merge = MergeSubjectsRequest {
            from: Some(by_id(&ada)),
            into: Some(by_id(&bob)),
            ..MergeSubjectsRequest::default()
        };
        admin.subject.merge_subjects(merge).await.expect("merged");
        let leased = lease_one(&mut admin).await;
        assert_eq!(leased.identifiers[0].value, ADA);
        assert_eq!(leased.task.as_ref().expect("a task").subject_id, bob);
        complete(&mut admin, completion(&leased, TaskOutcome::Done)).await.expect("completed");
    }

    async fn at_its_end_the_key_of_a_task_is_destroyed_and_the_audit_names_it(server: TestServer) {
        let mut admin = server.admin().await;
        erasure(&mut admin).await;
        let leased = lease_one(&mut admin).await;
        assert!(has_key(&server, &leased).await);
        complete(&mut admin, completion(&leased, TaskOutcome::Done)).await.expect("completed");
        assert!(!has_key(&server, &leased).await);
        let asked = registry::proto::v1::ListAuditEntriesRequest::default();
        let entries = admin.audit.list_audit_entries(asked).await.expect("listed").into_inner().entries;
        for action in ["LeaseTasks", "CompleteTask"] {
            let entry = entries.iter().find(|entry| entry.action == action).expect(action);
            assert_eq!(entry.task_ids, [id(&leased)]);
        }
        for file in files_below(server.dir.path()) {
            let bytes = std::fs::read(&file).expect("readable");
            let stands = bytes.windows(ADA.len()).any(|window| window == ADA.as_bytes());
            assert!(!stands, "the address stands in {}", file.display());
        }
    }
}
