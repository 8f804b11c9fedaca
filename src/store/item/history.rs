//! What happened to an item, append-only and without content: what was known on some day stays
//! answerable after the content is gone.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::super::{
    as_of::Kept,
    error::StoreError,
    name_list,
    rows::name,
    session::{Session, Tx},
};
use crate::domain::{
    as_of::ItemVersion,
    id::{ItemId, SubjectId},
    item::ItemState,
    name::DataCategory,
};

const TABLE: &str = "item_history";

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
        pub place: Option<i64>,
        pub subject_category: Option<String>,
        pub data_category: Option<String>,
        pub source: Option<String>,
        pub retained_for: Option<String>,
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
    const ENDS: [Self; 2] = [Self::Deleted, Self::Merged];

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

impl Session {
    /// What the items of these subjects, on `data` (empty: on any), came to be by each of their changes.
    /// An item that was gone before history began has no version that lives.
    pub(in crate::store) async fn list_item_versions(
        &self,
        subjects: &[SubjectId],
        data: &[DataCategory],
    ) -> Result<HashMap<SubjectId, Vec<ItemVersion>>, StoreError> {
        let mut query = row::Entity::find()
            .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
            .filter(row::Column::Change.ne(ItemChange::Outdated.as_str()));
        if !data.is_empty() {
            let names = data.iter().map(DataCategory::as_str);
            query = query.filter(row::Column::DataCategory.is_in(names));
        }
        let mut listed = HashMap::<_, Vec<_>>::new();
        for row in query.all(self.connection()?).await? {
            let of_subject = listed.entry(SubjectId(row.subject_id)).or_default();
            of_subject.push(row.version()?);
        }
        Ok(listed)
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
            .zip(0..)
            .map(|((subject, state, change), place)| row::ActiveModel {
                subject_id: Set(subject.0),
                item_id: Set(state.item_id.0),
                change_id: Set(self.new_id()),
                change: Set(change.as_str().to_owned()),
                collected_at: Set(state.collected_at.as_microsecond()),
                recorded_at: Set(self.now().as_microsecond()),
                policy_version: Set(state.policy_version.as_str().to_owned()),
                purposes: Set(name_list::write(&state.purposes)),
                place: Set(Some(place)),
                subject_category: Set(Some(state.subject_category.as_str().to_owned())),
                data_category: Set(Some(state.data_category.as_str().to_owned())),
                source: Set(Some(state.source.as_str().to_owned())),
                retained_for: Set(state.retained_for.as_deref().map(name_list::write)),
            });
        let rows = rows.collect();
        self.insert_rows(rows).await
    }

    pub(super) async fn move_item_history(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.keep_past_before_move(from, into, Kept::Items).await?;
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl row::Model {
    fn version(self) -> Result<ItemVersion, StoreError> {
        let Self {
            subject_id: _,
            item_id,
            change_id,
            change,
            collected_at,
            recorded_at,
            policy_version,
            purposes,
            place,
            subject_category,
            data_category,
            source,
            retained_for,
        } = self;
        let ends = ItemChange::ENDS.iter().any(|end| end.as_str() == change);
        let names = |column, list: &str| {
            name_list::read(list).ok_or_else(|| StoreError::Corrupt {
                table: TABLE,
                column,
                row: change_id.to_string(),
                reason: "is no list of names".into(),
            })
        };
        let state = match (subject_category, data_category, source) {
            (Some(subject_category), Some(data_category), Some(source)) if !ends => {
                Some(ItemState {
                    item_id: ItemId(item_id),
                    subject_category: name(TABLE, "subject_category", item_id, &subject_category)?,
                    data_category: name(TABLE, "data_category", item_id, &data_category)?,
                    source: name(TABLE, "source", item_id, &source)?,
                    collected_at: instant("collected_at", change_id, collected_at)?,
                    policy_version: name(TABLE, "policy_version", item_id, &policy_version)?,
                    purposes: names("purposes", &purposes)?,
                    retained_for: retained_for
                        .map(|list| names("retained_for", &list))
                        .transpose()?,
                })
            }
            _ => None,
        };
        Ok(ItemVersion {
            item_id: ItemId(item_id),
            recorded_at: instant("recorded_at", change_id, recorded_at)?,
            place: place.unwrap_or_default(),
            state,
        })
    }
}

fn instant(column: &'static str, row: Uuid, at: i64) -> Result<Timestamp, StoreError> {
    super::super::instant(TABLE, column, row, at)
}
