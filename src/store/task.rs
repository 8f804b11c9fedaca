//! Tasks: what is asked for in columns, the task as it stands as a document, and what names the person
//! sealed under a key of the task's own, which is destroyed when the task ends.
//!
//! Nothing here hangs on the subject's key: a task goes on when the subject is erased or merged away.

mod filter;
mod payload;

pub use self::filter::{Reach, TaskFilter};
use self::filter::{behind, due};
pub(super) use self::payload::{read as read_payload, write as write_payload};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{
    error::StoreError,
    session::{Session, Tx},
    vault::At,
};
use crate::domain::{
    id::{LeaseId, SubjectId, SubjectRequestId, TaskId},
    journal::{JournalKind, KeptTask, Sealed},
    task::{Progress, Recipient, StateName, Task, TaskKind, TaskPayload, TaskState},
};

const TABLE: &str = "tasks";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub task_id: Uuid,
        pub subject_id: Uuid,
        pub subject_request_id: Option<Uuid>,
        pub processor: Option<String>,
        pub holder: Option<String>,
        pub kind: String,
        pub cause: String,
        pub state: String,
        pub attempts: i64,
        /// From when on there is something to do: to lease it, to take the lease away, to give it up.
        pub not_before: i64,
        pub lease_id: Option<Uuid>,
        pub lease_until: Option<i64>,
        pub leased_by: Option<String>,
        pub created_at: i64,
        pub completed_at: Option<i64>,
        pub document: String,
        pub payload_sealed: Option<Vec<u8>>,
        pub progress_sealed: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A task on lease with what names the person.
#[derive(Clone, Debug)]
pub struct OpenedTask {
    /// The task.
    pub task: Task,
    /// What names the person.
    pub payload: TaskPayload,
    /// What an earlier lease kept.
    pub progress: Option<Progress>,
}

impl Session {
    /// A task as it stands.
    pub async fn find_task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .one(self.connection()?)
            .await?;
        row.map(Task::try_from).transpose()
    }

    /// Tasks behind `after` (when it was made, its id), oldest first, `limit` at most.
    pub async fn list_tasks(
        &self,
        filter: &TaskFilter,
        after: Option<(Timestamp, TaskId)>,
        limit: u64,
    ) -> Result<Vec<Task>, StoreError> {
        let mut query = row::Entity::find().filter(filter.reach.condition());
        if let Some(state) = filter.state {
            query = query.filter(row::Column::State.eq(state.as_str()));
        }
        if let Some(request) = filter.subject_request_id {
            query = query.filter(row::Column::SubjectRequestId.eq(request.0));
        }
        if let Some((created_at, id)) = after {
            query = query.filter(behind(created_at, id));
        }
        let rows = query
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::TaskId)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Every task of a request, in the order in which they were made.
    pub async fn list_request_tasks(
        &self,
        request: SubjectRequestId,
    ) -> Result<Vec<Task>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectRequestId.eq(request.0))
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::TaskId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// The tasks of a subject that have not come to their end, oldest first.
    pub async fn list_open_tasks(&self, subject: SubjectId) -> Result<Vec<Task>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::CompletedAt.is_null())
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::TaskId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Every task of one kind of a subject, oldest first.
    pub async fn list_tasks_of_kind(
        &self,
        subject: SubjectId,
        kind: TaskKind,
    ) -> Result<Vec<Task>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::Kind.eq(kind.as_str()))
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::TaskId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Whether a recipient has a task that is due.
    pub async fn has_due_task(
        &self,
        recipient: &Recipient,
        kinds: &[TaskKind],
    ) -> Result<bool, StoreError> {
        let due: Option<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::TaskId)
            .filter(due(recipient, kinds, self.now()))
            .limit(1)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(due.is_some())
    }

    /// The tasks that are still on these leases, with what names the person, in the order asked.
    pub async fn read_leased_tasks(
        &self,
        leases: &[(TaskId, LeaseId)],
    ) -> Result<Vec<OpenedTask>, StoreError> {
        let ids: Vec<_> = leases.iter().map(|(id, _)| id.0).collect();
        self.prepare_keys(&ids).await?;
        let rows = row::Entity::find()
            .filter(row::Column::TaskId.is_in(ids))
            .all(self.connection()?)
            .await?;
        let mut opened = Vec::with_capacity(rows.len());
        for (id, lease) in leases {
            let row = rows.iter().find(|row| row.task_id == id.0);
            let Some(row) = row.filter(|row| row.lease_id == Some(lease.0)) else {
                continue;
            };
            opened.push(self.open_task(row).await?);
        }
        Ok(opened)
    }

    async fn open_task(&self, row: &row::Model) -> Result<OpenedTask, StoreError> {
        let task = Task::try_from(row.clone())?;
        let id = task.task_id;
        let payload = match &row.payload_sealed {
            Some(sealed) => payload::read(TABLE, id, &self.open(payload_at(id), sealed).await?)?,
            None => TaskPayload::default(),
        };
        let progress = match &row.progress_sealed {
            Some(sealed) => {
                let opened = self.open(progress_at(id), sealed).await?;
                Some(payload::read_progress(id, &opened)?)
            }
            None => None,
        };
        Ok(OpenedTask {
            task,
            payload,
            progress,
        })
    }

    /// Open tasks that time does something to, most urgent first of each kind, `limit` of each at most.
    pub async fn list_ageing_tasks(&self, limit: u64) -> Result<Vec<TaskId>, StoreError> {
        let now = self.now();
        let long_due = |kind: TaskKind| {
            now.checked_sub(kind.pending_age_max())
                .unwrap_or(Timestamp::MIN)
        };
        let (copies, others) = (TaskKind::ProvideCopy, TaskKind::Erase);
        let mut ids = Vec::new();
        for (state, before, only) in [
            (StateName::Leased, now, None),
            (StateName::Pending, long_due(copies), Some(copies)),
            (StateName::Pending, long_due(others), None),
            (StateName::Suppressed, long_due(others), None),
            (StateName::DeadLetter, now, None),
        ] {
            let found: Vec<Uuid> = row::Entity::find()
                .select_only()
                .column(row::Column::TaskId)
                .filter(row::Column::CompletedAt.is_null())
                .filter(row::Column::State.eq(state.as_str()))
                .filter(
                    Condition::all()
                        .add_option(only.map(|kind: TaskKind| row::Column::Kind.eq(kind.as_str()))),
                )
                .filter(row::Column::NotBefore.lte(before.as_microsecond()))
                .order_by_asc(row::Column::NotBefore)
                .limit(limit)
                .into_tuple()
                .all(self.connection()?)
                .await?;
            ids.extend(found.into_iter().map(TaskId));
        }
        Ok(ids)
    }

    /// How many open tasks there are in each state.
    pub async fn count_open_tasks(&self) -> Result<Vec<(StateName, u64)>, StoreError> {
        let counts: Vec<(String, i64)> = row::Entity::find()
            .select_only()
            .column(row::Column::State)
            .column_as(row::Column::TaskId.count(), "count")
            .filter(row::Column::CompletedAt.is_null())
            .group_by(row::Column::State)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let of = |state: StateName| {
            let count = counts.iter().find(|(name, _)| name == state.as_str());
            count.map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0))
        };
        Ok(StateName::OPEN.map(|state| (state, of(state))).to_vec())
    }
}

impl Tx {
    /// Makes tasks. Their ids come from [`Tx::new_key_id`], and what names the person is sealed under
    /// their keys. The journal has them, so that a restored backup does not forget whom to tell.
    pub async fn insert_tasks(&mut self, tasks: &[(Task, TaskPayload)]) -> Result<(), StoreError> {
        let mut sealed = Vec::with_capacity(tasks.len());
        for (task, payload) in tasks {
            let plain = payload::write(payload)?;
            let payload = self.seal(payload_at(task.task_id), &plain).await?;
            sealed.push((task.clone(), Some(payload)));
        }
        self.insert_sealed_tasks(&sealed).await?;
        let journaled = sealed.into_iter().filter(|(task, _)| is_journaled(task));
        let journaled = journaled.map(|(task, payload)| (task.subject_id, kept(task, payload)));
        self.append_journal(journaled.collect()).await
    }

    /// Puts tasks in as they are: with what is sealed in them, or without it when they have ended.
    pub async fn insert_sealed_tasks(
        &mut self,
        tasks: &[(Task, Option<Vec<u8>>)],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(tasks.len());
        for (task, sealed) in tasks {
            let columns = Columns::of(task)?;
            rows.push(row::ActiveModel {
                task_id: Set(task.task_id.0),
                subject_id: Set(task.subject_id.0),
                subject_request_id: Set(task.subject_request_id.map(Uuid::from)),
                processor: Set(task.recipient.processor().map(ToString::to_string)),
                holder: Set(task.recipient.holder().map(ToString::to_string)),
                kind: Set(task.kind.as_str().to_owned()),
                cause: Set(task.cause.as_str().to_owned()),
                state: Set(columns.state.as_str().to_owned()),
                attempts: Set(task.attempts.into()),
                not_before: Set(columns.not_before.as_microsecond()),
                lease_id: Set(None),
                lease_until: Set(None),
                leased_by: Set(None),
                created_at: Set(task.created_at.as_microsecond()),
                completed_at: Set(task.ended_at().map(Timestamp::as_microsecond)),
                document: Set(columns.document),
                payload_sealed: Set(sealed.clone()),
                progress_sealed: Set(None),
            });
        }
        self.insert_rows(rows).await
    }

    /// Tasks of a recipient that are due, longest due first, held until the end of the transaction:
    /// never one that somebody else holds. Each with the bytes of what is sealed in it.
    pub async fn hold_due_tasks(
        &mut self,
        recipient: &Recipient,
        kinds: &[TaskKind],
        limit: u64,
    ) -> Result<Vec<(Task, usize)>, StoreError> {
        let rows = row::Entity::find()
            .filter(due(recipient, kinds, self.now()))
            .order_by_asc(row::Column::NotBefore)
            .order_by_asc(row::Column::TaskId)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(self.connection()?)
            .await?;
        let sized = rows.into_iter().map(|row| {
            let bytes = |sealed: &Option<Vec<u8>>| sealed.as_ref().map_or(0, Vec::len);
            let size = bytes(&row.payload_sealed) + bytes(&row.progress_sealed);
            Ok((Task::try_from(row)?, size))
        });
        sized.collect()
    }

    /// A task as it stands, held until the end of the transaction. Hold its subject first, when the
    /// step is one that others hear of.
    pub async fn hold_task(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .lock(LockType::Update)
            .one(self.connection()?)
            .await?;
        row.map(Task::try_from).transpose()
    }

    /// Writes a task that went a step further. At its end everything that names the person goes, and
    /// with it the task's key. The journal has the end.
    pub async fn save_task(&mut self, task: &Task) -> Result<(), StoreError> {
        self.save_task_again(task).await?;
        if task.is_ended() && is_journaled(task) {
            let ended = (task.subject_id, kept(task.clone(), None));
            self.append_journal(vec![ended]).await?;
        }
        Ok(())
    }

    /// As [`Tx::save_task`], of what the journal has.
    pub async fn save_task_again(&mut self, task: &Task) -> Result<(), StoreError> {
        let columns = Columns::of(task)?;
        let lease = task.lease();
        let none = || Expr::value(Option::<Vec<u8>>::None);
        let mut update = row::Entity::update_many()
            .col_expr(row::Column::State, columns.state.as_str().into())
            .col_expr(row::Column::Attempts, i64::from(task.attempts).into())
            .col_expr(
                row::Column::NotBefore,
                columns.not_before.as_microsecond().into(),
            )
            .col_expr(
                row::Column::LeaseId,
                Expr::value(lease.map(|one| one.lease_id.0)),
            )
            .col_expr(
                row::Column::LeaseUntil,
                Expr::value(lease.map(|one| one.until.as_microsecond())),
            )
            .col_expr(
                row::Column::LeasedBy,
                Expr::value(lease.map(|one| one.by.to_string())),
            )
            .col_expr(
                row::Column::CompletedAt,
                Expr::value(task.ended_at().map(Timestamp::as_microsecond)),
            )
            .col_expr(row::Column::Document, columns.document.into());
        if task.is_ended() {
            update = update
                .col_expr(row::Column::PayloadSealed, none())
                .col_expr(row::Column::ProgressSealed, none());
        }
        update
            .filter(row::Column::TaskId.eq(task.task_id.0))
            .exec(self.connection()?)
            .await?;
        if task.is_ended() {
            self.intend_key_destruction(task.task_id).await?;
        }
        Ok(())
    }

    /// Puts what names the person in place of what does, sealed. The task is held.
    pub async fn reseal_task(&mut self, task: TaskId, sealed: Vec<u8>) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::PayloadSealed, Expr::value(Some(sealed)))
            .filter(row::Column::TaskId.eq(task.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Keeps what the next lease needs, in place of what was kept before.
    pub async fn keep_progress(
        &mut self,
        task: TaskId,
        progress: Option<&Progress>,
    ) -> Result<(), StoreError> {
        let sealed = match progress {
            Some(progress) => {
                let plain = payload::write_progress(progress)?;
                Some(self.seal(progress_at(task), &plain).await?)
            }
            None => None,
        };
        row::Entity::update_many()
            .col_expr(row::Column::ProgressSealed, Expr::value(sealed))
            .filter(row::Column::TaskId.eq(task.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Gives the tasks of one subject to another, for a merge: they go on as they are, since nothing in
    /// them hangs on the subject's key. Lock both subjects first.
    pub async fn move_tasks(&mut self, from: SubjectId, into: SubjectId) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

/// What is to be handed over goes into a package, and a lost package is written anew with tasks of its own.
fn is_journaled(task: &Task) -> bool {
    task.kind != TaskKind::ProvideCopy
}

fn kept(task: Task, payload: Option<Vec<u8>>) -> JournalKind {
    JournalKind::TaskKept(KeptTask {
        task: Box::new(task),
        payload: payload.map(Sealed),
    })
}

fn payload_at(task: TaskId) -> At {
    At::of_owner(task.0, TABLE, task.0, "payload_sealed")
}

fn progress_at(task: TaskId) -> At {
    At::of_owner(task.0, TABLE, task.0, "progress_sealed")
}

/// What stands in columns because it is asked for, and the whole as a document.
struct Columns {
    state: StateName,
    not_before: Timestamp,
    document: String,
}

impl Columns {
    fn of(task: &Task) -> Result<Self, StoreError> {
        let not_before = match &task.state {
            TaskState::Waiting { not_before } => *not_before,
            TaskState::Leased(lease) => lease.until,
            TaskState::DeadLetter { at } => at
                .checked_add(task.kind.dead_letter_age_max())
                .unwrap_or(Timestamp::MAX),
            TaskState::Completed { at, .. }
            | TaskState::Unconfirmed { at }
            | TaskState::Cancelled { at } => *at,
        };
        Ok(Self {
            state: task.state_name(),
            not_before,
            document: serde_json::to_string(task)
                .map_err(|error| StoreError::Internal(error.to_string()))?,
        })
    }
}

impl TryFrom<row::Model> for Task {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let task: Self =
            serde_json::from_str(&row.document).map_err(|error| StoreError::Corrupt {
                table: TABLE,
                column: "document",
                row: row.task_id.to_string(),
                reason: format!("line {} column {}", error.line(), error.column()),
            })?;
        Ok(Self {
            // A merge moves the row.
            subject_id: SubjectId(row.subject_id),
            ..task
        })
    }
}
