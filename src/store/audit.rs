//! The audit log: written in the transaction of what it tells of.

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    error::StoreError,
    name_list,
    session::{Session, Tx},
};
use crate::domain::{
    audit::{Action, AuditDetail, access::content_readers},
    id::{AuditId, SubjectId},
    name::DataCategory,
};

pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub audit_id: Uuid,
        pub at: i64,
        pub caller: String,
        pub action: String,
        pub subject_pseudonym: Option<Vec<u8>>,
        pub data_categories: String,
        pub document: String,
        pub position: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One entry as it stands in the log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its place among those written.
    pub seq: i64,
    /// Its place in the sealed log, once it has one.
    pub position: Option<i64>,
    /// Its id.
    pub audit_id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who: the service's name.
    pub caller: String,
    /// What: the RPC's name.
    pub action: String,
    /// Whose data: a keyed pseudonym.
    pub subject_pseudonym: Option<Vec<u8>>,
    /// The rest.
    pub detail: AuditDetail,
}

/// Which entries are asked for. Everything empty: all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of one subject (ids that were merged into it included by the caller).
    pub subjects: Vec<SubjectId>,
    /// Of one service.
    pub caller: Option<String>,
    /// Of some RPCs.
    pub actions: Vec<Action>,
    /// That concern one of these.
    pub data_categories: Vec<DataCategory>,
    /// Of what gave out people's values, whichever RPC or chore it was.
    pub content_reads: bool,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// A place in the log as it is listed: by time, and among those of one instant as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    /// When.
    pub at: Timestamp,
    /// Its place among those written.
    pub seq: i64,
}

impl Session {
    /// Entries before `before`, latest first, `limit` at most. A span of time is read in the order of its
    /// index, so that a page costs as much as its entries, however long the log is.
    pub async fn list_audit_entries(
        &self,
        filter: &AuditFilter,
        before: Option<AuditPlace>,
        limit: u64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = row::Entity::find()
            .filter(before.map_or_else(Condition::all, earlier))
            .filter(self.audit_condition(filter))
            .order_by_desc(row::Column::At)
            .order_by_desc(row::Column::Seq)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    fn audit_condition(&self, filter: &AuditFilter) -> Condition {
        let mut all = Condition::all();
        if !filter.subjects.is_empty() {
            let pseudonyms = filter
                .subjects
                .iter()
                .flat_map(|subject| self.vault.pseudonyms(*subject))
                .map(Vec::from);
            all = all.add(row::Column::SubjectPseudonym.is_in(pseudonyms));
        }
        if let Some(caller) = &filter.caller {
            all = all.add(row::Column::Caller.eq(caller.as_str()));
        }
        if !filter.actions.is_empty() {
            all = all
                .add(row::Column::Action.is_in(filter.actions.iter().map(|action| action.name())));
        }
        if filter.content_reads {
            all = all.add(row::Column::Action.is_in(content_readers()));
        }
        if !filter.data_categories.is_empty() {
            all = all.add(name_list::has_any(
                row::Column::DataCategories,
                &filter.data_categories,
            ));
        }
        if let Some(from) = filter.from {
            all = all.add(row::Column::At.gte(from.as_microsecond()));
        }
        if let Some(to) = filter.to {
            all = all.add(row::Column::At.lt(to.as_microsecond()));
        }
        all
    }
}

fn earlier(place: AuditPlace) -> Condition {
    let at = place.at.as_microsecond();
    let same_instant = Condition::all()
        .add(row::Column::At.eq(at))
        .add(row::Column::Seq.lt(place.seq));
    // The first condition says nothing new, and bounds the index.
    Condition::all().add(row::Column::At.lte(at)).add(
        Condition::any()
            .add(row::Column::At.lt(at))
            .add(same_instant),
    )
}

impl Tx {
    /// Appends entries, in order. `action` is an RPC's or a chore's name.
    pub async fn append_audit(
        &mut self,
        caller: &str,
        action: &'static str,
        details: &[AuditDetail],
    ) -> Result<(), StoreError> {
        let rows = details
            .iter()
            .map(|detail| self.audit_row(caller, action, detail));
        let rows = rows.collect::<Result<_, _>>()?;
        self.insert_rows(rows).await
    }

    fn audit_row(
        &self,
        caller: &str,
        action: &'static str,
        detail: &AuditDetail,
    ) -> Result<row::ActiveModel, StoreError> {
        let document = serde_json::to_string(detail)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(row::ActiveModel {
            seq: NotSet,
            audit_id: Set(self.vault.new_id(self.now())),
            at: Set(self.now().as_microsecond()),
            caller: Set(caller.to_owned()),
            action: Set(action.to_owned()),
            subject_pseudonym: Set(detail
                .subject_id
                .map(|id| self.vault.pseudonym(id).to_vec())),
            data_categories: Set(name_list::write(&detail.data_categories)),
            document: Set(document),
            position: Set(None),
        })
    }
}

impl TryFrom<row::Model> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            seq,
            audit_id,
            at,
            caller,
            action,
            subject_pseudonym,
            data_categories: _,
            document,
            position,
        } = row;
        let corrupt = |column, reason: String| StoreError::Corrupt {
            table: "audit",
            column,
            row: seq.to_string(),
            reason,
        };
        Ok(Self {
            seq,
            position,
            audit_id: AuditId(audit_id),
            at: Timestamp::from_microsecond(at)
                .map_err(|error| corrupt("at", error.to_string()))?,
            caller,
            action,
            subject_pseudonym,
            detail: serde_json::from_str(&document)
                .map_err(|error| corrupt("document", error.to_string()))?,
        })
    }
}
