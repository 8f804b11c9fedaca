//! Memberships: facts that begin and end them; nothing is overwritten.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{
    as_of::Kept,
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    as_of::Recorded,
    id::SubjectId,
    membership::{self, MembershipFact},
    subject::Membership,
};

const TABLE: &str = "membership_facts";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "membership_facts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub fact_id: Uuid,
        pub subject_category: String,
        pub began: bool,
        pub occurred_at: i64,
        pub recorded_at: i64,
        pub recorded_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The part of a row that says what happened.
pub(super) struct FactRow {
    pub(super) fact_id: Uuid,
    pub(super) subject_category: String,
    pub(super) began: bool,
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
}

impl Session {
    /// The memberships of each subject, past ones included, earliest start first.
    pub async fn list_memberships(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Membership>>, StoreError> {
        let facts = self.list_membership_facts(subjects).await?;
        let folded = facts
            .into_iter()
            .map(|(subject, facts)| (subject, membership::fold(&facts)));
        Ok(folded.collect())
    }

    /// The facts that the memberships of each subject are folded from, in no order.
    pub async fn list_membership_facts(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<MembershipFact>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                listed
                    .entry(subject)
                    .or_default()
                    .push(MembershipFact::try_from(row)?);
            }
        }
        Ok(listed)
    }

    /// The facts, with the row of each.
    pub(super) async fn list_recorded_memberships(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Recorded<MembershipFact>>>, StoreError> {
        let rows = row::Entity::find()
            .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
            .all(self.connection()?)
            .await?;
        let mut listed = HashMap::<_, Vec<_>>::new();
        for row in rows {
            let (subject, row_id) = (SubjectId(row.subject_id), row.fact_id);
            let fact = MembershipFact::try_from(row)?;
            listed.entry(subject).or_default().push(Recorded {
                row_id,
                recorded_at: fact.recorded_at,
                value: fact,
            });
        }
        Ok(listed)
    }
}

impl Tx {
    /// Appends facts, each to its subject.
    pub async fn append_membership_facts(
        &mut self,
        facts: &[(SubjectId, MembershipFact)],
        recorded_by: &str,
    ) -> Result<(), StoreError> {
        let rows = facts.iter().map(|(subject, fact)| row::ActiveModel {
            subject_id: Set(subject.0),
            fact_id: Set(self.new_id()),
            subject_category: Set(fact.category.as_str().to_owned()),
            began: Set(fact.began),
            occurred_at: Set(fact.occurred_at.as_microsecond()),
            recorded_at: Set(fact.recorded_at.as_microsecond()),
            recorded_by: Set(recorded_by.to_owned()),
        });
        let rows = rows.collect();
        self.insert_rows(rows).await
    }

    /// Moves every fact of `from` to `into`.
    pub async fn move_memberships(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.keep_past_before_move(from, into, Kept::Memberships)
            .await?;
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl TryFrom<row::Model> for MembershipFact {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            fact_id,
            subject_category,
            began,
            occurred_at,
            recorded_at,
            recorded_by: _,
        } = row;
        FactRow {
            fact_id,
            subject_category,
            began,
            occurred_at,
            recorded_at,
        }
        .try_into()
    }
}

impl TryFrom<FactRow> for MembershipFact {
    type Error = StoreError;

    fn try_from(row: FactRow) -> Result<Self, StoreError> {
        let FactRow {
            fact_id,
            subject_category,
            began,
            occurred_at,
            recorded_at,
        } = row;
        Ok(Self {
            category: name(TABLE, "subject_category", fact_id, &subject_category)?,
            began,
            occurred_at: super::instant(TABLE, "occurred_at", fact_id, occurred_at)?,
            recorded_at: super::instant(TABLE, "recorded_at", fact_id, recorded_at)?,
        })
    }
}
