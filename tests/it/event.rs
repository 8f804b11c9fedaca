//! Events: in one order, none skipped, resumed from a cursor.

use std::{collections::BTreeMap, time::Duration};

use registry::{
    auth::dev_issuer::Grant,
    domain::{self, caller::Scope, revision::Revision},
    proto::v1::{
        Event, EventKind, WatchEventsRequest, WatchEventsResponse,
        watch_events_response::Result as Answer,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status, Streaming};

use crate::{
    harness::{
        Clients, TestServer, clock, new_dir,
        sample::everything_of,
        status::{fields, metadata, reason},
    },
    on_both,
};

const LONG_ENOUGH: Duration = Duration::from_mins(1);

async fn watch(
    clients: &mut Clients,
    request: WatchEventsRequest,
) -> Result<Streaming<WatchEventsResponse>, Status> {
    let stream = clients.event.watch_events(request).await?;
    Ok(stream.into_inner())
}

async fn next(stream: &mut Streaming<WatchEventsResponse>) -> Result<Answer, Status> {
    let message = stream.message().await?;
    let result = message.expect("the stream goes on").result;
    Ok(result.expect("an event or a checkpoint"))
}

/// What comes of waiting, if it comes in time.
async fn in_time<T>(waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(LONG_ENOUGH, waiting).await;
    waited.expect("it comes in time")
}

/// The next event, and the cursor behind it.
async fn event(stream: &mut Streaming<WatchEventsResponse>) -> (Event, String) {
    let event = async {
        loop {
            if let Answer::Event(envelope) = next(stream).await.expect("no error") {
                return (envelope.event.expect("an event"), envelope.cursor);
            }
        }
    };
    in_time(event).await
}

/// What the stream ends with.
async fn end(stream: &mut Streaming<WatchEventsResponse>) -> Status {
    let end = async {
        loop {
            if let Err(status) = next(stream).await {
                return status;
            }
        }
    };
    in_time(end).await
}

async fn register(clients: &mut Clients, email: &str) {
    let registration = everything_of("visitor", email);
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered");
}

/// Registers the same people again and again from two replicas, or twice from one, while one follows.
async fn check_that_none_is_skipped(here: Clients, there: Clients, mut follower: Clients) {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 10;
    let mut stream = watch(&mut follower, WatchEventsRequest::default())
        .await
        .expect("followed");
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let mut clients = if writer % 2 == 0 { &here } else { &there }.clone();
        writers.spawn(async move {
            for round in 0..ROUNDS {
                // Some people of one's own, and one whom all fight for.
                register(&mut clients, &format!("{writer}-{round}@example.com")).await;
                register(&mut clients, "shared@example.com").await;
            }
        });
    }
    let (mut seen, mut cursors) = (Vec::new(), Vec::new());
    let mut registrations = 0;
    while registrations < 2 * WRITERS * ROUNDS {
        let (event, cursor) = event(&mut stream).await;
        registrations += usize::from(event.kind() == EventKind::ItemsRegistered);
        seen.push(event);
        cursors.push(cursor);
    }
    writers.join_all().await;
    let middle = seen.len() / 2;
    let again = WatchEventsRequest {
        cursor: cursors[middle - 1].clone(),
        ..WatchEventsRequest::default()
    };
    let mut resumed = watch(&mut follower, again).await.expect("resumed");
    for expected in &seen[middle..] {
        assert_eq!(&event(&mut resumed).await.0, expected);
    }
    check_order_of_each_subject(&seen);
}

/// A subject comes into being before anything else happens to it, and its revisions only grow.
fn check_order_of_each_subject(seen: &[Event]) {
    let mut by_subject: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in seen.iter().filter(|event| !event.subject_id.is_empty()) {
        by_subject.entry(&event.subject_id).or_default().push(event);
    }
    assert_eq!(by_subject.len(), 81);
    for (subject, events) in by_subject {
        assert_eq!(events[0].kind(), EventKind::SubjectCreated, "{subject}");
        let revisions: Vec<_> = events
            .iter()
            .map(|event| event.revision.parse::<Revision>().expect("a revision"))
            .collect();
        assert!(revisions.is_sorted(), "{subject}: {revisions:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_skipped_while_two_replicas_write() {
    let one = TestServer::on_postgres().await;
    let other = one.replica().await;
    let (here, there) = (one.admin().await, other.admin().await);
    Box::pin(check_that_none_is_skipped(here, there, other.admin().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_skipped_while_many_write_to_one_file() {
    let server = TestServer::on_sqlite().await;
    let clients = server.admin().await;
    Box::pin(check_that_none_is_skipped(
        clients.clone(),
        clients,
        server.admin().await,
    ))
    .await;
}

on_both! {
    async fn a_watcher_hears_of_a_registration_without_any_personal_data(server: TestServer) {
        let mut admin = server.admin().await;
        let kinds = vec![EventKind::SubjectCreated.into(), EventKind::ItemsRegistered.into()];
        let request = WatchEventsRequest { kinds, ..WatchEventsRequest::default() };
        let mut stream = watch(&mut admin, request).await.expect("followed");
        register(&mut admin.clone(), "ada@example.com").await;
        let (created, _) = event(&mut stream).await;
        let (registered, _) = event(&mut stream).await;
        assert_eq!(created.kind(), EventKind::SubjectCreated);
        assert_eq!(registered.kind(), EventKind::ItemsRegistered);
        assert_eq!(created.subject_id, registered.subject_id);
        assert_eq!(registered.item_ids.len(), registered.data_categories.len());
        let printed = format!("{created:?} {registered:?}");
        // With its sign: an id may have these letters too.
        assert!(!printed.contains("ada@") && !printed.contains("a value"), "{printed}");
    }

    async fn a_checkpoint_tells_a_watcher_that_it_has_caught_up(server: TestServer) {
        let mut admin = server.admin().await;
        let kinds = vec![EventKind::DisclosureRecorded.into()];
        let request = WatchEventsRequest { kinds, ..WatchEventsRequest::default() };
        let mut stream = watch(&mut admin, request.clone()).await.expect("followed");
        let Answer::Checkpoint(checkpoint) = in_time(next(&mut stream)).await.expect("no error") else {
            panic!("nothing was disclosed");
        };
        let request = WatchEventsRequest { cursor: checkpoint.cursor, ..request };
        watch(&mut admin, request).await.expect("the cursor is good");
    }

    async fn a_watch_that_makes_no_sense_is_refused(server: TestServer) {
        let mut admin = server.admin().await;
        let request = WatchEventsRequest {
            kinds: vec![EventKind::ItemsRegistered.into(), 0, 99],
            processors: vec!["AWeber".to_owned()],
            ..WatchEventsRequest::default()
        };
        let status = watch(&mut admin, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(fields(&status), ["kinds[1]", "kinds[2]", "processors[0]"]);
        let request = WatchEventsRequest { cursor: "0".to_owned(), ..WatchEventsRequest::default() };
        let status = watch(&mut admin, request).await.unwrap_err();
        assert_eq!(reason(&status), "CURSOR_INVALID");
    }

    async fn a_connector_watches_its_own_processor_alone(server: TestServer) {
        let grant = Grant {
            processors: vec!["aweber".to_owned()],
            ..Grant::everything("connector", Duration::from_hours(1))
        };
        let mut connector = server.clients(&server.token(&grant)).await;
        let own = WatchEventsRequest {
            processors: vec!["aweber".to_owned()],
            ..WatchEventsRequest::default()
        };
        watch(&mut connector, own.clone()).await.expect("its own");
        let mut others = own;
        others.processors.push("stripe".to_owned());
        for request in [others, WatchEventsRequest::default()] {
            let status = watch(&mut connector, request).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "CLAIM_MISSING"));
        }
        let mut checker = server.service("checker", &[Scope::Check]).await;
        let status = watch(&mut checker, WatchEventsRequest::default()).await.unwrap_err();
        assert_eq!(reason(&status), "SCOPE_MISSING");
    }

    async fn a_stream_ends_with_the_token_that_opened_it(server: TestServer) {
        let grant = Grant::everything("brief", Duration::from_mins(1));
        let mut brief = server.clients(&server.token(&grant)).await;
        let mut stream = watch(&mut brief, WatchEventsRequest::default()).await.expect("followed");
        event(&mut stream).await;
        server.clock.advance(Duration::from_mins(1));
        let status = end(&mut stream).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    }

    async fn a_stream_says_that_the_server_stops(server: TestServer) {
        let mut admin = server.admin().await;
        let mut stream = watch(&mut admin, WatchEventsRequest::default()).await.expect("followed");
        event(&mut stream).await;
        server.stop();
        let status = end(&mut stream).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STOPPING"));
    }

    async fn a_checkpoint_says_that_a_watcher_has_caught_up(server: TestServer) {
        let mut admin = server.admin().await;
        let kinds = vec![EventKind::DisclosureRecorded.into()];
        let request = WatchEventsRequest { kinds, ..WatchEventsRequest::default() };
        let mut stream = watch(&mut admin, request).await.expect("followed");
        let Answer::Checkpoint(checkpoint) = in_time(next(&mut stream)).await.expect("no error") else {
            panic!("nothing was disclosed");
        };
        assert!(checkpoint.caught_up);
    }
}

/// Enough that no transport takes all of it unasked.
const TOO_MANY: u128 = 20_000;

/// A reader over real gRPC who does not read is let go, and goes on from where it was.
async fn check_that_a_reader_who_does_not_read_is_let_go(is_postgres: bool) {
    let patience = Duration::from_millis(200);
    let server = TestServer::configured(new_dir(), is_postgres, clock(), |config| {
        config.events.reader_patience = patience;
    })
    .await;
    let registry = server.registry();
    let written = registry.store().write("many", server.now(), |tx| {
        Box::pin(async move {
            let events: Vec<_> = (0..TOO_MANY)
                .map(|n| domain::event::Event {
                    item_ids: vec![domain::id::ItemId(uuid::Uuid::from_u128(n))],
                    ..domain::event::Event::new(domain::event::EventKind::ItemsRegistered, None)
                })
                .collect();
            tx.emit(&events).await?;
            Ok::<_, registry::app::Error>(())
        })
    });
    written.await.expect("written");
    while registry.place_events().await.expect("placed") > 0 {}
    let mut admin = server.admin().await;
    let kinds = vec![EventKind::ItemsRegistered.into()];
    let request = WatchEventsRequest {
        kinds,
        ..WatchEventsRequest::default()
    };
    let mut stream = watch(&mut admin, request.clone()).await.expect("followed");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let (first, _) = event(&mut stream).await;
    seen.push(first.item_ids);
    tokio::time::sleep(8 * patience).await;
    let status = loop {
        match in_time(next(&mut stream)).await {
            Ok(Answer::Event(envelope)) => {
                seen.push(envelope.event.expect("an event").item_ids);
                cursor = envelope.cursor;
            }
            Ok(Answer::Checkpoint(_)) => panic!("it has not caught up"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "READER_TOO_SLOW");
    assert_eq!(metadata(&status)["cursor"], cursor);
    let request = WatchEventsRequest { cursor, ..request };
    let mut stream = watch(&mut admin, request).await.expect("resumed");
    while seen.len() < usize::try_from(TOO_MANY).expect("it is small") {
        seen.push(event(&mut stream).await.0.item_ids);
    }
    let expected = (0..TOO_MANY).map(|n| vec![uuid::Uuid::from_u128(n).to_string()]);
    assert!(
        seen.into_iter().eq(expected),
        "none is skipped and none comes twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_does_not_read_is_let_go_on_sqlite() {
    check_that_a_reader_who_does_not_read_is_let_go(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_does_not_read_is_let_go_on_postgres() {
    check_that_a_reader_who_does_not_read_is_let_go(true).await;
}
