//! What holders handed over for a copy, sealed under the package's own key, until it is written into the
//! package.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    error::StoreError,
    item::{decode_content, encode_content},
    session::{Session, Tx},
    vault::At,
};
use crate::domain::{
    export::describe::HandedOver,
    id::{ExportId, ItemId},
    item::Content,
};

const TABLE: &str = "export_provided";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "export_provided")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub export_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        pub content_sealed: Vec<u8>,
        pub provided_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// How many bytes were handed over of each of these items. One of which nothing was is left out.
    pub async fn size_provided(
        &self,
        export: ExportId,
        items: &[ItemId],
    ) -> Result<HashMap<ItemId, u64>, StoreError> {
        let sizes: Vec<(Uuid, i64)> = row::Entity::find()
            .select_only()
            .column(row::Column::ItemId)
            .expr_as(
                Expr::cust("CAST(LENGTH(content_sealed) AS bigint)"),
                "bytes",
            )
            .filter(row::Column::ExportId.eq(export.0))
            .filter(row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let sizes = sizes.into_iter();
        Ok(sizes
            .map(|(id, bytes)| (ItemId(id), bytes.unsigned_abs()))
            .collect())
    }

    /// What was handed over of these items. One of which nothing was is left out.
    pub async fn read_provided(
        &self,
        export: ExportId,
        items: &[ItemId],
    ) -> Result<HashMap<ItemId, HandedOver>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::ExportId.eq(export.0))
            .filter(row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
            .all(self.connection()?)
            .await?;
        let mut read = HashMap::with_capacity(rows.len());
        for row in rows {
            let plain = self
                .open(provided_at(export, row.item_id), &row.content_sealed)
                .await?;
            let handed_over = HandedOver {
                content: decode_content(row.item_id, &plain)?,
                at: super::instant(TABLE, "provided_at", row.item_id, row.provided_at)?,
            };
            read.insert(ItemId(row.item_id), handed_over);
        }
        Ok(read)
    }
}

impl Tx {
    /// Deletes what was handed over for a package: it is written into it, or nobody waits for it.
    pub async fn forget_provided(&mut self, export: ExportId) -> Result<(), StoreError> {
        row::Entity::delete_many()
            .filter(row::Column::ExportId.eq(export.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Keeps what was handed over for a package; the same item again replaces it.
    pub async fn put_provided(
        &mut self,
        export: ExportId,
        provided: &[(ItemId, Content)],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(provided.len());
        for (item, content) in provided {
            let plain = encode_content(content)?;
            rows.push(row::ActiveModel {
                export_id: Set(export.0),
                item_id: Set(item.0),
                content_sealed: Set(self.seal(provided_at(export, item.0), &plain).await?),
                provided_at: Set(self.now().as_microsecond()),
            });
        }
        let replace = OnConflict::columns([row::Column::ExportId, row::Column::ItemId])
            .update_columns([row::Column::ContentSealed, row::Column::ProvidedAt])
            .to_owned();
        self.put_rows(rows, &replace).await
    }
}

fn provided_at(export: ExportId, item: Uuid) -> At {
    At::of_owner(export.0, TABLE, item, "content_sealed")
}
