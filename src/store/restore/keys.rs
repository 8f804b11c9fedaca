//! Keys and data that do not go together any more: one of them was restored from a backup and the other
//! was not, or from another one.

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::super::{Store, error::StoreError, session::Session, vault::KeyState};
use crate::domain::id::SubjectId;

/// Subjects and keys that are looked at in one step.
const STEP: u64 = 1_000;

/// Subjects that live, behind an id.
const LIVING: &str = "SELECT subject_id FROM subjects
    WHERE merged_into IS NULL AND erased_at IS NULL AND subject_id > $1
    ORDER BY subject_id LIMIT $2";
/// The youngest of them.
const YOUNGEST: &str = "SELECT subject_id FROM subjects
    WHERE merged_into IS NULL AND erased_at IS NULL AND subject_id > $1
    ORDER BY subject_id DESC LIMIT $2";
/// Owners whose keys were destroyed, behind an id.
const DESTROYED: &str = "SELECT subject_id FROM key_destructions
    WHERE completed_at IS NOT NULL AND subject_id > $1
    ORDER BY subject_id LIMIT $2";

/// A page of ids, and the last one that was looked at; `None`: there are no more.
pub type Page<I> = (Vec<I>, Option<Uuid>);

impl Store {
    /// Subjects that live as far as the data says, and whose key is destroyed: the data is older than
    /// the keys. Ids behind `after`.
    pub async fn list_living_without_key(
        &self,
        now: Timestamp,
        after: Uuid,
    ) -> Result<Page<SubjectId>, StoreError> {
        let destroyed = self.vault.list_destroyed(after, STEP).await?;
        let Some(last) = destroyed.last().map(|subject| subject.0) else {
            return Ok((Vec::new(), None));
        };
        let snapshot = self.snapshot(now).await?;
        let living = snapshot.list_subjects(&destroyed).await?;
        snapshot.close().await?;
        let living = living.into_iter();
        let living = living.filter(|record| record.erased_at.is_none());
        Ok((living.map(|record| record.subject_id).collect(), Some(last)))
    }

    /// Subjects that live and whose key nobody knows: the keys are older than the data. Ids behind
    /// `after`.
    pub async fn list_living_with_lost_key(
        &self,
        now: Timestamp,
        after: Uuid,
    ) -> Result<Page<SubjectId>, StoreError> {
        let (living, last) = self.page_of_ids(now, LIVING, after).await?;
        Ok((self.only_lost(living).await?, last))
    }

    /// Whether one of the youngest subjects lives without a key that anybody knows. Keys that were
    /// restored from an older backup lack those of the youngest first: one look tells.
    pub async fn has_lost_youngest_key(&self, now: Timestamp) -> Result<bool, StoreError> {
        let (youngest, _) = self.page_of_ids(now, YOUNGEST, Uuid::nil()).await?;
        Ok(!self.only_lost(youngest).await?.is_empty())
    }

    /// Owners whose keys are destroyed as far as the data says, and live: the keys are older than the
    /// data. Ids behind `after`.
    pub async fn list_revived_keys(
        &self,
        now: Timestamp,
        after: Uuid,
    ) -> Result<Page<Uuid>, StoreError> {
        let (destroyed, last) = self.page_of_ids(now, DESTROYED, after).await?;
        let states = self.vault.list_states(&destroyed).await?;
        let revived = destroyed.into_iter();
        let revived = revived.filter(|id| states.get(id) == Some(&KeyState::There));
        Ok((revived.collect(), last))
    }

    /// Destroys keys again whose destruction is on record.
    pub async fn destroy_revived_keys(
        &self,
        now: Timestamp,
        owners: &[Uuid],
    ) -> Result<(), StoreError> {
        self.vault.destroy(owners, now).await
    }

    async fn only_lost(&self, subjects: Vec<Uuid>) -> Result<Vec<SubjectId>, StoreError> {
        let states = self.vault.list_states(&subjects).await?;
        let lost = subjects.into_iter().filter(|id| !states.contains_key(id));
        Ok(lost.map(SubjectId).collect())
    }

    async fn page_of_ids(
        &self,
        now: Timestamp,
        sql: &str,
        after: Uuid,
    ) -> Result<Page<Uuid>, StoreError> {
        let snapshot = self.snapshot(now).await?;
        let ids = snapshot.ids(sql, after).await?;
        snapshot.close().await?;
        let last = ids.last().copied();
        Ok((ids, last))
    }
}

impl Session {
    async fn ids(&self, sql: &str, after: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let connection = self.connection()?;
        let limit = i64::try_from(STEP).unwrap_or(i64::MAX);
        let values = [after.into(), limit.into()];
        let backend = connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let rows = connection.query_all_raw(statement).await?;
        let ids = rows.iter().map(|row| Ok(row.try_get_by_index(0)?));
        ids.collect()
    }
}
