use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream::BoxStream};
use uuid::Uuid;

use super::{
    follower::{READ_MAX, WINDOW_PLACES},
    *,
};
use crate::{
    app::{
        Call,
        registry::Change,
        testing::{TestRegistry, everything, registry},
    },
    domain::{audit::AuditDetail, event::Event, id::SubjectId},
};

const LONG_ENOUGH: Duration = Duration::from_secs(20);

/// One change of a subject, which is told of by these events.
async fn change(registry: &Registry, caller: &Arc<Caller>, events: Vec<Event>) {
    let call = Call::new(caller.clone(), Action::RecordActivity);
    let written = registry
        .change(call, move |_, _| {
            let mut change = Change::new((), AuditDetail::default());
            change.events = events.clone();
            Box::pin(async move { Ok(change) })
        })
        .await;
    written.expect("changed");
}

fn event(kind: EventKind, subject: u128) -> Event {
    Event::new(kind, Some(SubjectId(Uuid::from_u128(subject))))
}

fn to(processor: &str) -> Event {
    Event {
        processors: vec![processor.parse().unwrap()],
        ..event(EventKind::DisclosureRecorded, 1)
    }
}

async fn follow(
    test: &TestRegistry,
    cursor: Option<&str>,
    filter: EventFilter,
) -> BoxStream<'static, Result<Watched, Error>> {
    let watched = test.registry.watch_events(&test.caller, cursor, filter);
    watched.await.expect("followed").boxed()
}

async fn next(
    stream: &mut (impl Stream<Item = Result<Watched, Error>> + Unpin),
) -> Result<Watched, Error> {
    let next = tokio::time::timeout(LONG_ENOUGH, stream.next()).await;
    next.expect("something comes in time")
        .expect("the stream goes on")
}

/// What has happened so far, each with the cursor behind it, and the cursor of the checkpoint.
async fn past(
    stream: &mut (impl Stream<Item = Result<Watched, Error>> + Unpin),
) -> (Vec<(PlacedEvent, String)>, String) {
    let mut events = Vec::new();
    loop {
        match next(stream).await.expect("no error") {
            Watched::Event { event, cursor } => events.push((*event, cursor)),
            Watched::Checkpoint { cursor, .. } => return (events, cursor),
        }
    }
}

fn kinds(events: &[(PlacedEvent, String)]) -> Vec<EventKind> {
    events.iter().map(|(placed, _)| placed.event.kind).collect()
}

async fn placed(test: &TestRegistry) {
    while test.registry.place_events().await.expect("placed") > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn none_is_skipped_and_each_subject_keeps_its_order_while_many_write_and_one_follows() {
    const WRITERS: u128 = 16;
    const CHANGES: usize = 12;
    let test = registry().await;
    let mut writers = tokio::task::JoinSet::new();
    for subject in 1..=WRITERS {
        let (registry, caller) = (test.registry.clone(), test.caller.clone());
        writers.spawn(async move {
            for number in 0..CHANGES {
                let told = Event {
                    policy_version: Some(number.to_string().parse().unwrap()),
                    ..event(EventKind::ActivityRecorded, subject)
                };
                change(&registry, &caller, vec![told]).await;
            }
        });
    }
    let placer = test.registry.clone();
    let placing = tokio::spawn(async move {
        loop {
            placer.place_events().await.expect("placed");
            tokio::task::yield_now().await;
        }
    });
    let filter = EventFilter {
        kinds: vec![EventKind::ActivityRecorded],
        ..EventFilter::default()
    };
    let mut stream = follow(&test, None, filter).await;
    let mut seen: HashMap<SubjectId, Vec<String>> = HashMap::new();
    let mut positions = Vec::new();
    while positions.len() < WRITERS as usize * CHANGES {
        if let Watched::Event { event, .. } = next(&mut stream).await.expect("no error") {
            positions.push(event.position);
            let subject = event.event.subject_id.expect("a subject");
            let number = event.event.policy_version.expect("a number");
            seen.entry(subject).or_default().push(number.to_string());
        }
    }
    writers.join_all().await;
    placing.abort();
    // The publication of the policy came first, and nothing came between.
    let expected: Vec<i64> = (2..).take(positions.len()).collect();
    assert_eq!(positions, expected);
    let in_order: Vec<String> = (0..CHANGES).map(|number| number.to_string()).collect();
    assert_eq!(seen.len(), WRITERS as usize);
    for (subject, numbers) in seen {
        assert_eq!(numbers, in_order, "{subject}");
    }
}

#[tokio::test]
async fn a_follower_goes_on_behind_any_cursor_and_behind_a_checkpoint() {
    let test = registry().await;
    let (one, two) = (EventKind::SubjectCreated, EventKind::ItemsRegistered);
    change(
        &test.registry,
        &test.caller,
        vec![event(one, 1), event(two, 1)],
    )
    .await;
    placed(&test).await;
    let (events, checkpoint) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    assert_eq!(kinds(&events), [EventKind::PolicyPublished, one, two]);
    for (index, (_, cursor)) in events.iter().enumerate() {
        let mut again = follow(&test, Some(cursor), EventFilter::default()).await;
        let (rest, _) = past(&mut again).await;
        assert_eq!(kinds(&rest), kinds(&events)[index + 1..]);
    }
    change(&test.registry, &test.caller, vec![event(one, 2)]).await;
    placed(&test).await;
    let mut later = follow(&test, Some(&checkpoint), EventFilter::default()).await;
    assert_eq!(kinds(&past(&mut later).await.0), [one]);
}

#[tokio::test]
async fn an_event_comes_to_a_follower_that_waits() {
    let test = registry().await;
    placed(&test).await;
    let mut stream = follow(&test, None, EventFilter::default()).await;
    past(&mut stream).await;
    let kind = EventKind::ConsentWithdrawn;
    change(&test.registry, &test.caller, vec![event(kind, 1)]).await;
    placed(&test).await;
    let Watched::Event { event, .. } = next(&mut stream).await.unwrap() else {
        panic!("an event comes first");
    };
    assert_eq!(event.event.kind, kind);
}

#[tokio::test]
async fn more_events_than_are_read_at_once_come_whole() {
    let test = registry().await;
    let many = vec![event(EventKind::ItemsRegistered, 1); READ_MAX + 1];
    change(&test.registry, &test.caller, many).await;
    placed(&test).await;
    let (events, _) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    assert_eq!(events.len(), READ_MAX + 2);
}

#[tokio::test]
async fn a_follower_of_some_kinds_hears_of_those_alone() {
    let test = registry().await;
    let (one, two) = (EventKind::ConsentRecorded, EventKind::ItemsDeleted);
    change(
        &test.registry,
        &test.caller,
        vec![event(one, 1), event(two, 1), event(one, 1)],
    )
    .await;
    placed(&test).await;
    let filter = EventFilter {
        kinds: vec![one],
        ..EventFilter::default()
    };
    let (events, cursor) = past(&mut follow(&test, None, filter).await).await;
    assert_eq!(kinds(&events), [one, one]);
    // The checkpoint stands behind what was not asked for, too.
    let (rest, _) = past(&mut follow(&test, Some(&cursor), EventFilter::default()).await).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_follower_for_a_processor_hears_of_it_and_of_what_names_none() {
    let test = registry().await;
    let unnamed = event(EventKind::ConsentWithdrawn, 1);
    // A name that begins or ends another, and one that differs at a character that LIKE would take.
    let named = ["aweber", "aweber2", "a_eber", "stripe"].map(to);
    change(
        &test.registry,
        &test.caller,
        [named.to_vec(), vec![unnamed]].concat(),
    )
    .await;
    placed(&test).await;
    let filter = EventFilter {
        kinds: vec![EventKind::DisclosureRecorded, EventKind::ConsentWithdrawn],
        processors: vec!["a_eber".parse().unwrap(), "stripe".parse().unwrap()],
    };
    let (events, _) = past(&mut follow(&test, None, filter).await).await;
    let heard: Vec<_> = events
        .iter()
        .map(|(placed, _)| placed.event.processors.first().map(ToString::to_string))
        .collect();
    assert_eq!(heard, [Some("a_eber".into()), Some("stripe".into()), None]);
}

#[tokio::test]
async fn a_token_follows_only_the_processors_that_it_speaks_for() {
    let test = registry().await;
    let mut narrow = everything("connector");
    narrow.processors = [Some("aweber".parse().unwrap())].into_iter().collect();
    let watch = async |processors: &[&str]| {
        let filter = EventFilter {
            processors: processors
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            ..EventFilter::default()
        };
        let watched = test.registry.watch_events(&narrow, None, filter).await;
        watched.map(drop)
    };
    assert!(watch(&["aweber"]).await.is_ok());
    for (processors, path) in [
        (&[][..], "processors"),
        (&["aweber", "stripe"], "processors[1]"),
    ] {
        let refused = watch(processors).await.unwrap_err();
        let Error::ClaimMissing { claim, field } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((claim, field.as_str()), ("processors", path));
    }
    narrow.scopes.clear();
    let refused = test
        .registry
        .watch_events(&narrow, None, EventFilter::default());
    assert!(matches!(
        refused.await.map(drop),
        Err(Error::ScopeMissing("events"))
    ));
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_for_this_stream_is_refused() {
    let test = registry().await;
    placed(&test).await;
    let ours = test.registry.issue_token(LIST, "1");
    let mut tampered = ours.clone().into_bytes();
    tampered[5] ^= 1;
    for cursor in [
        "1".to_owned(),
        String::from_utf8(tampered).unwrap(),
        test.registry.issue_token("policies", "1"),
        // Given out before a restore from a backup took the events back.
        test.registry.issue_token(LIST, "99"),
    ] {
        let followed =
            test.registry
                .watch_events(&test.caller, Some(&cursor), EventFilter::default());
        let refused = followed.await.map(drop);
        assert!(
            matches!(refused, Err(Error::CursorInvalid)),
            "{cursor} {refused:?}"
        );
    }
    past(&mut follow(&test, Some(&ours), EventFilter::default()).await).await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_runs_out() {
    let test = registry().await;
    let mut caller = everything("brief");
    caller.expires_at = Some(test.registry.clock_now() + Duration::from_mins(1));
    let watched = test
        .registry
        .watch_events(&caller, None, EventFilter::default());
    let mut stream = watched.await.expect("followed").boxed();
    past(&mut stream).await;
    test.clock.advance(Duration::from_mins(1));
    let ended = next(&mut stream).await;
    assert!(matches!(ended, Err(Error::TokenExpired)), "{ended:?}");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let test = registry().await;
    let mut stream = follow(&test, None, EventFilter::default()).await;
    past(&mut stream).await;
    test.registry.stopping.cancel();
    let ended = next(&mut stream).await;
    assert!(matches!(ended, Err(Error::Stopping)), "{ended:?}");
    assert!(stream.next().await.is_none());
}

/// The registry, with events kept and readers borne with for so long.
fn limited(test: &TestRegistry, limits: EventLimits) -> Registry {
    test.registry.clone().with_event_limits(limits)
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_told_where_to_go_on_and_what_was_read_ahead_is_let_go() {
    let test = registry().await;
    let many = vec![event(EventKind::ItemsRegistered, 1); 2 * READ_MAX];
    change(&test.registry, &test.caller, many).await;
    placed(&test).await;
    let limits = EventLimits {
        reader_patience: Duration::from_millis(50),
        ..EventLimits::default()
    };
    let watched = limited(&test, limits)
        .watch_events(&test.caller, None, EventFilter::default())
        .await;
    let mut stream = watched.expect("followed").boxed();
    let first = next(&mut stream).await.expect("an event");
    let slept = async {
        // The task that reads ahead is gone when nobody listens to the end of the log any more.
        while test.registry.tail.is_followed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG_ENOUGH, slept)
        .await
        .expect("it gives up");
    let mut last = first.cursor().to_owned();
    let cursor = loop {
        match next(&mut stream).await {
            Ok(watched) => last = watched.cursor().to_owned(),
            Err(Error::ReaderTooSlow { cursor }) => break cursor,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(stream.next().await.is_none());
    assert_eq!(cursor, last, "it is behind what was taken");
    let (rest, _) = past(&mut follow(&test, Some(&cursor), EventFilter::default()).await).await;
    let (all, _) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    let at = all.iter().position(|(_, behind)| *behind == cursor);
    let at = at.expect("it was given");
    assert!(at < 5, "nearly nothing was taken: {at}");
    assert_eq!(rest.len(), all.len() - at - 1);
}

#[tokio::test]
async fn a_hundred_idle_followers_look_no_more_often_than_one() {
    let test = registry().await;
    placed(&test).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut stream = follow(&test, None, EventFilter::default()).await;
        past(&mut stream).await;
        streams.push(stream);
    }
    let (looks, reads) = test.registry.tail.counts();
    let idle = async {
        while test.registry.tail.counts().0 < looks + 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG_ENOUGH, idle)
        .await
        .expect("it is looked");
    assert_eq!(test.registry.tail.counts().1, reads, "nobody read in vain");
    change(
        &test.registry,
        &test.caller,
        vec![event(EventKind::ItemCorrected, 1)],
    )
    .await;
    placed(&test).await;
    for stream in &mut streams {
        let woken = next(stream).await.expect("no error");
        assert!(matches!(woken, Watched::Event { .. }), "{woken:?}");
    }
}

#[tokio::test]
async fn events_are_let_go_of_when_they_were_kept_for_long_enough_and_the_last_one_never() {
    let test = registry().await;
    let keep = SignedDuration::from_hours(24);
    let registry = limited(
        &test,
        EventLimits {
            keep,
            ..EventLimits::default()
        },
    );
    change(
        &test.registry,
        &test.caller,
        vec![event(EventKind::SubjectCreated, 1)],
    )
    .await;
    placed(&test).await;
    let (before, _) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    test.clock
        .advance(Duration::from_micros(86_400 * 1_000_000 - 1));
    change(
        &test.registry,
        &test.caller,
        vec![event(EventKind::ItemCorrected, 1)],
    )
    .await;
    placed(&test).await;
    assert_eq!(registry.trim_events().await.unwrap(), 0, "not yet");
    test.clock.advance(Duration::from_micros(1));
    assert_eq!(registry.trim_events().await.unwrap(), 2);
    let (kept, _) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    assert_eq!(kinds(&kept), [EventKind::ItemCorrected]);
    // Behind the last that is gone nothing is missing; behind the first something is.
    let (rest, _) =
        past(&mut follow(&test, Some(&before[1].1), EventFilter::default()).await).await;
    assert_eq!(kinds(&rest), [EventKind::ItemCorrected]);
    let late = registry.watch_events(&test.caller, Some(&before[0].1), EventFilter::default());
    assert!(matches!(late.await.map(drop), Err(Error::CursorExpired)));
    test.clock.advance(Duration::from_hours(48));
    assert_eq!(
        registry.trim_events().await.unwrap(),
        0,
        "the last one stays"
    );
    // The next one follows it.
    change(
        &test.registry,
        &test.caller,
        vec![event(EventKind::ItemsDeleted, 1)],
    )
    .await;
    placed(&test).await;
    let (kept, _) = past(&mut follow(&test, None, EventFilter::default()).await).await;
    assert_eq!(kept[1].0.position, kept[0].0.position + 1);
}

#[tokio::test]
async fn a_follower_that_falls_behind_what_is_kept_is_told_so() {
    let test = registry().await;
    let limits = EventLimits {
        keep: SignedDuration::from_hours(24),
        reader_patience: Duration::from_mins(10),
    };
    let registry = limited(&test, limits);
    let many = vec![event(EventKind::ItemsRegistered, 1); 3 * READ_MAX];
    change(&test.registry, &test.caller, many).await;
    placed(&test).await;
    let watched = registry.watch_events(&test.caller, None, EventFilter::default());
    let mut stream = watched.await.expect("followed").boxed();
    next(&mut stream).await.expect("an event");
    test.clock.advance(Duration::from_hours(25));
    registry.trim_events().await.unwrap();
    let mut taken = 1;
    let error = loop {
        match next(&mut stream).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::CursorExpired), "{error:?}");
    assert!(
        taken <= 2 * READ_MAX,
        "what was read ahead still comes: {taken}"
    );
}

#[tokio::test]
async fn a_follower_of_what_never_happens_comes_to_the_end_of_a_log_longer_than_one_look() {
    let test = registry().await;
    let many = usize::try_from(2 * WINDOW_PLACES).unwrap() + 1;
    let many = vec![event(EventKind::ItemsRegistered, 1); many];
    change(&test.registry, &test.caller, many).await;
    while test.registry.place_events().await.expect("placed") > 0 {}
    let filter = EventFilter {
        kinds: vec![EventKind::LegalHoldPlaced],
        ..EventFilter::default()
    };
    let mut stream = follow(&test, None, filter).await;
    let Watched::Checkpoint { cursor, caught_up } = next(&mut stream).await.unwrap() else {
        panic!("nothing of the kind happened");
    };
    assert!(caught_up);
    let (rest, _) = past(&mut follow(&test, Some(&cursor), EventFilter::default()).await).await;
    assert!(rest.is_empty());
}
