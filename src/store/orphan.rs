//! Keys that were made durable for what never came to be: found and removed. A key is needed while a
//! subject, a task, a package, a retained item or a notice names it.

use std::{collections::HashSet, sync::atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use sea_orm::{
    ConnectionTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::{Store, error::StoreError, session::Session, vault::ORPHAN_AGE};
use crate::domain::id::SubjectId;

/// How far back a sweep looks, but for a process's first one, which looks at every key. Sweeps run
/// many times within it.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What has a key of its own, beside the subjects: the table, and the column that names the key.
const OWNERS: &[(&str, &str)] = &[
    ("tasks", "task_id"),
    ("exports", "export_id"),
    ("items", "sealed_under"),
    ("erasure_notices", "notice_id"),
];
/// Keys looked at in one step.
const STEP: u64 = 1_000;

impl Store {
    /// Removes keys older than [`ORPHAN_AGE`] that nobody needs. Returns how many. Their age is
    /// by the database's clock, as their making was: a replica whose clock is ahead must not take
    /// the key of a subject that is just being made.
    pub async fn sweep_orphan_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let snapshot = self.snapshot(now).await?;
        let now = snapshot.now();
        snapshot.close().await?;
        let before = now.checked_sub(ORPHAN_AGE).unwrap_or(Timestamp::MIN);
        let mut after = if self.has_swept.load(Ordering::Relaxed) {
            first_id_of(before.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN))
        } else {
            Uuid::nil()
        };
        let mut removed = 0;
        loop {
            let candidates = self.vault.list_made_before(before, after, STEP).await?;
            let Some(last) = candidates.last() else {
                self.has_swept.store(true, Ordering::Relaxed);
                return Ok(removed);
            };
            after = *last;
            let snapshot = self.snapshot(now).await?;
            let needed = snapshot.needed_keys(&candidates).await?;
            snapshot.close().await?;
            let orphans: Vec<_> = candidates
                .into_iter()
                .filter(|id| !needed.contains(id))
                .collect();
            if !orphans.is_empty() {
                removed += self.vault.remove(&orphans).await?;
            }
        }
    }

    /// Wraps again, under the first key-encryption key, some of what another one wrapped. Returns how
    /// many; 0: nothing is left.
    pub async fn rewrap_keys(&self) -> Result<u64, StoreError> {
        self.vault.rewrap(STEP).await
    }
}

impl Session {
    /// Those of `owners` that have a row, or that a row names as its key.
    async fn needed_keys(&self, owners: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let subjects: Vec<_> = owners.iter().copied().map(SubjectId).collect();
        let subjects = self.list_existing(&subjects).await?;
        let mut needed: HashSet<_> = subjects.into_iter().map(Uuid::from).collect();
        for (table, column) in OWNERS {
            let named = Query::select()
                .column(*column)
                .from(*table)
                .and_where(Expr::col(*column).is_in(owners.iter().copied()))
                .take();
            for row in self.connection()?.query_all(&named).await? {
                needed.insert(row.try_get_by_index(0)?);
            }
        }
        Ok(needed)
    }
}

/// The smallest id that can have been made at `instant`: ids begin with their milliseconds.
fn first_id_of(instant: Timestamp) -> Uuid {
    let milliseconds = u128::try_from(instant.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}
