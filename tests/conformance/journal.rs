//! Entries reach the journal from every replica, once, and before anybody is answered.

use std::sync::Arc;

use futures::future::join_all;
use registry::{
    app::{
        Error, Registry,
        consent::{Taken, WithdrawConsent, Withdrawer},
    },
    domain::{
        audit::Action,
        consent::{EvidenceMethod, statement::StatedEvidence},
        id::SubjectId,
        subject_ref::SubjectRef,
    },
    store::JournalPlace,
};
use uuid::Uuid;

use crate::{
    harness::{Place, count, names, new_subject, number, repeatable},
    on_both,
};

const PENDING: &str = "SELECT count(*) AS n FROM journal_entries WHERE journaled_at IS NULL";

async fn withdraw(registry: &Registry, subject: SubjectId, request: u128) -> Result<bool, Error> {
    let call = repeatable(Action::WithdrawConsent, Uuid::from_u128(request), b"same");
    let command = WithdrawConsent {
        by: Withdrawer::Subject {
            subject: SubjectRef::Id(subject),
            taken: Taken::Purposes(names(&["newsletter"])),
        },
        processors: Vec::new(),
        evidence: StatedEvidence::by(EvidenceMethod::NotStated),
        occurred_at: None,
    };
    let written = registry.withdraw_consent(call, command).await?;
    Ok(written.replayed)
}

/// Entries in the journal, and how many of the database's are still on their way to it.
async fn entries(place: &Place) -> (i64, i64) {
    let connection = place.connect().await;
    let journaled = match &place.journal {
        JournalPlace::File(path) => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            // An entry whose mark was lost comes again, and counts once.
            let ids = text.lines().filter_map(|line| line.split(' ').nth(2));
            let ids: std::collections::BTreeSet<_> = ids.collect();
            i64::try_from(ids.len()).expect("a number")
        }
        JournalPlace::Postgres(_) => count(&connection, "journal").await,
        JournalPlace::Nowhere => 0,
    };
    (journaled, number(&connection, PENDING).await)
}

on_both! {
    async fn withdrawals_that_come_at_once_are_each_in_the_journal_once(place: Place) {
        let registry = place.registry().await;
        let mut subjects = Vec::new();
        for _ in 0..24 {
            subjects.push(new_subject(&registry).await);
        }
        let all = subjects.iter().zip(1..).map(|(subject, n)| withdraw(&registry, *subject, n));
        for withdrawn in join_all(all).await {
            withdrawn.unwrap();
        }
        assert_eq!(entries(&place).await, (24, 0));
    }

    async fn whatever_fails_between_commit_and_answer_is_made_good_by_the_repeat(place: Place) {
        let registry = place.registry().await;
        let (mut request, mut committed) = (0, 0);
        loop {
            let subject = new_subject(&registry).await;
            let call = u32::try_from(request).unwrap();
            request += 1;
            registry.store().faults().fail_call(call);
            let first = withdraw(&registry, subject, request).await;
            if !registry.store().faults().clear() {
                first.unwrap();
                break;
            }
            first.unwrap_err();
            committed += u32::from(withdraw(&registry, subject, request).await.unwrap());
        }
        assert!(committed >= 2, "{committed}");
        assert_eq!(entries(&place).await, (i64::try_from(request).unwrap(), 0));
    }

    async fn without_a_journal_entries_wait_until_there_is_one(place: Place) {
        let mut place = place;
        let journal = std::mem::replace(&mut place.journal, JournalPlace::Nowhere);
        let registry = place.registry().await;
        let subject = new_subject(&registry).await;
        withdraw(&registry, subject, 1).await.unwrap();
        assert_eq!(entries(&place).await, (0, 1));
        drop(registry);
        place.journal = journal;
        let registry = place.registry().await;
        registry.restore().await.unwrap();
        assert_eq!(entries(&place).await, (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_replica_left_another_takes_to_the_journal_before_it_answers_the_repeat() {
    let place = Place::on_postgres().await;
    let (one, other) = (place.registry().await, place.registry().await);
    let subject = new_subject(&one).await;
    // The last call that leaves something pending is the mark's; the one before it the append.
    let mut call = 0;
    loop {
        one.store().faults().fail_call(call);
        let first = withdraw(&one, subject, u128::from(call)).await;
        assert!(
            one.store().faults().clear() && first.is_err(),
            "no call leaves it pending"
        );
        if entries(&place).await == (0, 1) {
            break;
        }
        call += 1;
    }
    drop(one);
    assert!(
        withdraw(&other, subject, u128::from(call)).await.unwrap(),
        "a repeat"
    );
    assert_eq!(entries(&place).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_flush_the_same_entries_at_once_leave_each_of_them_once() {
    let place = Place::on_postgres().await;
    let replicas = join_all((0..3).map(|_| place.registry())).await;
    let replicas: Vec<_> = replicas.into_iter().map(Arc::new).collect();
    let subject = new_subject(&replicas[0]).await;
    let all = (0..30).map(|n| {
        let replica = replicas[n % 3].clone();
        async move {
            let request = u128::try_from(n).expect("a number");
            withdraw(&replica, subject, request).await
        }
    });
    for withdrawn in join_all(all).await {
        withdrawn.unwrap();
    }
    let flushes = replicas.iter().map(|replica| replica.flush_journal());
    for flushed in join_all(flushes).await {
        flushed.unwrap();
    }
    assert_eq!(entries(&place).await, (30, 0));
}
