//! What was forgotten lately. What is read from the database while something is forgotten may be from before
//! it, and must not come into memory afterwards.

use std::collections::VecDeque;

use crate::domain::id::SubjectId;

/// How many are remembered as forgotten. What was begun before the oldest of them is kept out of memory.
const REMEMBERED_MAX: usize = 65_536;

/// Where a reading began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// One thing that was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    Subject(SubjectId),
    Identifier([u8; 32]),
    Policies,
    Everything,
}

/// What was forgotten, in order.
#[derive(Debug, Default)]
pub(super) struct Forgettings {
    next: u64,
    recent: VecDeque<Forgotten>,
}

impl Forgettings {
    /// A reading begins. What it reads must be read from a state that is opened after this.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.next)
    }

    pub(super) fn note(&mut self, forgotten: Forgotten) {
        if self.recent.len() == REMEMBERED_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(forgotten);
        self.next += 1;
    }

    /// Whether nothing of the kind was forgotten since `mark`.
    pub(super) fn admits(&self, mark: Mark, wanted: Forgotten) -> bool {
        let oldest = self.next - self.recent.len() as u64;
        let Some(skipped) = mark.0.checked_sub(oldest) else {
            return false;
        };
        let since = self
            .recent
            .iter()
            .skip(usize::try_from(skipped).unwrap_or(0));
        since
            .into_iter()
            .all(|it| *it != wanted && *it != Forgotten::Everything)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn subject(n: u128) -> Forgotten {
        Forgotten::Subject(SubjectId(Uuid::from_u128(n)))
    }

    #[test]
    fn what_was_forgotten_after_a_reading_began_is_not_admitted() {
        let mut forgettings = Forgettings::default();
        forgettings.note(subject(1));
        let mark = forgettings.mark();
        assert!(forgettings.admits(mark, subject(1)), "forgotten before");
        forgettings.note(subject(2));
        assert!(forgettings.admits(mark, subject(1)));
        assert!(!forgettings.admits(mark, subject(2)));
        assert!(forgettings.admits(forgettings.mark(), subject(2)));
        forgettings.note(Forgotten::Everything);
        assert!(!forgettings.admits(mark, subject(1)));
    }

    #[test]
    fn a_reading_that_began_before_what_is_remembered_is_not_admitted() {
        let mut forgettings = Forgettings::default();
        let mark = forgettings.mark();
        for _ in 0..REMEMBERED_MAX {
            forgettings.note(subject(2));
        }
        assert!(forgettings.admits(mark, subject(1)), "all are remembered");
        forgettings.note(subject(2));
        assert!(!forgettings.admits(mark, subject(1)), "one is not");
    }
}
