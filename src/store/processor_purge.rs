//! Which processors have been told that their own retention of an item has run out.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::{
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    id::{ItemId, SubjectId},
    retention::purge::Told,
};

const TABLE: &str = "processor_purges";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "processor_purges")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub processor: String,
        pub collected_at: i64,
        pub told_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// What processors were told of these subjects' items. A subject of whom none was is left out.
    pub async fn list_processor_purges(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Told>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                listed.entry(subject).or_default().push(row.try_into()?);
            }
        }
        Ok(listed)
    }
}

impl Tx {
    /// Notes what processors are told now. The subject is locked.
    pub async fn note_processor_purges(
        &mut self,
        subject: SubjectId,
        told: &[Told],
    ) -> Result<(), StoreError> {
        let told_at = self.now().as_microsecond();
        let rows = told.iter().map(|one| row::ActiveModel {
            subject_id: Set(subject.0),
            item_id: Set(one.item_id.0),
            processor: Set(one.processor.as_str().to_owned()),
            collected_at: Set(one.collected_at.as_microsecond()),
            told_at: Set(told_at),
        });
        let key = [
            row::Column::SubjectId,
            row::Column::ItemId,
            row::Column::Processor,
        ];
        let replace = OnConflict::columns(key)
            .update_columns([row::Column::CollectedAt, row::Column::ToldAt])
            .to_owned();
        self.put_rows(rows.collect(), &replace).await
    }

    /// Gives what processors were told of one subject's items to another, for a merge. `gone` are items
    /// that went up in others by it: what was told of those is no longer of account. Lock both subjects
    /// first.
    pub async fn move_processor_purges(
        &mut self,
        from: SubjectId,
        into: SubjectId,
        gone: &HashMap<ItemId, ItemId>,
    ) -> Result<(), StoreError> {
        let mut told = self.list_processor_purges(&[from]).await?;
        let mut told = told.remove(&from).unwrap_or_default();
        told.retain(|one| !gone.contains_key(&one.item_id));
        row::Entity::delete_many()
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        self.note_processor_purges(into, &told).await
    }
}

impl TryFrom<row::Model> for Told {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            item_id,
            processor,
            collected_at,
            told_at: _,
        } = row;
        Ok(Self {
            item_id: ItemId(item_id),
            processor: name(TABLE, "processor", item_id, &processor)?,
            collected_at: super::instant(TABLE, "collected_at", item_id, collected_at)?,
        })
    }
}
