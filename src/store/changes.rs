//! What transactions changed of what decisions rest on. Whoever answers from memory has to forget it: here,
//! before the call is answered, and at every other replica, which finds it in the table `changes`.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::{Store, dialect::Dialect, error::StoreError, session::Tx};
use crate::domain::id::SubjectId;

/// How long changes are kept for replicas that have not heard of them, in hours. One that was away for longer
/// has left, and begins with an empty memory.
const CHANGES_KEPT_HOURS: i32 = 24;

/// What is neither a subject nor an identifier is the policies.
const INSERTION: &str = "INSERT INTO changes (subject_id, identifier_hash)
    SELECT subject_id, NULL FROM unnest($1::uuid[]) AS subject_id
    UNION ALL SELECT NULL, hash FROM unnest($2::bytea[]) AS hash
    UNION ALL SELECT NULL, NULL WHERE $3";

/// What a transaction changed of what decisions rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whose state changed. Subjects that are new are not here: nobody can know them.
    pub subjects: BTreeSet<SubjectId>,
    /// Keyed hashes of the identifiers that lead to others than before.
    pub identifiers: BTreeSet<Vec<u8>>,
    /// Whether a policy was published.
    pub policies: bool,
    /// Whether an answer that was right before may be wrong now, and nobody may give it once the call has
    /// returned. What a new link leads to, where it led nowhere before, takes nothing from anybody.
    pub takes_away: bool,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.identifiers.is_empty() && !self.policies
    }
}

/// Is told of every change, before the call that made it is answered.
pub trait Witness: Send + Sync {
    /// Forgets what was known of what changed. It is told after each commit, and after one of which nobody
    /// knows whether it went through.
    fn forget(&self, changes: &Changes);

    /// Returns once nobody, at any replica, answers from what was before `changes`; `None`: from what was
    /// before some earlier change, whose call is repeated.
    fn settle<'w>(&'w self, changes: Option<&'w Changes>) -> BoxFuture<'w, ()>;
}

/// What a transaction notes until its end.
#[derive(Default)]
pub(super) struct Noted(Mutex<Note>);

/// What becomes of a transaction's change after its commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    pub(super) changes: Changes,
    /// Whether it repeats a request that was answered before, perhaps not to the end.
    pub(super) repeats: bool,
}

impl Noted {
    fn lock(&self) -> MutexGuard<'_, Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tx {
    /// Notes that the state of these subjects changes.
    pub(super) fn note_subjects(&self, subjects: impl IntoIterator<Item = SubjectId>) {
        let mut note = self.noted.lock();
        note.changes.subjects.extend(subjects);
        note.changes.takes_away |= !note.changes.subjects.is_empty();
    }

    /// Notes that an identifier leads to others than before. `takes_away`: it led somewhere.
    pub(super) fn note_identifier(&self, hash: &[u8], takes_away: bool) {
        let mut note = self.noted.lock();
        note.changes.identifiers.insert(hash.to_vec());
        note.changes.takes_away |= takes_away;
    }

    /// Notes that a policy is published.
    pub(super) fn note_policies(&self) {
        let mut note = self.noted.lock();
        note.changes.policies = true;
        note.changes.takes_away = true;
    }

    /// That the answer to this transaction is a repeat: the first may have been lost before every replica had
    /// forgotten what it took away.
    pub fn note_repeat(&self) {
        self.noted.lock().repeats = true;
    }

    /// Takes what was noted, and lets the other replicas find it once it is committed.
    pub(super) async fn publish_changes(&mut self) -> Result<Note, StoreError> {
        let note = std::mem::take(&mut *self.noted.lock());
        if self.dialect == Dialect::Postgres && !note.changes.is_empty() {
            self.insert_changes(&note.changes).await?;
        }
        Ok(note)
    }

    async fn insert_changes(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let subjects: Vec<Uuid> = changes.subjects.iter().map(|id| id.0).collect();
        let identifiers: Vec<Vec<u8>> = changes.identifiers.iter().cloned().collect();
        let values = [subjects.into(), identifiers.into(), changes.policies.into()];
        self.run(INSERTION, values.into()).await?;
        Ok(())
    }
}

/// Forgets what changed when it is dropped: a commit that nobody waits for any more may still go through.
pub(super) struct Forgetting<'s> {
    pub(super) witness: Option<&'s dyn Witness>,
    pub(super) changes: &'s Changes,
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        if let Some(witness) = self.witness.filter(|_| !self.changes.is_empty()) {
            witness.forget(self.changes);
        }
    }
}

impl Store {
    /// Lets `witness` be told of every change from now on. There is one for the life of the store.
    pub fn tell(&self, witness: std::sync::Arc<dyn Witness>) {
        drop(self.witness.set(witness));
    }

    /// Drops changes of which every replica has heard long ago. Returns how many.
    pub async fn trim_changes(&self) -> Result<u64, StoreError> {
        if self.dialect() != Dialect::Postgres {
            return Ok(0);
        }
        let old = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "DELETE FROM changes WHERE changed_at < clock_timestamp() - make_interval(hours => $1)",
            [CHANGES_KEPT_HOURS.into()],
        );
        Ok(self.pool.execute_raw(old).await?.rows_affected())
    }
}
