//! What keeps the store small and whole, without anybody asking for it.

use super::{error::Error, registry::Registry};
use crate::store::idempotency::FORGOTTEN_MAX;

/// What one round of upkeep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Answers that are too old to be remembered.
    pub answers_forgotten: u64,
    /// Events that were kept for long enough.
    pub events_trimmed: u64,
    /// Withdrawal tokens that have run out.
    pub tokens_forgotten: u64,
    /// Changes of which every replica has heard long ago.
    pub changes_trimmed: u64,
    /// Keys that no subject came to need.
    pub keys_removed: u64,
    /// Keys whose destruction had been decided and was not completed yet.
    pub keys_destroyed: u64,
}

impl Registry {
    /// One round: forgets old answers, events and tokens, removes keys that no subject came to need. Safe to
    /// run on several replicas at once.
    pub async fn keep_up(&self) -> Result<Upkeep, Error> {
        let now = self.clock_now();
        let answers_forgotten = self.forget_answers().await?;
        let events_trimmed = self.trim_events().await?;
        let tokens_forgotten = self
            .store
            .write("forget_withdrawal_tokens", now, |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.forget_withdrawal_tokens().await?) })
            })
            .await?;
        let changes_trimmed = self.store.trim_changes().await?;
        let keys_destroyed = self.store.complete_key_destructions(now).await?;
        let keys_removed = self.store.sweep_orphan_keys(now).await?;
        Ok(Upkeep {
            answers_forgotten,
            events_trimmed,
            tokens_forgotten,
            changes_trimmed,
            keys_removed,
            keys_destroyed,
        })
    }

    /// Takes to the journal what a crash or an outage left behind. Returns how many entries.
    pub async fn flush_journal(&self) -> Result<u64, Error> {
        Ok(self.store.flush_journal(self.clock_now()).await?)
    }

    /// Lets this process write to the journal, and takes to it what a crash left behind. Errors: the
    /// journal is damaged, another process writes to it, or it does not answer.
    pub async fn open_journal(&self) -> Result<(), Error> {
        self.store.open_journal().await?;
        self.flush_journal().await?;
        Ok(())
    }

    /// Forgets them some at a time, until none is left that is too old or the process is to stop.
    async fn forget_answers(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let forgotten = self
                .store
                .write("forget_answers", self.clock_now(), |tx| {
                    Box::pin(async move { Ok::<_, Error>(tx.forget_answers().await?) })
                })
                .await?;
            count += forgotten;
            if forgotten < FORGOTTEN_MAX || self.stopping.is_cancelled() {
                return Ok(count);
            }
        }
    }

    /// Wraps keys again that another than the first key-encryption key wrapped; a rotation of the
    /// key ring is over when this returns. Returns how many.
    pub async fn rewrap_keys(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            match self.store.rewrap_keys().await? {
                0 => return Ok(count),
                wrapped => count += wrapped,
            }
        }
    }
}
