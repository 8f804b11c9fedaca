//! Sealed values open in their own place and with their own subject's key, and nowhere else; keys
//! live as long as somebody needs them.

use std::time::Duration;

use registry::{
    app::{Error, Registry},
    domain::{audit::Action, id::SubjectId, subject_ref::SubjectRef},
};

use crate::{
    harness::{Place, call, count, execute, number},
    on_both,
    sample::{by, fetch, items, keyed, register, subject_of, subscriber, text, visitor},
};

const HOUR: Duration = Duration::from_hours(1);

/// Two people with two pages each that they looked at.
async fn two_people(registry: &Registry) -> [SubjectId; 2] {
    let mut people = Vec::new();
    for name in ["ada", "bob"] {
        let mut registration = visitor(by("email", &format!("{name}@example.org")));
        registration.items = ["1", "2"]
            .map(|key| keyed("navigation", key, &format!("{name} {key}")))
            .into();
        people.push(subject_of(registry, registration).await);
    }
    people.try_into().expect("two")
}

/// Puts what stands in one column of a row into another one, and reads the subject's items.
async fn swapped(place: &Place, registry: &Registry, subject: SubjectId, sql: &str) -> Error {
    let data = place.connect().await;
    let taken = if place.url.starts_with("sqlite") {
        format!("x'{}'", subject.0.simple())
    } else {
        format!("'{}'", subject.0)
    };
    assert!(execute(&data, &sql.replace("{subject}", &taken)).await > 0);
    items(registry, subject)
        .await
        .expect_err("it does not open")
}

on_both! {
    async fn a_content_does_not_open_in_the_place_of_another_of_the_same_person(place: Place) {
        let registry = place.registry().await;
        let [ada, _] = two_people(&registry).await;
        assert_eq!(items(&registry, ada).await.unwrap().len(), 2);
        let error = swapped(&place, &registry, ada,
            "UPDATE items SET content_sealed = (SELECT other.content_sealed FROM items AS other
             WHERE other.subject_id = items.subject_id AND other.item_id <> items.item_id LIMIT 1)
             WHERE subject_id = {subject}").await;
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
    }

    async fn a_content_does_not_open_in_the_place_of_another_person(place: Place) {
        let registry = place.registry().await;
        let [ada, bob] = two_people(&registry).await;
        let error = swapped(&place, &registry, ada,
            "UPDATE items SET content_sealed = (SELECT other.content_sealed FROM items AS other
             WHERE other.subject_id <> items.subject_id LIMIT 1) WHERE subject_id = {subject}").await;
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
        let kept = items(&registry, bob).await.unwrap();
        let mut theirs: Vec<_> = kept.iter().map(text).collect();
        theirs.sort_unstable();
        assert_eq!(theirs, ["bob 1", "bob 2"]);
    }

    async fn an_item_key_does_not_open_as_a_content(place: Place) {
        let registry = place.registry().await;
        let [ada, _] = two_people(&registry).await;
        let error = swapped(&place, &registry, ada,
            "UPDATE items SET content_sealed = item_key_sealed WHERE subject_id = {subject}").await;
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
    }

    async fn a_changed_bit_does_not_open(place: Place) {
        let registry = place.registry().await;
        let [ada, _] = two_people(&registry).await;
        let longer = if place.url.starts_with("sqlite") { "CAST(content_sealed || x'00' AS blob)" } else { "content_sealed || '\\x00'::bytea" };
        let error = swapped(&place, &registry, ada,
            &format!("UPDATE items SET content_sealed = {longer} WHERE subject_id = {{subject}}")).await;
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
    }

    async fn without_its_key_nothing_of_a_person_is_handed_out_or_written(place: Place) {
        let registry = place.registry().await;
        let ada = subject_of(&registry, subscriber("ada@example.org")).await;
        assert_eq!(fetch(&registry, ada).await.unwrap().len(), 1);
        execute(&place.connect_to_keys().await, "DELETE FROM subject_keys").await;
        let fetched = fetch(&registry, ada).await;
        assert!(matches!(fetched, Err(Error::Internal(_))), "{fetched:?}");
        let read = registry.get_subject(call(Action::GetSubject), &SubjectRef::Id(ada), None).await;
        assert!(matches!(read, Err(Error::Internal(_))), "{read:?}");
        let before = count(&place.connect().await, "item_history").await;
        let written = register(&registry, subscriber("ada@example.org")).await;
        assert!(matches!(written, Err(Error::Internal(_))), "{written:?}");
        assert_eq!(count(&place.connect().await, "item_history").await, before);
    }

    async fn a_key_that_nobody_came_to_need_is_swept_after_a_day_and_not_before(place: Place) {
        let registry = place.registry().await;
        let ada = subject_of(&registry, subscriber("ada@example.org")).await;
        let keys = place.connect_to_keys().await;
        let made = count(&keys, "subject_keys").await;
        assert!(made > 1, "keys are made ahead of need");
        place.clock.advance(24 * HOUR);
        assert_eq!(registry.keep_up().await.unwrap().keys_removed, 0, "not older than a day");
        place.clock.advance(Duration::from_micros(1));
        assert_eq!(registry.keep_up().await.unwrap().keys_removed, made.unsigned_abs() - 1);
        assert_eq!(count(&keys, "subject_keys").await, 1);
        assert_eq!(fetch(&registry, ada).await.unwrap().len(), 1);
    }

    async fn the_keys_of_the_living_and_of_those_being_made_survive_any_number_of_sweeps(place: Place) {
        let registry = place.registry().await;
        let mut people = Vec::new();
        for day in 0..4 {
            for n in 0..5 {
                people.push(subject_of(&registry, subscriber(&format!("{day}-{n}@example.org"))).await);
            }
            place.clock.advance(13 * HOUR);
            registry.keep_up().await.unwrap();
        }
        place.clock.advance(30 * 24 * HOUR);
        registry.keep_up().await.unwrap();
        for one in people {
            let view = registry.store().snapshot(place.now()).await.unwrap();
            assert_eq!(view.read_identifiers(one).await.unwrap().len(), 1);
        }
    }

    async fn keys_left_by_a_process_that_stood_still_for_a_month_are_swept_when_it_comes_back(place: Place) {
        let registry = place.registry().await;
        subject_of(&registry, subscriber("ada@example.org")).await;
        drop(registry);
        place.clock.advance(30 * 24 * HOUR);
        let registry = place.registry().await;
        registry.keep_up().await.unwrap();
        assert_eq!(count(&place.connect_to_keys().await, "subject_keys").await, 1);
    }

    async fn a_key_is_durable_before_the_person_that_needs_it(place: Place) {
        let registry = place.registry().await;
        for n in 0..100 {
            subject_of(&registry, subscriber(&format!("{n}@example.org"))).await;
        }
        let (data, keys) = (place.connect().await, place.connect_to_keys().await);
        let people = count(&data, "subjects").await;
        assert_eq!(people, 100);
        assert!(number(&keys, "SELECT count(wrapped) AS n FROM subject_keys").await >= people);
    }

    async fn the_key_of_a_person_who_was_merged_away_is_destroyed_and_the_data_still_opens(place: Place) {
        let registry = place.registry().await;
        let [ada, bob] = two_people(&registry).await;
        let merged = registry.merge_subjects(call(Action::MergeSubjects), SubjectRef::Id(ada), SubjectRef::Id(bob));
        assert_eq!(merged.await.unwrap().value.identifiers.len(), 2);
        let keys = place.connect_to_keys().await;
        let destroyed = "SELECT count(*) AS n FROM subject_keys WHERE wrapped IS NULL AND destroyed_at IS NOT NULL";
        assert_eq!(number(&keys, destroyed).await, 1);
        place.clock.advance(48 * HOUR);
        registry.keep_up().await.unwrap();
        assert_eq!(number(&keys, destroyed).await, 1, "the proof of the destruction stays");
        // Both looked at the same two pages: the later registration of each stands.
        assert_eq!(items(&registry, ada).await.unwrap().len(), 2);
    }
}
