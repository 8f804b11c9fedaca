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
