//! Packages for people, as the running server writes and destroys them.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use registry::{
    app::{Error, Registry, export::Download},
    domain::{
        caller::{Bound, Caller, Scope},
        deadline::{Calendar, PublicHolidays},
        export::{
            ExportFormat, ExportKind,
            record::ExportRecord,
            writing::{Export, Writing},
        },
        id::{ExportId, ItemId, SubjectId, SubjectRequestId, TaskId},
        item::ItemKey,
        request::{
            RequestKind, RequestState, Scope as About,
            life::AnyRequest,
            part::Part,
            record::{DeadlineClock, Record},
        },
        task::{Locator, Recipient, Task, TaskCause, TaskItem, TaskKind, TaskPayload, TaskState},
    },
    proto::v1::{
        CompleteTaskRequest, Event, EventKind, LeaseTasksRequest, LeasedTask, ProvidedItem,
        TaskOutcome, WatchEventsRequest, item::Content, provided_item,
        watch_events_response::Result as Watched,
    },
    store::Tx,
};
use serde_json::Value;

use crate::{
    harness::{
        Clients, files_below,
        sample::{everything_of, text},
    },
    on_both,
};

/// A value that no program writes by chance.
const MESSAGE: &str = "Pomeranze-Krokodil-7731";

/// A visitor whose forum messages lie with the service that registered them.
async fn visitor(clients: &mut Clients) -> (SubjectId, ItemId) {
    let mut visitor = everything_of("visitor", "ada@example.org");
    let mut messages = text("forum_messages", "");
    messages.content = Some(Content::Locator("forum://7".to_owned()));
    visitor.items = vec![messages];
    let registered = clients.collection.register_collection(visitor).await;
    let registered = registered.expect("registered").into_inner();
    let id = |text: &str| uuid::Uuid::try_parse(text).expect("an id");
    (
        SubjectId(id(&registered.subject_id)),
        ItemId(id(&registered.items[0].item_id)),
    )
}

fn received(tx: &Tx, subject: SubjectId) -> Record {
    let mut copy = Part::pending(RequestKind::Access);
    copy.begin();
    let calendar = Calendar {
        zone: &TimeZone::UTC,
        holidays: &PublicHolidays::default(),
    };
    Record {
        subject_request_id: SubjectRequestId(tx.new_id()),
        subject_id: subject,
        channel: "email".parse().expect("a name"),
        received_at: tx.now(),
        recorded_at: tx.now(),
        scope: About::default(),
        parts: vec![copy],
        clock: DeadlineClock::start(tx.now(), calendar),
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    }
}

async fn begin(tx: &mut Tx, subject: SubjectId, item: ItemId) -> Result<SubjectRequestId, Error> {
    let record = received(tx, subject);
    let request = record.subject_request_id;
    let kept = AnyRequest::restore(RequestState::InProgress, record);
    tx.insert_request(&kept, &[]).await?;
    let export = ExportRecord {
        export_id: ExportId(tx.new_key_id().await?),
        subject_request_id: request,
        subject_id: subject,
        kind: ExportKind::Access,
        created_at: tx.now(),
        ready_at: None,
        expires_at: None,
        destroyed_at: None,
        items: 0,
        json: None,
        html: None,
    };
    let data = "forum_messages".parse().expect("a name");
    let task = Task {
        task_id: TaskId(tx.new_key_id().await?),
        subject_id: subject,
        subject_request_id: Some(request),
        export_id: Some(export.export_id),
        recipient: Recipient::Holder("admin".parse().expect("a source")),
        kind: TaskKind::ProvideCopy,
        cause: TaskCause::Request,
        data_categories: vec![data],
        item_ids: vec![item],
        purposes: Vec::new(),
        created_at: tx.now(),
        begun_at: tx.now(),
        attempts: 0,
        failure: String::new(),
        suppression: None,
        state: TaskState::Waiting {
            not_before: tx.now(),
        },
    };
    let asked_for = TaskItem {
        item_id: item,
        data_category: task.data_categories[0].clone(),
        key: ItemKey::default(),
        locator: Some(Locator::new("forum://7".to_owned())),
        external_references: Vec::new(),
        right_value: None,
    };
    let payload = TaskPayload {
        identifiers: Vec::new(),
        items: vec![asked_for],
    };
    let writing = Writing::default();
    tx.insert_export(&Export {
        record: export,
        writing,
    })
    .await?;
    tx.insert_tasks(&[(task, payload)]).await?;
    Ok(request)
}

async fn lease(clients: &mut Clients) -> LeasedTask {
    let asked = LeaseTasksRequest {
        holder: "admin".to_owned(),
        ..LeaseTasksRequest::default()
    };
    let leased = clients.task.lease_tasks(asked).await.expect("leased");
    leased.into_inner().tasks.remove(0)
}

async fn hand_over(clients: &mut Clients, leased: &LeasedTask) {
    let completed = CompleteTaskRequest {
        task_id: leased.task.as_ref().expect("a task").task_id.clone(),
        lease_id: leased.lease_id.clone(),
        outcome: TaskOutcome::Done.into(),
        provided: vec![ProvidedItem {
            item_id: leased.items[0].item_id.clone(),
            content: Some(provided_item::Content::Text(MESSAGE.to_owned())),
        }],
        ..CompleteTaskRequest::default()
    };
    clients.task.complete_task(completed).await.expect("ended");
}

/// Waits until the worker has completed a package.
async fn announced(clients: &mut Clients) -> Event {
    let watch = WatchEventsRequest {
        kinds: vec![EventKind::ExportReady.into()],
        ..WatchEventsRequest::default()
    };
    let mut stream = clients
        .event
        .watch_events(watch)
        .await
        .expect("watched")
        .into_inner();
    loop {
        let message = stream.message().await.expect("it goes on");
        if let Some(Watched::Event(envelope)) = message.expect("a message").result {
            return envelope.event.expect("an event");
        }
    }
}

fn support() -> Arc<Caller> {
    Arc::new(Caller {
        service: "support".parse().expect("a name"),
        scopes: [Scope::Requests].into(),
        sources: Bound::Nothing,
        purposes: Bound::Nothing,
        processors: Bound::Nothing,
        expires_at: None,
    })
}

async fn download(registry: &Registry, request: SubjectRequestId) -> Result<Vec<u8>, Error> {
    let wanted = Download {
        subject_request_id: request,
        kind: None,
        format: ExportFormat::Json,
        offset: 0,
    };
    let opened = registry.open_export(&support(), wanted).await?;
    registry.read_export(&support(), &opened, 0).await
}

on_both! {
    async fn what_a_holder_hands_over_is_written_by_the_worker_announced_and_gone_in_the_end(server: TestServer) {
        let mut clients = server.admin().await;
        let (subject, item) = visitor(&mut clients).await;
        let begun = server.registry().store().write("begin", server.now(), move |tx| {
            Box::pin(async move { begin(tx, subject, item).await })
        });
        let request = begun.await.expect("begun");
        let early = download(server.registry(), request).await;
        assert!(matches!(early, Err(Error::IllegalTransition(_))), "{early:?}");
        let leased = lease(&mut clients).await;
        hand_over(&mut clients, &leased).await;
        let event = announced(&mut clients).await;
        assert_eq!(event.subject_request_id, request.to_string());
        assert_eq!(event.subject_id, subject.to_string());
        let package = download(server.registry(), request).await.expect("a package");
        let package: Value = serde_json::from_slice(&package).expect("JSON");
        assert_eq!(package["items"][0]["content"]["handed_over"]["text"], MESSAGE);
        for file in files_below(server.dir.path()) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(MESSAGE.len()).any(|part| part == MESSAGE.as_bytes());
            assert!(!found, "{}", file.display());
        }
        server.clock.advance(Duration::from_hours(30 * 24));
        let late = download(server.registry(), request).await;
        assert!(matches!(late, Err(Error::NotFound(_))), "{late:?}");
        for round in 0.. {
            let snapshot = server.registry().store().snapshot(server.now()).await.expect("a state");
            let packages = snapshot.list_exports_of(&[request]).await.expect("listed");
            if packages[0].destroyed_at.is_some() {
                assert!(!snapshot.has_own_key(packages[0].export_id).await.expect("asked"));
                break;
            }
            assert!(round < 200, "it is never destroyed");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
