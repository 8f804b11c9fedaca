//! Restrictions (Art. 18). The decision reads them; the requests that make them come with their own
//! workflow.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    error::StoreError,
    name_list,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{
    id::{RestrictionId, SubjectId},
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
                .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
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
}

impl Tx {
    /// Gives the restrictions of one subject to another, for a merge. Lock both subjects first.
    pub async fn move_restrictions(
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
