//! Packages: a row each with the document of how far it has come, and its pieces, sealed under a key of
//! the package's own. What destroys that key destroys the package, in every backup.

mod pieces;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{
    export::{
        ExportKind,
        record::{ExportRecord, Written},
        writing::{Export, Writing},
    },
    id::{ExportId, SubjectId, SubjectRequestId},
    task::TaskKind,
};

const TABLE: &str = "exports";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "exports")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub export_id: Uuid,
        pub subject_request_id: Uuid,
        pub subject_id: Uuid,
        pub kind: String,
        pub created_at: i64,
        pub ready_at: Option<i64>,
        pub expires_at: Option<i64>,
        pub destroyed_at: Option<i64>,
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What nothing is looked for by. No personal data.
#[derive(Serialize, Deserialize)]
struct Document {
    items: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Written>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    html: Option<Written>,
    writing: Writing,
}

impl Session {
    /// A package as it stands.
    pub async fn find_export(&self, id: ExportId) -> Result<Option<Export>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .one(self.connection()?)
            .await?;
        row.map(Export::try_from).transpose()
    }

    /// The packages of these requests, destroyed ones included, in the order in which they were begun.
    pub async fn list_exports_of(
        &self,
        requests: &[SubjectRequestId],
    ) -> Result<Vec<ExportRecord>, StoreError> {
        let mut records = Vec::new();
        for requests in requests.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectRequestId.is_in(requests.iter().map(|id| id.0)))
                .order_by_asc(row::Column::ExportId)
                .all(self.connection()?)
                .await?;
            for row in rows {
                records.push(Export::try_from(row)?.record);
            }
        }
        Ok(records)
    }

    /// Packages behind `after` that can be written on: those for which no holder has anything left to
    /// hand over. In the order of their ids, `limit` at most.
    pub async fn list_writable_exports(
        &self,
        after: ExportId,
        limit: u64,
    ) -> Result<Vec<ExportId>, StoreError> {
        let awaited = open_copies()
            .and_where(
                Expr::col(("tasks", "subject_request_id")).equals((TABLE, "subject_request_id")),
            )
            .take();
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::ExportId)
            .filter(row::Column::ReadyAt.is_null())
            .filter(row::Column::DestroyedAt.is_null())
            .filter(row::Column::ExportId.gt(after.0))
            .filter(Expr::exists(awaited).not())
            .order_by_asc(row::Column::ExportId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(ExportId).collect())
    }

    /// Whether a holder has still something to hand over for a request.
    pub async fn awaits_copies(&self, request: SubjectRequestId) -> Result<bool, StoreError> {
        use sea_orm::ConnectionTrait;

        let awaited = open_copies()
            .and_where(Expr::col("subject_request_id").eq(request.0))
            .limit(1)
            .take();
        Ok(self.connection()?.query_one(&awaited).await?.is_some())
    }

    /// Packages whose time has run out and that are not destroyed yet, `limit` at most.
    pub async fn list_expired_exports(&self, limit: u64) -> Result<Vec<ExportId>, StoreError> {
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::ExportId)
            .filter(row::Column::DestroyedAt.is_null())
            .filter(row::Column::ExpiresAt.lte(self.now().as_microsecond()))
            .order_by_asc(row::Column::ExpiresAt)
            .order_by_asc(row::Column::ExportId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(ExportId).collect())
    }
}

impl Tx {
    /// Begins a package. Its id comes from [`Tx::new_key_id`].
    pub async fn insert_export(&mut self, export: &Export) -> Result<(), StoreError> {
        let row = row_of(export)?;
        self.insert_rows(vec![row]).await
    }

    /// A package as it stands, held until the end of the transaction: of two writers at once the second
    /// goes on where the first has stopped. Lock its subject first.
    pub async fn lock_export(&mut self, id: ExportId) -> Result<Option<Export>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .lock(LockType::Update)
            .one(self.connection()?)
            .await?;
        row.map(Export::try_from).transpose()
    }

    /// The packages of a subject that are not destroyed, held. Lock the subject first.
    pub async fn lock_exports_of(&mut self, subject: SubjectId) -> Result<Vec<Export>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::DestroyedAt.is_null())
            .order_by_asc(row::Column::ExportId)
            .lock(LockType::Update)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Export::try_from).collect()
    }

    /// Keeps what became of a package. It is locked.
    pub async fn save_export(&mut self, export: &Export) -> Result<(), StoreError> {
        let ExportRecord {
            created_at,
            ready_at,
            expires_at,
            destroyed_at,
            ..
        } = export.record;
        row::Entity::update_many()
            .col_expr(row::Column::CreatedAt, created_at.as_microsecond().into())
            .col_expr(row::Column::ReadyAt, Expr::value(microseconds(ready_at)))
            .col_expr(
                row::Column::ExpiresAt,
                Expr::value(microseconds(expires_at)),
            )
            .col_expr(
                row::Column::DestroyedAt,
                Expr::value(microseconds(destroyed_at)),
            )
            .col_expr(row::Column::Document, document(export)?.into())
            .filter(row::Column::ExportId.eq(export.record.export_id.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Throws away what is written of a package, so that it begins anew. It is locked.
    pub async fn restart_export(&mut self, export: &mut Export) -> Result<(), StoreError> {
        self.delete_pieces(export.record.export_id).await?;
        export.writing.restart();
        self.save_export(export).await
    }

    /// Destroys a package: its pieces, what was handed over for it, and, once this is committed, its key.
    /// It is locked.
    pub async fn destroy_export(&mut self, export: &mut Export) -> Result<(), StoreError> {
        let id = export.record.export_id;
        self.delete_pieces(id).await?;
        self.forget_provided(id).await?;
        self.intend_key_destruction(id).await?;
        export.record.destroyed_at = Some(self.now());
        self.save_export(export).await
    }

    /// Gives the packages of one subject to another, for a merge. What is complete stays as it is; what is
    /// being written begins anew, since there is more to say. Lock both subjects first.
    pub async fn move_exports(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        for mut export in self.lock_exports_of(into).await? {
            if export.record.ready_at.is_none() {
                self.restart_export(&mut export).await?;
            }
        }
        Ok(())
    }
}

/// Tasks to hand something over that have not come to their end.
fn open_copies() -> SelectStatement {
    Query::select()
        .column("task_id")
        .from("tasks")
        .and_where(Expr::col("kind").eq(TaskKind::ProvideCopy.as_str()))
        .and_where(Expr::col("completed_at").is_null())
        .take()
}

fn row_of(export: &Export) -> Result<row::ActiveModel, StoreError> {
    let ExportRecord {
        export_id,
        subject_request_id,
        subject_id,
        kind,
        created_at,
        ready_at,
        expires_at,
        destroyed_at,
        items: _,
        json: _,
        html: _,
    } = &export.record;
    Ok(row::ActiveModel {
        export_id: Set(export_id.0),
        subject_request_id: Set(subject_request_id.0),
        subject_id: Set(subject_id.0),
        kind: Set(kind.as_str().to_owned()),
        created_at: Set(created_at.as_microsecond()),
        ready_at: Set(microseconds(*ready_at)),
        expires_at: Set(microseconds(*expires_at)),
        destroyed_at: Set(microseconds(*destroyed_at)),
        document: Set(document(export)?),
    })
}

fn document(export: &Export) -> Result<String, StoreError> {
    let document = Document {
        items: export.record.items,
        json: export.record.json.clone(),
        html: export.record.html.clone(),
        writing: export.writing.clone(),
    };
    serde_json::to_string(&document)
        .map_err(|error| StoreError::Internal(format!("a package does not encode: {error}")))
}

fn microseconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

impl TryFrom<row::Model> for Export {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            export_id: id,
            subject_request_id,
            subject_id,
            kind,
            created_at,
            ready_at,
            expires_at,
            destroyed_at,
            document,
        } = row;
        let corrupt = |column, reason: String| StoreError::Corrupt {
            table: TABLE,
            column,
            row: id.to_string(),
            reason,
        };
        let optional = |column, at: Option<i64>| {
            at.map(|at| super::instant(TABLE, column, id, at))
                .transpose()
        };
        let Document {
            items,
            json,
            html,
            writing,
        } = serde_json::from_str(&document)
            .map_err(|error| corrupt("document", error.to_string()))?;
        let record = ExportRecord {
            export_id: ExportId(id),
            subject_request_id: SubjectRequestId(subject_request_id),
            subject_id: SubjectId(subject_id),
            kind: ExportKind::named(&kind)
                .ok_or_else(|| corrupt("kind", "is no kind of a package".into()))?,
            created_at: super::instant(TABLE, "created_at", id, created_at)?,
            ready_at: optional("ready_at", ready_at)?,
            expires_at: optional("expires_at", expires_at)?,
            destroyed_at: optional("destroyed_at", destroyed_at)?,
            items,
            json,
            html,
        };
        Ok(Self { record, writing })
    }
}
