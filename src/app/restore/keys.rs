//! Keys and data that were restored from backups of different times.
//!
//! The data is older than the keys: subjects live whose keys are destroyed, and are erased again. The keys are
//! older than the data: destroyed keys live, and are destroyed again; and keys of living subjects are lost.
//! Nobody can read what those sealed, and a check would allow what a fetch cannot give. So nothing starts
//! until the newer keys are back, or somebody who may decide it gives these people up.

use uuid::Uuid;

use super::apply;
use crate::{
    app::{error::Error, registry::Registry},
    domain::{audit::Chore, id::SubjectId},
};

/// Keys that are destroyed in one step.
const STEP: usize = 1_000;

/// What becomes of living subjects whose key nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostKeys {
    /// They are left as they are, and nobody is answered.
    Refuse,
    /// They are given up: erased, as if their keys had been destroyed.
    GiveUp,
}

impl Registry {
    /// Returns how many were given up. Errors: keys are lost, and are not to be given up.
    pub(super) async fn settle_lost_keys(&self, lost: LostKeys) -> Result<u64, Error> {
        if lost == LostKeys::Refuse {
            return self.refuse_lost_keys().await.map(|()| 0);
        }
        let mut given_up = 0;
        for subject in self.living_with_lost_key().await? {
            given_up += u64::from(self.erase_without_key(subject).await?);
        }
        Ok(given_up)
    }

    async fn refuse_lost_keys(&self) -> Result<(), Error> {
        let now = self.clock_now();
        if !self.store.has_lost_youngest_key(now).await? {
            return Ok(());
        }
        let count = self.living_with_lost_key().await?.len();
        Err(Error::StoreUnavailable(format!(
            "the keys of {count} subjects are lost: the keys are older than the data. Put the newer \
             keys back; if there are none, `pdr restore apply --give-up-lost-keys` erases these \
             subjects, whom nobody can read any more"
        )))
    }

    /// Destroys keys that live although their destruction is on record. Returns how many.
    pub(super) async fn destroy_revived(&self) -> Result<u64, Error> {
        let revived = self.revived().await?;
        for owners in revived.chunks(STEP) {
            let now = self.clock_now();
            self.store.destroy_revived_keys(now, owners).await?;
        }
        Ok(revived.len() as u64)
    }

    pub(super) async fn revived(&self) -> Result<Vec<Uuid>, Error> {
        let (mut found, mut after) = (Vec::new(), Some(Uuid::nil()));
        while let Some(from) = after {
            let (page, last) = self.store.list_revived_keys(self.clock_now(), from).await?;
            found.extend(page);
            after = last;
        }
        Ok(found)
    }

    pub(super) async fn living_with_lost_key(&self) -> Result<Vec<SubjectId>, Error> {
        let (mut found, mut after) = (Vec::new(), Some(Uuid::nil()));
        while let Some(from) = after {
            let now = self.clock_now();
            let (page, last) = self.store.list_living_with_lost_key(now, from).await?;
            found.extend(page);
            after = last;
        }
        Ok(found)
    }

    pub(super) async fn living_without_key(&self) -> Result<Vec<SubjectId>, Error> {
        let (mut found, mut after) = (Vec::new(), Some(Uuid::nil()));
        while let Some(from) = after {
            let now = self.clock_now();
            let (page, last) = self.store.list_living_without_key(now, from).await?;
            found.extend(page);
            after = last;
        }
        Ok(found)
    }

    pub(super) async fn erase_without_key(&self, subject: SubjectId) -> Result<bool, Error> {
        let done = self.do_chore(Chore::Restore, move |tx, _| {
            Box::pin(async move {
                let applied = apply::erase_without_key(tx, subject).await?;
                Ok(applied.map(|applied| applied.change(())))
            })
        });
        Ok(done.await?.is_some())
    }
}
