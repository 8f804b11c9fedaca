//! SQLite has one writer. Many waiting requests share one commit (and so one flush to the disk):
//! each runs in a savepoint of its own, and is answered only after the commit of all.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use sea_orm::{DatabaseConnection, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::{
    changes::{Changes, Witness},
    dialect::Dialect,
    error::{StoreError, WriteError},
    faults::Faults,
    session::{Session, Tx},
    vault::Vault,
    waiting::Waiting,
};

/// Requests that may wait for the writer; one more waits outside, in its caller's time.
const QUEUE_LENGTH_MAX: usize = 1_024;
/// Requests that share one commit at most: bounds how long the first waits for the last.
const GROUP_LENGTH_MAX: usize = 128;

/// A transaction's body, written to be run more than once.
pub(super) trait Body<T, E>:
    for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static
{
}

impl<T, E, F> Body<T, E> for F where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static
{
}

/// The way to the writer.
pub(super) struct WriteQueue(mpsc::Sender<Box<dyn Job>>);

impl WriteQueue {
    /// Starts the writer. It ends when the queue is dropped and empty.
    pub(super) fn start(
        pool: DatabaseConnection,
        vault: Arc<Vault>,
        (faults, waiting): (Faults, Waiting),
        witness: Arc<OnceLock<Arc<dyn Witness>>>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH_MAX);
        tokio::spawn(
            Writer {
                pool,
                vault,
                faults,
                waiting,
                witness,
                receiver,
            }
            .run(),
        );
        Self(sender)
    }

    /// Runs `body` in the next group and returns once it is durable.
    pub(super) async fn write<T, E>(&self, now: Timestamp, body: impl Body<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(TypedJob {
            body,
            now,
            result: None,
            changes: Changes::default(),
            reply,
        });
        self.0.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

trait Job: Send {
    fn now(&self) -> Timestamp;
    /// Runs the body; says whether its savepoint may stand.
    fn run<'j>(&'j mut self, tx: &'j mut Tx) -> BoxFuture<'j, bool>;
    /// What it changed of what decisions rest on.
    fn changes(&self) -> &Changes;
    /// Answers: with the body's own result, or with what befell the group.
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
}

struct TypedJob<T, E, F> {
    body: F,
    now: Timestamp,
    result: Option<Result<T, E>>,
    changes: Changes,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for TypedJob<T, E, F>
where
    T: Send + 'static,
    E: WriteError,
    F: Body<T, E>,
{
    fn now(&self) -> Timestamp {
        self.now
    }

    fn run<'j>(&'j mut self, tx: &'j mut Tx) -> BoxFuture<'j, bool> {
        Box::pin(async move {
            let mut result = run_body(&self.body, tx).await;
            if result.is_ok() {
                match tx.publish_changes().await {
                    Ok(note) => self.changes = note.changes,
                    Err(error) => result = Err(error.into()),
                }
            }
            let stands = result.is_ok();
            self.result = Some(result);
            stands
        })
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        let result = match (self.result, group) {
            // A body that failed wrote nothing, whatever became of the group.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => {
                Err(StoreError::Internal("a request was left out of its group".into()).into())
            }
        };
        // A caller that went away does not hear the answer; what was written stays written.
        drop(self.reply.send(result));
    }
}

struct Writer {
    pool: DatabaseConnection,
    vault: Arc<Vault>,
    faults: Faults,
    waiting: Waiting,
    witness: Arc<OnceLock<Arc<dyn Witness>>>,
    receiver: mpsc::Receiver<Box<dyn Job>>,
}

impl Writer {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP_LENGTH_MAX);
        while self.receiver.recv_many(&mut group, GROUP_LENGTH_MAX).await > 0 {
            let outcome = self.commit_group(&mut group).await;
            self.forget(&group);
            for job in group.drain(..) {
                job.answer(outcome.as_ref().copied().map_err(again));
            }
        }
    }

    /// Also after a commit that failed: nobody knows whether it went through. There is one process, so
    /// with that nobody answers from what was before any more.
    fn forget(&self, group: &[Box<dyn Job>]) {
        let Some(witness) = self.witness.get() else {
            return;
        };
        let changed = group.iter().map(|job| job.changes());
        for changes in changed.filter(|changes| !changes.is_empty()) {
            witness.forget(changes);
        }
    }

    async fn commit_group(&self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let transaction = Dialect::Sqlite.begin(&self.pool).await?;
        for job in group.iter_mut() {
            let savepoint = transaction.begin().await?;
            let now = job.now();
            let session = Session::new(
                savepoint,
                Dialect::Sqlite,
                self.vault.clone(),
                self.faults.clone(),
                self.waiting.clone(),
                now,
            );
            let mut tx = Tx(session);
            if job.run(&mut tx).await {
                tx.0.commit().await?;
            } else {
                tx.0.roll_back().await?;
            }
        }
        self.faults.step()?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Runs a body. One that panics has failed, and nothing else has: the writer lives on.
pub(super) async fn run_body<T, E: WriteError>(
    body: &impl Body<T, E>,
    tx: &mut Tx,
) -> Result<T, E> {
    // What the body left half done is the transaction's, and that is rolled back.
    match AssertUnwindSafe(body(tx)).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Internal("a transaction's body panicked".into()).into()),
    }
}

/// The group's error for each of its members.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Contention => StoreError::Contention,
        other => StoreError::Unavailable(other.to_string()),
    }
}
