//! After a restore: what the journal has and an older database lacks is applied again, before anybody
//! is answered. What cannot be applied any more is noted as met, so that it is met once.

mod apply;
mod keys;
#[cfg(test)]
mod tests;
mod waiting;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

pub use self::keys::LostKeys;
pub(super) use self::waiting::apply_waiting;
use super::{
    error::Error,
    registry::{Change, Registry},
};
use crate::{
    domain::{
        audit::Chore, id::JournalEntryId, journal::JournalEntry, policy::history::PolicyHistory,
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
    /// Entries that the database lacked, about subjects that it does not know. Those that hold for the
    /// person wait until whoever it is registers again.
    pub unknown: u64,
    /// Subjects that lived here although their key is destroyed; they are erased now.
    pub erased: u64,
    /// Keys that an older backup had brought back; they are destroyed again.
    pub revived: u64,
    /// Subjects whose key nobody knows any more, erased because the operator gave them up.
    pub given_up: u64,
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
    /// Keys that live although their destruction is on record.
    pub revived: u64,
    /// Subjects whose key nobody knows: the keys are older than the data. Nothing starts until the newer
    /// keys are back, or these people are given up.
    pub lost_keys: u64,
    /// Entries that the journal has lost.
    pub to_refill: u64,
}

impl RestorePreview {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self {
            to_apply,
            to_erase,
            revived,
            lost_keys,
            to_refill,
        } = self;
        to_apply.is_empty()
            && [to_erase, revived, lost_keys, to_refill]
                .iter()
                .all(|it| **it == 0)
    }
}

impl Registry {
    /// Opens the journal and brings the database and the keys up to it. Safe to run again, and from
    /// several replicas at once. Errors: the journal is damaged, another process writes to it, or it does
    /// not answer; keys are lost that the data needs. Then nobody may be answered either.
    pub async fn restore(&self) -> Result<Restored, Error> {
        self.restore_with(LostKeys::Refuse).await
    }

    /// As [`Self::restore`], and says what becomes of people whose keys are lost.
    pub async fn restore_with(&self, lost: LostKeys) -> Result<Restored, Error> {
        self.open_journal().await?;
        let mut restored = Restored {
            given_up: self.settle_lost_keys(lost).await?,
            ..Restored::default()
        };
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
        restored.revived = self.destroy_revived().await?;
        self.store.note_waiting(self.clock_now()).await?;
        restored.tell();
        Ok(restored)
    }

    /// What [`Self::restore`] would do. Changes nothing.
    pub async fn preview_restore(&self) -> Result<RestorePreview, Error> {
        let gaps = self.store.journal_gaps(self.clock_now()).await?;
        let mut preview = RestorePreview {
            to_refill: gaps.lost_there.len() as u64,
            to_erase: self.living_without_key().await?.len() as u64,
            revived: self.revived().await?.len() as u64,
            lost_keys: self.living_with_lost_key().await?.len() as u64,
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
    tx.begin_history().await?;
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
            revived,
            given_up,
            refilled,
        } = self;
        if given_up > 0 {
            tracing::warn!(
                given_up,
                "subjects whose keys are lost were given up, and erased"
            );
        }
        if applied + unknown + erased + revived > 0 {
            tracing::warn!(
                applied,
                unknown,
                erased,
                revived,
                "the database is older than the journal: what people had taken back was applied again"
            );
        }
        if refilled > 0 {
            tracing::warn!(refilled, "the journal had lost entries; it has them again");
        }
    }
}
