//! Who has live items of some data, in the order of the index: the way through a large audience.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    super::{error::StoreError, session::Session},
    row,
};
use crate::domain::{id::SubjectId, name::DataCategory};

impl Session {
    /// Subjects after `after` that have a live item of `data`, ascending, `limit` at most.
    pub async fn list_holders(
        &self,
        data: &DataCategory,
        after: SubjectId,
        limit: u64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .distinct()
            .filter(row::Column::DataCategory.eq(data.as_str()))
            .filter(row::Column::SubjectId.gt(after.0))
            .filter(row::Column::DeletedAt.is_null())
            .order_by_asc(row::Column::SubjectId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }
}
