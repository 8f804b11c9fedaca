//! The store: opened once, shared by all. `snapshot` reads, `write` writes; there is no third way.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, RwLock};

use super::{
    changes::{Forgetting, Note, Witness},
    dialect::{Dialect, Tables},
    error::{StoreError, WriteError},
    faults::Faults,
    identifier::IdentifierKey,
    journal::{Journal, JournalPlace},
    policy::KnownPolicies,
    session::{Session, Snapshot, Tx},
    vault::{Secrets, Vault},
    waiting::Waiting,
    write_queue::{Body, WriteQueue, run_body},
};
use crate::{crypto::keyring::KeyRing, runtime::metrics::Metrics};

/// How often a transaction that met another one is tried in all.
const ATTEMPTS_MAX: u32 = 10;
/// First pause before trying again; each further one is twice as long, up to 32 times.
const PAUSE_FIRST: Duration = Duration::from_millis(2);

/// Whose clock decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The database's, where it has one that replicas share.
    Database,
    /// The caller's: tests move it.
    Caller,
}

/// What the store is opened with.
pub struct StoreOptions {
    /// `sqlite:…` or `postgres:…`.
    pub url: String,
    /// The same for the subjects' keys; another file, server or schema than the data's backup.
    pub keys_url: String,
    /// Where the journal is kept: never with the data.
    pub journal: JournalPlace,
    /// Connections to PostgreSQL.
    pub connections_max: u32,
    /// Whose clock decides.
    pub time_source: TimeSource,
    /// Key ring, index keys, randomness and ids.
    pub secrets: Secrets,
}

/// What is committed, and may not be answered yet.
#[must_use]
pub struct Unsettled {
    note: Note,
    owes_journal: bool,
}

/// The database, its keys, and the policies read so far.
pub struct Store {
    dialect: Dialect,
    pub(super) pool: DatabaseConnection,
    readers: Option<DatabaseConnection>,
    queue: Option<WriteQueue>,
    pub(super) vault: Arc<Vault>,
    pub(super) journal: Journal,
    faults: Faults,
    pub(super) waiting: Waiting,
    /// Who is told of changes.
    pub(super) witness: Arc<OnceLock<Arc<dyn Witness>>>,
    time_source: TimeSource,
    metrics: Metrics,
    pub(super) policies: RwLock<KnownPolicies>,
    /// Held by who reads policies that are not known yet.
    pub(super) reading_policies: Mutex<()>,
    /// Whether this process has looked through all keys for orphans.
    pub(super) has_swept: AtomicBool,
}

impl Store {
    /// Connects. The schema is neither changed nor checked: see [`Store::migrate`] and
    /// [`Store::check_schema`].
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let dialect = Dialect::of(&options.url)?;
        let pool = dialect
            .connect_writer(&options.url, options.connections_max)
            .await?;
        let readers = dialect.connect_reader(&options.url).await?;
        let vault = Arc::new(
            Vault::open(&options.keys_url, options.connections_max, options.secrets).await?,
        );
        let journal = Journal::open(options.journal).await?;
        let (faults, waiting) = (Faults::default(), Waiting::default());
        let witness = Arc::<OnceLock<_>>::default();
        let queue = (dialect == Dialect::Sqlite).then(|| {
            WriteQueue::start(
                pool.clone(),
                vault.clone(),
                (faults.clone(), waiting.clone()),
                witness.clone(),
            )
        });
        Ok(Self {
            dialect,
            pool,
            readers,
            queue,
            vault,
            journal,
            faults,
            waiting,
            witness,
            time_source: options.time_source,
            metrics: Metrics::default(),
            policies: RwLock::default(),
            reading_policies: Mutex::default(),
            has_swept: AtomicBool::new(false),
        })
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whose clock decides.
    pub fn time_source(&self) -> TimeSource {
        self.time_source
    }

    /// What is counted in this process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// As [`Session::sole_hash`].
    pub fn sole_hash(&self, (kind, value): &IdentifierKey) -> Option<[u8; 32]> {
        self.vault.sole_index_hash(kind, value)
    }

    /// The keys of the deployment.
    pub fn key_ring(&self) -> &KeyRing {
        self.vault.key_ring()
    }

    /// Where tests plan failures.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Brings all sets of tables up to this program's schema.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.dialect.migrate(&self.pool, Tables::Registry).await?;
        self.vault.migrate().await?;
        self.journal.migrate().await
    }

    /// Refuses a database that is older or newer than this program.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let pending = self
            .dialect
            .pending_migrations(&self.pool, Tables::Registry)
            .await?
            + self.vault.pending_migrations().await?
            + self.journal.pending_migrations().await?;
        if pending == 0 {
            return Ok(());
        }
        Err(StoreError::Schema(format!(
            "{pending} migrations are missing: run `pdr migrate` first"
        )))
    }

    /// A consistent view of what is committed now.
    pub async fn snapshot(&self, now: Timestamp) -> Result<Snapshot, StoreError> {
        let pool = self.readers.as_ref().unwrap_or(&self.pool);
        let transaction = self.dialect.begin_snapshot(pool).await?;
        let now = self.decide_now(&transaction, now).await?;
        Ok(Snapshot(self.session(transaction, now)))
    }

    /// Runs `body` in one transaction, again when another was in the way, and returns once what it
    /// wrote is durable, in the journal as well if it took something away. `name` labels it in the
    /// log. With [`StoreError::Unavailable`] it may be committed and not be in the journal yet.
    pub async fn write<T, E, F>(&self, name: &'static str, now: Timestamp, body: F) -> Result<T, E>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: WriteError,
    {
        let (value, unsettled) = self.write_apart(name, now, body).await?;
        self.settle(&unsettled, now).await?;
        Ok(value)
    }

    /// The first half of [`Self::write`]: returns once what `body` wrote is committed. Nobody may be answered
    /// before [`Self::settle`] has returned for it.
    pub async fn write_apart<T, E, F>(
        &self,
        name: &'static str,
        now: Timestamp,
        body: F,
    ) -> Result<(T, Unsettled), E>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: WriteError,
    {
        let body = Arc::new(body);
        let committed = self.commit_apart(name, now, move |tx| {
            let body = body.clone();
            Box::pin(async move {
                let value = (*body)(tx).await?;
                Ok::<_, E>((value, tx.owes_journal()))
            })
        });
        let ((value, owes_journal), note) = committed.await?;
        Ok((value, Unsettled { note, owes_journal }))
    }

    /// The other half: returns once nobody answers from what was before, and the journal has what was taken
    /// away.
    pub async fn settle(&self, unsettled: &Unsettled, now: Timestamp) -> Result<(), StoreError> {
        self.forgotten(&unsettled.note).await;
        if unsettled.owes_journal {
            self.flush_journal(now).await?;
        }
        Ok(())
    }

    /// As [`Self::write`], without a look at the journal.
    pub(super) async fn commit<T, E, F>(
        &self,
        name: &'static str,
        now: Timestamp,
        body: F,
    ) -> Result<T, E>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: WriteError,
    {
        let (value, note) = self.commit_apart(name, now, body).await?;
        self.forgotten(&note).await;
        Ok(value)
    }

    /// Commits; what it changed is to be forgotten everywhere before the answer.
    async fn commit_apart<T, E, F>(
        &self,
        name: &'static str,
        now: Timestamp,
        body: F,
    ) -> Result<(T, Note), E>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: WriteError,
    {
        if let Some(queue) = &self.queue {
            // There is one process, and it has forgotten.
            return Ok((queue.write(now, body).await?, Note::default()));
        }
        let mut pause = PAUSE_FIRST;
        for attempt in 1.. {
            match self.attempt(now, &body).await {
                Err(error) if error.is_contention() && attempt < ATTEMPTS_MAX => {
                    tracing::debug!(transaction = name, attempt, "met another transaction");
                    self.metrics.retried(name);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_FIRST * 32);
                }
                outcome => return outcome,
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Waits until nobody answers from what was before.
    async fn forgotten(&self, note: &Note) {
        let Some(witness) = self.witness.get() else {
            return;
        };
        if note.repeats {
            witness.settle(None).await;
        } else if !note.changes.is_empty() {
            witness.settle(Some(&note.changes)).await;
        }
    }

    async fn attempt<T, E, F>(&self, now: Timestamp, body: &F) -> Result<(T, Note), E>
    where
        F: Body<T, E>,
        E: WriteError,
    {
        let transaction = self.dialect.begin(&self.pool).await?;
        let now = self.decide_now(&transaction, now).await?;
        let mut tx = Tx(self.session(transaction, now));
        match run_body(body, &mut tx).await {
            Ok(value) => {
                let note = tx.publish_changes().await?;
                let forgetting = Forgetting {
                    witness: self.witness.get().map(AsRef::as_ref),
                    changes: &note.changes,
                };
                let committed = tx.0.commit().await;
                drop(forgetting);
                committed?;
                Ok((value, note))
            }
            Err(error) => {
                // The body's error is the one to tell; a connection that cannot roll back is dropped.
                drop(tx.0.roll_back().await);
                Err(error)
            }
        }
    }

    async fn decide_now(
        &self,
        transaction: &sea_orm::DatabaseTransaction,
        ours: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        match self.time_source {
            TimeSource::Caller => Ok(ours),
            TimeSource::Database => self.dialect.now(transaction, ours).await,
        }
    }

    fn session(&self, transaction: sea_orm::DatabaseTransaction, now: Timestamp) -> Session {
        Session::new(
            transaction,
            self.dialect,
            self.vault.clone(),
            self.faults.clone(),
            self.waiting.clone(),
            now,
        )
    }
}
