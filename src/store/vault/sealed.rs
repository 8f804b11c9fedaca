//! What is sealed: where it stands, under whose key, and how a session opens it.

use std::sync::{Arc, PoisonError};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyState, sealing};
use crate::{
    crypto::seal::{Place, SubjectKey, open, seal, tag},
    domain::id::SubjectId,
    store::{
        error::StoreError,
        session::{Session, Tx},
    },
};

/// Where a sealed value stands; it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct At {
    pub table: &'static str,
    /// Whose value it is; the owner of a key of its own where the value is no subject's.
    pub subject: SubjectId,
    pub row: Uuid,
    pub column: &'static str,
}

/// A place, and the key that a value is sealed under there.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Under {
    at: At,
    owner: Uuid,
}

impl At {
    /// The place of a value that has a key of its own and is bound to no subject: it stays readable
    /// when the subject is merged or erased.
    pub(in crate::store) fn of_owner(
        owner: Uuid,
        table: &'static str,
        row: Uuid,
        column: &'static str,
    ) -> Self {
        Self {
            table,
            subject: SubjectId(owner),
            row,
            column,
        }
    }

    /// The same place, under the key of `owner` instead of the subject's.
    pub(in crate::store) fn under(self, owner: Uuid) -> Under {
        Under { at: self, owner }
    }

    fn place(self) -> Place {
        Place {
            table: self.table,
            subject: self.subject,
            row: self.row,
            column: self.column,
        }
    }
}

impl From<At> for Under {
    fn from(at: At) -> Self {
        at.under(at.subject.0)
    }
}

impl Session {
    /// The key of an owner, read once per session.
    async fn key(&self, owner: Uuid) -> Result<Arc<SubjectKey>, StoreError> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.get(&owner) {
            return Ok(key.clone());
        }
        self.faults.step()?;
        let key = self.vault.find(owner).await?;
        keys.insert(owner, key.clone());
        Ok(key)
    }

    /// Reads the keys of owners that are about to be worked with, all at once. One that is missing is
    /// missed only where it is needed.
    pub async fn prepare_keys<O: Into<Uuid> + Copy + Sync>(
        &self,
        owners: &[O],
    ) -> Result<(), StoreError> {
        let mut keys = self.keys.lock().await;
        let mut wanted: Vec<Uuid> = owners.iter().map(|owner| (*owner).into()).collect();
        wanted.retain(|owner| !keys.contains_key(owner));
        if !wanted.is_empty() {
            self.faults.step()?;
            keys.extend(self.vault.find_many(&wanted).await?);
        }
        Ok(())
    }

    /// Whether the key of an owner is there: it was neither destroyed nor lost.
    pub async fn has_own_key(&self, owner: impl Into<Uuid>) -> Result<bool, StoreError> {
        let owner = owner.into();
        self.prepare_keys(&[owner]).await?;
        Ok(self.keys.lock().await.contains_key(&owner))
    }

    /// What has become of the key of an owner.
    pub async fn key_state(&self, owner: impl Into<Uuid>) -> Result<KeyState, StoreError> {
        self.faults.step()?;
        self.vault.state(owner.into()).await
    }

    /// Seals a value for its place: under its subject's key, or under the one that [`At::under`] names.
    pub(in crate::store) async fn seal(
        &self,
        at: impl Into<Under>,
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let Under { at, owner } = at.into();
        let key = self.key(owner).await?;
        seal(&key, &at.place(), plain, &*self.vault.secrets.entropy).map_err(sealing)
    }

    /// Opens a value at its place, with the key that [`Self::seal`] took.
    pub(in crate::store) async fn open(
        &self,
        at: impl Into<Under>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let Under { at, owner } = at.into();
        let key = self.key(owner).await?;
        open(&key, &at.place(), sealed).map_err(sealing)
    }

    /// As [`Self::open`]; `None`: the key is destroyed, as an erased person's is, and the value is gone.
    pub(in crate::store) async fn open_unless_destroyed(
        &self,
        at: At,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        match self.open(at, sealed).await {
            Err(StoreError::KeyMissing(owner))
                if self.key_state(owner).await? == KeyState::Destroyed =>
            {
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    /// A keyed tag by which two values of one subject compare equal without being stored.
    pub(in crate::store) async fn tag(
        &self,
        subject: SubjectId,
        label: &'static str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let key = self.key(subject.0).await?;
        Ok(tag(&key, label, value).to_vec())
    }
}

impl Tx {
    /// A new subject's id; its key is durable.
    pub(in crate::store) async fn new_subject_key(&mut self) -> Result<SubjectId, StoreError> {
        self.new_key_id().await.map(SubjectId)
    }

    /// A new id whose key is durable before this returns, for what has a key of its own. Unless a row
    /// that `orphan.rs` knows comes to name it, the key is swept.
    pub async fn new_key_id(&mut self) -> Result<Uuid, StoreError> {
        self.faults.step()?;
        let (owner, key) = self.vault.take(self.now()).await?;
        self.keys.lock().await.insert(owner, key);
        Ok(owner)
    }

    /// Makes the key of an owner that has lost it anew, durable before this returns: what it sealed before
    /// is lost, what is sealed from now on is not.
    pub async fn renew_key(&mut self, owner: impl Into<Uuid>) -> Result<(), StoreError> {
        self.faults.step()?;
        self.vault.renew(owner.into(), self.now()).await
    }

    /// A new id that sorts by time, and that nobody can foresee.
    pub fn new_id(&self) -> Uuid {
        self.vault.new_id(self.now())
    }

    /// A new id that follows on the last one that this has given in the transaction (RFC 9562, section 6.2), the
    /// first one as [`Self::new_id`]: what is recorded together has ids of which memory keeps one.
    pub fn next_id(&self) -> Uuid {
        let mut last = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        let next = last.map(|last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
        *last.insert(next.unwrap_or_else(|| self.new_id()))
    }
}
