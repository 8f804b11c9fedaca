//! What was answered to which `request_id`: committed successes only, as ids and a revision.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    error::StoreError,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{audit::Action, revision::Revision};

/// How long an answer is remembered.
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Answers forgotten in one transaction at most: what else wants to be written waits no longer.
pub const FORGOTTEN_MAX: u64 = 1_000;

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
        let mut found = self
            .list_remembered(&key.caller, key.action, &[key.request_id])
            .await?;
        Ok(found.remove(&key.request_id))
    }

    /// Makes duplicates of these requests wait for each other.
    pub async fn lock_requests(&mut self, requests: &[Uuid]) -> Result<(), StoreError> {
        let locks = requests.iter().map(|id| super::lock_key(id.as_bytes()));
        let mut locks: Vec<_> = locks.collect();
        locks.sort_unstable();
        self.lock_all(&locks).await
    }

    /// What was answered to these requests. Who asks has made duplicates wait.
    pub async fn list_remembered(
        &mut self,
        caller: &str,
        action: Action,
        requests: &[Uuid],
    ) -> Result<HashMap<Uuid, Remembered>, StoreError> {
        let mut remembered = HashMap::new();
        for requests in requests.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::Caller.eq(caller))
                .filter(row::Column::Action.eq(action.name()))
                .filter(self.is_among(row::Column::RequestId, requests.iter().copied()))
                .filter(row::Column::CreatedAt.gt(oldest_remembered(self.now())))
                .all(self.connection()?)
                .await?;
            remembered.extend(
                rows.into_iter()
                    .map(|row| (row.request_id, Remembered::from(row))),
            );
        }
        Ok(remembered)
    }

    /// Remembers answers. One that is too old to count may still be in the way: it is replaced.
    pub async fn remember(
        &mut self,
        answers: &[(RequestKey, Remembered)],
    ) -> Result<(), StoreError> {
        let rows = answers.iter().map(|(key, answer)| row::ActiveModel {
            caller: Set(key.caller.clone()),
            action: Set(key.action.name().to_owned()),
            request_id: Set(key.request_id),
            fingerprint: Set(answer.fingerprint.clone()),
            response: Set(answer.response.clone()),
            revision: Set(answer.revision.last_event()),
            created_at: Set(self.now().as_microsecond()),
        });
        let rows = rows.collect();
        let replace = OnConflict::columns([
            row::Column::Caller,
            row::Column::Action,
            row::Column::RequestId,
        ])
        .update_columns([
            row::Column::Fingerprint,
            row::Column::Response,
            row::Column::Revision,
            row::Column::CreatedAt,
        ])
        .to_owned();
        self.put_rows(rows, &replace).await
    }

    /// Forgets answers that are too old to count, [`FORGOTTEN_MAX`] at most. Returns how many.
    pub async fn forget_answers(&mut self) -> Result<u64, StoreError> {
        let sql = Statement::from_sql_and_values(
            self.connection()?.get_database_backend(),
            "DELETE FROM idempotency WHERE (caller, action, request_id) IN (
                SELECT caller, action, request_id FROM idempotency
                WHERE created_at <= $1 ORDER BY created_at LIMIT $2
             )",
            [oldest_remembered(self.now()).into(), FORGOTTEN_MAX.into()],
        );
        Ok(self.connection()?.execute_raw(sql).await?.rows_affected())
    }
}

impl From<row::Model> for Remembered {
    fn from(row: row::Model) -> Self {
        let row::Model {
            caller: _,
            action: _,
            request_id: _,
            fingerprint,
            response,
            revision,
            created_at: _,
        } = row;
        Self {
            fingerprint,
            response,
            revision: Revision::after_event(revision),
        }
    }
}

fn oldest_remembered(now: Timestamp) -> i64 {
    now.checked_sub(REMEMBERED_FOR)
        .unwrap_or(Timestamp::MIN)
        .as_microsecond()
}
