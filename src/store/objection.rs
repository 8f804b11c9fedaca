//! Objections (Art. 21). The decision reads them; requests make them and decide on them.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    as_of::Kept,
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    as_of::Recorded,
    id::{ObjectionId, SubjectId, SubjectRequestId},
    request::part::ObjectionDecision,
    subject::Objection,
};

const TABLE: &str = "objections";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "objections")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub objection_id: Uuid,
        pub purpose: String,
        pub occurred_at: i64,
        pub recorded_at: i64,
        pub rejected_at: Option<i64>,
        pub subject_request_id: Option<Uuid>,
        pub upheld_at: Option<i64>,
        pub grounds: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Every objection of these subjects, rejected ones included. A subject without one is left out.
    pub async fn list_objections(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Objection>>, StoreError> {
        let mut objections: HashMap<SubjectId, Vec<Objection>> = HashMap::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                objections.entry(subject).or_default().push(row.try_into()?);
            }
        }
        Ok(objections)
    }

    /// As they stand, with when each was recorded.
    pub(super) async fn list_recorded_objections(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Recorded<Objection>>>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
            .all(self.connection()?)
            .await?;
        let mut listed = HashMap::<_, Vec<_>>::new();
        for row in rows {
            let recorded_at = row.recorded_at;
            let recorded = Recorded {
                row_id: row.objection_id,
                recorded_at: super::instant(TABLE, "recorded_at", row.objection_id, recorded_at)?,
                value: Objection::try_from(row.clone())?,
            };
            listed
                .entry(SubjectId(row.subject_id))
                .or_default()
                .push(recorded);
        }
        Ok(listed)
    }
}

impl Tx {
    /// Keeps objections: those that a request makes, or those of people who come back, by no request.
    /// Lock the subjects first.
    pub async fn insert_objections(
        &mut self,
        request: Option<SubjectRequestId>,
        objections: &[(SubjectId, Objection)],
    ) -> Result<(), StoreError> {
        let rows = objections.iter().map(|(subject, it)| row::ActiveModel {
            subject_id: Set(subject.0),
            objection_id: Set(it.objection_id.0),
            purpose: Set(it.purpose.as_str().to_owned()),
            occurred_at: Set(it.occurred_at.as_microsecond()),
            recorded_at: Set(self.now().as_microsecond()),
            rejected_at: Set(it.rejected_at.map(Timestamp::as_microsecond)),
            subject_request_id: Set(request.map(|request| request.0)),
            upheld_at: Set(None),
            grounds: Set(None),
        });
        self.insert_rows(rows.collect()).await
    }

    /// Keeps what became of an objection. Lock the subject first.
    pub async fn decide_objection(
        &mut self,
        subject: SubjectId,
        objection: ObjectionId,
        decision: &ObjectionDecision,
    ) -> Result<(), StoreError> {
        self.keep_past(subject, Kept::Objections).await?;
        let microseconds = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
        row::Entity::update_many()
            .col_expr(
                row::Column::RejectedAt,
                Expr::value(microseconds(decision.rejected_at())),
            )
            .col_expr(
                row::Column::UpheldAt,
                Expr::value(microseconds(decision.upheld_at())),
            )
            .col_expr(
                row::Column::Grounds,
                Expr::value(Some(decision.grounds.clone())),
            )
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ObjectionId.eq(objection.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Lets these objections of a subject count from an instant on. Lock the subject first.
    pub async fn renew_objections(
        &mut self,
        subject: SubjectId,
        objections: &[ObjectionId],
        from: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep_past(subject, Kept::Objections).await?;
        row::Entity::update_many()
            .col_expr(row::Column::OccurredAt, from.as_microsecond().into())
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ObjectionId.is_in(objections.iter().map(|id| id.0)))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Gives the objections of one subject to another, for a merge. Lock both subjects first.
    pub async fn move_objections(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.keep_past_before_move(from, into, Kept::Objections)
            .await?;
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl TryFrom<row::Model> for Objection {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            objection_id,
            purpose,
            occurred_at,
            recorded_at: _,
            rejected_at,
            subject_request_id: _,
            upheld_at: _,
            grounds: _,
        } = row;
        Ok(Self {
            objection_id: ObjectionId(objection_id),
            purpose: name(TABLE, "purpose", objection_id, &purpose)?,
            occurred_at: super::instant(TABLE, "occurred_at", objection_id, occurred_at)?,
            rejected_at: rejected_at
                .map(|at| super::instant(TABLE, "rejected_at", objection_id, at))
                .transpose()?,
        })
    }
}
