//! `[events]`: how long events are kept, and how slow a reader may be.

use std::time::Duration;

use jiff::SignedDuration;

use super::settings::Section;
use crate::domain::event::{KEEP_DAYS, READER_PATIENCE};

/// A day at least: a reader has to be able to come back after a night. Ten years at most.
const KEEP_DAYS_LIMITS: [u32; 2] = [1, 3_660];
const READER_PATIENCE_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(10)];

/// How long events are kept, and how slow a reader may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// How long an event is kept at least.
    pub keep: SignedDuration,
    /// How long a reader may take nothing while something waits for it.
    pub reader_patience: Duration,
}

impl Events {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = u32::try_from(KEEP_DAYS).unwrap_or(KEEP_DAYS_LIMITS[0]);
        let days = section.number("keep_days", default, KEEP_DAYS_LIMITS);
        let limits = READER_PATIENCE_LIMITS;
        Self {
            keep: SignedDuration::from_hours(24 * i64::from(days)),
            reader_patience: section.duration("reader_patience", READER_PATIENCE, limits),
        }
    }

    pub(super) fn development() -> Self {
        Self {
            keep: SignedDuration::from_hours(24 * KEEP_DAYS),
            reader_patience: READER_PATIENCE,
        }
    }
}
