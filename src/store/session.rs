//! What a read snapshot and a write transaction share: one view of the database, one `now`, and
//! the keys. Every noun's file adds its reads to [`Session`] and its writes to [`Tx`].

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;
use sea_orm::DatabaseTransaction;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    changes::Noted, dialect::Dialect, error::StoreError, faults::Faults, vault::Vault,
    waiting::Waiting,
};
use crate::crypto::seal::SubjectKey;

/// One consistent view of the database.
pub struct Session {
    connection: DatabaseTransaction,
    pub(super) dialect: Dialect,
    pub(super) vault: Arc<Vault>,
    pub(super) faults: Faults,
    /// Keys read so far; a session is short, and so is their life in memory.
    pub(super) keys: Mutex<HashMap<Uuid, Arc<SubjectKey>>>,
    /// Whether the journal must have everything pending before the answer.
    pub(super) owes_journal: AtomicBool,
    /// What it changed of what decisions rest on.
    pub(super) noted: Noted,
    /// Whether entries of the journal may wait for people who are not known yet.
    pub(super) waiting: Waiting,
    /// The last of the ids that count up.
    pub(super) last_id: std::sync::Mutex<Option<Uuid>>,
    now: Timestamp,
}

impl Session {
    pub(super) fn new(
        connection: DatabaseTransaction,
        dialect: Dialect,
        vault: Arc<Vault>,
        faults: Faults,
        waiting: Waiting,
        now: Timestamp,
    ) -> Self {
        Self {
            connection,
            dialect,
            vault,
            faults,
            keys: Mutex::default(),
            owes_journal: AtomicBool::new(false),
            noted: Noted::default(),
            waiting,
            last_id: std::sync::Mutex::default(),
            now,
        }
    }

    /// The instant by which this session decides.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection; the only way to it, so that a planned fault can strike any call.
    pub(super) fn connection(&self) -> Result<&DatabaseTransaction, StoreError> {
        self.faults.step()?;
        Ok(&self.connection)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.faults.step()?;
        Ok(self.connection.commit().await?)
    }

    pub(super) async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.connection.rollback().await?)
    }
}

/// A transaction that writes. It becomes durable as a whole or not at all.
pub struct Tx(pub(super) Session);

impl Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Tx {
    /// Waits until this transaction alone holds `key`, and holds it until its end.
    pub(super) async fn lock(&self, key: i64) -> Result<(), StoreError> {
        self.dialect.lock(self.connection()?, key).await
    }

    /// Waits no longer than this for what another transaction holds; then that is a contention.
    pub async fn wait_at_most(&self, patience: Duration) -> Result<(), StoreError> {
        self.dialect
            .wait_at_most(self.connection()?, patience)
            .await
    }

    /// As [`Self::lock`], for every one of `keys` in their order.
    pub(super) async fn lock_all(&self, keys: &[i64]) -> Result<(), StoreError> {
        self.dialect.lock_all(self.connection()?, keys).await
    }

    /// Holds `key` if nobody else does; says whether.
    pub(super) async fn try_lock(&self, key: i64) -> Result<bool, StoreError> {
        self.dialect.try_lock(self.connection()?, key).await
    }
}

/// A snapshot that reads.
pub struct Snapshot(pub(super) Session);

impl Deref for Snapshot {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Snapshot {
    /// Gives the connection back at once; dropping does the same a little later.
    pub async fn close(self) -> Result<(), StoreError> {
        self.0.roll_back().await
    }
}
