use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{revision::Revision, subject::SubjectState},
    runtime::clock::TestClock,
    snapshot::lease::Lease,
    store::state::KnownSubject,
};

const HASH: [u8; 32] = [7; 32];

fn memory() -> Memory {
    let clock = Arc::new(TestClock::at(Timestamp::UNIX_EPOCH));
    Memory::new(1 << 20, Lease::forever(), clock, TimeSource::Caller)
}

fn id(n: u128) -> SubjectId {
    SubjectId(Uuid::from_u128(n))
}

fn known(n: u128, event: i64) -> Arc<KnownSubject> {
    Arc::new(KnownSubject {
        state: SubjectState::new(id(n)),
        revision: Revision::after_event(event),
    })
}

fn changed(subjects: &[u128]) -> Changes {
    Changes {
        subjects: subjects.iter().map(|n| id(*n)).collect(),
        ..Changes::default()
    }
}

fn relinked() -> Changes {
    Changes {
        identifiers: [HASH.to_vec()].into(),
        ..Changes::default()
    }
}

#[test]
fn what_was_learnt_is_known_until_it_is_forgotten() {
    let memory = memory();
    memory.learn(memory.mark(), [known(1, 5)], []);
    assert_eq!(
        memory.subject(id(1)).unwrap().revision(),
        Some(Revision::after_event(5))
    );
    assert!(memory.subject(id(2)).is_none());
    memory.forget(&changed(&[2]));
    assert!(memory.subject(id(1)).is_some(), "another's change");
    memory.forget(&changed(&[1]));
    assert!(memory.subject(id(1)).is_none());
}

#[test]
fn what_was_forgotten_while_it_was_read_is_not_learnt() {
    let memory = memory();
    let mark = memory.mark();
    memory.forget(&changed(&[1]));
    memory.learn(mark, [known(1, 5), known(2, 5)], []);
    assert!(memory.subject(id(1)).is_none());
    assert!(memory.subject(id(2)).is_some());
    let mark = memory.mark();
    memory.clear();
    memory.learn(mark, [known(2, 5)], []);
    assert!(memory.is_empty());
}

#[test]
fn an_identifier_leads_to_everybody_whom_it_was_read_to_lead_to() {
    let memory = memory();
    let mark = memory.mark();
    memory.learn(
        mark,
        [known(1, 5), known(2, 5)],
        [(HASH, vec![id(1), id(2)])],
    );
    let ids = |memory: &Memory| {
        let states = memory.identified(&HASH)?;
        Some(states.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    };
    assert_eq!(ids(&memory), Some(vec![id(1), id(2)]));
    memory.forget(&relinked());
    assert_eq!(ids(&memory), None, "it leads to others now");
}

#[test]
fn an_identifier_does_not_outlast_the_state_of_anybody_whom_it_leads_to() {
    let memory = memory();
    let mark = memory.mark();
    memory.learn(
        mark,
        [known(1, 5), known(2, 5)],
        [(HASH, vec![id(1), id(2)])],
    );
    // Taken off the identifier, say, and read again by their id.
    memory.forget(&changed(&[1]));
    assert!(memory.identified(&HASH).is_none());
    memory.learn(memory.mark(), [known(1, 6)], []);
    assert!(memory.identified(&HASH).is_none(), "read before that");
}

#[test]
fn where_an_identifier_leads_is_not_learnt_from_before_somebody_was_taken_off_it() {
    let memory = memory();
    let slow = memory.mark();
    memory.forget(&changed(&[1]));
    memory.learn(memory.mark(), [known(1, 6)], []);
    memory.learn(slow, [known(1, 5)], [(HASH, vec![id(1)])]);
    assert!(memory.identified(&HASH).is_none());
    let newer = memory.subject(id(1)).unwrap();
    assert_eq!(newer.revision(), Some(Revision::after_event(6)));
}

#[test]
fn an_identifier_that_leads_to_nobody_is_not_remembered() {
    let memory = memory();
    memory.learn(memory.mark(), [], [(HASH, Vec::new())]);
    assert!(memory.identified(&HASH).is_none());
}

#[test]
fn policies_are_known_until_one_is_published() {
    let memory = memory();
    let policies = || KnownPolicies::new(Arc::default(), Revision::after_event(1));
    let early = memory.mark();
    memory.learn_policies(early, policies());
    assert!(memory.policies().is_some());
    let published = Changes {
        policies: true,
        ..Changes::default()
    };
    memory.forget(&published);
    memory.learn_policies(early, policies());
    assert!(memory.policies().is_none());
}

#[test]
fn it_stays_within_its_budget_and_one_that_is_too_large_is_remembered_as_that() {
    let memory = memory();
    for n in 0..10_000 {
        memory.learn(memory.mark(), [known(n, 5)], []);
        assert!(memory.bytes() <= 1 << 20, "{n}");
    }
    assert!(!memory.is_empty());
    let mut large = known(1, 5).as_ref().clone();
    let seen = |n: usize| (format!("s{n}").parse().unwrap(), Timestamp::UNIX_EPOCH);
    large.state.last_activity = (0..30_000).map(seen).collect();
    assert!(!memory.is_large(id(1)));
    memory.forget(&changed(&[1]));
    memory.learn(memory.mark(), [Arc::new(large)], []);
    assert!(memory.subject(id(1)).is_none() && memory.is_large(id(1)));
}

#[test]
fn nothing_is_answered_without_a_lease() {
    let clock = Arc::new(TestClock::at(Timestamp::UNIX_EPOCH));
    let memory = Memory::new(1 << 20, Lease::none(), clock, TimeSource::Caller);
    assert_eq!(memory.may_answer(), None);
    let now = Timestamp::UNIX_EPOCH;
    let by_the_test = Instants {
        earliest: now,
        latest: now,
    };
    assert_eq!(self::memory().may_answer(), Some(by_the_test));
}
