//! Entries of the journal about people whom a restored database does not know. They wait for whoever
//! registers under one of the identifiers that the person had, known by keyed hashes alone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait, QueryFilter, sea_query::OnConflict};

use super::{
    Store,
    error::StoreError,
    identifier::IdentifierKey,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    id::JournalEntryId,
    journal::{HashedIdentifier, JournalEntry, KeyedHash},
};

const TABLE: &str = "waiting_entries";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "waiting_entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub index_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub identifier_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub entry_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Whether anything may wait; until somebody has looked, it may.
#[derive(Clone, Debug)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Store {
    /// Notes whether anything waits. Only restores make something wait, before anybody is answered: where
    /// nothing does, registrations need not look.
    pub async fn note_waiting(&self, now: Timestamp) -> Result<(), StoreError> {
        let snapshot = self.snapshot(now).await?;
        let count = row::Entity::find().count(snapshot.connection()?).await?;
        snapshot.close().await?;
        self.waiting.0.store(count > 0, Ordering::Relaxed);
        Ok(())
    }
}

impl Session {
    /// What waits for the owners of these identifiers, in the order in which it happened.
    pub async fn list_waiting(
        &self,
        wanted: &[IdentifierKey],
    ) -> Result<HashMap<IdentifierKey, Vec<JournalEntry>>, StoreError> {
        let mut found = HashMap::<IdentifierKey, Vec<JournalEntry>>::new();
        if !self.waiting.0.load(Ordering::Relaxed) {
            return Ok(found);
        }
        let by_hash = self.by_hash(wanted);
        let hashes: Vec<_> = by_hash.keys().map(|one| one.hash.0.clone()).collect();
        let mut entries = BTreeMap::<JournalEntryId, Vec<IdentifierKey>>::new();
        for hashes in hashes.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::Hash, hashes.iter().cloned()))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let entry_id = JournalEntryId(row.entry_id);
                if let Some(key) = by_hash.get(&read(row)?) {
                    entries.entry(entry_id).or_default().push((*key).clone());
                }
            }
        }
        let ids: Vec<_> = entries.keys().copied().collect();
        for entry in self.read_entries(&ids).await? {
            for key in entries.get(&entry.entry_id).into_iter().flatten() {
                let of_key = found.entry(key.clone()).or_default();
                if !of_key.iter().any(|one| one.entry_id == entry.entry_id) {
                    of_key.push(entry.clone());
                }
            }
        }
        for of_key in found.values_mut() {
            of_key.sort_by_key(|entry| (entry.at, entry.entry_id));
        }
        Ok(found)
    }
}

impl Tx {
    /// Lets an entry wait for its person. The entry itself is among the applied ones.
    pub async fn let_wait(&mut self, entry: &JournalEntry) -> Result<(), StoreError> {
        let rows = entry.identifiers.iter().map(|one| row::ActiveModel {
            hash: Set(one.hash.0.clone()),
            index_key: Set(one.index_key.clone()),
            identifier_type: Set(one.identifier_type.as_str().to_owned()),
            entry_id: Set(entry.entry_id.0),
        });
        let known = OnConflict::columns([
            row::Column::Hash,
            row::Column::IndexKey,
            row::Column::IdentifierType,
            row::Column::EntryId,
        ])
        .update_column(row::Column::EntryId)
        .to_owned();
        self.put_rows(rows.collect(), &known).await
    }
}

fn read(row: row::Model) -> Result<HashedIdentifier, StoreError> {
    let row::Model {
        hash,
        index_key,
        identifier_type,
        entry_id,
    } = row;
    Ok(HashedIdentifier {
        identifier_type: name(TABLE, "identifier_type", entry_id, &identifier_type)?,
        index_key,
        hash: KeyedHash(hash),
    })
}
