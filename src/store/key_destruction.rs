//! Intents to destroy keys: durable with the change that makes the key needless, completed after
//! it, and again after a crash, until done.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Store,
    error::StoreError,
    session::{Session, Tx},
};

/// Keys destroyed in one step.
const STEP: u64 = 1_000;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_destructions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        pub intended_at: i64,
        pub completed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// When the key of an owner was destroyed; `None`: it was not, or its destruction is decided and not
    /// completed yet.
    pub async fn key_destroyed_at(
        &self,
        owner: impl Into<Uuid>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let owner = owner.into();
        let row = row::Entity::find_by_id(owner)
            .one(self.connection()?)
            .await?;
        let completed_at = row.and_then(|row| row.completed_at);
        completed_at
            .map(|at| super::instant("key_destructions", "completed_at", owner, at))
            .transpose()
    }
}

impl Tx {
    /// Decides that the key of a subject, task, package or retained item is to be destroyed once this
    /// is committed. Whoever cannot wait for the upkeep calls [`Store::complete_key_destructions`] right
    /// after the commit.
    pub async fn intend_key_destruction(
        &mut self,
        owner: impl Into<Uuid>,
    ) -> Result<(), StoreError> {
        self.intend_key_destructions(&[owner.into()]).await
    }

    /// As [`Tx::intend_key_destruction`], of many keys.
    pub async fn intend_key_destructions(&mut self, owners: &[Uuid]) -> Result<(), StoreError> {
        let rows = owners.iter().map(|owner| row::ActiveModel {
            subject_id: Set(*owner),
            intended_at: Set(self.now().as_microsecond()),
            completed_at: Set(None),
        });
        let rows = rows.collect();
        // Decided twice is decided once.
        let known = OnConflict::column(row::Column::SubjectId)
            .update_column(row::Column::SubjectId)
            .to_owned();
        self.put_rows(rows, &known).await
    }

    async fn mark_destroyed(&mut self, owners: &[Uuid]) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::CompletedAt, self.now().as_microsecond().into())
            .filter(row::Column::SubjectId.is_in(owners.iter().copied()))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl Store {
    /// Destroys the keys whose destruction is decided. Safe to run again, and from several replicas
    /// at once. Returns how many.
    pub async fn complete_key_destructions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            let doomed = self.intended_destructions(now).await?;
            if doomed.is_empty() {
                return Ok(count);
            }
            count += doomed.len() as u64;
            self.faults().step()?;
            self.vault.destroy(&doomed, now).await?;
            self.write("mark_destroyed", now, move |tx| {
                let doomed = doomed.clone();
                Box::pin(async move { tx.mark_destroyed(&doomed).await })
            })
            .await?;
        }
    }

    async fn intended_destructions(&self, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
        let snapshot = self.snapshot(now).await?;
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(row::Column::CompletedAt.is_null())
            .order_by_asc(row::Column::SubjectId)
            .limit(STEP)
            .into_tuple()
            .all(snapshot.connection()?)
            .await?;
        snapshot.close().await?;
        Ok(ids)
    }
}
