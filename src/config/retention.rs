//! `[retention]`: how often is looked for what goes because its time has run out.

use std::time::Duration;

use super::settings::Section;

const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
const SWEEP_INTERVAL_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(24)];

/// How often is looked for what goes because its time has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From one sweep to the next.
    pub sweep_interval: Duration,
}

impl Retention {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let limits = SWEEP_INTERVAL_LIMITS;
        Self {
            sweep_interval: section.duration("sweep_interval", SWEEP_INTERVAL, limits),
        }
    }

    pub(super) fn development() -> Self {
        Self {
            sweep_interval: SWEEP_INTERVAL,
        }
    }
}
