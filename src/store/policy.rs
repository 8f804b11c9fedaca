//! Published policies: immutable, so what was read once is kept in memory; which of them exist is
//! asked of the database every time, so that a new one counts everywhere at once.

use std::sync::Arc;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};
use tokio::task::spawn_blocking;

use super::{
    Store,
    error::StoreError,
    session::{Session, Tx},
};
use crate::domain::{
    name::PolicyVersion,
    policy::{
        compile::CompiledPolicy,
        format::{from_json, to_json},
        history::PolicyHistory,
        model::Policy,
    },
    revision::Revision,
};

/// The advisory lock of whoever publishes.
const PUBLISHING_LOCK: i64 = 0x7064_725f_706f_6c69;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: String,
        pub effective_from: i64,
        pub document: String,
        pub published_at: i64,
        pub published_by: String,
        pub revision: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// When and by whom a version was published.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The version.
    pub version: PolicyVersion,
    /// From when it can be in force.
    pub effective_from: Timestamp,
    /// When it was published.
    pub published_at: Timestamp,
    /// The service that published it.
    pub published_by: String,
    /// The state that publishing it led to.
    pub revision: Revision,
}

/// One version. A publication that was rolled back after somebody had read it may come again with other content:
/// it is told apart by its instant.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct KnownVersion {
    version: String,
    published_at: i64,
    revision: i64,
}

/// What tells one set of publications from another: how many there are, and the last ones' instant and revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub versions: i64,
    pub published_at: Option<i64>,
    pub revision: Option<i64>,
}

/// The policies read so far.
#[derive(Clone)]
pub(super) struct KnownPolicies {
    published: Vec<KnownVersion>,
    history: Arc<PolicyHistory>,
}

impl Default for KnownPolicies {
    fn default() -> Self {
        Self {
            published: Vec::new(),
            history: Arc::new(PolicyHistory::new(Vec::new())),
        }
    }
}

impl KnownPolicies {
    fn find(&self, wanted: &KnownVersion) -> Option<Arc<CompiledPolicy>> {
        let is_wanted = |known: &&KnownVersion| {
            known.version == wanted.version && known.published_at == wanted.published_at
        };
        let known = self.published.iter().find(is_wanted)?;
        let version: PolicyVersion = known.version.parse().ok()?;
        self.history.get(&version).cloned()
    }

    fn stamp(&self) -> Stamp {
        let published = self.published.iter();
        Stamp {
            versions: i64::try_from(published.len()).unwrap_or(i64::MAX),
            published_at: published.clone().map(|one| one.published_at).max(),
            revision: published.map(|one| one.revision).max(),
        }
    }
}

impl Store {
    /// Every published version, as `session` sees it.
    pub async fn policies(&self, session: &Session) -> Result<Arc<PolicyHistory>, StoreError> {
        let published: Vec<KnownVersion> = row::Entity::find()
            .select_only()
            .columns([
                row::Column::Version,
                row::Column::PublishedAt,
                row::Column::Revision,
            ])
            .order_by_asc(row::Column::EffectiveFrom)
            .into_model()
            .all(session.connection()?)
            .await?;
        if let Some(history) = self.known_policies(&published).await {
            return Ok(history);
        }
        // One reads what is new, and the others wait for it: it can take a second of a core.
        let _reading = self.reading_policies.lock().await;
        if let Some(history) = self.known_policies(&published).await {
            return Ok(history);
        }
        let known = self.policies.read().await.clone();
        let history = read_policies(session, &known, &published).await?;
        let history = Arc::new(history);
        // A session that started earlier may see fewer; it keeps its own view and the next one mends this.
        *self.policies.write().await = KnownPolicies {
            published,
            history: history.clone(),
        };
        Ok(history)
    }

    async fn known_policies(&self, published: &[KnownVersion]) -> Option<Arc<PolicyHistory>> {
        let known = self.policies.read().await;
        (known.published == published).then(|| known.history.clone())
    }

    /// The policies read last: what names are written as, until one knows better.
    pub async fn policies_at_hand(&self) -> Arc<PolicyHistory> {
        self.policies.read().await.history.clone()
    }

    /// The policies of this stamp, with the state that the last publication led to, if they are the ones read last.
    pub(super) async fn policies_of(&self, stamp: Stamp) -> Option<(Arc<PolicyHistory>, Revision)> {
        let known = self.policies.read().await;
        let last = stamp.revision.filter(|_| known.stamp() == stamp)?;
        Some((known.history.clone(), Revision::after_event(last)))
    }
}

async fn read_policies(
    session: &Session,
    known: &KnownPolicies,
    published: &[KnownVersion],
) -> Result<PolicyHistory, StoreError> {
    let mut compiled = Vec::with_capacity(published.len());
    for one in published {
        compiled.push(match known.find(one) {
            Some(policy) => policy,
            None => session.read_policy(&one.version).await?,
        });
    }
    Ok(PolicyHistory::new(compiled))
}

impl Session {
    async fn read_policy(&self, version: &str) -> Result<Arc<CompiledPolicy>, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt {
            table: "policies",
            column: "document",
            row: version.to_owned(),
            reason,
        };
        let row = row::Entity::find_by_id(version.to_owned())
            .one(self.connection()?)
            .await?
            .ok_or_else(|| corrupt("it is not there".into()))?;
        // A long one takes its time, in which the thread has other calls to answer.
        let compiled = spawn_blocking(move || CompiledPolicy::compile(from_json(&row.document)?));
        let compiled = compiled
            .await
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        let compiled =
            compiled.map_err(|findings| corrupt(format!("{} errors", findings.len())))?;
        Ok(Arc::new(compiled))
    }

    /// Publications, earliest `effective_from` first.
    pub async fn list_publications(&self) -> Result<Vec<Publication>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::EffectiveFrom)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(Publication::try_from).collect()
    }

    /// The state that the last publication led to.
    pub async fn policy_revision(&self) -> Result<Revision, StoreError> {
        let last: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Revision.max(), "last")
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(Revision::after_event(last.flatten().unwrap_or(0)))
    }
}

impl Tx {
    /// Makes publications wait for each other. Call before looking at what is published.
    pub async fn lock_policies(&mut self) -> Result<(), StoreError> {
        self.lock(PUBLISHING_LOCK).await
    }

    /// Publishes a version; its revision is set by [`Tx::stamp_policy`].
    pub async fn insert_policy(
        &mut self,
        policy: &Policy,
        published_by: &str,
    ) -> Result<(), StoreError> {
        self.note_policies();
        let row = row::ActiveModel {
            version: Set(policy.version.as_str().to_owned()),
            effective_from: Set(policy.effective_from.as_microsecond()),
            document: Set(to_json(policy)),
            published_at: Set(self.now().as_microsecond()),
            published_by: Set(published_by.to_owned()),
            revision: Set(0),
        };
        row::Entity::insert(row)
            .exec_without_returning(self.connection()?)
            .await?;
        Ok(())
    }

    /// Notes the state that publishing `version` led to.
    pub async fn stamp_policy(
        &mut self,
        version: &PolicyVersion,
        revision: Revision,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::Revision, revision.last_event().into())
            .filter(row::Column::Version.eq(version.as_str()))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

impl TryFrom<row::Model> for Publication {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            version,
            effective_from,
            document: _,
            published_at,
            published_by,
            revision,
        } = row;
        Ok(Self {
            effective_from: super::instant("policies", "effective_from", &version, effective_from)?,
            published_at: super::instant("policies", "published_at", &version, published_at)?,
            version: version
                .parse()
                .map_err(
                    |error: crate::domain::name::NameError| StoreError::Corrupt {
                        table: "policies",
                        column: "version",
                        row: version.clone(),
                        reason: error.to_string(),
                    },
                )?,
            published_by,
            revision: Revision::after_event(revision),
        })
    }
}
