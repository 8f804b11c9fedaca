//! What was answered to which `request_id`: committed successes only, as ids and a revision.

use jiff::{SignedDuration, Timestamp};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::{audit::Action, revision::Revision};

/// How long an answer is remembered.
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub action: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub request_id: Uuid,
        pub fingerprint: Vec<u8>,
        pub response: String,
        pub revision: i64,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The scope within which a `request_id` is unique.
#[derive(Clone, Debug)]
pub struct RequestKey {
    /// The service that asks.
    pub caller: String,
    /// The RPC.
    pub action: Action,
    /// The `request_id`.
    pub request_id: Uuid,
}

/// A remembered answer.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The keyed fingerprint of the request it belongs to.
    fingerprint: Vec<u8>,
    /// Ids, as JSON.
    pub response: String,
    /// The state it led to.
    pub revision: Revision,
}

impl Remembered {
    /// An answer to `request`, to be remembered.
    pub fn of(session: &Session, request: &[u8], response: String, revision: Revision) -> Self {
        let fingerprint = session
            .vault
            .key_ring()
            .secrets()
            .fingerprint(request)
            .to_vec();
        Self {
            fingerprint,
            response,
            revision,
        }
    }

    /// Whether it answers this very request.
    pub fn answers(&self, session: &Session, request: &[u8]) -> bool {
        session
            .vault
            .key_ring()
            .secrets()
            .is_fingerprint_of(request, &self.fingerprint)
    }
}

impl Tx {
    /// Makes duplicates of this request wait for each other, then looks whether one was answered.
    pub async fn find_remembered(
        &mut self,
        key: &RequestKey,
    ) -> Result<Option<Remembered>, StoreError> {
        self.lock(super::lock_key(key.request_id.as_bytes()))
            .await?;
        let found = row::Entity::find_by_id((
            key.caller.clone(),
            key.action.name().to_owned(),
            key.request_id,
        ))
        .one(self.connection()?)
        .await?;
        let oldest = oldest_remembered(self.now());
        Ok(found
            .filter(|row| row.created_at > oldest)
            .map(|row| Remembered {
                fingerprint: row.fingerprint,
                response: row.response,
                revision: Revision::after_event(row.revision),
            }))
    }

    /// Remembers an answer.
    pub async fn remember(
        &mut self,
        key: &RequestKey,
        answer: &Remembered,
    ) -> Result<(), StoreError> {
        // One that is too old to count may still be in the way.
        row::Entity::delete_by_id((
            key.caller.clone(),
            key.action.name().to_owned(),
            key.request_id,
        ))
        .exec(self.connection()?)
        .await?;
        let row = row::ActiveModel {
            caller: Set(key.caller.clone()),
            action: Set(key.action.name().to_owned()),
            request_id: Set(key.request_id),
            fingerprint: Set(answer.fingerprint.clone()),
            response: Set(answer.response.clone()),
            revision: Set(answer.revision.last_event()),
            created_at: Set(self.now().as_microsecond()),
        };
        row::Entity::insert(row)
            .exec_without_returning(self.connection()?)
            .await?;
        Ok(())
    }

    /// Forgets answers that are too old to count. Returns how many.
    pub async fn forget_answers(&mut self) -> Result<u64, StoreError> {
        let deleted = row::Entity::delete_many()
            .filter(row::Column::CreatedAt.lte(oldest_remembered(self.now())))
            .exec(self.connection()?)
            .await?;
        Ok(deleted.rows_affected)
    }
}

fn oldest_remembered(now: Timestamp) -> i64 {
    now.checked_sub(REMEMBERED_FOR)
        .unwrap_or(Timestamp::MIN)
        .as_microsecond()
}
