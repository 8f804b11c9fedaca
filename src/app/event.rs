//! Following what happens: events from a cursor on, in one stable order, none skipped.

mod follower;
mod tail;

use std::time::Duration;

use futures::Stream;
use jiff::SignedDuration;

use self::follower::Follower;
use super::{
    error::Error,
    registry::{Registry, authorise},
};
use crate::{
    domain::{
        audit::Action,
        caller::{Bound, Caller},
        event::{EventKind, KEEP_DAYS, READER_PATIENCE},
        name::Processor,
    },
    store::event::TRIMMED_MAX,
};

pub(super) use self::tail::Tail;
pub use crate::store::event::{PLACED_MAX, PlacedEvent};

/// Names the cursors of this stream.
const LIST: &str = "events";

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only these kinds; empty: all.
    pub kinds: Vec<EventKind>,
    /// Only events that touch one of these processors or none; empty: all.
    pub processors: Vec<Processor>,
}

/// What a follower is sent.
#[derive(Clone, Debug)]
pub enum Watched {
    /// An event, and the cursor behind it.
    Event {
        /// The event.
        event: Box<PlacedEvent>,
        /// The cursor behind it.
        cursor: String,
    },
    /// How far the stream has come, when nothing that was asked for happened.
    Checkpoint {
        /// The cursor behind everything that was looked at.
        cursor: String,
        /// Whether that is everything that has happened.
        caught_up: bool,
    },
}

impl Watched {
    /// The cursor behind it.
    pub fn cursor(&self) -> &str {
        match self {
            Self::Event { cursor, .. } | Self::Checkpoint { cursor, .. } => cursor,
        }
    }
}

/// How long events are kept, and how long a reader is borne with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// How long an event is kept at least, from when it was recorded.
    pub keep: SignedDuration,
    /// How long a reader may take nothing while something waits for it.
    pub reader_patience: Duration,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            keep: SignedDuration::from_hours(24 * KEEP_DAYS),
            reader_patience: READER_PATIENCE,
        }
    }
}

impl Registry {
    /// Events behind `cursor` (`None`: from the earliest that is kept), and then as they happen.
    /// Errors: a claim that does not cover the filter, a cursor that is not ours or too old.
    pub async fn watch_events(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        filter: EventFilter,
    ) -> Result<impl Stream<Item = Result<Watched, Error>> + Send + use<>, Error> {
        authorise(caller, Action::WatchEvents)?;
        may_follow(caller, &filter)?;
        let position = match cursor {
            Some(cursor) => self.open_cursor(cursor).await?,
            None => self.before_first().await?,
        };
        Ok(Follower::new(self, caller, filter, position).follow())
    }

    /// Lets go of events that were kept for long enough, until none is left that was or the process is to
    /// stop. Returns how many. Safe to run on several replicas at once.
    pub async fn trim_events(&self) -> Result<u64, Error> {
        let keep = self.events.keep;
        let mut count = 0;
        loop {
            let trimmed = self
                .store
                .write("trim_events", self.clock_now(), move |tx| {
                    Box::pin(async move { Ok::<_, Error>(tx.trim_events(keep).await?) })
                })
                .await?;
            count += trimmed;
            if trimmed < TRIMMED_MAX || self.stopping.is_cancelled() {
                return Ok(count);
            }
        }
    }

    /// Gives committed events their places and wakes the followers. Returns how many were placed.
    pub async fn place_events(&self) -> Result<u64, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let waiting = snapshot.has_unplaced_events().await?;
        snapshot.close().await?;
        if !waiting {
            return Ok(0);
        }
        let placed = self
            .store
            .write("place_events", self.clock_now(), |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.place_events().await?) })
            })
            .await?;
        self.tail.wake();
        Ok(placed)
    }

    /// Waits until this process has changed something, `at_most` long.
    pub async fn wait_for_change(&self, at_most: Duration) {
        // Running out is as good as being woken: another replica may have changed something.
        drop(tokio::time::timeout(at_most, self.changed.notified()).await);
    }

    /// Before the first event that is kept.
    async fn before_first(&self) -> Result<i64, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let first = snapshot.first_event_position().await?;
        snapshot.close().await?;
        Ok(first.map_or(0, |first| first - 1))
    }

    async fn open_cursor(&self, cursor: &str) -> Result<i64, Error> {
        let position = self.open_token(LIST, cursor)?;
        let position: i64 = position.parse().map_err(|_| Error::CursorInvalid)?;
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        // A cursor from a future that a restore has undone would skip what happens now.
        if position > snapshot.last_event_position().await? {
            return Err(Error::CursorInvalid);
        }
        match snapshot.first_event_position().await? {
            Some(first) if position + 1 < first => Err(Error::CursorExpired),
            _ => Ok(position),
        }
    }
}

/// A follower sees whom an event concerns, so it may follow only what its token speaks for.
fn may_follow(caller: &Caller, filter: &EventFilter) -> Result<(), Error> {
    let refused = |field: String| {
        Err(Error::ClaimMissing {
            claim: "processors",
            field,
        })
    };
    if filter.processors.is_empty() && caller.processors != Bound::Everything {
        return refused("processors".into());
    }
    match filter
        .processors
        .iter()
        .position(|one| !caller.may_name_processor(Some(one)))
    {
        Some(index) => refused(format!("processors[{index}]")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
