//! As of an earlier instant: what the registry knew then of a subject, put together again from what it has
//! kept of each change, so that the decision can be made as it was made then.
//!
//! Two instants, since they differ: when the use happened, and what was recorded by when. A row of today
//! stood as it stands unless it was changed since; what it was before a change is kept as a [`PastRow`].

mod lineage;
mod links;
mod subject;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use uuid::Uuid;

pub use self::{
    lineage::Lineage,
    links::{Link, led_to},
    subject::{ActivityDay, ItemVersion, SubjectHistory},
};
use super::{decision::Decision, id::SubjectId, violation::Violations};

/// The two instants of a check of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// When the use happened.
    pub used_at: Timestamp,
    /// What was recorded by then counts; never before `used_at`: what the registry had not heard of when the
    /// use happened is left out by choosing the same instant, and at an earlier one nobody was using anything.
    pub known_at: Timestamp,
}

impl AsOf {
    /// The instants as a caller names them: `None`, a check of now. Notes what is wrong with them. `record`:
    /// whether the decision is to be kept, which would show it to auditors as one that was given then.
    pub fn read(
        as_of: Option<Timestamp>,
        known_at: Option<Timestamp>,
        record: bool,
        violations: &mut Violations,
    ) -> Option<Self> {
        let Some(used_at) = as_of else {
            if known_at.is_some() {
                violations.add(
                    "known_at",
                    "must be empty without as_of: name the instant of the use in as_of as well",
                );
            }
            return None;
        };
        if known_at.is_some_and(|known_at| known_at < used_at) {
            violations.add(
                "known_at",
                "must not be before as_of: leave it empty for what was known when the use happened",
            );
        }
        if record {
            violations.add(
                "record",
                "must be false with as_of: a decision about the past was not the one given then, and is \
                 not kept",
            );
        }
        Some(Self {
            used_at,
            known_at: known_at.unwrap_or(used_at),
        })
    }

    /// What only the registry's clock and its history can tell: neither instant is to come, and what was
    /// known goes back no further than `known_from`.
    pub fn check(self, now: Timestamp, known_from: Timestamp) -> Result<(), Violations> {
        let mut violations = Violations::default();
        for (field, at) in [("as_of", self.used_at), ("known_at", self.known_at)] {
            let repeats = field == "known_at" && self.known_at == self.used_at;
            if at > now && !repeats {
                violations.add(field, "must not be in the future: leave it empty for now");
            }
        }
        if self.known_at < known_from {
            violations.add(
                "known_at",
                format!(
                    "must not be before {known_from}: what was changed before it is not known any more; \
                     ask with that instant or a later one"
                ),
            );
        }
        violations.or(())
    }
}

/// A row as it stood until it was changed, or given to another subject by a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRow {
    /// Until when.
    pub until: Timestamp,
    /// Whose it was.
    pub held_by: SubjectId,
    /// When what it says began or happened, of rows that can change that.
    pub began_at: Option<Timestamp>,
    /// When that ended, if it had, of rows that can end.
    pub ended_at: Option<Timestamp>,
}

/// A row of today, and when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    /// The row's id.
    pub row_id: Uuid,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What it says today.
    pub value: T,
}

/// How a row stood at `known_at`: the earliest change after it tells; `None`: as it stands.
fn as_known(past: &[PastRow], known_at: Timestamp) -> Option<&PastRow> {
    let changed_since = past.iter().filter(|row| row.until > known_at);
    changed_since.min_by_key(|row| row.until)
}

/// An answer about the past says nothing about the future.
pub fn without_horizon(mut decision: Decision) -> Decision {
    decision.valid_until = None;
    for category in &mut decision.per_category {
        category.valid_until = None;
    }
    decision
}
