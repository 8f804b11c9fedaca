//! Entries of the journal met by a database that lacks them, and answers that wait for the journal.

use std::{fs, sync::Arc};

use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    app::{
        Call,
        consent::{Taken, WithdrawConsent, Withdrawer},
        purpose::Check,
        scene::{person, say, shared_email, visitor},
        testing::{TestRegistry, registry},
    },
    domain::{
        audit::Action,
        consent::{ConsentChoice, EvidenceMethod, GivenBy, statement::StatedEvidence},
        decision::{Effect, Query},
        id::{ItemId, ObjectionId, RestrictionId, SubjectId},
        identifier::normalise,
        journal::{DeniedConsent, ErasedSubject, JournalKind},
        policy::model::Normalise,
        subject::SubjectState,
        subject_ref::SubjectRef,
    },
};

const NEWSLETTER: &str = "newsletter";

fn withdrawal(subject: SubjectId) -> WithdrawConsent {
    WithdrawConsent {
        by: Withdrawer::Subject {
            subject: SubjectRef::Id(subject),
            taken: Taken::Purposes(vec![NEWSLETTER.parse().unwrap()]),
        },
        processors: Vec::new(),
        evidence: StatedEvidence::by(EvidenceMethod::NotStated),
        occurred_at: None,
    }
}

/// Denials in the journal, without those that are said again.
fn journaled(test: &TestRegistry) -> usize {
    let written = fs::read_to_string(test.dir.path().join("journal.log")).unwrap_or_default();
    let denials = written
        .lines()
        .filter(|line| line.contains("\"kind\":\"CONSENT_DENIED\""));
    let ids = denials.filter_map(|line| line.split(' ').nth(2));
    ids.collect::<std::collections::BTreeSet<_>>().len()
}

async fn is_allowed(test: &TestRegistry, subject: SubjectRef) -> bool {
    let check = Check {
        subject,
        query: Query {
            data_categories: vec!["email_address".parse().unwrap()],
            item_ids: Vec::new(),
            purpose: NEWSLETTER.parse().unwrap(),
            processor: None,
        },
        at_least_as_fresh: None,
        explain: false,
        record: false,
        as_of: None,
    };
    let caller = test.caller.clone();
    let answer = test
        .registry
        .check_purpose(caller, Action::CheckPurpose, check)
        .await;
    answer.is_ok_and(|answer| answer.decision.effect == Effect::Allow)
}

/// A visitor who said yes.
async fn willing(test: &TestRegistry) -> SubjectId {
    let subject = visitor(test).await;
    say(test, &[subject], ConsentChoice::Given, NEWSLETTER).await;
    assert!(is_allowed(test, SubjectRef::Id(subject)).await);
    subject
}

async fn state(test: &TestRegistry, subject: SubjectId) -> SubjectState {
    let store = test.registry.store();
    let snapshot = store.snapshot(test.registry.clock_now()).await.unwrap();
    let mut states = snapshot.load_states(&[subject], &[]).await.unwrap();
    states.remove(&subject).unwrap().state
}

fn entry(number: u128, at: Timestamp, subject_id: SubjectId, what: JournalKind) -> JournalEntry {
    JournalEntry {
        entry_id: JournalEntryId(Uuid::from_u128(number)),
        at,
        subject_id,
        identifiers: Vec::new(),
        what,
    }
}

/// Applies an entry as a restore does, and again: the second time nothing is missing.
async fn meet(test: &TestRegistry, entry: JournalEntry) -> (u64, u64) {
    let entries = Arc::new(vec![entry]);
    let mut done = Vec::new();
    for _ in 0..2 {
        let entries = entries.clone();
        let chore = test.registry.do_chore(Chore::Restore, move |tx, policies| {
            let entries = entries.clone();
            Box::pin(async move { apply_missing(tx, policies, &entries).await })
        });
        done.push(chore.await.unwrap());
    }
    assert_eq!(done[1], None, "met once");
    done[0].unwrap()
}

fn denied(test: &TestRegistry) -> JournalKind {
    let now = test.registry.clock_now();
    JournalKind::ConsentDenied(DeniedConsent {
        consent_id: Uuid::from_u128(77).into(),
        purpose: NEWSLETTER.parse().unwrap(),
        processors: Vec::new(),
        choice: ConsentChoice::Withdrawn,
        method: EvidenceMethod::NotStated,
        has_reference: true,
        given_by: GivenBy::Subject,
        policy_version: "2018-05-24".parse().unwrap(),
        occurred_at: now,
        recorded_at: now,
        recorded_by: "shop".parse().unwrap(),
        expires_at: None,
    })
}

#[tokio::test]
async fn whichever_call_fails_nobody_is_told_of_a_withdrawal_that_the_journal_does_not_have() {
    let test = registry().await;
    let faults = test.registry.store().faults().clone();
    let mut committed_unanswered = 0;
    for call in 0.. {
        let subject = willing(&test).await;
        let before = journaled(&test);
        let request = Call::new(test.caller.clone(), Action::WithdrawConsent)
            .idempotent(Some(Uuid::from_u128(call + 1)), vec![1]);
        let withdraw = || {
            test.registry
                .withdraw_consent(request.clone(), withdrawal(subject))
        };
        faults.fail_call(u32::try_from(call).unwrap());
        let first = withdraw().await;
        let struck = faults.clear();
        if !struck {
            first.unwrap();
            assert_eq!(journaled(&test), before + 1);
            assert!(committed_unanswered >= 2, "{committed_unanswered}");
            return;
        }
        assert!(first.is_err(), "call {call}");
        let is_committed = !is_allowed(&test, SubjectRef::Id(subject)).await;
        assert!(is_committed || journaled(&test) == before, "call {call}");
        let again = withdraw().await.unwrap();
        assert_eq!(again.replayed, is_committed, "call {call}");
        committed_unanswered += u32::from(is_committed);
        assert_eq!(journaled(&test), before + 1, "call {call}");
        assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_holds_back_the_answer_and_the_repeat_until_it_can() {
    let test = registry().await;
    let subject = willing(&test).await;
    let path = test.dir.path().join("journal.log");
    fs::create_dir(&path).unwrap();
    let call = Call::new(test.caller.clone(), Action::WithdrawConsent)
        .idempotent(Some(Uuid::from_u128(5)), vec![1]);
    for _ in 0..2 {
        let refused = test
            .registry
            .withdraw_consent(call.clone(), withdrawal(subject));
        assert!(matches!(
            refused.await.unwrap_err(),
            Error::StoreUnavailable(_)
        ));
        assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    }
    fs::remove_dir(&path).unwrap();
    let answered = test.registry.withdraw_consent(call, withdrawal(subject));
    assert!(answered.await.unwrap().replayed);
    assert_eq!(journaled(&test), 1);
}

#[tokio::test]
async fn withdrawals_that_come_at_once_are_all_in_the_journal_when_they_are_answered() {
    let test = registry().await;
    let mut subjects = Vec::new();
    for _ in 0..20 {
        subjects.push(willing(&test).await);
    }
    let all = subjects.into_iter().map(|subject| {
        let test = &test;
        async move {
            let call = Call::new(test.caller.clone(), Action::WithdrawConsent);
            let done = test.registry.withdraw_consent(call, withdrawal(subject));
            let id = done.await.unwrap().value.facts[0].consent_id.to_string();
            let written = fs::read_to_string(test.dir.path().join("journal.log")).unwrap();
            assert!(written.contains(&id));
        }
    });
    join_all(all).await;
    assert_eq!(journaled(&test), 20);
    assert_eq!(
        test.registry.restore().await.unwrap(),
        Restored::default(),
        "nothing is missing on either side"
    );
}

#[tokio::test]
async fn a_journal_that_was_lost_is_filled_again() {
    let test = registry().await;
    let subject = willing(&test).await;
    let call = Call::new(test.caller.clone(), Action::WithdrawConsent);
    let done = test.registry.withdraw_consent(call, withdrawal(subject));
    done.await.unwrap();
    fs::write(test.dir.path().join("journal.log"), "").unwrap();
    // The denial, and the task that tells of it.
    assert_eq!(test.registry.preview_restore().await.unwrap().to_refill, 2);
    let restored = test.registry.restore().await.unwrap();
    assert_eq!((restored.refilled, restored.applied), (2, 0));
    assert_eq!(journaled(&test), 1);
    assert!(test.registry.preview_restore().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_denial_that_the_database_lacks_denies() {
    let test = registry().await;
    let subject = willing(&test).await;
    let now = test.registry.clock_now();
    let what = denied(&test);
    assert_eq!(
        meet(&test, entry(1, now, subject, what.clone())).await,
        (1, 0)
    );
    assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    meet(&test, entry(2, now, subject, what)).await;
    assert_eq!(state(&test, subject).await.consents.len(), 2, "one fact");
}

#[tokio::test]
async fn an_entry_of_a_subject_that_nobody_knows_is_met_once_and_does_nothing() {
    let test = registry().await;
    let nobody = SubjectId(Uuid::from_u128(9));
    let now = test.registry.clock_now();
    let merged = JournalKind::SubjectsMerged { merged: nobody };
    assert_eq!(
        meet(&test, entry(1, now, nobody, denied(&test))).await,
        (0, 1)
    );
    assert_eq!(meet(&test, entry(2, now, nobody, merged)).await, (0, 1));
}

#[tokio::test]
async fn an_objection_comes_back_and_so_does_its_rejection() {
    let test = registry().await;
    let subject = willing(&test).await;
    let now = test.registry.clock_now();
    let objection_id = ObjectionId(Uuid::from_u128(3));
    let objected = JournalKind::Objected {
        objection_id,
        purpose: NEWSLETTER.parse().unwrap(),
        occurred_at: now,
        subject_request_id: None,
    };
    meet(&test, entry(1, now, subject, objected)).await;
    assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    let rejected = JournalKind::ObjectionDecided {
        objection_id,
        rejected_at: now,
    };
    meet(&test, entry(2, now, subject, rejected)).await;
    let objections = state(&test, subject).await.objections;
    assert_eq!(objections.len(), 1);
    assert_eq!(objections[0].rejected_at, Some(now));
}

#[tokio::test]
async fn a_restriction_comes_back_and_so_does_its_end() {
    let test = registry().await;
    let subject = willing(&test).await;
    let now = test.registry.clock_now();
    let restriction_id = RestrictionId(Uuid::from_u128(3));
    let restricted = JournalKind::Restricted {
        restriction_id,
        data_categories: vec!["email_address".parse().unwrap()],
        started_at: now,
        subject_request_id: None,
    };
    meet(&test, entry(1, now, subject, restricted)).await;
    let restrictions = state(&test, subject).await.restrictions;
    assert_eq!(restrictions.len(), 1);
    assert_eq!(restrictions[0].data_categories.len(), 1);
    let lifted = JournalKind::RestrictionLifted {
        restriction_id,
        lifted_at: now,
    };
    meet(&test, entry(2, now, subject, lifted)).await;
    let restrictions = state(&test, subject).await.restrictions;
    assert_eq!(restrictions[0].lifted_at, Some(now));
}

#[tokio::test]
async fn a_deletion_takes_what_it_meant_and_leaves_what_was_collected_later() {
    let test = registry().await;
    let subject = person(&test, "client", &["first_name", "last_name"]).await;
    let items = state(&test, subject).await.items;
    let before = items[0].collected_at - jiff::SignedDuration::from_secs(1);
    let deletion = |number, deleted_at: Timestamp| {
        let mut old = items.clone();
        for item in old.iter_mut() {
            item.collected_at = before;
        }
        let what = JournalKind::deleted(&old[..1], deleted_at);
        entry(number, deleted_at, subject, what)
    };
    meet(&test, deletion(1, before)).await;
    assert_eq!(
        state(&test, subject).await.items.len(),
        2,
        "collected later"
    );
    meet(&test, deletion(2, test.registry.clock_now())).await;
    let left: Vec<ItemId> = state(&test, subject)
        .await
        .items
        .iter()
        .map(|item| item.item_id)
        .collect();
    assert_eq!(left, [items[1].item_id]);
}

#[tokio::test]
async fn a_category_that_ended_has_ended() {
    let test = registry().await;
    let subject = person(&test, "client", &["first_name"]).await;
    let now = test.registry.clock_now();
    let ended = JournalKind::CategoryEnded {
        subject_category: "client".parse().unwrap(),
        ended_at: now,
    };
    meet(&test, entry(1, now, subject, ended)).await;
    let memberships = state(&test, subject).await.memberships;
    assert_eq!(memberships[0].ended_at, Some(now));
}

#[tokio::test]
async fn an_erased_subject_is_found_and_allowed_no_more_and_its_key_is_destroyed() {
    let test = registry().await;
    let subject = willing(&test).await;
    let address = shared_email(&test, &[subject]).await;
    assert!(is_allowed(&test, address.clone()).await);
    let now = test.registry.clock_now();
    let erased = JournalKind::Erased(ErasedSubject {
        erased_at: now,
        retained: Vec::new(),
        subject_request_id: None,
        suppressed: Vec::new(),
        objected: Vec::new(),
    });
    meet(&test, entry(1, now, subject, erased)).await;
    assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    assert!(!is_allowed(&test, address).await);
    assert!(state(&test, subject).await.items.is_empty());
    test.registry.restore().await.unwrap();
    let snapshot = test.registry.store().snapshot(now).await.unwrap();
    assert!(!snapshot.has_key(subject).await.unwrap());
}

#[tokio::test]
async fn an_erased_person_whom_nobody_knows_stays_suppressed() {
    let test = registry().await;
    let now = test.registry.clock_now();
    let email = "gone@example.org";
    let key = (
        "email".parse().unwrap(),
        normalise(Normalise::Email, email).unwrap(),
    );
    let store = test.registry.store();
    let snapshot = store.snapshot(now).await.unwrap();
    let suppressed = snapshot.hash_identifier(&key);
    snapshot.close().await.unwrap();
    let erased = JournalKind::Erased(ErasedSubject {
        erased_at: now,
        retained: Vec::new(),
        subject_request_id: None,
        suppressed,
        objected: vec![NEWSLETTER.parse().unwrap()],
    });
    let nobody = SubjectId(Uuid::from_u128(9));
    assert_eq!(meet(&test, entry(1, now, nobody, erased)).await, (0, 1));
    let snapshot = store.snapshot(now).await.unwrap();
    let wanted = std::slice::from_ref(&key);
    let found = snapshot.list_suppressed(wanted).await.unwrap();
    assert_eq!(
        found[&key].objected,
        [(NEWSLETTER.parse().unwrap(), now)],
        "with what was said no to"
    );
}

#[tokio::test]
async fn who_lives_although_the_key_is_destroyed_is_erased() {
    let test = registry().await;
    let (subject, other) = (willing(&test).await, willing(&test).await);
    destroy_key(&test, subject).await;
    assert_eq!(test.registry.preview_restore().await.unwrap().to_erase, 1);
    assert_eq!(test.registry.restore().await.unwrap().erased, 1);
    assert!(!is_allowed(&test, SubjectRef::Id(subject)).await);
    assert!(is_allowed(&test, SubjectRef::Id(other)).await);
    assert_eq!(test.registry.restore().await.unwrap().erased, 0);
}

/// Destroys a key and forgets that it was to be done, as a restore of the data alone does.
async fn destroy_key(test: &TestRegistry, subject: SubjectId) {
    let store = test.registry.store();
    let now = test.registry.clock_now();
    let intend = store.write("destroy", now, move |tx| {
        Box::pin(async move { Ok::<_, Error>(tx.intend_key_destruction(subject).await?) })
    });
    intend.await.unwrap();
    store.complete_key_destructions(now).await.unwrap();
}

#[tokio::test]
async fn a_merge_comes_back_without_the_key_that_it_destroyed_and_the_denial_counts_for_both() {
    let test = registry().await;
    let (from, into) = (willing(&test).await, willing(&test).await);
    let address = shared_email(&test, &[from]).await;
    say(&test, &[from], ConsentChoice::Withdrawn, NEWSLETTER).await;
    destroy_key(&test, from).await;
    test.clock.advance(std::time::Duration::from_secs(1));
    let now = test.registry.clock_now();
    let merged = JournalKind::SubjectsMerged { merged: from };
    assert_eq!(meet(&test, entry(1, now, into, merged)).await, (1, 0));
    assert!(!is_allowed(&test, SubjectRef::Id(into)).await);
    let store = test.registry.store();
    let snapshot = store.snapshot(now).await.unwrap();
    let led = snapshot.find_subject(from).await.unwrap().unwrap();
    assert_eq!(led.subject_id, into);
    assert_eq!(state(&test, into).await.items.len(), 1, "its own");
    snapshot.close().await.unwrap();
    let call = Call::new(test.caller.clone(), Action::GetSubject);
    let found = test.registry.get_subject(call, &address, None);
    assert_eq!(found.await.unwrap().0.subject_id, into);
}
