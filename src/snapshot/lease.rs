//! Whether this process may answer from memory, and what time it is for an answer.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use jiff::Timestamp;

use crate::runtime::boottime::Boottime;

/// Between what a lease may be configured. A call that takes something away waits for the longest when nobody can
/// be asked.
pub const LEASE_LIMITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// The right to answer from memory. It runs out by itself: whoever cannot reach the database any more cannot
/// be told that it has lost it.
#[derive(Debug)]
pub struct Lease {
    ends: AtomicU64,
    /// The database's clock less ours, in microseconds: at least, and at most.
    ahead: [AtomicI64; 2],
}

/// The instant of an answer, between two that differ by as little as the database's clock is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instants {
    /// It is not before this.
    pub earliest: Timestamp,
    /// It is not after this.
    pub latest: Timestamp,
}

impl Lease {
    /// None yet.
    pub fn none() -> Self {
        Self {
            ends: AtomicU64::new(0),
            ahead: [AtomicI64::new(0), AtomicI64::new(0)],
        }
    }

    /// One without end: of the only process there is.
    pub fn forever() -> Self {
        let lease = Self::none();
        lease
            .ends
            .store(Boottime::NEVER.as_nanos(), Ordering::Release);
        lease
    }

    /// Whether it has no end.
    pub(super) fn is_forever(&self) -> bool {
        self.ends.load(Ordering::Acquire) == Boottime::NEVER.as_nanos()
    }

    /// Whether it has not run out.
    pub fn holds(&self) -> bool {
        let ends = Boottime::from_nanos(self.ends.load(Ordering::Acquire));
        ends == Boottime::NEVER || Boottime::now() < ends
    }

    /// Prolongs it: what was asked of the database at `asked`, and is heard, was true then.
    pub(super) fn renew(&self, asked: Boottime, lasts: Duration) {
        self.ends
            .store((asked + lasts).as_nanos(), Ordering::Release);
    }

    /// Gives it up.
    pub(super) fn end(&self) {
        self.ends.store(0, Ordering::Release);
    }

    /// Learns the database's clock, which was read between two of our instants.
    pub(super) fn learn(&self, theirs: Timestamp, between: [Boottime; 2]) {
        let theirs = theirs.as_microsecond();
        let [asked, heard] = between.map(Boottime::as_micros);
        self.ahead[0].store(theirs.saturating_sub(heard + 1), Ordering::Release);
        self.ahead[1].store(theirs.saturating_sub(asked) + 1, Ordering::Release);
    }

    /// What the database's clock shows now, as far as is known.
    pub fn now(&self) -> Instants {
        let ours = Boottime::now().as_micros();
        let theirs = |ahead: &AtomicI64| {
            let theirs = ours.saturating_add(ahead.load(Ordering::Acquire));
            Timestamp::from_microsecond(theirs).unwrap_or(Timestamp::MAX)
        };
        Instants {
            earliest: theirs(&self.ahead[0]),
            latest: theirs(&self.ahead[1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_holds_from_when_it_was_asked_for_and_only_so_long() {
        let lease = Lease::none();
        assert!(!lease.holds());
        let now = Boottime::now();
        lease.renew(now, Duration::from_hours(1));
        assert!(lease.holds());
        lease.renew(Boottime::from_nanos(1), Duration::from_nanos(1));
        assert!(!lease.holds(), "asked for when the machine was started");
        lease.renew(now, Duration::from_hours(1));
        lease.end();
        assert!(!lease.holds());
        assert!(Lease::forever().holds());
    }

    #[test]
    fn the_databases_clock_is_known_as_well_as_the_round_trip_was_short() {
        let lease = Lease::none();
        let theirs: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let heard = Boottime::now();
        let asked = Boottime::from_nanos(heard.as_nanos() - 2_000_000);
        lease.learn(theirs, [asked, heard]);
        let Instants { earliest, latest } = lease.now();
        assert!(earliest < latest && theirs < latest);
        let known_to = latest.duration_since(earliest).as_micros();
        assert!((2_000..=2_010).contains(&known_to), "{known_to}");
    }
}
