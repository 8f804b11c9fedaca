//! A request that is repeated is done once, and every repeat gets the first answer: for 24 hours,
//! for its caller and its action, and only if it succeeded.

use std::time::Duration;

use futures::future::join_all;
use registry::{
    app::{Call, Error, Registry, collection::Registration},
    domain::{audit::Action, subject_ref::SubjectRef},
};
use uuid::Uuid;

use crate::{
    harness::{Place, count, everything, repeatable},
    on_both,
    sample::{audit, by, given, item, items, register_as, subscriber, visitor},
};

const HOUR: Duration = Duration::from_hours(1);
const MICROSECOND: Duration = Duration::from_micros(1);
const ALMOST_A_DAY: Duration = Duration::from_micros(24 * 3_600_000_000 - 1);

fn registering(request_id: Uuid, request: &[u8]) -> Call {
    repeatable(Action::RegisterCollection, request_id, request)
}

/// The replicas that share the database: SQLite has one process.
async fn replicas(place: &Place) -> Vec<Registry> {
    let first = place.registry().await;
    if place.url.starts_with("sqlite") {
        return vec![first.clone(), first];
    }
    vec![first, place.registry().await]
}

/// An order under no identifier that others share: were it done twice, there would be two people.
fn order() -> Registration {
    let mut registration = subscriber("guest@example.org");
    registration.items.push(item(
        "navigation",
        registry::domain::item::Content::Text("home".into()),
    ));
    registration
}

on_both! {
    async fn sixteen_duplicates_at_once_do_it_once_and_get_one_answer(place: Place) {
        let replicas = replicas(&place).await;
        let before = audit(&replicas[0]).await.len();
        let request_id = Uuid::new_v4();
        let duplicates = (0..16).map(|n| register_as(&replicas[n % 2], registering(request_id, b"order"), order()));
        let written: Vec<_> = join_all(duplicates).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(written.iter().filter(|written| !written.replayed).count(), 1);
        for one in &written {
            assert_eq!(one.value, written[0].value);
            assert_eq!(one.revision, written[0].revision);
        }
        assert_eq!(audit(&replicas[0]).await.len(), before + 1);
        let other = place.connect().await;
        assert_eq!(count(&other, "subjects").await, 1);
        assert_eq!(count(&other, "consents").await, 1);
        assert_eq!(count(&other, "item_history").await, 2);
    }

    async fn another_request_under_the_same_id_is_refused_and_changes_nothing(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        register_as(&registry, registering(request_id, b"one"), order()).await.unwrap();
        let reused = register_as(&registry, registering(request_id, b"two"), subscriber("eve@example.org")).await;
        assert!(matches!(reused, Err(Error::RequestIdReused)), "{reused:?}");
        assert_eq!(count(&place.connect().await, "subjects").await, 1);
    }

    async fn two_requests_at_once_under_one_id_never_both_succeed(place: Place) {
        let replicas = replicas(&place).await;
        for _ in 0..5 {
            let request_id = Uuid::new_v4();
            let (one, two) = tokio::join!(
                register_as(&replicas[0], registering(request_id, b"one"), order()),
                register_as(&replicas[1], registering(request_id, b"two"), order()),
            );
            assert_ne!(one.is_ok(), two.is_ok());
            let refused = one.err().or(two.err());
            assert!(matches!(refused, Some(Error::RequestIdReused)), "{refused:?}");
        }
    }

    async fn an_answer_is_remembered_for_24_hours_and_not_longer(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        let again = || register_as(&registry, registering(request_id, b"order"), order());
        let first = again().await.unwrap();
        place.clock.advance(ALMOST_A_DAY);
        let repeated = again().await.unwrap();
        assert!(repeated.replayed);
        assert_eq!((repeated.value, repeated.revision), (first.value, first.revision));
        place.clock.advance(MICROSECOND);
        let anew = again().await.unwrap();
        assert!(!anew.replayed);
        assert!(anew.revision > first.revision);
        // What is remembered now counts from now.
        place.clock.advance(ALMOST_A_DAY);
        assert!(again().await.unwrap().replayed);
    }

    async fn an_answer_belongs_to_its_caller_and_its_action(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        let first = register_as(&registry, registering(request_id, b"order"), order()).await.unwrap();
        let other = Call::new(everything("another"), Action::RegisterCollection)
            .idempotent(Some(request_id), b"order".to_vec());
        assert!(!register_as(&registry, other, order()).await.unwrap().replayed);
        let subject = SubjectRef::Id(first.value.subject_id.unwrap());
        let consent = repeatable(Action::RecordConsent, request_id, b"order");
        let consent = registry.record_consent(consent, subject, given(&["newsletter"])).await.unwrap();
        assert!(!consent.replayed);
    }

    async fn a_failure_is_not_remembered(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        let mut undeclared = visitor(by("email", "ada@example.org"));
        undeclared.items = vec![item("payment_details", registry::domain::item::Content::Text("1".into()))];
        let refused = register_as(&registry, registering(request_id, b"undeclared"), undeclared).await;
        assert!(matches!(refused, Err(Error::CollectionUndeclared(_))), "{refused:?}");
        let good = register_as(&registry, registering(request_id, b"order"), order()).await.unwrap();
        assert!(!good.replayed);
    }

    async fn a_repeat_renders_the_first_answer_whatever_happened_since(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        let first = register_as(&registry, registering(request_id, b"order"), order()).await.unwrap();
        let later = registering(Uuid::new_v4(), b"later");
        place.clock.advance(HOUR);
        register_as(&registry, later, order()).await.unwrap();
        let repeated = register_as(&registry, registering(request_id, b"order"), order()).await.unwrap();
        assert_eq!(repeated.value, first.value);
        let subject = first.value.subject_id.unwrap();
        assert_eq!(items(&registry, subject).await.unwrap().len(), 2);
    }

    async fn what_is_remembered_holds_no_personal_data(place: Place) {
        let registry = place.registry().await;
        register_as(&registry, registering(Uuid::new_v4(), b"guest@example.org"), order()).await.unwrap();
        let sql = "SELECT count(*) AS n FROM idempotency
                   WHERE response LIKE '%guest%' OR response LIKE '%home%' OR response LIKE '%May we%'";
        assert_eq!(crate::harness::number(&place.connect().await, sql).await, 0);
    }
}
