//! Decisions that were kept: of every disclosure and fetch, and of checks that asked for it.

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::{
    decision::{Decision, Query},
    id::{DecisionId, SubjectId},
    revision::Revision,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "decisions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub decision_id: Uuid,
        pub subject_id: Option<Uuid>,
        pub decided_at: i64,
        pub decided_for: String,
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A decision with its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDecision {
    /// Its id.
    pub decision_id: DecisionId,
    /// Of whom, by the id of that time; `None`: nobody was known.
    pub subject_id: Option<SubjectId>,
    /// What was asked.
    pub query: Query,
    /// What was answered.
    pub decision: Decision,
    /// The committed state that was read.
    pub revision: Revision,
    /// When.
    pub decided_at: Timestamp,
    /// The service that asked.
    pub decided_for: String,
}

/// What stands in the document: names and ids, never content.
#[derive(Serialize, Deserialize)]
struct Document {
    query: Query,
    decision: Decision,
    revision: Revision,
}

impl Session {
    /// The decision with this id.
    pub async fn find_decision(&self, id: DecisionId) -> Result<Option<KeptDecision>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .one(self.connection()?)
            .await?;
        row.map(KeptDecision::try_from).transpose()
    }
}

impl Tx {
    /// Keeps decisions.
    pub async fn insert_decisions(&mut self, kept: &[KeptDecision]) -> Result<(), StoreError> {
        let rows = kept.iter().map(active_row).collect::<Result<Vec<_>, _>>()?;
        self.insert_rows(rows).await
    }
}

fn active_row(kept: &KeptDecision) -> Result<row::ActiveModel, StoreError> {
    let document = Document {
        query: kept.query.clone(),
        decision: kept.decision.clone(),
        revision: kept.revision,
    };
    let document = serde_json::to_string(&document)
        .map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(row::ActiveModel {
        decision_id: Set(kept.decision_id.0),
        subject_id: Set(kept.subject_id.map(|SubjectId(id)| id)),
        decided_at: Set(kept.decided_at.as_microsecond()),
        decided_for: Set(kept.decided_for.clone()),
        document: Set(document),
    })
}

impl TryFrom<row::Model> for KeptDecision {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            decision_id,
            subject_id,
            decided_at,
            decided_for,
            document,
        } = row;
        let document: Document =
            serde_json::from_str(&document).map_err(|error| StoreError::Corrupt {
                table: "decisions",
                column: "document",
                row: decision_id.to_string(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            decision_id: DecisionId(decision_id),
            subject_id: subject_id.map(SubjectId),
            query: document.query,
            decision: document.decision,
            revision: document.revision,
            decided_at: super::instant("decisions", "decided_at", decision_id, decided_at)?,
            decided_for,
        })
    }
}
