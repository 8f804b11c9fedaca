//! The clock. Instants have microsecond precision everywhere, since that is what the databases keep.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock. Nothing else reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        to_microseconds(Timestamp::now())
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock {
    // Microseconds since the epoch.
    now: AtomicI64,
}

impl TestClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: AtomicI64::new(now.as_microsecond()),
        }
    }

    /// Moves the clock to `now`, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_microsecond(), Ordering::SeqCst);
    }

    /// Moves the clock forwards; it stops at the last instant there is.
    pub fn advance(&self, by: Duration) {
        let later = self.now().checked_add(by).unwrap_or(Timestamp::MAX);
        self.set(later);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        from_microseconds(self.now.load(Ordering::SeqCst))
    }
}

/// Cuts an instant down to whole microseconds, towards the past.
pub fn to_microseconds(instant: Timestamp) -> Timestamp {
    let nanoseconds = instant.as_nanosecond().div_euclid(1_000) * 1_000;
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MIN)
}

fn from_microseconds(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).expect("only instants of jiff are stored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_whole_microseconds() {
        assert_eq!(SystemClock.now().as_nanosecond() % 1_000, 0);
    }

    #[test]
    fn an_instant_before_the_epoch_is_cut_towards_the_past() {
        let instant = Timestamp::from_nanosecond(-1).unwrap();
        assert_eq!(to_microseconds(instant).as_nanosecond(), -1_000);
    }

    #[test]
    fn a_test_clock_stands_until_it_is_moved() {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let clock = TestClock::at(noon);
        assert_eq!(clock.now(), noon);
        clock.advance(Duration::from_mins(1));
        assert_eq!(clock.now().to_string(), "2026-01-01T12:01:00Z");
        clock.set(noon);
        assert_eq!(clock.now(), noon);
    }
}
