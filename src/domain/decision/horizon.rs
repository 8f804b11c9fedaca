//! Until when an answer can hold: the first instant at which something it rests on changes by
//! itself.

use jiff::Timestamp;

/// Collects the instants after `now` that the rules looked at, and keeps the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    now: Timestamp,
    first: Option<Timestamp>,
}

impl Horizon {
    /// Nothing changes by itself yet.
    pub(super) fn from(now: Timestamp) -> Self {
        Self { now, first: None }
    }

    /// Something may change at this instant. What has passed already changes nothing more.
    pub(super) fn watch(&mut self, at: impl IntoIterator<Item = Timestamp>) {
        let ahead = at.into_iter().filter(|at| *at > self.now);
        self.first = ahead.chain(self.first).min();
    }

    /// The first change, if any.
    pub(super) fn first(self) -> Option<Timestamp> {
        self.first
    }
}
