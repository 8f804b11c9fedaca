//! Erasures: what is written down of each, and the end of everything that is sealed under the key of a
//! person who is erased, beside the items.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict,
};

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::{
    erasure::record::ErasureRecord,
    id::{SubjectId, SubjectRequestId},
    journal::JournalKind,
};

const TABLE: &str = "erasures";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "erasures")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_request_id: Uuid,
        pub subject_id: Uuid,
        pub erased_at: i64,
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// What is written down of a request's erasure; `None`: it has erased nothing.
    pub async fn find_erasure(
        &self,
        request: SubjectRequestId,
    ) -> Result<Option<ErasureRecord>, StoreError> {
        let row = row::Entity::find_by_id(request.0)
            .one(self.connection()?)
            .await?;
        row.map(ErasureRecord::try_from).transpose()
    }

    /// Every erasure of a person, oldest first.
    pub async fn list_erasures(
        &self,
        subject: SubjectId,
    ) -> Result<Vec<ErasureRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .order_by_asc(row::Column::ErasedAt)
            .order_by_asc(row::Column::SubjectRequestId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(ErasureRecord::try_from).collect()
    }
}

impl Tx {
    /// Writes down an erasure, or what has become of it. The journal has it.
    pub async fn put_erasure(&mut self, record: &ErasureRecord) -> Result<(), StoreError> {
        self.put_erasure_again(record).await?;
        let kept = JournalKind::ErasureKept(Box::new(record.clone()));
        self.append_journal(vec![(record.subject_id, kept)]).await
    }

    /// As [`Tx::put_erasure`], of what the journal has.
    pub async fn put_erasure_again(&mut self, record: &ErasureRecord) -> Result<(), StoreError> {
        let document = serde_json::to_string(record)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        let row = row::ActiveModel {
            subject_request_id: Set(record.subject_request_id.0),
            subject_id: Set(record.subject_id.0),
            erased_at: Set(record.erased_at.as_microsecond()),
            document: Set(document),
        };
        let replace = OnConflict::column(row::Column::SubjectRequestId)
            .update_column(row::Column::Document)
            .to_owned();
        self.put_rows(vec![row], &replace).await
    }

    /// Gives the erasures of one subject to another, for a merge. Lock both subjects first.
    pub async fn move_erasures(
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

    /// Destroys what is sealed under the subject's key beside items and identifiers: the texts of
    /// consents, what recipients call the person's data, right values that were not put in place. And
    /// the withdrawal tokens, which lead to nobody any more, and what is kept of the person's past. The subject is locked.
    pub async fn destroy_texts(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        for sql in [
            "UPDATE consents SET texts_sealed = NULL
             WHERE subject_id = $1 AND texts_sealed IS NOT NULL",
            "UPDATE disclosures SET external_reference_sealed = NULL
             WHERE subject_id = $1 AND external_reference_sealed IS NOT NULL",
            "DELETE FROM withdrawal_tokens WHERE subject_id = $1",
        ] {
            self.run(sql, vec![subject.0.into()]).await?;
        }
        self.forget_past(subject).await?;
        self.forget_corrections(subject).await
    }
}

impl TryFrom<row::Model> for ErasureRecord {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_request_id,
            subject_id,
            erased_at,
            document,
        } = row;
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            table: TABLE,
            column: "document",
            row: subject_request_id.to_string(),
            reason: format!("line {} column {}", error.line(), error.column()),
        };
        let record: Self = serde_json::from_str(&document).map_err(corrupt)?;
        let erased_at: Timestamp =
            super::instant(TABLE, "erased_at", subject_request_id, erased_at)?;
        // A merge moves the row and leaves the document as it was.
        Ok(Self {
            subject_id: SubjectId(subject_id),
            erased_at,
            ..record
        })
    }
}
