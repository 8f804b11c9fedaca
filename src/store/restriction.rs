//! Restrictions (Art. 18). The decision reads them; requests make and lift them.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    as_of::Kept,
    error::StoreError,
    name_list,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{
    as_of::Recorded,
    id::{RestrictionId, SubjectId, SubjectRequestId},
    subject::Restriction,
};

const TABLE: &str = "restrictions";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "restrictions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub restriction_id: Uuid,
        pub data_categories: String,
        pub started_at: i64,
        pub recorded_at: i64,
        pub lifted_at: Option<i64>,
        pub subject_request_id: Option<Uuid>,
        pub informed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Every restriction of these subjects, lifted ones included. A subject without one is left out.
    pub async fn list_restrictions(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Restriction>>, StoreError> {
        let mut restrictions: HashMap<SubjectId, Vec<Restriction>> = HashMap::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                restrictions
                    .entry(subject)
                    .or_default()
                    .push(row.try_into()?);
            }
        }
        Ok(restrictions)
    }

    /// As they stand, with when each was recorded.
    pub(super) async fn list_recorded_restrictions(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Recorded<Restriction>>>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
            .all(self.connection()?)
            .await?;
        let mut listed = HashMap::<_, Vec<_>>::new();
        for row in rows {
            let recorded_at = row.recorded_at;
            let recorded = Recorded {
                row_id: row.restriction_id,
                recorded_at: super::instant(TABLE, "recorded_at", row.restriction_id, recorded_at)?,
                value: Restriction::try_from(row.clone())?,
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
    /// Keeps a restriction that a request makes. Lock the subject first.
    pub async fn insert_restriction(
        &mut self,
        subject: SubjectId,
        request: SubjectRequestId,
        restriction: &Restriction,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            subject_id: Set(subject.0),
            restriction_id: Set(restriction.restriction_id.0),
            data_categories: Set(name_list::write(&restriction.data_categories)),
            started_at: Set(restriction.started_at.as_microsecond()),
            recorded_at: Set(self.now().as_microsecond()),
            lifted_at: Set(None),
            subject_request_id: Set(Some(request.0)),
            informed_at: Set(None),
        };
        self.insert_rows(vec![row]).await
    }

    /// Lifts a restriction at the transaction's instant; the person was told at `informed_at`. Lock the
    /// subject first.
    pub async fn lift_restriction(
        &mut self,
        subject: SubjectId,
        restriction: RestrictionId,
        informed_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep_past(subject, Kept::Restrictions).await?;
        row::Entity::update_many()
            .col_expr(
                row::Column::LiftedAt,
                Expr::value(Some(self.now().as_microsecond())),
            )
            .col_expr(
                row::Column::InformedAt,
                Expr::value(Some(informed_at.as_microsecond())),
            )
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::RestrictionId.eq(restriction.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Lets these restrictions of a subject count from an instant on. Lock the subject first.
    pub async fn renew_restrictions(
        &mut self,
        subject: SubjectId,
        restrictions: &[RestrictionId],
        from: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep_past(subject, Kept::Restrictions).await?;
        row::Entity::update_many()
            .col_expr(row::Column::StartedAt, from.as_microsecond().into())
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::RestrictionId.is_in(restrictions.iter().map(|id| id.0)))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Gives the restrictions of one subject to another, for a merge. Lock both subjects first.
    pub async fn move_restrictions(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.keep_past_before_move(from, into, Kept::Restrictions)
            .await?;
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl TryFrom<row::Model> for Restriction {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            restriction_id,
            data_categories,
            started_at,
            recorded_at: _,
            lifted_at,
            subject_request_id: _,
            informed_at: _,
        } = row;
        Ok(Self {
            restriction_id: RestrictionId(restriction_id),
            data_categories: name_list::read(&data_categories).ok_or_else(|| {
                StoreError::Corrupt {
                    table: TABLE,
                    column: "data_categories",
                    row: restriction_id.to_string(),
                    reason: "is no list of names".into(),
                }
            })?,
            started_at: super::instant(TABLE, "started_at", restriction_id, started_at)?,
            lifted_at: lifted_at
                .map(|at| super::instant(TABLE, "lifted_at", restriction_id, at))
                .transpose()?,
        })
    }
}
