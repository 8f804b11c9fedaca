//! Time that has passed, also while the machine slept: what a lease is measured by. It says nothing about the
//! time of day, and nobody can set it.

use std::{ops::Add, time::Duration};

use rustix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
// Elsewhere the monotonic clock counts through sleep.
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// An instant of this machine since it was started, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boottime(u64);

impl Boottime {
    /// An instant that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Now.
    pub fn now() -> Self {
        let now = clock_gettime(CLOCK);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
        Self(seconds.saturating_mul(1_000_000_000) + nanoseconds)
    }

    /// The instant so many nanoseconds after the start.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// Microseconds since the start.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX)
    }

    /// How long after `earlier` it is; nothing, if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Boottime {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_tells_how_much_has_passed() {
        let earlier = Boottime::now();
        let later = Boottime::now();
        assert!(earlier <= later && later < Boottime::NEVER);
        assert_eq!(
            later.since(earlier + Duration::from_hours(1)),
            Duration::ZERO
        );
        let hour = Duration::from_hours(1);
        assert_eq!((earlier + hour).since(earlier), hour);
    }
}
