//! Keys change without downtime: a new one is added, made the first, and the old one goes.

use std::path::Path;

use registry::{
    app::Registry,
    crypto::{entropy::SystemEntropy, key::KeyId, key_file},
    domain::{audit::Action, id::SubjectId, subject_ref::SubjectRef},
    store::audit::AuditFilter,
};
use uuid::Uuid;

use crate::{
    harness::{call, everything, number, repeatable},
    on_both,
    sample::{by, fetch, identifier, register, register_as, subject_of, subscriber, text, visitor},
};

/// Adds a key to a file that every replica then knows, and makes it the first.
fn rotate(path: &Path) -> KeyId {
    let id = key_file::append(path, &SystemEntropy).expect("a key is added");
    key_file::promote(path, &id).expect("it becomes the first");
    id
}

/// Removes every key but `first`.
fn retire_others(path: &Path, first: &KeyId) {
    let text = std::fs::read_to_string(path).expect("the file reads");
    for line in text.lines() {
        let id: KeyId = line
            .split_once(':')
            .expect("id:key")
            .0
            .parse()
            .expect("an id");
        if id != *first {
            key_file::retire(path, &id).expect("it is not the first");
        }
    }
}

async fn reads(registry: &Registry, subject: SubjectId, email: &str) {
    let fetched = fetch(registry, subject).await.expect("it opens");
    assert_eq!(text(&fetched[0]), email);
    let found = registry
        .get_subject(call(Action::GetSubject), &by("email", email), None)
        .await;
    let (found, _) = found.expect("it is found");
    assert_eq!(found.subject_id, subject);
    let mut values = found
        .identifiers
        .iter()
        .map(|one| one.identifier.value.expose());
    assert!(values.any(|value| value == email));
}

on_both! {
    async fn the_key_that_wraps_is_replaced_and_everything_still_opens(place: Place) {
        let registry = place.registry().await;
        let ada = subject_of(&registry, subscriber("ada@example.org")).await;
        let path = place.key_files().encryption;
        let new = rotate(&path);

        let rotated = place.registry().await;
        reads(&rotated, ada, "ada@example.org").await;
        let bob = subject_of(&rotated, subscriber("bob@example.org")).await;
        assert!(rotated.rewrap_keys().await.unwrap() > 0);
        let old = format!("SELECT count(*) AS n FROM subject_keys WHERE kek_id <> '{}'", new.as_str());
        assert_eq!(number(&place.connect_to_keys().await, &old).await, 0);
        assert_eq!(rotated.rewrap_keys().await.unwrap(), 0, "nothing is left");

        retire_others(&path, &new);
        let later = place.registry().await;
        reads(&later, ada, "ada@example.org").await;
        reads(&later, bob, "bob@example.org").await;
    }

    async fn a_replica_that_still_wraps_with_the_older_key_is_understood(place: Place) {
        let old = place.registry().await;
        let path = place.key_files().encryption;
        let id = key_file::append(&path, &SystemEntropy).unwrap();
        // Rolled out: everyone can open with it. Then one replica after the other begins to use it.
        let waiting = place.registry().await;
        key_file::promote(&path, &id).unwrap();
        let ahead = place.registry().await;
        let ada = subject_of(&ahead, subscriber("ada@example.org")).await;
        let bob = subject_of(&waiting, subscriber("bob@example.org")).await;
        let eve = subject_of(&old, subscriber("eve@example.org")).await;
        for replica in [&waiting, &ahead] {
            reads(replica, ada, "ada@example.org").await;
            reads(replica, bob, "bob@example.org").await;
            reads(replica, eve, "eve@example.org").await;
        }
    }

    async fn what_the_older_index_key_sealed_is_found_and_belongs_to_nobody_else(place: Place) {
        let registry = place.registry().await;
        let mut registration = subscriber("ada@example.org");
        registration.identifiers = vec![identifier("shop_user", "u-1")];
        let ada = subject_of(&registry, registration.clone()).await;
        rotate(&place.key_files().index);

        let rotated = place.registry().await;
        reads(&rotated, ada, "ada@example.org").await;
        assert_eq!(register(&rotated, registration).await.unwrap().subject_id, Some(ada));
        let bob = subject_of(&rotated, visitor(by("shop_user", "u-2"))).await;
        let taken = rotated.link_identifier(
            call(Action::LinkIdentifier), SubjectRef::Id(bob), identifier("shop_user", "u-1"));
        assert!(taken.await.is_err(), "an account has one owner under every key");
        let gone = rotated.unlink_identifier(
            call(Action::UnlinkIdentifier), SubjectRef::Id(ada), identifier("shop_user", "u-1"));
        gone.await.unwrap();
        let free = rotated.link_identifier(
            call(Action::LinkIdentifier), SubjectRef::Id(bob), identifier("shop_user", "u-1"));
        free.await.unwrap();
    }

    async fn replicas_with_either_index_key_first_make_one_person_of_one_address(place: Place) {
        let path = place.key_files().index;
        let id = key_file::append(&path, &SystemEntropy).unwrap();
        let waiting = place.registry().await;
        // SQLite has one process: there is no second replica to be ahead.
        let ahead = if place.url.starts_with("sqlite") { waiting.clone() } else {
            key_file::promote(&path, &id).unwrap();
            place.registry().await
        };
        for n in 0..10 {
            let email = format!("{n}@example.org");
            let (one, other) = tokio::join!(
                subject_of(&waiting, subscriber(&email)),
                subject_of(&ahead, subscriber(&email)),
            );
            assert_eq!(one, other);
        }
    }

    async fn what_the_older_secret_made_is_still_recognised(place: Place) {
        let registry = place.registry().await;
        let request_id = Uuid::new_v4();
        let again = |registry: Registry| async move {
            let call = repeatable(Action::RegisterCollection, request_id, b"ada");
            register_as(&registry, call, subscriber("ada@example.org")).await.unwrap()
        };
        let first = again(registry.clone()).await;
        let ada = first.value.subject_id.unwrap();
        let log = |registry: Registry, token: Option<String>| async move {
            let filter = AuditFilter { caller: Some("tests".into()), ..AuditFilter::default() };
            registry.list_audit_entries(&everything("tests"), Some(&SubjectRef::Id(ada)), filter, 1, token.as_deref()).await.unwrap()
        };
        fetch(&registry, ada).await.unwrap();
        let page = log(registry, None).await;
        rotate(&place.key_files().secret);

        let rotated = place.registry().await;
        assert!(again(rotated.clone()).await.replayed);
        assert_eq!(log(rotated.clone(), page.next).await.entries.len(), 1);
        fetch(&rotated, ada).await.unwrap();
        let filter = AuditFilter::default();
        let all = rotated.list_audit_entries(&everything("tests"), Some(&SubjectRef::Id(ada)), filter, 100, None).await.unwrap();
        assert_eq!(all.entries.len(), 3, "under the old pseudonym and the new one");
    }
}
