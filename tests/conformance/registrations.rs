//! Registrations that come at once share transactions, and none is any the worse for it.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use registry::{
    app::{
        Call, Error, Registry, Written,
        collection::{Registered, Registration},
    },
    domain::{
        audit::Action,
        caller::{Bound, Caller},
        consent::{ConsentChoice, statement::ConsentStatement},
        id::SubjectId,
        item::Content,
    },
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    harness::{Place, call, count, everything, number, repeatable},
    on_both,
    sample::{
        audit, given, item, items, keyed, register, register_as, subject_of, subscriber, text,
    },
};

/// Somebody with a name of its own.
fn person(number: usize) -> Registration {
    subscriber(&format!("{number}@example.org"))
}

/// Somebody who says no to the newsletter: the journal has it before the answer.
fn denier(number: usize) -> Registration {
    let refused = ConsentStatement {
        choice: ConsentChoice::Refused,
        ..given(&["newsletter"])
    };
    Registration {
        consents: vec![refused],
        ..person(number)
    }
}

/// What no policy lets anybody collect from a visitor.
fn undeclared(number: usize) -> Registration {
    Registration {
        items: vec![item("payment_details", Content::Text("1".into()))],
        ..person(number)
    }
}

async fn register_at_once(
    registry: &Registry,
    registrations: impl IntoIterator<Item = Registration>,
) -> Vec<Result<Written<Registered>, Error>> {
    let each = registrations
        .into_iter()
        .map(|one| register_as(registry, call(Action::RegisterCollection), one));
    join_all(each).await
}

fn subjects(written: &[Written<Registered>]) -> BTreeSet<SubjectId> {
    let ids = written.iter().map(|one| one.value.subject_id);
    ids.map(|id| id.expect("it has a subject")).collect()
}

/// A service that may speak for nobody but itself.
fn modest(service: &str) -> Arc<Caller> {
    let source = service.parse().expect("a name");
    Arc::new(Caller {
        sources: Bound::Named(BTreeSet::from([source])),
        ..(*everything(service)).clone()
    })
}

on_both! {
    async fn people_who_come_at_once_are_each_registered_once_in_fewer_transactions(place: Place) {
        let registry = place.registry().await;
        let before = audit(&registry).await.len();
        let written = register_at_once(&registry, (0..64).map(person)).await;
        let written: Vec<_> = written.into_iter().map(Result::unwrap).collect();
        assert_eq!(subjects(&written).len(), 64);
        for (number, one) in written.iter().enumerate() {
            let kept = items(&registry, one.value.subject_id.unwrap()).await.unwrap();
            assert_eq!(kept.iter().map(text).collect::<Vec<_>>(), [format!("{number}@example.org")]);
        }
        let other = place.connect().await;
        for table in ["subjects", "items", "item_history", "consents"] {
            assert_eq!(count(&other, table).await, 64, "{table}");
        }
        assert_eq!(audit(&registry).await.len(), before + 64);
        let states: BTreeSet<_> = written.iter().map(|one| one.revision).collect();
        assert!(states.len() < 64, "each made a state of its own");
    }

    async fn what_comes_at_once_of_one_person_all_goes_to_one(place: Place) {
        let registry = place.registry().await;
        let visits = (0..16).map(|number| Registration {
            items: vec![keyed("navigation", &format!("{number}"), "/")],
            ..person(1)
        });
        let written = register_at_once(&registry, visits).await;
        let written: Vec<_> = written.into_iter().map(Result::unwrap).collect();
        let subject = written[0].value.subject_id.unwrap();
        assert_eq!(subjects(&written), BTreeSet::from([subject]));
        assert_eq!(written.iter().filter(|one| one.value.subject_created).count(), 1);
        assert_eq!(items(&registry, subject).await.unwrap().len(), 16);
        let other = place.connect().await;
        assert_eq!(count(&other, "subjects").await, 1);
        assert_eq!(count(&other, "identifiers").await, 1);
        assert_eq!(count(&other, "item_history").await, 16);
        let first = number(&other, "SELECT count(*) AS n FROM events WHERE kind = 'SUBJECT_CREATED'
            AND seq = (SELECT min(seq) FROM events WHERE subject_id IS NOT NULL)").await;
        assert_eq!(first, 1, "nothing is told of a person before that there is one");
    }

    async fn one_that_is_refused_is_refused_alone(place: Place) {
        let registry = place.registry().await;
        let mixed = (0..16).map(|n| if n % 4 == 0 { undeclared(n) } else { person(n) });
        for (number, outcome) in register_at_once(&registry, mixed).await.into_iter().enumerate() {
            if number % 4 == 0 {
                assert!(matches!(outcome, Err(Error::CollectionUndeclared(_))), "{outcome:?}");
            } else {
                outcome.unwrap();
            }
        }
        assert_eq!(count(&place.connect().await, "subjects").await, 12);
    }

    async fn each_is_held_against_what_its_own_caller_may_and_stands_under_its_name(place: Place) {
        let registry = place.registry().await;
        let by = |caller: Arc<Caller>, number| {
            let mut registration = person(number);
            registration.items[0].source = Some("shop".parse().unwrap());
            register_as(&registry, Call::new(caller, Action::RegisterCollection), registration)
        };
        let each = (0..16).map(|n| match n % 4 {
            0 => by(everything("shop"), n),
            1 => by(everything("crm"), n),
            2 => by(modest("shop"), n),
            _ => by(modest("crm"), n),
        });
        let outcomes = join_all(each).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            if number % 4 == 3 {
                assert!(matches!(outcome, Err(Error::ClaimMissing { .. })), "{outcome:?}");
            } else {
                assert!(outcome.is_ok(), "{outcome:?}");
            }
        }
        let log = audit(&registry).await;
        let of = |service: &str| log.iter().filter(|entry| entry.caller == service).count();
        assert_eq!((of("shop"), of("crm")), (8, 4));
    }

    async fn whichever_call_fails_what_was_answered_is_there_and_a_repeat_doubles_nothing(place: Place) {
        let registry = place.registry().await;
        let faults = registry.store().faults().clone();
        let mut people = 0;
        for failing in (0..60).step_by(3) {
            let wanted: Vec<_> = (people..people + 8).map(|number| (number, Uuid::new_v4())).collect();
            people += wanted.len();
            let send = |(number, request): &(usize, Uuid)| {
                let call = repeatable(Action::RegisterCollection, *request, &number.to_be_bytes());
                register_as(&registry, call, denier(*number))
            };
            faults.fail_call(failing);
            let first = join_all(wanted.iter().map(send)).await;
            faults.clear();
            let again = join_all(wanted.iter().map(send)).await;
            for (first, again) in first.into_iter().zip(again) {
                let again = again.unwrap();
                if let Ok(first) = first {
                    assert_eq!((first.value, true), (again.value, again.replayed), "call {failing}");
                }
            }
        }
        let other = place.connect().await;
        for table in ["subjects", "items", "item_history", "consents", "journal_entries", "idempotency"] {
            let found = number(&other, &format!("SELECT count(*) AS n FROM {table}")).await;
            assert_eq!(usize::try_from(found).unwrap(), people, "{table}");
        }
    }
}

/// Somebody whom another transaction holds, and others who come at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_the_one_whom_another_transaction_holds() {
    let place = Place::on_postgres().await;
    let registry = place.registry().await;
    let held = subject_of(&registry, person(0)).await;
    let (is_held, may_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let holding = tokio::spawn({
        let (registry, now) = (registry.clone(), place.now());
        let (is_held, may_go) = (is_held.clone(), may_go.clone());
        async move {
            let held = registry.store().write("hold", now, move |tx| {
                let (is_held, may_go) = (is_held.clone(), may_go.clone());
                Box::pin(async move {
                    tx.lock_subject(held).await?;
                    is_held.add_permits(1);
                    may_go.acquire().await.expect("it is open").forget();
                    Ok::<_, Error>(())
                })
            });
            held.await
        }
    });
    is_held.acquire().await.unwrap().forget();
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move { register(&registry, person(0)).await }
    });
    for round in 0..4 {
        let others = (1..16).map(|n| person(round * 16 + n));
        for outcome in register_at_once(&registry, others).await {
            outcome.unwrap();
        }
    }
    assert!(!waiting.is_finished());
    may_go.add_permits(1);
    holding.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().subject_id, Some(held));
    assert_eq!(count(&place.connect().await, "subjects").await, 61);
}
