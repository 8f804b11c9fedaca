//! What ends by itself is told of once, and gets its place, whenever the process that does it is killed.

use std::time::Duration;

use registry::{
    app::{Error, Registry},
    domain::{
        consent::{ConsentChoice, ConsentRecord, Evidence, EvidenceMethod, GivenBy},
        event::EventKind,
        id::{ConsentId, SubjectId},
        revision::Revision,
    },
};

use super::{Deed, Work};
use crate::{
    harness::{Place, new_subject},
    on_both,
};

const AN_HOUR: Duration = Duration::from_hours(1);

/// What the workers do.
pub(super) async fn tell(registry: &Registry) {
    registry.announce_expiries().await.expect("looked");
    registry.place_events().await.expect("placed");
}

/// Somebody whose consent runs out in an hour.
async fn person(place: &Place, registry: &Registry) -> SubjectId {
    let subject = new_subject(registry).await;
    let written = registry.store().write("consent", place.now(), move |tx| {
        Box::pin(async move {
            let now = tx.now();
            let said = ConsentRecord {
                subject_id: subject,
                consent_id: ConsentId(tx.new_id()),
                purpose: "newsletter".parse().expect("a name"),
                processors: Vec::new(),
                choice: ConsentChoice::Given,
                evidence: Evidence {
                    method: EvidenceMethod::DoubleOptIn,
                    policy_version: "2018-05-24".parse().expect("a version"),
                    wording: String::new(),
                    locale: String::new(),
                    reference: String::new(),
                    collected_by: String::new(),
                    given_by: GivenBy::Subject,
                },
                occurred_at: now,
                recorded_at: now,
                recorded_by: "tests".parse().expect("a service"),
                expires_at: Some(now + AN_HOUR),
            };
            tx.append_consents(&[said]).await?;
            tx.stamp_subjects(&[subject], Revision::after_event(1))
                .await?;
            Ok::<_, Error>(())
        })
    });
    written.await.expect("written");
    subject
}

on_both! {
    async fn killed_at_any_call_an_end_is_told_once_and_placed(place: Place) {
        let mut registry = place.registry().await;
        registry.place_events().await.expect("placed");
        for call in 0.. {
            let subject = person(&place, &registry).await;
            place.clock.advance(AN_HOUR);
            drop(registry);
            let heard = Work::at(&place, Deed::Ending, subject, call).kill().await;

            registry = place.replica().await;
            registry.restore().await.expect("nothing is damaged");
            for _ in 0..2 {
                tell(&registry).await;
            }
            let snapshot = registry.store().snapshot(place.now()).await.expect("read");
            let kinds = [EventKind::ConsentExpired];
            let all = snapshot.list_events(0..i64::MAX, &kinds, &[], 10_000).await;
            let all = all.expect("read");
            let of_person = all.iter().filter(|it| it.event.subject_id == Some(subject));
            assert_eq!(of_person.count(), 1, "call {call}");
            let places: Vec<_> = all.iter().map(|it| it.position).collect();
            assert!(places.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{places:?}");
            if !heard.was_killed {
                assert!(call > 10, "it makes so many calls: {call}");
                return;
            }
        }
    }
}
