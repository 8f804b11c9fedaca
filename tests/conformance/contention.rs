//! Changes that meet: they wait for each other, or are tried again, or are refused after a while;
//! none is lost and none is done twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use registry::{
    app::{Error, Registry},
    domain::{audit::Action, id::SubjectId, subject_ref::SubjectRef},
    store::StoreError,
};

use crate::{
    harness::{Place, account_of, call, count, email_of, new_subject},
    on_both,
    sample::{by, identifier, subject_of, subscriber, visitor},
};

/// Links one more e-mail address, numbered by how many there are.
async fn add_one(registry: &Registry, place: &Place, subject: SubjectId) {
    let written = registry.store().write("add_one", place.now(), move |tx| {
        Box::pin(async move {
            tx.lock_subject(subject).await?;
            let held = tx.list_identifiers(&[subject]).await?;
            let number = held.get(&subject).map_or(0, Vec::len);
            let next = email_of(subject, &format!("{number}@example.org"));
            tx.link_identifiers(&[next], "tests").await?;
            Ok::<_, Error>(())
        })
    });
    written.await.expect("it is written");
}

on_both! {
    async fn changes_of_one_subject_never_overlap(place: Place) {
        let registry = place.empty_replica().await;
        let subject = new_subject(&registry).await;
        join_all((0..40).map(|_| add_one(&registry, &place, subject))).await;
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        let read = snapshot.read_identifiers(subject).await.unwrap();
        let mut values: Vec<_> = read.iter().map(|(_, value)| value.expose()).collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), 40, "each saw what the ones before it had written");
    }

    async fn first_registrations_of_one_address_at_once_make_one_person(place: Place) {
        let registry = place.registry().await;
        let people = join_all((0..16).map(|_| subject_of(&registry, subscriber("ada@example.org")))).await;
        assert!(people.iter().all(|one| *one == people[0]));
        assert_eq!(count(&place.connect().await, "subjects").await, 1);
    }

    async fn an_account_that_leads_to_somebody_else_is_a_conflict_and_links_nothing(place: Place) {
        let registry = place.empty_replica().await;
        let (ada, bob) = (new_subject(&registry).await, new_subject(&registry).await);
        let link = |subject| registry.store().write("link", place.now(), move |tx| {
            Box::pin(async move {
                let links = [email_of(subject, "shared@example.org"), account_of(subject, "u-1")];
                Ok::<_, Error>(tx.link_identifiers(&links, "tests").await?)
            })
        });
        link(ada).await.unwrap();
        let taken = link(bob).await;
        assert!(matches!(taken, Err(Error::Conflict)), "{taken:?}");
        assert_eq!(count(&place.connect().await, "identifiers").await, 2);
    }

    async fn merges_of_one_pair_in_both_directions_at_once_make_one_person(place: Place) {
        let registry = place.registry().await;
        for round in 0..5 {
            let [ada, bob] = ["ada", "bob"].map(|name| format!("{name}-{round}@example.org"));
            let ada = subject_of(&registry, subscriber(&ada)).await;
            let bob = subject_of(&registry, subscriber(&bob)).await;
            let merge = |into, from| registry.merge_subjects(call(Action::MergeSubjects), SubjectRef::Id(into), SubjectRef::Id(from));
            let (one, other) = tokio::join!(merge(ada, bob), merge(bob, ada));
            assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
            let survivor = one.or(other).unwrap().value.subject_id;
            let snapshot = registry.store().snapshot(place.now()).await.unwrap();
            for id in [ada, bob] {
                let found = snapshot.find_subject(id).await.unwrap().expect("both ids lead somewhere");
                assert_eq!(found.subject_id, survivor);
            }
        }
    }

    async fn linking_one_account_to_many_people_at_once_links_it_to_one(place: Place) {
        let registry = place.registry().await;
        let mut people = Vec::new();
        for n in 0..8 {
            people.push(subject_of(&registry, visitor(by("shop_user", &format!("u-{n}")))).await);
        }
        let link = |one: &SubjectId| registry.link_identifier(
            call(Action::LinkIdentifier), SubjectRef::Id(*one), identifier("affiliate", "a-1"));
        let outcomes = join_all(people.iter().map(link)).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for outcome in outcomes {
            assert!(matches!(outcome, Ok(_) | Err(Error::IdentifierConflict { .. })), "{outcome:?}");
        }
    }

    async fn a_change_that_always_meets_another_is_refused_after_a_while(place: Place) {
        let store = place.store().await;
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        let refused = store.write::<(), _, _>("unlucky", place.now(), move |tx| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let subject = tx.reserve_subject().await?;
                tx.insert_subjects(&[subject]).await?;
                Err(Error::Conflict)
            })
        });
        assert!(matches!(refused.await, Err(Error::Conflict)));
        assert_eq!(count(&place.connect().await, "subjects").await, 0);
        // SQLite's writer is alone: nobody else will ever make way.
        let expected = if place.url.starts_with("sqlite") { 1 } else { 10 };
        assert_eq!(tries.load(Ordering::SeqCst), expected);
    }
}

/// Two transactions that take two subjects in opposite orders: PostgreSQL ends one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_in_a_deadly_embrace_both_succeed_in_the_end() {
    let place = Place::on_postgres().await;
    let registry = place.empty_replica().await;
    let (ada, bob) = (new_subject(&registry).await, new_subject(&registry).await);
    let tries = Arc::new(AtomicU32::new(0));
    let embrace = |first, second| {
        let tries = tries.clone();
        registry.store().write("embrace", place.now(), move |tx| {
            tries.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tx.lock_subject(first).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                tx.lock_subject(second).await?;
                let address = email_of(first, "ada@example.org");
                tx.link_identifiers(&[address], "tests").await?;
                Ok::<_, StoreError>(())
            })
        })
    };
    let (one, other) = tokio::join!(embrace(ada, bob), embrace(bob, ada));
    one.unwrap();
    other.unwrap();
    assert!(tries.load(Ordering::SeqCst) > 2, "they did not meet");
    assert_eq!(count(&place.connect().await, "identifiers").await, 2);
}
