//! A journal in a PostgreSQL database of its own, that every replica writes to.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    super::{
        dialect::{Dialect, Tables},
        error::StoreError,
        instant,
        rows::{KEYS_MAX, ROWS_MAX},
    },
    sink::{Kept, Written},
};

/// Connections to the journal: one process appends one group at a time.
const CONNECTIONS_MAX: u32 = 2;
/// Entries that are listed at once.
const PAGE: u64 = 10_000;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entry_id: Uuid,
        pub at: i64,
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) struct PostgresSink(DatabaseConnection);

impl PostgresSink {
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let dialect = Dialect::of(url)?;
        if dialect != Dialect::Postgres {
            return Err(StoreError::Schema(
                "a journal's URL starts with postgres:; for a file name its path".into(),
            ));
        }
        Ok(Self(dialect.connect_lazily(url, CONNECTIONS_MAX).await?))
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        Dialect::Postgres.migrate(&self.0, Tables::Journal).await
    }

    pub(super) async fn pending_migrations(&self) -> Result<usize, StoreError> {
        Dialect::Postgres
            .pending_migrations(&self.0, Tables::Journal)
            .await
    }

    /// All of them or none; another replica may have appended some of them already.
    pub(super) async fn append(&self, entries: &[Written]) -> Result<(), StoreError> {
        let transaction = Dialect::Postgres.begin_durably(&self.0).await?;
        for entries in entries.chunks(ROWS_MAX) {
            let rows = entries.iter().map(|entry| row::ActiveModel {
                entry_id: Set(entry.entry_id),
                at: Set(entry.at.as_microsecond()),
                document: Set(entry.document.clone()),
            });
            let known = OnConflict::column(row::Column::EntryId)
                .do_nothing()
                .to_owned();
            row::Entity::insert_many(rows)
                .on_conflict(known)
                .exec_without_returning(&transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn size(&self) -> Result<(u64, Option<Uuid>), StoreError> {
        let count = row::Entity::find().count(&self.0).await?;
        let last: Option<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::EntryId)
            .order_by_desc(row::Column::EntryId)
            .limit(1)
            .into_tuple()
            .one(&self.0)
            .await?;
        Ok((count, last))
    }

    pub(super) async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        let mut listed = Vec::new();
        let mut after = Uuid::nil();
        loop {
            let page: Vec<(Uuid, i64)> = row::Entity::find()
                .select_only()
                .columns([row::Column::EntryId, row::Column::At])
                .filter(row::Column::EntryId.gt(after))
                .order_by_asc(row::Column::EntryId)
                .limit(PAGE)
                .into_tuple()
                .all(&self.0)
                .await?;
            let Some((last, _)) = page.last() else {
                return Ok(listed);
            };
            after = *last;
            for (entry_id, at) in page {
                listed.push(Kept {
                    entry_id,
                    at: instant("journal", "at", entry_id, at)?,
                    offset: 0,
                });
            }
        }
    }

    pub(super) async fn read(&self, kept: &[Kept]) -> Result<Vec<Written>, StoreError> {
        let mut found = HashMap::with_capacity(kept.len());
        for kept in kept.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::EntryId.is_in(kept.iter().map(|one| one.entry_id)))
                .all(&self.0)
                .await?;
            found.extend(rows.into_iter().map(|row| (row.entry_id, row.document)));
        }
        let written = kept.iter().filter_map(|one| {
            Some(Written {
                entry_id: one.entry_id,
                at: one.at,
                document: found.remove(&one.entry_id)?,
            })
        });
        Ok(written.collect())
    }
}
