//! Upkeep: what need not be remembered goes, some at a time; what must be remembered stays.

use std::time::Duration;

use registry::{
    app::Error,
    domain::{audit::Action, revision::Revision},
    store::idempotency::{Remembered, RequestKey},
};
use uuid::Uuid;

use crate::{
    harness::{Place, count},
    on_both,
};

/// Remembers so many answers.
async fn remember(registry: &registry::app::Registry, place: &Place, answers: usize) {
    let written = registry.store().write("remember", place.now(), move |tx| {
        Box::pin(async move {
            let answers: Vec<_> = (0..answers)
                .map(|_| {
                    let key = RequestKey {
                        caller: "tests".into(),
                        action: Action::RecordConsent,
                        request_id: Uuid::new_v4(),
                    };
                    (
                        key,
                        Remembered::of(tx, b"request", "null".into(), Revision::after_event(0)),
                    )
                })
                .collect();
            Ok::<_, Error>(tx.remember(&answers).await?)
        })
    });
    written.await.expect("they are remembered");
}

on_both! {
    async fn thousands_of_answers_are_forgotten_when_they_are_a_day_old_and_the_younger_stay(place: Place) {
        let registry = place.empty_replica().await;
        remember(&registry, &place, 2_600).await;
        place.clock.advance(Duration::from_mins(1));
        remember(&registry, &place, 40).await;
        place.clock.advance(Duration::from_hours(24) - Duration::from_mins(1));
        assert_eq!(registry.keep_up().await.unwrap().answers_forgotten, 2_600);
        assert_eq!(count(&place.connect().await, "idempotency").await, 40);
        assert_eq!(registry.keep_up().await.unwrap().answers_forgotten, 0);
    }

    async fn two_replicas_that_keep_up_at_once_do_not_disturb_each_other(place: Place) {
        let first = place.empty_replica().await;
        let second = if place.url.starts_with("sqlite") { first.clone() } else { place.empty_replica().await };
        remember(&first, &place, 3_000).await;
        place.clock.advance(Duration::from_hours(25));
        let (one, other) = tokio::join!(first.keep_up(), second.keep_up());
        let forgotten = one.unwrap().answers_forgotten + other.unwrap().answers_forgotten;
        assert_eq!(forgotten, 3_000);
        assert_eq!(count(&place.connect().await, "idempotency").await, 0);
    }
}
