//! The vault: the keys, in a database of their own, and everything done with them. A key is durable
//! before the data that needs it commits; one that nobody came to need is swept.
//!
//! Every key has an owner, named by a UUID. Most owners are subjects. What has to outlive its subject's
//! key, or to go before it, has a key of its own: a task, a package, an item that the law keeps after an
//! erasure. [`Tx::new_key_id`] hands out an id whose key is durable; [`At::under`] seals and opens under
//! it; [`Tx::intend_key_destruction`](super::key_destruction) ends it; and what names such an id in its
//! row keeps the key from being swept as an orphan (`orphan.rs` knows the tables).

mod sealed;

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use tokio::sync::Mutex;
use uuid::Uuid;

pub(super) use self::sealed::At;
use super::{
    dialect::{Dialect, Tables},
    error::StoreError,
    journal::EntryIds,
    rows::KEYS_MAX,
};
use crate::{
    crypto::{
        blind_index::IndexHash,
        entropy::Entropy,
        key::KeyId,
        keyring::KeyRing,
        pseudonym::Code,
        seal::{SubjectKey, WrappedKey},
    },
    domain::{id::SubjectId, identifier::NormalisedIdentifier, name::IdentifierType},
    runtime::ids::Ids,
};

/// Keys made durable ahead of need in one go, so that a new subject does not wait for its own flush.
const RESERVE: usize = 64;
/// A key without a subject is swept when it is older than any request that could still need it.
pub const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(24);
/// A reserved key older than this is left to the sweep instead of being used.
const RESERVE_AGE_MAX: SignedDuration = SignedDuration::from_hours(1);

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subject_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        pub kek_id: String,
        pub wrapped: Option<Vec<u8>>,
        pub created_at: i64,
        pub destroyed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the vault is opened with.
pub struct Secrets {
    /// The keys of the deployment.
    pub key_ring: KeyRing,
    /// Where keys and nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// Where ids come from.
    pub ids: Arc<dyn Ids>,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is there.
    There,
    /// It was destroyed: what it sealed opens no more, as was intended.
    Destroyed,
    /// Nobody knows of it: the keys are older than the data, or were lost.
    Lost,
}

struct Reserved {
    owner: Uuid,
    key: Arc<SubjectKey>,
    made_at: Timestamp,
}

/// The keys and what is done with them.
pub struct Vault {
    dialect: Dialect,
    pool: DatabaseConnection,
    secrets: Secrets,
    reserve: Mutex<Vec<Reserved>>,
    /// Where ids of the journal's entries come from.
    pub(super) entry_ids: EntryIds,
}

impl Vault {
    pub(super) async fn open(
        url: &str,
        connections: u32,
        secrets: Secrets,
    ) -> Result<Self, StoreError> {
        let dialect = Dialect::of(url)?;
        let pool = dialect.connect_writer(url, connections).await?;
        Ok(Self {
            dialect,
            pool,
            secrets,
            reserve: Mutex::new(Vec::new()),
            entry_ids: EntryIds::default(),
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        self.dialect.migrate(&self.pool, Tables::Keys).await
    }

    pub(super) async fn pending_migrations(&self) -> Result<usize, StoreError> {
        self.dialect
            .pending_migrations(&self.pool, Tables::Keys)
            .await
    }

    /// A new id that sorts by time.
    pub(super) fn new_id(&self, now: Timestamp) -> Uuid {
        self.secrets.ids.uuid_v7(now)
    }

    /// What stands for a subject in the audit log.
    pub(super) fn pseudonym(&self, subject: SubjectId) -> Code {
        self.secrets.key_ring.secrets().pseudonym(subject)
    }

    /// Everything that ever stood for a subject in the audit log.
    pub(super) fn pseudonyms(&self, subject: SubjectId) -> Vec<Code> {
        self.secrets.key_ring.secrets().pseudonyms(subject)
    }

    /// The keys of the deployment.
    pub fn key_ring(&self) -> &KeyRing {
        &self.secrets.key_ring
    }

    /// An id and its key, durable.
    async fn take(&self, now: Timestamp) -> Result<(Uuid, Arc<SubjectKey>), StoreError> {
        let mut reserve = self.reserve.lock().await;
        let oldest = now.checked_sub(RESERVE_AGE_MAX).unwrap_or(Timestamp::MIN);
        reserve.retain(|reserved| reserved.made_at > oldest);
        if reserve.is_empty() {
            *reserve = self.make(now).await?;
        }
        let Some(taken) = reserve.pop() else {
            return Err(StoreError::Internal("no key could be reserved".into()));
        };
        Ok((taken.owner, taken.key))
    }

    async fn make(&self, now: Timestamp) -> Result<Vec<Reserved>, StoreError> {
        let mut made = Vec::with_capacity(RESERVE);
        let mut rows = Vec::with_capacity(RESERVE);
        for _ in 0..RESERVE {
            let owner = self.new_id(now);
            let (row, key) = self.generate(owner, now)?;
            rows.push(row);
            made.push(Reserved {
                owner,
                key: Arc::new(key),
                made_at: now,
            });
        }
        row::Entity::insert_many(rows)
            .exec_without_returning(&self.pool)
            .await?;
        // Handed out from the end: ids then grow in the order in which subjects come into being.
        made.reverse();
        Ok(made)
    }

    /// A new key, and its row.
    fn generate(
        &self,
        owner: Uuid,
        now: Timestamp,
    ) -> Result<(row::ActiveModel, SubjectKey), StoreError> {
        let (ring, entropy) = (&self.secrets.key_ring, &*self.secrets.entropy);
        let key = SubjectKey::generate(entropy).map_err(sealing)?;
        let wrapped = key.wrap(ring, SubjectId(owner), entropy).map_err(sealing)?;
        let row = row::ActiveModel {
            subject_id: Set(owner),
            kek_id: Set(wrapped.kek_id.as_str().to_owned()),
            wrapped: Set(Some(wrapped.bytes)),
            created_at: Set(now.as_microsecond()),
            destroyed_at: Set(None),
        };
        Ok((row, key))
    }

    async fn find(&self, owner: Uuid) -> Result<Arc<SubjectKey>, StoreError> {
        let row = row::Entity::find_by_id(owner).one(&self.pool).await?;
        let Some(row::Model {
            kek_id,
            wrapped: Some(bytes),
            ..
        }) = row
        else {
            return Err(StoreError::KeyMissing(owner));
        };
        Ok(Arc::new(self.unwrap(owner, &kek_id, bytes)?))
    }

    /// What has become of a key.
    async fn state(&self, owner: Uuid) -> Result<KeyState, StoreError> {
        let row = row::Entity::find_by_id(owner).one(&self.pool).await?;
        Ok(match row {
            None => KeyState::Lost,
            Some(row) if row.wrapped.is_none() => KeyState::Destroyed,
            Some(_) => KeyState::There,
        })
    }

    /// Makes a key for an owner that has lost it. One that is there, or was destroyed, stays as it is.
    async fn renew(&self, owner: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let (row, _) = self.generate(owner, now)?;
        let stays = OnConflict::column(row::Column::SubjectId)
            .do_nothing()
            .to_owned();
        row::Entity::insert(row)
            .on_conflict(stays)
            .exec_without_returning(&self.pool)
            .await?;
        Ok(())
    }

    /// Those of `owners` that have a row, with whether their key is there.
    pub(super) async fn list_states(
        &self,
        owners: &[Uuid],
    ) -> Result<HashMap<Uuid, KeyState>, StoreError> {
        let mut states = HashMap::with_capacity(owners.len());
        for owners in owners.chunks(KEYS_MAX) {
            let rows: Vec<(Uuid, bool)> = row::Entity::find()
                .select_only()
                .column(row::Column::SubjectId)
                .expr(Expr::col(row::Column::Wrapped).is_not_null())
                .filter(row::Column::SubjectId.is_in(owners.iter().copied()))
                .into_tuple()
                .all(&self.pool)
                .await?;
            for (owner, is_there) in rows {
                let state = if is_there {
                    KeyState::There
                } else {
                    KeyState::Destroyed
                };
                states.insert(owner, state);
            }
        }
        Ok(states)
    }

    async fn find_many(&self, owners: &[Uuid]) -> Result<Vec<(Uuid, Arc<SubjectKey>)>, StoreError> {
        let mut keys = Vec::with_capacity(owners.len());
        for owners in owners.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectId.is_in(owners.iter().copied()))
                .all(&self.pool)
                .await?;
            for row in rows {
                let owner = row.subject_id;
                if let Some(bytes) = row.wrapped {
                    keys.push((owner, Arc::new(self.unwrap(owner, &row.kek_id, bytes)?)));
                }
            }
        }
        Ok(keys)
    }

    fn unwrap(&self, owner: Uuid, kek_id: &str, bytes: Vec<u8>) -> Result<SubjectKey, StoreError> {
        let kek_id: KeyId = kek_id.parse().map_err(sealing)?;
        SubjectKey::unwrap(
            &self.secrets.key_ring,
            SubjectId(owner),
            &WrappedKey { kek_id, bytes },
        )
        .map_err(sealing)
    }

    /// Owners after `after` of keys made before `before`, in order: candidates for the sweep. What is
    /// destroyed is none: its row is the proof.
    pub(super) async fn list_made_before(
        &self,
        before: Timestamp,
        after: Uuid,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        Ok(row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(row::Column::CreatedAt.lt(before.as_microsecond()))
            .filter(row::Column::Wrapped.is_not_null())
            .filter(row::Column::SubjectId.gt(after))
            .order_by_asc(row::Column::SubjectId)
            .limit(limit)
            .into_tuple()
            .all(&self.pool)
            .await?)
    }

    /// Whose keys are destroyed, behind `after`, in order.
    pub(super) async fn list_destroyed(
        &self,
        after: Uuid,
        limit: u64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(row::Column::Wrapped.is_null())
            .filter(row::Column::SubjectId.gt(after))
            .order_by_asc(row::Column::SubjectId)
            .limit(limit)
            .into_tuple()
            .all(&self.pool)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }

    /// Removes keys that nobody needs. One that was destroyed meanwhile leaves its proof.
    pub(super) async fn remove(&self, owners: &[Uuid]) -> Result<u64, StoreError> {
        let deleted = row::Entity::delete_many()
            .filter(row::Column::SubjectId.is_in(owners.iter().copied()))
            .filter(row::Column::Wrapped.is_not_null())
            .exec(&self.pool)
            .await?;
        Ok(deleted.rows_affected)
    }

    /// Destroys keys: what they sealed opens no more, in no backup either. A row without a key stays
    /// as the proof that there was one.
    pub(super) async fn destroy(&self, owners: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::Wrapped, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(row::Column::DestroyedAt, now.as_microsecond().into())
            .filter(row::Column::SubjectId.is_in(owners.iter().copied()))
            .filter(row::Column::Wrapped.is_not_null())
            .exec(&self.pool)
            .await?;
        Ok(())
    }

    /// Wraps again, under the first key-encryption key, what another one wrapped. Returns how many.
    pub(super) async fn rewrap(&self, limit: u64) -> Result<u64, StoreError> {
        let first = self.secrets.key_ring.encryption_key_id();
        let rows = row::Entity::find()
            .filter(row::Column::KekId.ne(first.as_str()))
            .filter(row::Column::Wrapped.is_not_null())
            .limit(limit)
            .all(&self.pool)
            .await?;
        let count = rows.len() as u64;
        for row in rows {
            self.rewrap_one(row).await?;
        }
        Ok(count)
    }

    async fn rewrap_one(&self, row: row::Model) -> Result<(), StoreError> {
        let row::Model {
            subject_id,
            kek_id,
            wrapped,
            ..
        } = row;
        let Some(bytes) = wrapped else { return Ok(()) };
        let key = self.unwrap(subject_id, &kek_id, bytes)?;
        let owner = SubjectId(subject_id);
        let new = key
            .wrap(&self.secrets.key_ring, owner, &*self.secrets.entropy)
            .map_err(sealing)?;
        row::Entity::update_many()
            .col_expr(row::Column::KekId, new.kek_id.as_str().into())
            .col_expr(row::Column::Wrapped, new.bytes.into())
            .filter(row::Column::SubjectId.eq(subject_id))
            // A key that was destroyed or wrapped by another replica meanwhile stays as it is.
            .filter(row::Column::KekId.eq(kek_id))
            .filter(row::Column::Wrapped.is_not_null())
            .exec(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) fn index_hash(
        &self,
        kind: &IdentifierType,
        value: &NormalisedIdentifier,
    ) -> IndexHash {
        self.secrets.key_ring.index().seal(kind, value)
    }

    pub(super) fn sole_index_hash(
        &self,
        kind: &IdentifierType,
        value: &NormalisedIdentifier,
    ) -> Option<[u8; 32]> {
        let mut hashes = self.index_hashes(kind, value);
        let sole = hashes.pop().filter(|_| hashes.is_empty())?;
        Some(sole.hash)
    }

    pub(super) fn index_hashes(
        &self,
        kind: &IdentifierType,
        value: &NormalisedIdentifier,
    ) -> Vec<IndexHash> {
        self.secrets.key_ring.index().all(kind, value)
    }
}

fn sealing(error: impl std::fmt::Display) -> StoreError {
    StoreError::Crypto(error.to_string())
}
