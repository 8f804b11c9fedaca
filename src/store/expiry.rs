//! Whom to look at for what ends by itself, and what was told of whom.
//!
//! A subject has one row: when it has to be looked at next. Every change of a subject makes it due at once, in
//! the change's transaction, and whoever looks puts down the next instant; so a round reads an index and finds
//! those alone of whom something may have ended. Another policy may end anything of anybody: whoever was judged
//! under an older one is due as well, found by an index of its own, a bounded number in a round. A change pays
//! one row for that; to compute the next instant in its own transaction would cost it the person's whole state.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    error::StoreError,
    instant, name_list,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    event::{Event, EventKind},
    expiry::{Announced, ExpiryKey, ExpiryKind, Look},
    id::SubjectId,
    name::PolicyVersion,
};

const TABLE: &str = "announced_expiries";

mod due {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "expiries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        pub due_at: Option<i64>,
        pub judged_under: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "announced_expiries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub thing_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub processor: String,
        pub purposes: String,
        pub announced_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Subjects that have to be looked at now, `limit` at most: first those of whom something may have ended,
    /// the longest waiting first, then those who were judged under an older policy than the one that came into
    /// force at `in_force_from`.
    pub async fn list_expiring(
        &self,
        in_force_from: Timestamp,
        limit: u64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let mut found = BTreeSet::new();
        let is_due = due::Column::DueAt.lte(self.now().as_microsecond());
        let is_old = due::Column::JudgedUnder.lt(in_force_from.as_microsecond());
        for (condition, column) in [
            (is_due, due::Column::DueAt),
            (is_old, due::Column::JudgedUnder),
        ] {
            let left = limit.saturating_sub(found.len() as u64);
            if left == 0 {
                break;
            }
            let ids: Vec<Uuid> = due::Entity::find()
                .select_only()
                .column(due::Column::SubjectId)
                .filter(condition)
                .order_by_asc(column)
                .limit(left)
                .into_tuple()
                .all(self.connection()?)
                .await?;
            found.extend(ids.into_iter().map(SubjectId));
        }
        Ok(found.into_iter().collect())
    }

    /// What was told of these subjects. One of whom nothing was is left out.
    pub async fn list_announced(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<Announced>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let subject = SubjectId(row.subject_id);
                listed.entry(subject).or_default().push(row.try_into()?);
            }
        }
        Ok(listed)
    }

    /// Versions that were published ahead, have come into force, and were not told of; in their order.
    pub async fn list_new_in_force(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        let sql = Statement::from_sql_and_values(
            self.connection()?.get_database_backend(),
            "SELECT version FROM policies
                WHERE effective_from <= $1 AND effective_from > published_at
                AND version NOT IN (SELECT version FROM announced_policies)
                ORDER BY effective_from",
            [self.now().as_microsecond().into()],
        );
        let rows = self.connection()?.query_all_raw(sql).await?;
        let versions = rows.into_iter().map(|row| {
            let version: String = row.try_get("", "version")?;
            name("policies", "version", &version, &version)
        });
        versions.collect()
    }
}

impl Tx {
    /// Something of these subjects changed: they are due at once.
    pub(super) async fn doubt_expiries(&mut self, ids: &[SubjectId]) -> Result<(), StoreError> {
        let now = Some(self.now().as_microsecond());
        let rows = ids.iter().map(|id| due::ActiveModel {
            subject_id: Set(id.0),
            due_at: Set(now),
            judged_under: Set(0),
        });
        let mut conflict = OnConflict::column(due::Column::SubjectId);
        let conflict = conflict.update_column(due::Column::DueAt).to_owned();
        self.put_rows(rows.collect(), &conflict).await
    }

    /// Puts down what came of looking at a subject. It is locked.
    pub async fn save_expiries(
        &mut self,
        subject: SubjectId,
        look: &Look,
    ) -> Result<(), StoreError> {
        let changed: Vec<_> = look.changed.iter().copied().collect();
        for changed in changed.chunks(KEYS_MAX) {
            row::Entity::delete_many()
                .filter(row::Column::SubjectId.eq(subject.0))
                .filter(row::Column::ThingId.is_in(changed.iter().copied()))
                .exec(self.connection()?)
                .await?;
        }
        let kept = look.kept.iter().map(|one| row::ActiveModel {
            subject_id: Set(subject.0),
            kind: Set(one.key.kind.as_str().to_owned()),
            thing_id: Set(one.key.thing_id),
            processor: Set(one
                .key
                .processor
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default()),
            purposes: Set(name_list::write(&one.purposes)),
            announced_at: Set(one.announced_at.as_microsecond()),
        });
        self.insert_rows(kept.collect()).await
    }

    /// When to look at these subjects next, if nothing changes. They are locked.
    pub async fn schedule_expiries(
        &mut self,
        in_force_from: Timestamp,
        next: &[(SubjectId, Option<Timestamp>)],
    ) -> Result<(), StoreError> {
        let rows = next.iter().map(|(id, due_at)| due::ActiveModel {
            subject_id: Set(id.0),
            due_at: Set(due_at.map(Timestamp::as_microsecond)),
            judged_under: Set(in_force_from.as_microsecond()),
        });
        let mut conflict = OnConflict::column(due::Column::SubjectId);
        let conflict = conflict
            .update_columns([due::Column::DueAt, due::Column::JudgedUnder])
            .to_owned();
        self.put_rows(rows.collect(), &conflict).await
    }

    /// What was told of `from` was told of `into`, and nobody looks at `from` any more.
    pub(super) async fn move_expiries(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::SubjectId, Expr::value(into.0))
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        self.forget_expiries(&[from]).await
    }

    /// Nobody looks at these subjects any more: they were merged away.
    pub async fn forget_expiries(&mut self, ids: &[SubjectId]) -> Result<(), StoreError> {
        let ids = || ids.iter().map(|id| id.0);
        due::Entity::delete_many()
            .filter(due::Column::SubjectId.is_in(ids()))
            .exec(self.connection()?)
            .await?;
        row::Entity::delete_many()
            .filter(Condition::all().add(row::Column::SubjectId.is_in(ids())))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }

    /// Writes that these versions came into force, each once whoever else is at it.
    pub async fn announce_policies(
        &mut self,
        versions: &[PolicyVersion],
    ) -> Result<u64, StoreError> {
        let mut told = 0;
        for version in versions {
            let sql = Statement::from_sql_and_values(
                self.connection()?.get_database_backend(),
                "INSERT INTO announced_policies (version, announced_at) VALUES ($1, $2)
                    ON CONFLICT (version) DO NOTHING",
                [version.as_str().into(), self.now().as_microsecond().into()],
            );
            let is_first = self.connection()?.execute_raw(sql).await?.rows_affected() > 0;
            if is_first {
                let event = Event {
                    policy_version: Some(version.clone()),
                    ..Event::new(EventKind::PolicyInForce, None)
                };
                self.emit(&[event]).await?;
                told += 1;
            }
        }
        Ok(told)
    }
}

impl TryFrom<row::Model> for Announced {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            kind,
            thing_id,
            processor,
            purposes,
            announced_at,
        } = row;
        let corrupt = |column| StoreError::Corrupt {
            table: TABLE,
            column,
            row: thing_id.to_string(),
            reason: "does not read".into(),
        };
        let processor = match processor.as_str() {
            "" => None,
            processor => Some(name(TABLE, "processor", thing_id, processor)?),
        };
        Ok(Self {
            key: ExpiryKey {
                kind: ExpiryKind::named(&kind).ok_or_else(|| corrupt("kind"))?,
                thing_id,
                processor,
            },
            purposes: name_list::read(&purposes).ok_or_else(|| corrupt("purposes"))?,
            announced_at: instant(TABLE, "announced_at", thing_id, announced_at)?,
        })
    }
}
