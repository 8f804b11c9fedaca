//! Where a sweep over all subjects stands: it goes on from there after a restart, and one process at a
//! time works on it.

use jiff::{SignedDuration, Timestamp};
use sea_orm::{
    ActiveValue::Set,
    EntityTrait, QuerySelect,
    sea_query::{LockType, OnConflict},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::id::SubjectId;

const TABLE: &str = "sweeps";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sweeps")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub cursor: String,
        pub started_at: i64,
        pub finished_at: Option<i64>,
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A sweep as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The last subject that was looked at; `None`: none was yet.
    pub cursor: Option<SubjectId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it came to its end; `None`: it goes on.
    pub finished_at: Option<Timestamp>,
    /// Who works on it.
    pub worker: Option<SweepWorker>,
}

/// Who works on a sweep, and for how long that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepWorker {
    /// The worker.
    pub worker_id: Uuid,
    /// Who has not been heard of by then is gone.
    pub until: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Document {
    worker: Option<SweepWorker>,
}

impl Sweep {
    /// A sweep that begins now.
    pub fn begun(now: Timestamp) -> Self {
        Self {
            cursor: None,
            started_at: now,
            finished_at: None,
            worker: None,
        }
    }

    /// Whether another worker is at it.
    pub fn is_anothers(&self, worker_id: Uuid, now: Timestamp) -> bool {
        self.worker
            .is_some_and(|worker| worker.worker_id != worker_id && now < worker.until)
    }

    /// Notes that `worker_id` is at it, for `length` from now on.
    pub fn take(&mut self, worker_id: Uuid, now: Timestamp, length: SignedDuration) {
        let until = now.checked_add(length).unwrap_or(Timestamp::MAX);
        self.worker = Some(SweepWorker { worker_id, until });
    }
}

impl Session {
    /// A sweep by its name; `None`: there never was one.
    pub async fn find_sweep(&self, name: &str) -> Result<Option<Sweep>, StoreError> {
        let row = row::Entity::find_by_id(name)
            .one(self.connection()?)
            .await?;
        row.map(Sweep::try_from).transpose()
    }
}

impl Tx {
    /// A sweep by its name, held until the end of the transaction. Where there never was one, one that
    /// has come to its end.
    pub async fn hold_sweep(&mut self, name: &str) -> Result<Sweep, StoreError> {
        let never = Sweep {
            finished_at: Some(self.now()),
            ..Sweep::begun(self.now())
        };
        let mut nothing = OnConflict::column(row::Column::Name);
        row::Entity::insert(row_of(name, &never)?)
            .on_conflict(nothing.do_nothing_on([row::Column::Name]).to_owned())
            .exec_without_returning(self.connection()?)
            .await?;
        let row = row::Entity::find_by_id(name)
            .lock(LockType::Update)
            .one(self.connection()?)
            .await?;
        row.map_or(Ok(never), Sweep::try_from)
    }

    /// Keeps how a sweep stands. It is held.
    pub async fn save_sweep(&mut self, name: &str, sweep: &Sweep) -> Result<(), StoreError> {
        row::Entity::update(row_of(name, sweep)?)
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

fn row_of(name: &str, sweep: &Sweep) -> Result<row::ActiveModel, StoreError> {
    let Sweep {
        cursor,
        started_at,
        finished_at,
        worker,
    } = sweep;
    let document = serde_json::to_string(&Document { worker: *worker })
        .map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(row::ActiveModel {
        name: Set(name.to_owned()),
        cursor: Set(cursor.map(|id| id.to_string()).unwrap_or_default()),
        started_at: Set(started_at.as_microsecond()),
        finished_at: Set(finished_at.map(Timestamp::as_microsecond)),
        document: Set(document),
    })
}

impl TryFrom<row::Model> for Sweep {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            name,
            cursor,
            started_at,
            finished_at,
            document,
        } = row;
        let corrupt = |column, reason: String| StoreError::Corrupt {
            table: TABLE,
            column,
            row: name.clone(),
            reason,
        };
        let cursor = match cursor.as_str() {
            "" => None,
            id => Some(
                id.parse()
                    .map_err(|_| corrupt("cursor", "is no subject's id".into()))?,
            ),
        };
        let Document { worker } = serde_json::from_str(&document)
            .map_err(|error| corrupt("document", error.to_string()))?;
        Ok(Self {
            cursor,
            started_at: super::instant(TABLE, "started_at", &name, started_at)?,
            finished_at: finished_at
                .map(|at| super::instant(TABLE, "finished_at", &name, at))
                .transpose()?,
            worker,
        })
    }
}
