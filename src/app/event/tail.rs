//! One look at the end of the event log for a whole process, however many follow it: a hundred idle
//! followers ask the database as often as one.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::app::{error::Error, registry::Registry};

/// How long until it is looked again without having been woken: another replica's placing wakes nobody here.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What the last look saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    Nothing,
    /// The last place given.
    UpTo(i64),
    /// The store did not answer: a follower that asks for itself learns why.
    Unreadable,
}

/// The end of the event log, as this process knows it.
pub(in crate::app) struct Tail {
    seen: watch::Sender<Seen>,
    placed: Notify,
    looker: Mutex<Option<JoinHandle<()>>>,
    looks: AtomicU64,
    reads: AtomicU64,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            seen: watch::Sender::new(Seen::Nothing),
            placed: Notify::new(),
            looker: Mutex::default(),
            looks: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }
}

impl Tail {
    /// Events got their places: it is time to look.
    pub(super) fn wake(&self) {
        self.placed.notify_one();
    }

    /// Somebody read events.
    pub(super) fn note_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// How often was looked, and how often events were read.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.looks.load(Ordering::Relaxed),
            self.reads.load(Ordering::Relaxed),
        )
    }

    /// Whether anybody follows.
    #[cfg(test)]
    pub(super) fn is_followed(&self) -> bool {
        self.seen.receiver_count() > 0
    }

    /// What is seen from now on. Somebody looks for as long as anybody follows.
    pub(super) fn follow(registry: &Registry) -> watch::Receiver<Seen> {
        let tail = &registry.tail;
        let mut looker = tail.looker.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = tail.seen.subscribe();
        if looker.as_ref().is_none_or(JoinHandle::is_finished) {
            *looker = Some(tokio::spawn(look_on(registry.clone())));
        }
        receiver
    }

    /// Whether nobody follows any more. Whoever follows from then on finds no looker and starts one.
    fn is_over(&self) -> bool {
        let mut looker = self.looker.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = self.seen.receiver_count() == 0;
        if is_over {
            *looker = None;
        }
        is_over
    }

    fn tell(&self, now: Seen) {
        self.seen.send_if_modified(|seen| {
            let is_news = *seen != now;
            *seen = now;
            is_news
        });
    }
}

async fn look_on(registry: Registry) {
    let tail = registry.tail.clone();
    while !registry.stopping.is_cancelled() && !tail.is_over() {
        match look(&registry).await {
            Ok(last) => tail.tell(Seen::UpTo(last)),
            Err(_) => tail.tell(Seen::Unreadable),
        }
        tail.looks.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = tail.placed.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = registry.stopping.cancelled() => {}
        }
    }
}

async fn look(registry: &Registry) -> Result<i64, Error> {
    let snapshot = registry.store.snapshot(registry.clock_now()).await?;
    let last = snapshot.last_event_position().await?;
    snapshot.close().await?;
    Ok(last)
}
