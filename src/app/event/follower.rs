//! One follower of the event log: a task that reads ahead of its reader by one page and no further.
//!
//! The task, not the transport, holds what is read ahead. So a reader who takes nothing costs one page for
//! as long as it is borne with, and then one message: the task ends, and the error waits behind that message
//! with the cursor to go on from.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, stream};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{EventFilter, LIST, PlacedEvent, Watched, tail::Seen, tail::Tail};
use crate::{
    app::{error::Error, registry::Registry},
    domain::caller::Caller,
};

/// Events read at once: bounds what a follower holds in memory.
pub(super) const READ_MAX: usize = 200;
/// Places looked through at once: bounds how long one query takes when hardly anything matches.
pub(super) const WINDOW_PLACES: i64 = 5_000;
/// How often a follower is told how far it has come. It learns by that, too, that the stream lives.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(15);
/// How often a follower that waits looks whether its token still counts.
const LOOK_AT_TOKEN: Duration = Duration::from_millis(500);

/// A follower, not yet on its way.
pub(super) struct Follower {
    registry: Registry,
    caller: Arc<Caller>,
    filter: EventFilter,
    /// Everything up to here was looked at.
    position: i64,
    /// The last place that is known to be given; `None`: it was not looked yet.
    last: Option<i64>,
    ready: VecDeque<PlacedEvent>,
    tail: watch::Receiver<Seen>,
    checkpoints: Interval,
    /// Whether the follower was told that it had caught up.
    has_caught_up: bool,
    /// The cursor behind what the reader was given.
    given: String,
}

impl Follower {
    /// Behind `position`.
    pub(super) fn new(
        registry: &Registry,
        caller: &Caller,
        filter: EventFilter,
        position: i64,
    ) -> Self {
        let mut checkpoints = interval(CHECKPOINT_INTERVAL);
        checkpoints.set_missed_tick_behavior(MissedTickBehavior::Delay);
        checkpoints.reset();
        Self {
            caller: Arc::new(caller.clone()),
            filter,
            position,
            last: None,
            ready: VecDeque::new(),
            tail: Tail::follow(registry),
            checkpoints,
            has_caught_up: false,
            given: registry.issue_token(LIST, &position.to_string()),
            registry: registry.clone(),
        }
    }

    /// Sets out. Dropping the stream ends it.
    pub(super) fn follow(self) -> impl Stream<Item = Result<Watched, Error>> + Send + use<> {
        let (out, taken) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(error) = self.run(out).await {
                // Nobody is there to hear it.
                drop(end.send(error));
            }
        });
        stream::unfold(Some((taken, ended)), |state| async {
            let (mut taken, ended) = state?;
            if let Some(watched) = taken.recv().await {
                return Some((Ok(watched), Some((taken, ended))));
            }
            let error = ended.await;
            let error = error.unwrap_or_else(|_| Error::Internal("a follower broke off".into()));
            Some((Err(error), None))
        })
    }

    /// Gives the reader one thing after another, until it goes or is too slow.
    async fn run(mut self, out: mpsc::Sender<Watched>) -> Result<(), Error> {
        let (patience, stopping) = (
            self.registry.events.reader_patience,
            self.registry.stopping.clone(),
        );
        loop {
            let watched = tokio::select! {
                () = out.closed() => return Ok(()),
                watched = self.next() => watched?,
            };
            let room = tokio::select! {
                room = tokio::time::timeout(patience, out.reserve()) => room,
                () = stopping.cancelled() => return Err(Error::Stopping),
            };
            match room {
                Ok(Ok(room)) => {
                    self.may_go_on()?;
                    self.given = watched.cursor().to_owned();
                    room.send(watched);
                }
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(Error::ReaderTooSlow { cursor: self.given }),
            }
        }
    }

    async fn next(&mut self) -> Result<Watched, Error> {
        loop {
            self.may_go_on()?;
            if let Some(event) = self.ready.pop_front() {
                let cursor = self.cursor(event.position);
                let event = Box::new(event);
                return Ok(Watched::Event { event, cursor });
            }
            if self.is_behind() {
                self.look().await?;
                if self.ready.is_empty() && self.checkpoints.tick().now_or_never().is_some() {
                    return Ok(self.checkpoint());
                }
                continue;
            }
            if !self.has_caught_up {
                return Ok(self.checkpoint());
            }
            tokio::select! {
                _ = self.checkpoints.tick() => return Ok(self.checkpoint()),
                // The looker ends with the server.
                Ok(()) = self.tail.changed() => {}
                () = tokio::time::sleep(LOOK_AT_TOKEN) => {}
                () = self.registry.stopping.cancelled() => {}
            }
        }
    }

    /// Whether there is, or may be, something that was not looked at. The first look is always its own: what
    /// the process saw last may be older than this follower.
    fn is_behind(&mut self) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        match *self.tail.borrow_and_update() {
            Seen::Nothing => last > self.position,
            Seen::UpTo(seen) => last.max(seen) > self.position,
            Seen::Unreadable => true,
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

    /// Reads on, one window of places at most.
    async fn look(&mut self) -> Result<(), Error> {
        self.registry.tail.note_read();
        let now = self.registry.clock_now();
        let snapshot = self.registry.store.snapshot(now).await?;
        let first = snapshot.first_event_position().await?;
        let last = snapshot.last_event_position().await?;
        if first.is_some_and(|first| self.position + 1 < first) {
            return Err(Error::CursorExpired);
        }
        let end = last
            .min(self.position.saturating_add(WINDOW_PLACES))
            .max(self.position);
        let EventFilter { kinds, processors } = &self.filter;
        let found = snapshot
            .list_events(self.position..end, kinds, processors, READ_MAX as u64)
            .await?;
        snapshot.close().await?;
        self.last = Some(last);
        self.position = match found.last() {
            Some(event) if found.len() == READ_MAX => event.position,
            _ => end,
        };
        self.ready.extend(found);
        Ok(())
    }

    fn checkpoint(&mut self) -> Watched {
        let caught_up = !self.is_behind();
        self.has_caught_up |= caught_up;
        self.checkpoints.reset();
        Watched::Checkpoint {
            cursor: self.cursor(self.position),
            caught_up,
        }
    }

    fn cursor(&self, position: i64) -> String {
        self.registry.issue_token(LIST, &position.to_string())
    }
}
