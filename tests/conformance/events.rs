//! Events: every follower sees every event exactly once, all in one order, and each subject's in
//! the order in which they were committed, whoever places them and however late a commit comes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all};
use registry::{
    app::{
        Error, Registry,
        event::{EventFilter, Watched},
    },
    domain::{
        event::{Event, EventKind},
        id::{ItemId, SubjectId},
    },
    store::event::PlacedEvent,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    harness::{Place, everything, new_subject},
    on_both,
};

const WRITERS: u64 = 8;
const EVENTS_EACH: u64 = 50;

/// Changes of one subject, numbered in the order in which they hold it.
#[derive(Clone)]
struct Numbered {
    subject: SubjectId,
    last: Arc<AtomicU64>,
}

impl Numbered {
    async fn new(registry: &Registry) -> Self {
        let (subject, last) = (new_subject(registry).await, Arc::default());
        Self { subject, last }
    }

    /// One change. Its event carries its number where an item's id goes.
    async fn change(&self, registry: &Registry) {
        let one = self.clone();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let written = registry.store().write("change", now, move |tx| {
            let one = one.clone();
            Box::pin(async move {
                tx.lock_subject(one.subject).await?;
                let number = one.last.fetch_add(1, Ordering::SeqCst) + 1;
                tx.emit(&[numbered(one.subject, number)]).await?;
                Ok::<_, Error>(())
            })
        });
        written.await.expect("the change is written");
    }
}

fn numbered(subject: SubjectId, number: u64) -> Event {
    Event {
        item_ids: vec![ItemId(Uuid::from_u128(number.into()))],
        ..Event::new(EventKind::ItemsRegistered, Some(subject))
    }
}

/// The subject and the number of an event.
fn number(placed: &PlacedEvent) -> (SubjectId, u64) {
    let subject = placed.event.subject_id.expect("it has a subject");
    let number = placed.event.item_ids[0].0.as_u128();
    (subject, number.try_into().expect("a small number"))
}

/// The first `count` events from the beginning, each with its cursor.
async fn follow(
    registry: &Registry,
    cursor: Option<&str>,
    count: usize,
) -> Vec<(PlacedEvent, String)> {
    let stream = registry
        .watch_events(&everything("tests"), cursor, EventFilter::default())
        .await;
    let events = stream.expect("it may follow").filter_map(|watched| async {
        match watched.expect("the stream goes on") {
            Watched::Event { event, cursor } => Some((*event, cursor)),
            Watched::Checkpoint { .. } => None,
        }
    });
    let events = events.take(count).collect();
    let seen = tokio::time::timeout(Duration::from_mins(1), events).await;
    seen.expect("no event is skipped, so all of them come")
}

/// Two replicas; on SQLite two hands of the one process.
async fn replicas(place: &Place) -> [Registry; 2] {
    let first = place.empty_replica().await;
    let second = if place.url.starts_with("sqlite") {
        first.clone()
    } else {
        place.empty_replica().await
    };
    [first, second]
}

/// Places events until it is told to stop.
async fn place_until(registry: &Registry, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        registry.place_events().await.expect("placing works");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Lets the writers write, each to the subject of its number, while both replicas place and both are
/// followed; checks what the followers saw.
async fn try_order(place: &Place, subjects: usize) {
    let replicas = replicas(place).await;
    let mut numbered = Vec::new();
    for _ in 0..subjects {
        numbered.push(Numbered::new(&replicas[0]).await);
    }
    let count = usize::try_from(WRITERS * EVENTS_EACH).expect("it is small");
    let stop = CancellationToken::new();
    let (mine, whose) = (&replicas, &numbered);
    let writers = join_all((0..8).map(|writer: usize| async move {
        for _ in 0..EVENTS_EACH {
            whose[writer % subjects].change(&mine[writer % 2]).await;
        }
    }));
    let work = async {
        let (_, first, second) = tokio::join!(
            writers,
            follow(&replicas[0], None, count),
            follow(&replicas[1], None, count)
        );
        stop.cancel();
        (first, second)
    };
    let placing = join_all(replicas.iter().map(|replica| place_until(replica, &stop)));
    let ((first, second), _) = tokio::join!(work, placing);
    check_order(&first, &second, &numbered);
    // Whoever comes late sees the same, and whoever comes back goes on where it was.
    let late = follow(&replicas[1], None, count).await;
    assert_eq!(ids(&late), ids(&first));
    let rest = follow(
        &replicas[1],
        Some(&first[count / 3].1),
        count - count / 3 - 1,
    )
    .await;
    assert_eq!(ids(&rest), ids(&first)[count / 3 + 1..]);
}

fn ids(seen: &[(PlacedEvent, String)]) -> Vec<Uuid> {
    seen.iter().map(|(event, _)| event.event_id.0).collect()
}

fn check_order(
    first: &[(PlacedEvent, String)],
    second: &[(PlacedEvent, String)],
    subjects: &[Numbered],
) {
    assert_eq!(
        ids(first),
        ids(second),
        "both saw the same in the same order"
    );
    let positions: Vec<_> = first.iter().map(|(event, _)| event.position).collect();
    assert!(
        positions.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{positions:?}"
    );
    let mut seen = HashMap::<_, Vec<_>>::new();
    for (subject, number) in first.iter().map(|(event, _)| number(event)) {
        seen.entry(subject).or_default().push(number);
    }
    for one in subjects {
        let expected: Vec<_> = (1..=one.last.load(Ordering::SeqCst)).collect();
        assert_eq!(seen[&one.subject], expected, "the order of one subject");
    }
}

on_both! {
    async fn eight_writers_of_one_subject_are_seen_once_each_in_the_order_of_their_commits(place: Place) {
        try_order(&place, 1).await;
    }

    async fn eight_writers_of_eight_subjects_are_seen_once_each_in_one_order(place: Place) {
        try_order(&place, 8).await;
    }

    async fn an_event_of_a_change_that_failed_is_never_seen(place: Place) {
        let registry = place.empty_replica().await;
        let subject = new_subject(&registry).await;
        for n in 0..10 {
            let written = registry.store().write("change", place.now(), move |tx| {
                Box::pin(async move {
                    tx.emit(&[numbered(subject, n)]).await?;
                    if n % 2 == 0 { Err(Error::IllegalTransition("it was to fail")) } else { Ok(()) }
                })
            });
            assert_eq!(written.await.is_err(), n % 2 == 0);
            registry.place_events().await.unwrap();
        }
        let seen = follow(&registry, None, 5).await;
        let numbers: Vec<_> = seen.iter().map(|(event, _)| number(event).1).collect();
        assert_eq!(numbers, [1, 3, 5, 7, 9]);
        assert_eq!(seen.last().unwrap().0.position, 5, "a failure leaves no gap");
    }

    async fn more_events_than_one_round_places_are_placed_in_their_order(place: Place) {
        let registry = place.empty_replica().await;
        let subject = new_subject(&registry).await;
        let written = registry.store().write("change", place.now(), move |tx| {
            Box::pin(async move {
                let events: Vec<_> = (0..2_500).map(|n| numbered(subject, n)).collect();
                tx.emit(&events).await?;
                Ok::<_, Error>(())
            })
        });
        written.await.unwrap();
        let mut rounds = Vec::new();
        while let placed @ 1.. = registry.place_events().await.unwrap() {
            rounds.push(placed);
        }
        assert_eq!(rounds, [1_000, 1_000, 500]);
        let seen = follow(&registry, None, 2_500).await;
        assert!(seen.iter().enumerate().all(|(n, (event, _))| number(event).1 == n as u64));
    }
}

/// On PostgreSQL a transaction that wrote its event first can commit last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_written_first_and_committed_last_is_not_skipped() {
    let place = Place::on_postgres().await;
    let registry = place.empty_replica().await;
    let (slow, quick) = (
        Numbered::new(&registry).await,
        Numbered::new(&registry).await,
    );
    let (written, commit) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (subject, has_written, may_commit) = (slow.subject, written.clone(), commit.clone());
    let long = registry.store().write("long", place.now(), move |tx| {
        let (has_written, may_commit) = (has_written.clone(), may_commit.clone());
        Box::pin(async move {
            tx.emit(&[numbered(subject, 1)]).await?;
            has_written.add_permits(1);
            may_commit
                .acquire()
                .await
                .expect("it is not closed")
                .forget();
            Ok::<_, Error>(())
        })
    });
    let meanwhile = async {
        written.acquire().await.expect("it is not closed").forget();
        for _ in 0..5 {
            quick.change(&registry).await;
        }
        assert_eq!(registry.place_events().await.unwrap(), 5);
        let before = follow(&registry, None, 5).await;
        assert!(
            before
                .iter()
                .all(|(event, _)| number(event).0 == quick.subject)
        );
        commit.add_permits(1);
        before.last().expect("five events").1.clone()
    };
    let (long, cursor) = tokio::join!(long, meanwhile);
    long.unwrap();
    assert_eq!(registry.place_events().await.unwrap(), 1);
    let late = follow(&registry, Some(&cursor), 1).await;
    assert_eq!(number(&late[0].0), (slow.subject, 1));
    let first = follow(&registry, None, 6).await;
    assert!(
        first[5].0.revision < first[0].0.revision,
        "it was written first"
    );
}

/// Transactions that are open at once, each with an event.
const OPEN: usize = 5;
/// Orders of their commits that are tried.
const SEEDS: u64 = 40;

/// Numbers below `count` in an order of the seed's.
fn order(seed: u64, count: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for place in (1..count).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let other = usize::try_from(state >> 33).expect("31 bits") % (place + 1);
        order.swap(place, other);
    }
    order
}

/// Writes one event, says so, and commits when it may.
async fn write_and_hold(
    registry: Registry,
    subject: SubjectId,
    number: u64,
    (written, commit): (Arc<Semaphore>, Arc<Semaphore>),
) {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let held = registry.store().write("held", now, move |tx| {
        let (written, commit) = (written.clone(), commit.clone());
        Box::pin(async move {
            tx.emit(&[numbered(subject, number)]).await?;
            written.add_permits(1);
            let commit = commit.acquire().await;
            commit.expect("it is not closed").forget();
            Ok::<_, Error>(())
        })
    });
    held.await.expect("committed");
}

/// Of several open transactions any may commit first, while others place and follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_order_of_commits_a_follower_meanwhile_skips_nothing() {
    let place = Place::on_postgres().await;
    let (registry, other) = (place.empty_replica().await, place.empty_replica().await);
    let subject = new_subject(&registry).await;
    let count = OPEN * usize::try_from(SEEDS).expect("it is small");
    let following = {
        let other = other.clone();
        tokio::spawn(async move { follow(&other, None, count).await })
    };
    for seed in 0..SEEDS {
        let written = Arc::new(Semaphore::new(0));
        let mut open = Vec::new();
        for n in 0..OPEN {
            let commit = Arc::new(Semaphore::new(0));
            let number = seed * OPEN as u64 + n as u64;
            let gates = (written.clone(), commit.clone());
            let held = write_and_hold(registry.clone(), subject, number, gates);
            open.push((tokio::spawn(held), commit));
            // Each is written before the next: so the order of writing is known, and wrong.
            written.acquire().await.expect("it is not closed").forget();
        }
        let mut open: Vec<_> = open.into_iter().map(Some).collect();
        for (turn, n) in order(seed, OPEN).into_iter().enumerate() {
            let (held, commit) = open[n].take().expect("each once");
            commit.add_permits(1);
            held.await.expect("it commits");
            // Not after every commit: what waits for its place may be of several.
            if !(turn as u64 + seed).is_multiple_of(3) {
                let placer = if turn % 2 == 0 { &registry } else { &other };
                placer.place_events().await.expect("placed");
            }
        }
        registry.place_events().await.expect("placed");
    }
    let seen = following.await.expect("it follows to the end");
    let mut numbers: Vec<_> = seen.iter().map(|(event, _)| number(event).1).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..count as u64), "each once");
    assert_eq!(ids(&follow(&registry, None, count).await), ids(&seen));
}

on_both! {
    async fn a_log_of_two_hundred_thousand_events_is_followed_from_its_beginning_and_by_a_filter(place: Place) {
        const EVENTS: u64 = 200_000;
        const AT_ONCE: u64 = 20_000;
        let registry = place.empty_replica().await;
        let subject = new_subject(&registry).await;
        for begin in (0..EVENTS).step_by(usize::try_from(AT_ONCE).expect("it is small")) {
            let written = registry.store().write("many", place.now(), move |tx| {
                Box::pin(async move {
                    let events: Vec<_> = (begin..begin + AT_ONCE).map(|n| numbered(subject, n)).collect();
                    tx.emit(&events).await?;
                    Ok::<_, Error>(())
                })
            });
            written.await.expect("written");
        }
        while registry.place_events().await.expect("placed") > 0 {}
        let caller = everything("tests");
        let filter = EventFilter { kinds: vec![EventKind::ItemsDeleted], ..EventFilter::default() };
        let stream = registry.watch_events(&caller, None, filter).await.expect("it may follow");
        let first = std::pin::pin!(stream).next().await.expect("it goes on").expect("no error");
        assert!(matches!(first, Watched::Checkpoint { caught_up: true, .. }), "{first:?}");
        let stream = registry.watch_events(&caller, None, EventFilter::default()).await;
        let mut stream = std::pin::pin!(stream.expect("it may follow"));
        for expected in 0..EVENTS {
            let Watched::Event { event, .. } = stream.next().await.expect("it goes on").expect("no error") else {
                panic!("{expected} comes first");
            };
            assert_eq!(number(&event).1, expected);
        }
    }
}
