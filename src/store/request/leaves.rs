//! What others have done for requests so far, counted for many of them at once.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::super::{error::StoreError, rows::KEYS_MAX, session::Session};
use crate::domain::{
    id::{ItemId, SubjectId, SubjectRequestId},
    task::{StateName, TaskKind},
};

mod task_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub task_id: Uuid,
        pub subject_request_id: Option<Uuid>,
        pub kind: String,
        pub state: String,
        pub completed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod item_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        pub retained_for: Option<String>,
        pub retained_by: Option<Uuid>,
        pub deleted_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tasks of one kind of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCount {
    /// The tasks' kind.
    pub kind: TaskKind,
    /// Those that have not come to an end.
    pub open: u64,
    /// Those that ended without the recipient's word.
    pub unconfirmed: u64,
}

/// What others have done for one request so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Its tasks, by kind.
    pub tasks: Vec<TaskCount>,
    /// Items that would have been erased and must stay for now.
    pub waiting_items: u64,
}

#[derive(FromQueryResult)]
struct TaskRow {
    subject_request_id: Uuid,
    kind: String,
    state: String,
    ended: i64,
    tasks: i64,
}

#[derive(FromQueryResult)]
struct ItemRow {
    retained_by: Uuid,
    items: i64,
}

impl Session {
    /// What others have done for these requests. One without tasks and items is left out.
    pub async fn count_leaves(
        &self,
        requests: &[SubjectRequestId],
    ) -> Result<HashMap<SubjectRequestId, RequestCounts>, StoreError> {
        let mut counts = HashMap::<SubjectRequestId, RequestCounts>::new();
        for requests in requests.chunks(KEYS_MAX) {
            let ids = || requests.iter().map(|id| id.0);
            for row in self.count_tasks(ids()).await? {
                let request = SubjectRequestId(row.subject_request_id);
                counts.entry(request).or_default().add(&row)?;
            }
            for row in self.count_waiting(ids()).await? {
                let of_request = counts.entry(SubjectRequestId(row.retained_by)).or_default();
                of_request.waiting_items = row.items.unsigned_abs();
            }
        }
        Ok(counts)
    }

    /// The items of a subject that would have been erased for this request and must stay for now.
    pub async fn list_waiting_items(
        &self,
        subject: SubjectId,
        request: SubjectRequestId,
    ) -> Result<Vec<ItemId>, StoreError> {
        use item_row::Column;
        let ids: Vec<Uuid> = item_row::Entity::find()
            .select_only()
            .column(Column::ItemId)
            .filter(Column::SubjectId.eq(subject.0))
            .filter(Column::RetainedBy.eq(request.0))
            .filter(Column::RetainedFor.is_not_null())
            .filter(Column::DeletedAt.is_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(ItemId).collect())
    }

    async fn count_tasks(
        &self,
        requests: impl Iterator<Item = Uuid>,
    ) -> Result<Vec<TaskRow>, StoreError> {
        use task_row::Column;
        // Counting the column counts the tasks in which it is set: those that have ended.
        Ok(task_row::Entity::find()
            .select_only()
            .column(Column::SubjectRequestId)
            .column(Column::Kind)
            .column(Column::State)
            .column_as(Column::CompletedAt.count(), "ended")
            .column_as(Column::TaskId.count(), "tasks")
            .filter(Column::SubjectRequestId.is_in(requests))
            .group_by(Column::SubjectRequestId)
            .group_by(Column::Kind)
            .group_by(Column::State)
            .into_model::<TaskRow>()
            .all(self.connection()?)
            .await?)
    }

    async fn count_waiting(
        &self,
        requests: impl Iterator<Item = Uuid>,
    ) -> Result<Vec<ItemRow>, StoreError> {
        use item_row::Column;
        Ok(item_row::Entity::find()
            .select_only()
            .column(Column::RetainedBy)
            .column_as(Column::ItemId.count(), "items")
            .filter(Column::RetainedBy.is_in(requests))
            .filter(Column::RetainedFor.is_not_null())
            .filter(Column::DeletedAt.is_null())
            .group_by(Column::RetainedBy)
            .into_model::<ItemRow>()
            .all(self.connection()?)
            .await?)
    }
}

impl RequestCounts {
    fn add(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let kind = TaskKind::ALL.into_iter().find(|it| it.as_str() == row.kind);
        let kind = kind.ok_or_else(|| StoreError::Corrupt {
            table: "tasks",
            column: "kind",
            row: format!("of the request {}", row.subject_request_id),
            reason: "is no kind of a task".into(),
        })?;
        let tasks = row.tasks.unsigned_abs();
        let known = self.tasks.iter().position(|count| count.kind == kind);
        let at = known.unwrap_or_else(|| {
            self.tasks.push(TaskCount {
                kind,
                open: 0,
                unconfirmed: 0,
            });
            self.tasks.len() - 1
        });
        self.tasks[at].open += tasks.saturating_sub(row.ended.unsigned_abs());
        if row.state == StateName::Unconfirmed.as_str() {
            self.tasks[at].unconfirmed += tasks;
        }
        Ok(())
    }

    /// Tasks of these kinds that have not come to an end.
    pub fn open_tasks_of(&self, kinds: &[TaskKind]) -> u64 {
        let counts = self.tasks.iter();
        let counts = counts.filter(|count| kinds.contains(&count.kind));
        counts.map(|count| count.open).sum()
    }

    /// Tasks that have not come to an end.
    pub fn open_tasks(&self) -> u64 {
        self.tasks.iter().map(|count| count.open).sum()
    }

    /// Tasks that ended without the recipient's word.
    pub fn unconfirmed_tasks(&self) -> u64 {
        self.tasks.iter().map(|count| count.unconfirmed).sum()
    }
}
