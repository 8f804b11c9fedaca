//! SQLite's one writer: many changes share a commit, and none pays for its neighbour.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use registry::{
    app::Error,
    domain::id::SubjectId,
    store::{Store, StoreError},
};
use tokio::sync::Semaphore;

use crate::{
    harness::{Place, count, email_of},
    on_both,
};

/// Makes a subject with an e-mail address; fails after having written, if it is to fail.
async fn write(store: &Store, place: &Place, n: usize, fails: bool) -> Result<SubjectId, Error> {
    let write = store.write("write", place.now(), move |tx| {
        Box::pin(async move {
            let subject = tx.reserve_subject().await?;
            tx.insert_subjects(&[subject]).await?;
            let address = email_of(subject, &format!("{n}@example.com"));
            tx.link_identifiers(&[address], "tests").await?;
            if fails {
                return Err(Error::IllegalTransition("it was to fail"));
            }
            Ok(subject)
        })
    });
    write.await
}

async fn existing(store: &Store, place: &Place, subjects: &[SubjectId]) -> usize {
    let snapshot = store.snapshot(place.now()).await.unwrap();
    snapshot.list_existing(subjects).await.unwrap().len()
}

on_both! {
    async fn of_two_hundred_writers_at_once_those_that_fail_leave_nothing_and_the_others_all(place: Place) {
        let store = place.store().await;
        let outcomes = join_all((0..200).map(|n| write(&store, &place, n, n % 3 == 0))).await;
        let (written, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        let written: Vec<_> = written.into_iter().map(Result::unwrap).collect();
        assert_eq!(failed.len(), 67);
        assert!(failed.iter().all(|failed| matches!(failed, Err(Error::IllegalTransition(_)))));
        assert_eq!(existing(&store, &place, &written).await, 133);
        // Another process sees the same: it was committed, not merely visible to this one.
        let other = place.connect().await;
        for table in ["subjects", "identifiers", "identifier_index"] {
            assert_eq!(count(&other, table).await, 133, "{table}");
        }
    }

    async fn a_change_that_panics_fails_alone_and_the_next_ones_go_on(place: Place) {
        let store = place.store().await;
        let panics = store.write::<(), Error, _>("panics", place.now(), |tx| {
            Box::pin(async move {
                let subject = tx.reserve_subject().await?;
                tx.insert_subjects(&[subject]).await?;
                panic!("a fault of the program")
            })
        });
        let beside = join_all((0..20).map(|n| write(&store, &place, n, false)));
        let (panicked, beside) = tokio::join!(panics, beside);
        assert!(matches!(panicked, Err(Error::Internal(_))), "{panicked:?}");
        for written in beside {
            written.unwrap();
        }
        write(&store, &place, 20, false).await.unwrap();
        assert_eq!(count(&place.connect().await, "subjects").await, 21);
    }

    async fn a_caller_that_goes_away_leaves_a_whole_change_or_none(place: Place) {
        let store = Arc::new(place.store().await);
        // Each is given a little more time before it is dropped: some are dropped before their
        // transaction begins, some within it, some after it.
        let mut dropped = Vec::new();
        for n in 0..60 {
            let writing = write(&store, &place, n, false);
            let patience = Duration::from_micros(150 * n as u64);
            dropped.push(tokio::time::timeout(patience, writing).await.is_err());
        }
        assert!(dropped.contains(&true), "the machine is too fast for this test");
        // A pool that had kept a half open transaction would hand it to one of these.
        for written in join_all((100..140).map(|n| write(&store, &place, n, false))).await {
            written.unwrap();
        }
        let finished = dropped.iter().filter(|dropped| !**dropped).count();
        let other = place.connect().await;
        let subjects = count(&other, "subjects").await;
        assert!(subjects >= i64::try_from(finished).unwrap() + 40, "{subjects}");
        assert_eq!(count(&other, "identifiers").await, subjects);
        assert_eq!(count(&other, "identifier_index").await, subjects);
    }

    async fn a_reader_that_goes_away_leaves_no_connection_in_a_state_of_its_own(place: Place) {
        let store = place.store().await;
        for n in 0..60 {
            let reading = async {
                let snapshot = store.snapshot(place.now()).await.unwrap();
                snapshot.list_publications().await.unwrap()
            };
            drop(tokio::time::timeout(Duration::from_micros(50 * n), reading).await);
        }
        for n in 0..20 {
            let subject = write(&store, &place, n, false).await.unwrap();
            assert_eq!(existing(&store, &place, &[subject]).await, 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_changes_than_the_queue_holds_wait_their_turn_and_none_is_lost() {
    let place = Place::on_sqlite();
    let store = place.store().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let first = store.write::<_, Error, _>("held", place.now(), move |_| {
        let held = held.clone();
        Box::pin(async move {
            let _held = held.acquire().await;
            Ok(())
        })
    });
    let others = join_all((0..1_500).map(|n| write(&store, &place, n, false)));
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.add_permits(1);
    };
    let (first, others, ()) = tokio::join!(first, others, release);
    first.unwrap();
    assert!(others.iter().all(Result::is_ok));
    assert_eq!(count(&place.connect().await, "subjects").await, 1_500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_fails_everyone_who_shares_it_and_nothing_of_it_stays() {
    let place = Place::on_sqlite();
    let store = place.store().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let entered = Arc::new(Semaphore::new(0));
    let (enters, begun) = (entered.clone(), entered.clone());
    // While the first is held, the others gather behind it and share the next commit.
    let first = store.write::<_, StoreError, _>("held", place.now(), move |_| {
        let (held, enters) = (held.clone(), enters.clone());
        Box::pin(async move {
            // One permit for the others, one for the release.
            enters.add_permits(2);
            let _held = held.acquire().await;
            Ok(())
        })
    });
    let others = async {
        begun.acquire().await.unwrap().forget();
        let nothing = (0..10).map(|_| {
            store.write::<_, StoreError, _>("nothing", place.now(), |_| Box::pin(async { Ok(()) }))
        });
        join_all(nothing).await
    };
    let release = async {
        entered.acquire().await.unwrap().forget();
        tokio::time::sleep(Duration::from_millis(50)).await;
        // The first: its savepoint and its commit. Then ten savepoints, and the commit.
        store.faults().fail_call(2 + 10);
        gate.add_permits(1);
    };
    let (first, others, ()) = tokio::join!(first, others, release);
    first.unwrap();
    assert!(store.faults().clear(), "the planned fault came");
    for other in others {
        assert!(
            matches!(other, Err(StoreError::Unavailable(_))),
            "{other:?}"
        );
    }
    write(&store, &place, 0, false).await.unwrap();
}
