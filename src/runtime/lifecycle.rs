//! The life of the process, in one hand: what runs, how it is asked to stop, how long it may take.
//!
//! The soft token asks: take no new work, finish what is there. The hard token comes when the
//! deadline has passed, or at a second signal: what still runs is dropped at its next await.
//! A worker that ends by itself takes the process down, with failure: half a registry is none.

use std::{
    error::Error,
    future::Future,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long dropped work may take to reach its next await.
const HARD_STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Owns everything that runs. Clones own the same.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    stop_deadline: Duration,
    failure: Arc<OnceLock<LifecycleError>>,
}

impl Lifecycle {
    /// A process that, asked to stop, finishes its work within `stop_deadline`.
    pub fn new(stop_deadline: Duration) -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            tracker: TaskTracker::new(),
            stop_deadline,
            failure: Arc::default(),
        }
    }

    /// Is cancelled when no new work is to be taken.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Is cancelled when work is to be dropped where it stands.
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Asks the process to stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Runs a worker, which is to end after the soft token is cancelled and not before.
    pub fn spawn<F>(&self, name: &'static str, worker: F)
    where
        F: Future<Output = Result<(), WorkerError>> + Send + 'static,
    {
        let lifecycle = self.clone();
        self.tracker.spawn(async move {
            let ended = tokio::select! {
                () = lifecycle.hard.cancelled() => return,
                ended = AssertUnwindSafe(worker).catch_unwind() => ended,
            };
            lifecycle.judge(name, ended.map_err(|_| ()));
        });
    }

    /// Waits for SIGTERM, SIGINT, [`Self::stop`] or the death of a worker, then for the workers.
    pub async fn run_until_stopped(&self) -> Result<(), LifecycleError> {
        let mut signals = Signals::listen().map_err(|source| LifecycleError::Signals { source })?;
        tokio::select! {
            () = signals.next() => tracing::info!("stopping on a signal"),
            () = self.soft.cancelled() => tracing::info!("stopping"),
        }
        self.soft.cancel();
        self.tracker.close();
        let finished = tokio::select! {
            finished = timeout(self.stop_deadline, self.tracker.wait()) => finished.is_ok(),
            () = signals.next() => false,
        };
        if !finished {
            self.drop_work().await;
        }
        self.verdict(finished)
    }

    fn judge(&self, name: &'static str, ended: Result<Result<(), WorkerError>, ()>) {
        let failure = match ended {
            Ok(Ok(())) if self.soft.is_cancelled() => return,
            Ok(Ok(())) => LifecycleError::WorkerEnded { name },
            Ok(Err(source)) => LifecycleError::WorkerFailed { name, source },
            Err(()) => LifecycleError::WorkerPanicked { name },
        };
        tracing::error!(worker = name, "a worker died; stopping");
        // The first failure is the one to report; what follows from it is noise.
        let _ = self.failure.set(failure);
        self.soft.cancel();
    }

    async fn drop_work(&self) {
        tracing::warn!("dropping work that did not finish in time");
        self.hard.cancel();
        if timeout(HARD_STOP_DEADLINE, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::error!("work is stuck; leaving it behind");
        }
    }

    fn verdict(&self, finished: bool) -> Result<(), LifecycleError> {
        match self.failure.get() {
            Some(failure) => Err(failure.to_owned()),
            None if finished => Ok(()),
            None => Err(LifecycleError::WorkDropped),
        }
    }
}

/// What a worker says when it cannot go on. Its text must hold no personal data.
pub type WorkerError = Arc<dyn Error + Send + Sync>;

/// Why the process ended with failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LifecycleError {
    /// A worker returned an error.
    #[error("worker {name} failed: {source}")]
    WorkerFailed {
        /// The worker.
        name: &'static str,
        /// What it said.
        source: WorkerError,
    },
    /// A worker panicked.
    #[error("worker {name} panicked")]
    WorkerPanicked {
        /// The worker.
        name: &'static str,
    },
    /// A worker returned though nobody asked it to.
    #[error("worker {name} ended by itself")]
    WorkerEnded {
        /// The worker.
        name: &'static str,
    },
    /// Work had to be dropped.
    #[error("work was dropped: it did not finish before the stop deadline or a second signal")]
    WorkDropped,
    /// The process cannot hear signals.
    #[error("cannot listen for signals")]
    Signals {
        /// What the system said.
        source: Arc<io::Error>,
    },
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Arc<io::Error>> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn workers_that_end_when_asked_end_the_process_well() {
        let lifecycle = Lifecycle::new(LONG);
        let soft = lifecycle.soft();
        lifecycle.spawn("patient", async move {
            soft.cancelled().await;
            Ok(())
        });
        lifecycle.stop();
        assert!(lifecycle.run_until_stopped().await.is_ok());
    }

    #[tokio::test]
    async fn a_worker_that_fails_takes_the_process_down() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("weak", async {
            Err(Arc::new(io::Error::other("no disk")) as WorkerError)
        });
        let failure = lifecycle.run_until_stopped().await.unwrap_err();
        assert_eq!(failure.to_string(), "worker weak failed: no disk");
    }

    #[tokio::test]
    async fn a_worker_that_panics_takes_the_process_down() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("wild", async { panic!("an invariant does not hold") });
        let failure = lifecycle.run_until_stopped().await.unwrap_err();
        assert_eq!(failure.to_string(), "worker wild panicked");
    }

    #[tokio::test]
    async fn a_worker_that_ends_unasked_takes_the_process_down() {
        let lifecycle = Lifecycle::new(LONG);
        lifecycle.spawn("lazy", async { Ok(()) });
        let failure = lifecycle.run_until_stopped().await.unwrap_err();
        assert_eq!(failure.to_string(), "worker lazy ended by itself");
    }

    #[tokio::test]
    async fn work_past_the_deadline_is_dropped_and_reported() {
        let lifecycle = Lifecycle::new(SOON);
        lifecycle.spawn("endless", pending());
        lifecycle.stop();
        let failure = lifecycle.run_until_stopped().await.unwrap_err();
        assert!(matches!(failure, LifecycleError::WorkDropped));
        assert!(lifecycle.hard().is_cancelled());
    }
}
