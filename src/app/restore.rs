//! After a restore: what the journal has and an older database lacks is applied again, before anybody
//! is answered. What cannot be applied any more is noted as met, so that it is met once.

mod apply;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use uuid::Uuid;

use super::{
    error::Error,
    registry::{Change, Registry},
};
use crate::{
    domain::{
        audit::Chore,
        id::{JournalEntryId, SubjectId},
        journal::JournalEntry,
        policy::history::PolicyHistory,
    },
    store::{Tx, journal::Kept},
};

/// Entries that are applied in one transaction.
const BATCH: usize = 100;

/// What a restore found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Entries that the database lacked and that were applied.
    pub applied: u64,
    /// Entries that the database lacked, about subjects that it does not know.
    pub unknown: u64,
    /// Subjects that lived here although their key is destroyed; they are erased now.
    pub erased: u64,
    /// Entries that the journal had lost and was given again.
    pub refilled: u64,
}

/// What a restore would find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestorePreview {
    /// Entries that the database lacks, by kind.
    pub to_apply: BTreeMap<&'static str, u64>,
    /// Subjects that live here although their key is destroyed.
    pub to_erase: u64,
    /// Entries that the journal has lost.
    pub to_refill: u64,
}

impl RestorePreview {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.to_apply.is_empty() && self.to_erase == 0 && self.to_refill == 0
    }
}

impl Registry {
    /// Opens the journal and brings the database up to it. Safe to run again, and from several
    /// replicas at once. Errors: the journal is damaged, another process writes to it, or it does not
    /// answer: then nobody may be answered either.
    pub async fn restore(&self) -> Result<Restored, Error> {
        self.open_journal().await?;
        let mut restored = Restored::default();
        let gaps = self.store.journal_gaps(self.clock_now()).await?;
        for kept in gaps.lost_here.chunks(BATCH) {
            let (applied, unknown) = self.apply_again(kept).await?;
            restored.applied += applied;
            restored.unknown += unknown;
        }
        for lost in gaps.lost_there.chunks(BATCH) {
            self.store.refill_journal(self.clock_now(), lost).await?;
            restored.refilled += lost.len() as u64;
        }
        for subject in self.living_without_key().await? {
            restored.erased += u64::from(self.erase_without_key(subject).await?);
        }
        self.store
            .complete_key_destructions(self.clock_now())
            .await?;
        restored.tell();
        Ok(restored)
    }

    /// What [`Self::restore`] would do. Changes nothing.
    pub async fn preview_restore(&self) -> Result<RestorePreview, Error> {
        let gaps = self.store.journal_gaps(self.clock_now()).await?;
        let mut preview = RestorePreview {
            to_refill: gaps.lost_there.len() as u64,
            to_erase: self.living_without_key().await?.len() as u64,
            ..RestorePreview::default()
        };
        for kept in gaps.lost_here.chunks(BATCH) {
            for entry in self.store.read_journal(kept).await? {
                *preview.to_apply.entry(entry.what.name()).or_default() += 1;
            }
        }
        Ok(preview)
    }

    /// Applies what is still missing. Returns how many entries were, and how many are of nobody.
    async fn apply_again(&self, kept: &[Kept]) -> Result<(u64, u64), Error> {
        let entries = Arc::new(self.store.read_journal(kept).await?);
        let done = self.do_chore(Chore::Restore, move |tx, policies| {
            let entries = entries.clone();
            Box::pin(async move { apply_missing(tx, policies, &entries).await })
        });
        Ok(done.await?.unwrap_or_default())
    }

    async fn living_without_key(&self) -> Result<Vec<SubjectId>, Error> {
        let (mut found, mut after) = (Vec::new(), Uuid::nil());
        loop {
            let page = self
                .store
                .list_living_without_key(self.clock_now(), after)
                .await?;
            found.extend(page.0);
            match page.1 {
                Some(last) => after = last,
                None => return Ok(found),
            }
        }
    }

    async fn erase_without_key(&self, subject: SubjectId) -> Result<bool, Error> {
        let done = self.do_chore(Chore::Restore, move |tx, _| {
            Box::pin(async move {
                let applied = apply::erase_without_key(tx, subject).await?;
                Ok(applied.map(|applied| applied.change(())))
            })
        });
        Ok(done.await?.is_some())
    }
}

pub(super) async fn apply_missing(
    tx: &mut Tx,
    policies: &PolicyHistory,
    entries: &[JournalEntry],
) -> Result<Option<Change<(u64, u64)>>, Error> {
    let ids: Vec<JournalEntryId> = entries.iter().map(|entry| entry.entry_id).collect();
    let known = tx.list_journal_entries(&ids).await?;
    let missing = entries
        .iter()
        .filter(|entry| !known.contains(&entry.entry_id));
    let missing: Vec<_> = missing.cloned().collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let (mut applied, mut unknown) = (0, 0);
    let (mut events, mut audits) = (Vec::new(), Vec::new());
    for entry in &missing {
        let done = apply::apply(tx, policies, entry).await?;
        if done.is_known {
            applied += 1;
        } else {
            unknown += 1;
        }
        events.extend(done.event);
        audits.push(done.audit);
    }
    tx.insert_applied_entries(&missing).await?;
    let mut change = Change::of_many((applied, unknown), audits);
    change.events = events;
    Ok(Some(change))
}

impl Restored {
    /// Says it loudly, if anything was done: somebody restored a backup, or lost a journal.
    fn tell(self) {
        let Self {
            applied,
            unknown,
            erased,
            refilled,
        } = self;
        if applied + unknown + erased > 0 {
            tracing::warn!(
                applied,
                unknown,
                erased,
                "the database is older than the journal: what people had taken back was applied again"
            );
        }
        if refilled > 0 {
            tracing::warn!(refilled, "the journal had lost entries; it has them again");
        }
    }
}
