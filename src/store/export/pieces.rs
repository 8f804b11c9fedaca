//! The pieces of a package, one behind the other: never changed, each found by its bytes.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::super::{
    error::StoreError,
    session::{Session, Tx},
    vault::At,
};
use crate::{
    crypto::derived_id::derived_id,
    domain::{
        export::{ExportFormat, PIECE_BYTES_MAX, writing::Extent},
        id::ExportId,
    },
};

const TABLE: &str = "export_chunks";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "export_chunks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub export_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub format: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub first_byte: i64,
        pub bytes: i64,
        pub data_sealed: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Bytes of a package from `offset` on, at most [`PIECE_BYTES_MAX`]; none at its end.
    pub async fn read_pieces(
        &self,
        export: ExportId,
        format: ExportFormat,
        offset: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let from = place(offset)?;
        let most = place(PIECE_BYTES_MAX as u64)?;
        // A piece is not longer than what is read, so the one that `offset` is in begins behind this.
        let rows = row::Entity::find()
            .filter(row::Column::ExportId.eq(export.0))
            .filter(row::Column::Format.eq(format.as_str()))
            .filter(row::Column::FirstByte.gt(from - most))
            .filter(row::Column::FirstByte.lt(from.saturating_add(most)))
            .order_by_asc(row::Column::FirstByte)
            .all(self.connection()?)
            .await?;
        let mut read = Vec::new();
        for row in rows {
            if row.first_byte + row.bytes <= from {
                continue;
            }
            let piece = self
                .open(piece_at(export, format, row.seq), &row.data_sealed)
                .await?;
            let begin = usize::try_from(from - row.first_byte).unwrap_or(0);
            read.extend_from_slice(piece.get(begin..).unwrap_or_default());
        }
        read.truncate(PIECE_BYTES_MAX);
        Ok(read)
    }
}

impl Tx {
    /// Puts text behind what is written of a package. The package is locked.
    pub async fn append_pieces(
        &mut self,
        export: ExportId,
        format: ExportFormat,
        extent: &mut Extent,
        text: &str,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for piece in text.as_bytes().chunks(PIECE_BYTES_MAX) {
            let seq = place(extent.pieces)?;
            rows.push(row::ActiveModel {
                export_id: Set(export.0),
                format: Set(format.as_str().to_owned()),
                seq: Set(seq),
                first_byte: Set(place(extent.bytes)?),
                bytes: Set(place(piece.len() as u64)?),
                data_sealed: Set(self.seal(piece_at(export, format, seq), piece).await?),
            });
            extent.pieces += 1;
            extent.bytes += piece.len() as u64;
        }
        self.insert_rows(rows).await
    }

    /// Deletes what is written of a package. The package is locked.
    pub(super) async fn delete_pieces(&mut self, export: ExportId) -> Result<(), StoreError> {
        row::Entity::delete_many()
            .filter(row::Column::ExportId.eq(export.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

fn place(bytes: u64) -> Result<i64, StoreError> {
    i64::try_from(bytes)
        .map_err(|_| StoreError::Internal("a package is longer than can be counted".into()))
}

fn piece_at(export: ExportId, format: ExportFormat, seq: i64) -> At {
    let name: Uuid = derived_id(format!("{} {seq}", format.as_str()).as_bytes());
    At::of_owner(export.0, TABLE, name, "data_sealed")
}
