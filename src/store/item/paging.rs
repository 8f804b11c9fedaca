//! A person's items in the order in which a package holds them: a page at a time, however many there are.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{StateRow, TABLE, row};
use crate::{
    domain::{
        id::{ItemId, SubjectId},
        item::ItemState,
        name::{DataCategory, SubjectCategory},
    },
    store::{error::StoreError, rows::name, session::Session},
};

/// How many live items there are of a data category in a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemCount {
    /// The data category.
    pub data_category: DataCategory,
    /// The role.
    pub subject_category: SubjectCategory,
    /// The items.
    pub items: u64,
}

#[derive(FromQueryResult)]
struct CountRow {
    data_category: String,
    subject_category: String,
    items: i64,
}

impl Session {
    /// How many live items there are of each data category and role, in the order of their names.
    pub async fn count_items_by_data(
        &self,
        subject: SubjectId,
    ) -> Result<Vec<ItemCount>, StoreError> {
        let rows = row::Entity::find()
            .select_only()
            .column(row::Column::DataCategory)
            .column(row::Column::SubjectCategory)
            .column_as(row::Column::ItemId.count(), "items")
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::DeletedAt.is_null())
            .group_by(row::Column::DataCategory)
            .group_by(row::Column::SubjectCategory)
            .into_model::<CountRow>()
            .all(self.connection()?)
            .await?;
        let counts = rows.into_iter().map(|row| {
            Ok(ItemCount {
                data_category: name(TABLE, "data_category", subject, &row.data_category)?,
                subject_category: name(TABLE, "subject_category", subject, &row.subject_category)?,
                items: row.items.unsigned_abs(),
            })
        });
        let mut counts = counts.collect::<Result<Vec<_>, StoreError>>()?;
        // Not in the database's order, which may be another one on another machine.
        counts.sort_by(|a, b| {
            let key = |one: &ItemCount| (one.data_category.clone(), one.subject_category.clone());
            key(a).cmp(&key(b))
        });
        Ok(counts)
    }

    /// The live item of a data category and role that was collected last.
    pub async fn find_latest_item(
        &self,
        subject: SubjectId,
        data: &DataCategory,
        role: &SubjectCategory,
    ) -> Result<Option<ItemId>, StoreError> {
        let id: Option<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::ItemId)
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::DataCategory.eq(data.as_str()))
            .filter(row::Column::SubjectCategory.eq(role.as_str()))
            .filter(row::Column::DeletedAt.is_null())
            .order_by_desc(row::Column::CollectedAt)
            .order_by_desc(row::Column::ItemId)
            .limit(1)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(id.map(ItemId))
    }

    /// The live ones among these items, without content.
    pub async fn list_states_of(
        &self,
        subject: SubjectId,
        items: &[ItemId],
    ) -> Result<Vec<ItemState>, StoreError> {
        let rows = StateRow::select()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
            .filter(row::Column::DeletedAt.is_null())
            .order_by_asc(row::Column::ItemId)
            .into_model::<StateRow>()
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(ItemState::try_from).collect()
    }

    /// The live items of a data category behind `after`, without content, `limit` at most.
    pub async fn page_item_states(
        &self,
        subject: SubjectId,
        data: &DataCategory,
        after: Option<ItemId>,
        limit: u64,
    ) -> Result<Vec<ItemState>, StoreError> {
        let rows = StateRow::select()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::DataCategory.eq(data.as_str()))
            .filter(row::Column::ItemId.gt(after.map_or(Uuid::nil(), |id| id.0)))
            .filter(row::Column::DeletedAt.is_null())
            .order_by_asc(row::Column::ItemId)
            .limit(limit)
            .into_model::<StateRow>()
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(ItemState::try_from).collect()
    }

    /// How many bytes each of the live items of a data category behind `after` has, `limit` at most.
    pub async fn size_items(
        &self,
        subject: SubjectId,
        data: &DataCategory,
        after: Option<ItemId>,
        limit: u64,
    ) -> Result<Vec<(ItemId, u64)>, StoreError> {
        let sizes: Vec<(Uuid, i64)> = row::Entity::find()
            .select_only()
            .column(row::Column::ItemId)
            .expr_as(
                Expr::cust("CAST(COALESCE(LENGTH(content_sealed), 0) AS bigint)"),
                "bytes",
            )
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::DataCategory.eq(data.as_str()))
            .filter(row::Column::ItemId.gt(after.map_or(Uuid::nil(), |id| id.0)))
            .filter(row::Column::DeletedAt.is_null())
            .order_by_asc(row::Column::ItemId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let sizes = sizes.into_iter();
        Ok(sizes
            .map(|(id, bytes)| (ItemId(id), bytes.unsigned_abs()))
            .collect())
    }
}
