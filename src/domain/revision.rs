//! A revision names a committed state. Callers pass it on and compare nothing but equality.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A committed state: the last event that had been written in it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(i64);

/// The text is no revision of this registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revision of this registry")]
pub struct NoRevision;

/// Marks the format, so that a later one can tell them apart.
const PREFIX: &str = "r1-";

impl Revision {
    /// The state after event `seq` (0: before any).
    pub fn after_event(seq: i64) -> Self {
        Self(seq)
    }

    /// The last event in it.
    pub fn last_event(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:x}", self.0)
    }
}

impl FromStr for Revision {
    type Err = NoRevision;

    fn from_str(text: &str) -> Result<Self, NoRevision> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoRevision)?;
        let seq = i64::from_str_radix(digits, 16).map_err(|_| NoRevision)?;
        let revision = Self(seq);
        // One spelling only: `r1-0a` and `r1-+a` are not ours.
        if seq < 0 || revision.to_string() != text {
            Err(NoRevision)
        } else {
            Ok(revision)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_as_itself() {
        let revision = Revision::after_event(48_879);
        assert_eq!(revision.to_string(), "r1-beef");
        assert_eq!("r1-beef".parse(), Ok(revision));
    }

    #[test]
    fn other_spellings_are_no_revisions() {
        for text in [
            "", "r1-", "r1-0a", "r1-+a", "r1--1", "beef", "r2-beef", "r1-BEEF",
        ] {
            assert_eq!(text.parse::<Revision>(), Err(NoRevision), "{text}");
        }
    }
}
