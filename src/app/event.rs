//! Following what happens: events from a cursor on, in one stable order, none skipped.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{Stream, stream};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{
    error::Error,
    registry::{Registry, authorise},
};
use crate::domain::{
    audit::Action,
    caller::{Bound, Caller},
    event::EventKind,
    name::Processor,
};

pub use crate::store::event::PlacedEvent;

/// Events read at once: bounds what a stream holds in memory.
const READ_MAX: usize = 200;
/// How long a follower waits before it looks again without having been woken: another replica's
/// events do not wake it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often a follower that has caught up is told how far it has come. It learns by that, too, that
/// the stream lives.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(15);
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
    },
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
            None => 0,
        };
        let follower = Follower {
            registry: self.clone(),
            caller: Arc::new(caller.clone()),
            filter: Arc::new(filter),
            position,
            ready: VecDeque::new(),
            checkpoints: checkpoints(),
        };
        Ok(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(watched) => Some((Ok(watched), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        }))
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
        self.placed.notify_waiters();
        Ok(placed)
    }

    /// Waits until this process has changed something, `at_most` long.
    pub async fn wait_for_change(&self, at_most: Duration) {
        // Running out is as good as being woken: another replica may have changed something.
        drop(tokio::time::timeout(at_most, self.changed.notified()).await);
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

/// The first is due at once: it comes as soon as the follower has caught up.
fn checkpoints() -> Interval {
    let mut checkpoints = interval(CHECKPOINT_INTERVAL);
    checkpoints.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checkpoints
}

struct Follower {
    registry: Registry,
    caller: Arc<Caller>,
    filter: Arc<EventFilter>,
    /// Everything up to here was looked at.
    position: i64,
    ready: VecDeque<PlacedEvent>,
    checkpoints: Interval,
}

impl Follower {
    async fn next(&mut self) -> Result<Watched, Error> {
        loop {
            self.may_go_on()?;
            if let Some(event) = self.ready.pop_front() {
                let cursor = self.cursor(event.position);
                return Ok(Watched::Event {
                    event: Box::new(event),
                    cursor,
                });
            }
            // Enrolled before looking, so that what is placed in between wakes it.
            let placed = self.registry.placed.clone();
            let woken = placed.notified();
            self.look().await?;
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                _ = self.checkpoints.tick() => {
                    let cursor = self.cursor(self.position);
                    return Ok(Watched::Checkpoint { cursor });
                }
                () = woken => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.registry.stopping.cancelled() => {}
            }
        }
    }

    /// Ends the stream with the server, and with the token that it was opened with.
    fn may_go_on(&self) -> Result<(), Error> {
        if self.registry.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        if self.caller.has_expired(self.registry.clock_now()) {
            return Err(Error::TokenExpired);
        }
        Ok(())
    }

    /// Reads what has been placed since the last look.
    async fn look(&mut self) -> Result<(), Error> {
        let snapshot = self
            .registry
            .store
            .snapshot(self.registry.clock_now())
            .await?;
        // Read first: what is placed later is left for the next look.
        let last = snapshot.last_event_position().await?;
        let EventFilter { kinds, processors } = &*self.filter;
        let found = snapshot
            .list_events(self.position, kinds, processors, READ_MAX as u64)
            .await?;
        snapshot.close().await?;
        self.position = match found.last() {
            Some(event) if found.len() == READ_MAX => event.position,
            _ => last.max(self.position),
        };
        self.ready.extend(found);
        Ok(())
    }

    fn cursor(&self, position: i64) -> String {
        self.registry.issue_token(LIST, &position.to_string())
    }
}

#[cfg(test)]
mod tests;
