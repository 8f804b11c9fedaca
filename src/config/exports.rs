//! `[exports]`: packages for people.

use jiff::SignedDuration;

use super::settings::Section;
use crate::domain::export::LIFETIME_DAYS;

/// A day at least, a year at most: what nobody fetched by then is a risk and no service.
const LIFETIME_DAYS_LIMITS: [u32; 2] = [1, 366];

/// Packages for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exports {
    /// How long a package can be downloaded, from when it was complete.
    pub lifetime: SignedDuration,
}

impl Exports {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = u32::try_from(LIFETIME_DAYS).unwrap_or(LIFETIME_DAYS_LIMITS[0]);
        let days = section.number("lifetime_days", default, LIFETIME_DAYS_LIMITS);
        Self {
            lifetime: SignedDuration::from_hours(24 * i64::from(days)),
        }
    }

    pub(super) fn development() -> Self {
        Self {
            lifetime: SignedDuration::from_hours(24 * LIFETIME_DAYS),
        }
    }
}
