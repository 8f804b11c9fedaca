//! What a request may do next, given what others have done for it: which part may start, which part has
//! come to its end, and how far the whole has come. Pure; who calls it starts the parts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    RequestKind,
    part::{Part, PartState},
};

/// What others have done for one part so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Tasks that have not come to an end.
    pub open_tasks: u64,
    /// Items that a legal hold keeps from being erased.
    pub held_items: u64,
    /// Whether its package is complete, for a copy.
    pub is_ready: bool,
}

/// What others have done so far, for each kind of a request. A kind that is missing: nothing is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaves(pub BTreeMap<RequestKind, Leaf>);

impl Leaves {
    /// The leaf of a kind.
    pub fn of(&self, kind: RequestKind) -> Leaf {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Whether any task is open, of a part that has ended as well: a lifted restriction is told.
    pub fn has_open_task(&self) -> bool {
        self.0.values().any(|leaf| leaf.open_tasks > 0)
    }
}

/// How far a request has come that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Something of it is being carried out, or can be begun.
    InProgress,
    /// Recipients have not all answered.
    WaitingOnProcessors,
    /// A legal hold keeps some items.
    OnHold,
    /// Everything has come to its end.
    Completed,
}

/// The first part that may start now. Parts start in order, but two of them wait for what comes before:
///
/// - a rectification, until each copy that was asked for before it is complete: the copy shows what was
///   there;
/// - an erasure, until every other part was carried out and every copy is complete, wherever it stands:
///   nothing can be done for a person who is gone.
///
/// What takes a permission away (withdrawal, objection, restriction) waits for nothing.
pub fn startable(parts: &[Part]) -> Option<usize> {
    let pending = |part: &Part| part.state == PartState::Pending;
    (0..parts.len()).find(|&index| pending(&parts[index]) && !is_held_up(parts, index))
}

fn is_held_up(parts: &[Part], index: usize) -> bool {
    let unfinished_copy = |part: &Part| part.kind.is_copy() && !part.state.is_end();
    match parts[index].kind {
        RequestKind::Rectification => parts[..index].iter().any(unfinished_copy),
        RequestKind::Erasure => {
            let others = parts.iter().enumerate().filter(|(at, _)| *at != index);
            others
                .map(|(_, part)| part)
                .any(|part| unfinished_copy(part) || part.state == PartState::Pending)
        }
        RequestKind::Access
        | RequestKind::Portability
        | RequestKind::Restriction
        | RequestKind::Objection
        | RequestKind::Withdrawal => false,
    }
}

/// Moves the parts that were begun to where their leaves put them.
///
/// A copy ends when its package is complete, and waits while holders have something to hand over for it.
/// Any other part ends when every task of it has ended and no legal hold keeps an item of it. An item
/// that a law requires to be kept is an end as well: it stays on that ground, and goes by itself later.
pub fn settle(parts: &mut [Part], leaves: &Leaves, now: Timestamp) {
    for part in parts {
        let leaf = leaves.of(part.kind);
        match part.state {
            PartState::Running | PartState::Waiting if part.kind.is_copy() => {
                settle_copy(part, leaf, now);
            }
            PartState::Waiting if leaf.open_tasks == 0 && leaf.held_items == 0 => part.end(now),
            PartState::Pending
            | PartState::Running
            | PartState::Waiting
            | PartState::Done
            | PartState::Dropped => {}
        }
    }
}

fn settle_copy(part: &mut Part, leaf: Leaf, now: Timestamp) {
    if leaf.is_ready {
        part.end(now);
    } else if leaf.open_tasks > 0 {
        part.state = PartState::Waiting;
    } else {
        part.state = PartState::Running;
    }
}

/// How far a request with these parts has come.
pub fn standing(parts: &[Part], leaves: &Leaves) -> Standing {
    let unfinished = || parts.iter().filter(|part| !part.state.is_end());
    let is_running = unfinished().any(|part| part.state == PartState::Running);
    if is_running || startable(parts).is_some() {
        Standing::InProgress
    } else if leaves.has_open_task() {
        Standing::WaitingOnProcessors
    } else if unfinished().any(|part| leaves.of(part.kind).held_items > 0) {
        Standing::OnHold
    } else if unfinished().next().is_some() {
        Standing::InProgress
    } else {
        Standing::Completed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn parts(kinds: &[RequestKind]) -> Vec<Part> {
        kinds.iter().map(|kind| Part::pending(*kind)).collect()
    }

    fn leaves(entries: &[(RequestKind, Leaf)]) -> Leaves {
        Leaves(entries.iter().copied().collect())
    }

    const OPEN: Leaf = Leaf {
        open_tasks: 1,
        held_items: 0,
        is_ready: false,
    };
    const HELD: Leaf = Leaf {
        open_tasks: 0,
        held_items: 1,
        is_ready: false,
    };
    const READY: Leaf = Leaf {
        open_tasks: 0,
        held_items: 0,
        is_ready: true,
    };

    #[test]
    fn a_copy_then_delete_me_erases_only_when_the_copy_is_complete() {
        let mut parts = parts(&[RequestKind::Access, RequestKind::Erasure]);
        assert_eq!(startable(&parts), Some(0));
        parts[0].begin();
        assert_eq!(startable(&parts), None);
        settle(&mut parts, &leaves(&[(RequestKind::Access, OPEN)]), NOW);
        assert_eq!(parts[0].state, PartState::Waiting);
        assert_eq!(startable(&parts), None);
        let waiting = leaves(&[(RequestKind::Access, OPEN)]);
        assert_eq!(standing(&parts, &waiting), Standing::WaitingOnProcessors);
        settle(&mut parts, &leaves(&[]), NOW);
        assert_eq!(parts[0].state, PartState::Running);
        settle(&mut parts, &leaves(&[(RequestKind::Access, READY)]), NOW);
        assert_eq!(parts[0].state, PartState::Done);
        assert_eq!(startable(&parts), Some(1));
    }

    #[test]
    fn an_erasure_comes_last_wherever_it_stands() {
        let kinds = [
            RequestKind::Erasure,
            RequestKind::Portability,
            RequestKind::Withdrawal,
        ];
        let mut parts = parts(&kinds);
        assert_eq!(startable(&parts), Some(1));
        parts[1].begin();
        assert_eq!(startable(&parts), Some(2));
        parts[2].carry_out(NOW);
        assert_eq!(startable(&parts), None);
        parts[1].end(NOW);
        assert_eq!(startable(&parts), Some(0));
    }

    #[test]
    fn what_takes_a_permission_away_does_not_wait_for_a_copy_and_a_rectification_does() {
        let mut parts = parts(&[
            RequestKind::Access,
            RequestKind::Rectification,
            RequestKind::Objection,
        ]);
        parts[0].begin();
        assert_eq!(startable(&parts), Some(2));
        parts[2].carry_out(NOW);
        assert_eq!(startable(&parts), None);
        parts[0].end(NOW);
        assert_eq!(startable(&parts), Some(1));
    }

    #[test]
    fn an_item_under_a_legal_hold_keeps_the_request_on_hold_until_it_is_released() {
        let mut parts = parts(&[RequestKind::Erasure]);
        parts[0].carry_out(NOW);
        let held = leaves(&[(RequestKind::Erasure, HELD)]);
        settle(&mut parts, &held, NOW);
        assert_eq!(standing(&parts, &held), Standing::OnHold);
        let both = Leaf {
            open_tasks: 2,
            ..HELD
        };
        let both = leaves(&[(RequestKind::Erasure, both)]);
        assert_eq!(standing(&parts, &both), Standing::WaitingOnProcessors);
        settle(&mut parts, &leaves(&[]), NOW);
        assert_eq!(standing(&parts, &leaves(&[])), Standing::Completed);
    }

    #[test]
    fn a_task_of_a_part_that_has_ended_is_a_leaf_too() {
        let mut parts = parts(&[RequestKind::Restriction]);
        parts[0].end(NOW);
        let open = leaves(&[(RequestKind::Restriction, OPEN)]);
        assert_eq!(standing(&parts, &open), Standing::WaitingOnProcessors);
        assert_eq!(standing(&parts, &leaves(&[])), Standing::Completed);
    }

    fn any_parts() -> impl Strategy<Value = Vec<Part>> {
        let kinds = Just(RequestKind::ALL.to_vec()).prop_shuffle();
        (kinds, 1..=7_usize).prop_map(|(kinds, count)| parts(&kinds[..count]))
    }

    fn any_leaves() -> impl Strategy<Value = Leaves> {
        let leaf = (0..2_u64, 0..2_u64, any::<bool>()).prop_map(|(open_tasks, held, is_ready)| {
            let held_items = held;
            Leaf {
                open_tasks,
                held_items,
                is_ready,
            }
        });
        prop::collection::vec(leaf, 7)
            .prop_map(|all| Leaves(RequestKind::ALL.into_iter().zip(all).collect()))
    }

    proptest! {
        #[test]
        fn every_request_comes_to_its_end_once_every_leaf_has(
            mut parts in any_parts(),
            rounds in prop::collection::vec(any_leaves(), 0..6),
        ) {
            let all_ended = Leaves(RequestKind::ALL.map(|kind| (kind, READY)).into());
            for leaves in rounds.iter().chain(std::iter::repeat_n(&all_ended, 3)) {
                settle(&mut parts, leaves, NOW);
                while let Some(next) = startable(&parts) {
                    prop_assert_eq!(parts[next].state, PartState::Pending);
                    if parts[next].kind.is_copy() {
                        parts[next].begin();
                    } else {
                        parts[next].carry_out(NOW);
                    }
                    settle(&mut parts, leaves, NOW);
                }
                let standing = standing(&parts, leaves);
                let ended = parts.iter().all(|part| part.state.is_end());
                let complete = ended && !leaves.has_open_task();
                prop_assert_eq!(standing == Standing::Completed, complete);
            }
            prop_assert!(parts.iter().all(|part| part.state == PartState::Done));
        }

        #[test]
        fn an_erasure_never_starts_before_a_copy_is_complete(
            mut parts in any_parts(),
            rounds in prop::collection::vec(any_leaves(), 0..6),
        ) {
            for leaves in &rounds {
                settle(&mut parts, leaves, NOW);
                while let Some(next) = startable(&parts) {
                    if parts[next].kind == RequestKind::Erasure {
                        let copies = parts.iter().filter(|part| part.kind.is_copy());
                        for copy in copies {
                            prop_assert_eq!(copy.state, PartState::Done);
                        }
                    }
                    if parts[next].kind.is_copy() {
                        parts[next].begin();
                    } else {
                        parts[next].carry_out(NOW);
                    }
                }
            }
        }
    }
}
