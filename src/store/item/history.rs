//! What happened to an item, append-only and without content: what was known on some day stays
//! answerable after the content is gone.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::super::{error::StoreError, name_list, session::Tx};
use crate::domain::{id::SubjectId, item::ItemState};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item_history")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub change_id: Uuid,
        pub change: String,
        pub collected_at: i64,
        pub recorded_at: i64,
        pub policy_version: String,
        pub purposes: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// It was registered and is live.
    Registered,
    /// It was registered after something newer was known, and changed nothing.
    Outdated,
    /// Its content was corrected.
    Corrected,
    /// It was deleted.
    Deleted,
    /// It was erased and stays for now, on the grounds of the law.
    Retained,
    /// It gave way to the same item of a subject that it was merged with.
    Merged,
}

impl ItemChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Outdated => "OUTDATED",
            Self::Corrected => "CORRECTED",
            Self::Deleted => "DELETED",
            Self::Retained => "RETAINED",
            Self::Merged => "MERGED",
        }
    }
}

impl Tx {
    /// Appends what happened to items.
    pub async fn append_item_history(
        &mut self,
        changes: &[(SubjectId, ItemState, ItemChange)],
    ) -> Result<(), StoreError> {
        let rows = changes
            .iter()
            .map(|(subject, state, change)| row::ActiveModel {
                subject_id: Set(subject.0),
                item_id: Set(state.item_id.0),
                change_id: Set(self.new_id()),
                change: Set(change.as_str().to_owned()),
                collected_at: Set(state.collected_at.as_microsecond()),
                recorded_at: Set(self.now().as_microsecond()),
                policy_version: Set(state.policy_version.as_str().to_owned()),
                purposes: Set(name_list::write(&state.purposes)),
            });
        let rows = rows.collect();
        self.insert_rows(rows).await
    }

    pub(super) async fn move_item_history(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}
