//! What holders handed over for a copy, sealed under the package's own key, until it is written into the
//! package.

use sea_orm::{ActiveValue::Set, sea_query::OnConflict};
use uuid::Uuid;

use super::{error::StoreError, item::encode_content, session::Tx, vault::At};
use crate::domain::{
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

impl Tx {
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
