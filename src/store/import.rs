//! Imports: how far each has come, in the transaction of what it registered.

use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::id::ImportId;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "imports")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub import_id: Uuid,
        pub checkpoint: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// The last record of the import that is settled; 0 for one that has not begun.
    pub async fn import_checkpoint(
        &self,
        caller: &str,
        import: ImportId,
    ) -> Result<i64, StoreError> {
        let found = row::Entity::find_by_id((caller.to_owned(), import.0))
            .one(self.connection()?)
            .await?;
        Ok(found.map_or(0, |row| row.checkpoint))
    }
}

impl Tx {
    /// Makes two streams of one import wait for each other.
    pub async fn lock_import(&mut self, import: ImportId) -> Result<(), StoreError> {
        self.lock(super::lock_key(import.0.as_bytes())).await
    }

    /// Notes that everything up to `checkpoint` is settled.
    pub async fn set_import_checkpoint(
        &mut self,
        caller: &str,
        import: ImportId,
        checkpoint: i64,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            caller: Set(caller.to_owned()),
            import_id: Set(import.0),
            checkpoint: Set(checkpoint),
            updated_at: Set(self.now().as_microsecond()),
        };
        let replace = OnConflict::columns([row::Column::Caller, row::Column::ImportId])
            .update_columns([row::Column::Checkpoint, row::Column::UpdatedAt])
            .to_owned();
        self.put_rows(vec![row], &replace).await
    }
}
