//! Replicas whose clocks are wrong decide by the database's clock, which they share.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use registry::{
    app::{Error, Registry},
    domain::{consent::statement::ConsentStatement, id::SubjectId},
    runtime::clock::{Clock, TestClock},
    store::TimeSource,
};

use crate::{
    harness::{Place, count, number},
    sample::{by, given, item, newsletter_reason, register, subject_of, visitor},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A database whose clock decides, and what that clock says.
async fn place() -> (Place, Timestamp) {
    let mut place = Place::on_postgres().await;
    place.time_source = TimeSource::Database;
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS n";
    let now = number(&place.connect().await, sql).await;
    let now = Timestamp::from_microsecond(now).expect("an instant");
    place.clock.set(now);
    (place, now)
}

/// A replica whose own clock stands still and is off by `skew`.
async fn replica(place: &mut Place, now: Timestamp, skew: SignedDuration) -> Registry {
    place.clock = Arc::new(TestClock::at(now + skew));
    place.registry().await
}

/// A visitor whose consent to the newsletter ends at `expires_at`.
async fn consenting(registry: &Registry, now: Timestamp, expires_at: Timestamp) -> SubjectId {
    let mut registration = visitor(by("email", "ada@example.org"));
    let address = registry::domain::item::Content::Text("ada@example.org".into());
    registration.items = vec![item("email_address", address)];
    registration.consents = vec![ConsentStatement {
        occurred_at: Some(now - HOUR * 2),
        expires_at: Some(expires_at),
        ..given(&["newsletter"])
    }];
    subject_of(registry, registration).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_an_hour_behind_does_not_grant_what_has_expired() {
    let (mut place, now) = place().await;
    let exact = replica(&mut place, now, SignedDuration::ZERO).await;
    let ada = consenting(&exact, now, now - SignedDuration::from_mins(1)).await;
    for skew in [-HOUR, SignedDuration::ZERO, HOUR] {
        let replica = replica(&mut place, now, skew).await;
        assert_eq!(
            newsletter_reason(&replica, ada).await,
            "CONSENT_EXPIRED",
            "{skew}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_an_hour_ahead_does_not_deny_what_has_not_expired() {
    let (mut place, now) = place().await;
    let exact = replica(&mut place, now, SignedDuration::ZERO).await;
    let ada = consenting(&exact, now, now + SignedDuration::from_mins(30)).await;
    for skew in [-HOUR, SignedDuration::ZERO, HOUR] {
        let replica = replica(&mut place, now, skew).await;
        assert_eq!(newsletter_reason(&replica, ada).await, "LAWFUL", "{skew}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_an_hour_ahead_takes_for_the_past_is_still_refused_as_the_future() {
    let (mut place, now) = place().await;
    let ahead = replica(&mut place, now, HOUR).await;
    let mut early = visitor(by("email", "ada@example.org"));
    early.collected_at = Some(now + SignedDuration::from_mins(30));
    let refused = register(&ahead, early).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(count(&place.connect().await, "subjects").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_is_dated_by_the_database() {
    let (mut place, now) = place().await;
    let behind = replica(&mut place, now, -HOUR).await;
    let ada = subject_of(&behind, visitor(by("email", "ada@example.org"))).await;
    let snapshot = behind.store().snapshot(place.clock.now()).await.unwrap();
    let made = snapshot
        .find_subject(ada)
        .await
        .unwrap()
        .unwrap()
        .created_at;
    assert!(
        (now..now + SignedDuration::from_mins(5)).contains(&made),
        "{made} is not about {now}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_two_days_ahead_forgets_and_sweeps_nothing_that_is_young() {
    let (mut place, now) = place().await;
    let exact = replica(&mut place, now, SignedDuration::ZERO).await;
    let call = crate::harness::repeatable(
        registry::domain::audit::Action::RegisterCollection,
        uuid::Uuid::new_v4(),
        b"ada",
    );
    crate::sample::register_as(&exact, call, visitor(by("email", "ada@example.org")))
        .await
        .unwrap();
    let ahead = replica(&mut place, now, HOUR * 48).await;
    let kept = ahead.keep_up().await.unwrap();
    assert_eq!((kept.answers_forgotten, kept.keys_removed), (0, 0));
    // The key that the first replica holds ready is still there when it is needed.
    let bob = subject_of(&exact, visitor(by("email", "bob@example.org"))).await;
    let snapshot = exact.store().snapshot(now).await.unwrap();
    assert_eq!(snapshot.read_identifiers(bob).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_has_no_clock_of_its_own_and_takes_its_process_s() {
    let mut place = Place::on_sqlite();
    place.time_source = TimeSource::Database;
    let registry = place.registry().await;
    place.clock.advance(Duration::from_hours(1));
    let snapshot = registry.store().snapshot(place.clock.now()).await.unwrap();
    assert_eq!(snapshot.now(), place.clock.now());
}
