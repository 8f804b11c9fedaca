//! Requests of data subjects: a document each, with columns for what is looked for. The right values of
//! a rectification are sealed under the person's key, until they have been put in place.

mod corrections;
mod leaves;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, LockType},
};
use uuid::Uuid;

pub use self::leaves::{RequestCounts, TaskCount};
use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::{
    id::{SubjectId, SubjectRequestId},
    journal::{JournalKind, KeptRequest, Sealed},
    request::{Correction, RequestState, life::AnyRequest, record::Record},
};

const TABLE: &str = "subject_requests";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subject_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_request_id: Uuid,
        pub subject_id: Uuid,
        pub state: String,
        pub received_at: i64,
        /// When the person must be answered; empty while nobody waits for that or the clock stands.
        pub due_at: Option<i64>,
        pub answered_at: Option<i64>,
        pub completed_at: Option<i64>,
        pub document: String,
        pub corrections_sealed: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which requests are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those that somebody waits for and that are due before this instant.
    pub due_before: Option<Timestamp>,
    /// Only of this person.
    pub subject: Option<SubjectId>,
}

/// A place in the list of requests: those due first; those that nobody waits for come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPlace {
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// Its id.
    pub subject_request_id: SubjectRequestId,
}

/// How many requests are due, and how many are overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueCounts {
    /// Not answered, and due before the instant asked for, but not overdue.
    pub due: u64,
    /// Not answered, and past their deadline.
    pub overdue: u64,
}

impl Session {
    /// A request.
    pub async fn find_request(
        &self,
        id: SubjectRequestId,
    ) -> Result<Option<AnyRequest>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .into_model::<RequestRow>()
            .one(self.connection()?)
            .await?;
        row.map(AnyRequest::try_from).transpose()
    }

    /// Requests after `after`, those due first.
    pub async fn list_requests(
        &self,
        filter: &RequestFilter,
        after: Option<RequestPlace>,
        limit: u64,
    ) -> Result<Vec<AnyRequest>, StoreError> {
        let rows = row::Entity::find()
            .filter(wanted(filter))
            .filter(after.map_or_else(Condition::all, beyond))
            .order_by_asc(row::Column::DueAt.is_null())
            .order_by_asc(row::Column::DueAt)
            .order_by_asc(row::Column::SubjectRequestId)
            .limit(limit)
            .into_model::<RequestRow>()
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(AnyRequest::try_from).collect()
    }

    /// Requests that have begun and not come to their end, after `after`, in the order of their ids.
    /// One that does not read stands for itself: the others are not held up.
    pub async fn list_begun_requests(
        &self,
        after: SubjectRequestId,
        limit: u64,
    ) -> Result<Vec<(SubjectRequestId, Result<AnyRequest, StoreError>)>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::CompletedAt.is_null())
            .filter(row::Column::State.ne(RequestState::Received.as_str()))
            .filter(row::Column::SubjectRequestId.gt(after.0))
            .order_by_asc(row::Column::SubjectRequestId)
            .limit(limit)
            .into_model::<RequestRow>()
            .all(self.connection()?)
            .await?;
        let requests = rows.into_iter().map(|row| {
            let id = SubjectRequestId(row.subject_request_id);
            (id, AnyRequest::try_from(row))
        });
        Ok(requests.collect())
    }

    /// Requests that nobody has answered yet: those due by `soon`, and those that are overdue.
    pub async fn count_due_requests(&self, soon: Timestamp) -> Result<DueCounts, StoreError> {
        let overdue = self.count_due_before(self.now()).await?;
        let due = self.count_due_before(soon).await?;
        Ok(DueCounts {
            due: due.saturating_sub(overdue),
            overdue,
        })
    }

    async fn count_due_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        Ok(row::Entity::find()
            .filter(row::Column::DueAt.lt(at.as_microsecond()))
            .count(self.connection()?)
            .await?)
    }
}

impl Tx {
    /// Keeps a new request, with the right values of its rectification. The journal has it.
    pub async fn insert_request(
        &mut self,
        request: &AnyRequest,
        corrections: &[Correction],
    ) -> Result<(), StoreError> {
        let sealed = self.seal_corrections(request.record(), corrections).await?;
        self.insert_sealed_request(request, sealed.clone()).await?;
        self.append_journal(vec![kept(request, sealed)]).await
    }

    /// As [`Tx::insert_request`], of one that the journal has, with what is sealed in it.
    pub async fn insert_sealed_request(
        &mut self,
        request: &AnyRequest,
        corrections_sealed: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let record = request.record();
        let row = row::ActiveModel {
            subject_request_id: Set(record.subject_request_id.0),
            subject_id: Set(record.subject_id.0),
            state: Set(request.state().as_str().to_owned()),
            received_at: Set(record.received_at.as_microsecond()),
            due_at: Set(microseconds(request.open_due_at())),
            answered_at: Set(microseconds(record.answered_at)),
            completed_at: Set(microseconds(record.completed_at)),
            document: Set(document(record)?),
            corrections_sealed: Set(corrections_sealed),
        };
        row::Entity::insert(row)
            .exec_without_returning(self.connection()?)
            .await?;
        Ok(())
    }

    /// A request, held until the end of the transaction: its steps never overlap. Lock its subject
    /// first.
    pub async fn lock_request(
        &mut self,
        id: SubjectRequestId,
    ) -> Result<Option<AnyRequest>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .lock(LockType::Update)
            .into_model::<RequestRow>()
            .one(self.connection()?)
            .await?;
        row.map(AnyRequest::try_from).transpose()
    }

    /// Keeps what became of a request. Right values that are needed no more are destroyed. The request
    /// is locked. The journal has it.
    pub async fn update_request(&mut self, request: &AnyRequest) -> Result<(), StoreError> {
        self.update_request_again(request).await?;
        self.append_journal(vec![kept(request, None)]).await
    }

    /// As [`Tx::update_request`], of what the journal has.
    pub async fn update_request_again(&mut self, request: &AnyRequest) -> Result<(), StoreError> {
        let record = request.record();
        let mut update = row::Entity::update_many()
            .col_expr(
                row::Column::State,
                Expr::value(request.state().as_str().to_owned()),
            )
            .col_expr(
                row::Column::DueAt,
                Expr::value(microseconds(request.open_due_at())),
            )
            .col_expr(
                row::Column::AnsweredAt,
                Expr::value(microseconds(record.answered_at)),
            )
            .col_expr(
                row::Column::CompletedAt,
                Expr::value(microseconds(record.completed_at)),
            )
            .col_expr(row::Column::Document, Expr::value(document(record)?));
        if !request.needs_corrections() {
            update = update.col_expr(
                row::Column::CorrectionsSealed,
                Expr::value(Option::<Vec<u8>>::None),
            );
        }
        update
            .filter(row::Column::SubjectRequestId.eq(record.subject_request_id.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Gives the requests of one subject to another, for a merge. Lock both subjects first.
    pub async fn move_requests(
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

fn kept(request: &AnyRequest, corrections: Option<Vec<u8>>) -> (SubjectId, JournalKind) {
    let kept = KeptRequest {
        state: request.state(),
        record: Box::new(request.record().clone()),
        corrections: corrections.map(Sealed),
    };
    (request.record().subject_id, JournalKind::RequestKept(kept))
}

fn wanted(filter: &RequestFilter) -> Condition {
    let RequestFilter {
        state,
        due_before,
        subject,
    } = filter;
    Condition::all()
        .add_option(state.map(|state| row::Column::State.eq(state.as_str())))
        .add_option(due_before.map(|at| row::Column::DueAt.lt(at.as_microsecond())))
        .add_option(subject.map(|subject| row::Column::SubjectId.eq(subject.0)))
}

fn beyond(place: RequestPlace) -> Condition {
    let further = row::Column::SubjectRequestId.gt(place.subject_request_id.0);
    let undated = row::Column::DueAt.is_null();
    match place.due_at {
        None => Condition::all().add(undated).add(further),
        Some(due_at) => {
            let due_at = due_at.as_microsecond();
            let same = Condition::all()
                .add(row::Column::DueAt.eq(due_at))
                .add(further);
            Condition::any()
                .add(row::Column::DueAt.gt(due_at))
                .add(same)
                .add(undated)
        }
    }
}

fn microseconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

fn document(record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Internal(format!("a request does not encode: {error}")))
}

/// The part of a row that a request is read from.
#[derive(FromQueryResult)]
struct RequestRow {
    subject_request_id: Uuid,
    subject_id: Uuid,
    state: String,
    document: String,
}

impl TryFrom<RequestRow> for AnyRequest {
    type Error = StoreError;

    fn try_from(row: RequestRow) -> Result<Self, StoreError> {
        let RequestRow {
            subject_request_id,
            subject_id,
            state,
            document,
        } = row;
        let corrupt = |column, reason: String| StoreError::Corrupt {
            table: TABLE,
            column,
            row: subject_request_id.to_string(),
            reason,
        };
        let state = RequestState::from_name(&state)
            .ok_or_else(|| corrupt("state", "is no state of a request".into()))?;
        let record: Record = serde_json::from_str(&document)
            .map_err(|error| corrupt("document", error.to_string()))?;
        // A merge moves the row and leaves the document as it was.
        let record = Record {
            subject_id: SubjectId(subject_id),
            ..record
        };
        Ok(Self::restore(state, record))
    }
}
