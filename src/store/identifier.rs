//! Identifiers: what leads to a subject. The value is sealed under the subject's key; it is found
//! through its keyed hash, under every key of the index.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
    vault::At,
};
use crate::{
    crypto::blind_index::IndexHash,
    domain::{
        id::{IdentifierId, SubjectId},
        identifier::{IdentifierValue, NormalisedIdentifier},
        journal::{HashedIdentifier, KeyedHash},
        name::IdentifierType,
    },
};

const TABLE: &str = "identifiers";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identifiers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub identifier_id: Uuid,
        pub identifier_type: String,
        pub value_sealed: Vec<u8>,
        pub linked_at: i64,
        pub linked_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod index {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identifier_index")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub identifier_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub index_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub slot: Uuid,
        pub subject_id: Uuid,
        pub identifier_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An identifier in the form in which it is looked for.
pub type IdentifierKey = (IdentifierType, NormalisedIdentifier);

/// An identifier of a subject, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentifier {
    /// The link's id.
    pub identifier_id: IdentifierId,
    /// The identifier's type.
    pub identifier_type: IdentifierType,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// The service that linked it.
    pub linked_by: String,
}

/// An identifier to be linked.
#[derive(Clone, Debug)]
pub struct NewIdentifier {
    /// Whom it leads to.
    pub subject_id: SubjectId,
    /// Its type.
    pub identifier_type: IdentifierType,
    /// Its value as it was given.
    pub value: IdentifierValue,
    /// Its value in the form in which it is looked for.
    pub normalised: NormalisedIdentifier,
    /// Whether it may lead to several subjects.
    pub shared: bool,
    /// Whether it leads to others already: an answer that was given for them may not hold any more.
    pub leads_elsewhere: bool,
}

impl Session {
    /// An identifier's keyed hashes, one under each index key: what may be kept of it in the journal.
    pub fn hash_identifier(&self, (kind, value): &IdentifierKey) -> Vec<HashedIdentifier> {
        let under_each = self.vault.index_hashes(kind, value).into_iter();
        let hashed = under_each.map(|IndexHash { key_id, hash }| HashedIdentifier {
            identifier_type: kind.clone(),
            index_key: key_id.as_str().to_owned(),
            hash: KeyedHash(hash.to_vec()),
        });
        hashed.collect()
    }

    /// The keyed hash under which an identifier is found, where there is one only: while the index has
    /// several keys an identifier may stand under any of them.
    pub fn sole_hash(&self, (kind, value): &IdentifierKey) -> Option<[u8; 32]> {
        self.vault.sole_index_hash(kind, value)
    }

    /// The subjects that an identifier leads to, oldest first.
    pub async fn find_identified(
        &self,
        wanted: &IdentifierKey,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let mut found = self.list_identified(std::slice::from_ref(wanted)).await?;
        Ok(found.remove(wanted).unwrap_or_default())
    }

    /// The subjects that each identifier leads to, oldest first. One that leads nowhere is left out.
    pub async fn list_identified(
        &self,
        wanted: &[IdentifierKey],
    ) -> Result<HashMap<IdentifierKey, Vec<SubjectId>>, StoreError> {
        let mut by_hash = HashMap::with_capacity(wanted.len());
        for key in wanted {
            for IndexHash { key_id, hash } in self.vault.index_hashes(&key.0, &key.1) {
                by_hash.insert((key_id.as_str().to_owned(), hash.to_vec()), key);
            }
        }
        let mut found = HashMap::<IdentifierKey, Vec<SubjectId>>::new();
        for (index_key, hash, subject) in self.index_entries(by_hash.keys()).await? {
            if let Some(key) = by_hash.get(&(index_key, hash)) {
                found.entry((*key).clone()).or_default().push(subject);
            }
        }
        for subjects in found.values_mut() {
            subjects.sort_unstable();
            subjects.dedup();
        }
        Ok(found)
    }

    /// Index entries with one of these hashes. The type is part of what is hashed.
    async fn index_entries(
        &self,
        hashes: impl Iterator<Item = &(String, Vec<u8>)>,
    ) -> Result<Vec<(String, Vec<u8>, SubjectId)>, StoreError> {
        let hashes: Vec<_> = hashes.map(|(_, hash)| hash.clone()).collect();
        let mut entries = Vec::new();
        for hashes in hashes.chunks(KEYS_MAX) {
            let found: Vec<(String, Vec<u8>, Uuid)> = index::Entity::find()
                .select_only()
                .columns([
                    index::Column::IndexKey,
                    index::Column::Hash,
                    index::Column::SubjectId,
                ])
                .filter(self.is_among(index::Column::Hash, hashes.iter().cloned()))
                .into_tuple()
                .all(self.connection()?)
                .await?;
            entries.extend(
                found
                    .into_iter()
                    .map(|(key, hash, id)| (key, hash, SubjectId(id))),
            );
        }
        Ok(entries)
    }

    /// The identifiers of each subject, without values, in the order in which they were linked.
    pub async fn list_identifiers(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<LinkedIdentifier>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        for row in self.identifier_rows(subjects).await? {
            let subject = SubjectId(row.subject_id);
            listed
                .entry(subject)
                .or_default()
                .push(LinkedIdentifier::try_from(row)?);
        }
        Ok(listed)
    }

    /// The identifiers of a subject with their values, in the order in which they were linked.
    pub async fn read_identifiers(
        &self,
        subject: SubjectId,
    ) -> Result<Vec<(LinkedIdentifier, IdentifierValue)>, StoreError> {
        let mut read = Vec::new();
        for row in self.identifier_rows(&[subject]).await? {
            let value = self.open_identifier(&row).await?;
            read.push((LinkedIdentifier::try_from(row)?, value));
        }
        Ok(read)
    }

    /// The keyed hashes by which a subject is found.
    pub async fn list_identifier_hashes(
        &self,
        subject: SubjectId,
    ) -> Result<Vec<HashedIdentifier>, StoreError> {
        let mut hashes = self.list_hashes_of(&[subject]).await?;
        Ok(hashes.remove(&subject).unwrap_or_default())
    }

    /// The keyed hashes by which each of these subjects is found. One without any is left out.
    pub(super) async fn list_hashes_of(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<HashedIdentifier>>, StoreError> {
        let mut hashes = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = index::Entity::find()
                .filter(self.is_among(index::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let kind = &row.identifier_type;
                let hash = HashedIdentifier {
                    identifier_type: name(TABLE, "identifier_type", row.identifier_id, kind)?,
                    index_key: row.index_key,
                    hash: KeyedHash(row.hash),
                };
                let of_subject = hashes.entry(SubjectId(row.subject_id)).or_default();
                of_subject.push(hash);
            }
        }
        Ok(hashes)
    }

    async fn index_of(&self, subject: SubjectId) -> Result<Vec<index::Model>, StoreError> {
        Ok(index::Entity::find()
            .filter(index::Column::SubjectId.eq(subject.0))
            .all(self.connection()?)
            .await?)
    }

    async fn identifier_rows(&self, subjects: &[SubjectId]) -> Result<Vec<row::Model>, StoreError> {
        let mut rows = Vec::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            rows.extend(
                row::Entity::find()
                    .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                    .order_by_asc(row::Column::SubjectId)
                    .order_by_asc(row::Column::LinkedAt)
                    .order_by_asc(row::Column::IdentifierId)
                    .all(self.connection()?)
                    .await?,
            );
        }
        Ok(rows)
    }

    async fn open_identifier(&self, row: &row::Model) -> Result<IdentifierValue, StoreError> {
        let place = value_at(SubjectId(row.subject_id), row.identifier_id);
        let opened = self.open(place, &row.value_sealed).await?;
        let text = std::str::from_utf8(&opened).map_err(|error| StoreError::Corrupt {
            table: TABLE,
            column: "value_sealed",
            row: row.identifier_id.to_string(),
            reason: error.to_string(),
        })?;
        Ok(IdentifierValue::new(text))
    }
}

impl Tx {
    /// Makes everyone who would link, unlink or resolve-to-write one of these wait: two first
    /// registrations of one e-mail address make one subject. Call once, before looking them up.
    pub async fn lock_identifiers(&mut self, wanted: &[IdentifierKey]) -> Result<(), StoreError> {
        let mut locks: Vec<i64> = wanted
            .iter()
            .flat_map(|(kind, value)| self.vault.index_hashes(kind, value))
            .map(|hash| super::lock_key(&hash.hash))
            .collect();
        locks.sort_unstable();
        locks.dedup();
        self.lock_all(&locks).await
    }

    /// Links identifiers. One that is not shared and leads to somebody already is a contention.
    pub async fn link_identifiers(
        &mut self,
        links: &[NewIdentifier],
        linked_by: &str,
    ) -> Result<(), StoreError> {
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        for link in links {
            let id = self.new_id();
            let sealed = self
                .seal(
                    value_at(link.subject_id, id),
                    link.value.expose().as_bytes(),
                )
                .await?;
            rows.push(row::ActiveModel {
                subject_id: Set(link.subject_id.0),
                identifier_id: Set(id),
                identifier_type: Set(link.identifier_type.as_str().to_owned()),
                value_sealed: Set(sealed),
                linked_at: Set(self.now().as_microsecond()),
                linked_by: Set(linked_by.to_owned()),
            });
            entries.push(self.index_entry(link, id));
        }
        self.insert_rows(rows).await?;
        self.insert_rows(entries).await
    }

    fn index_entry(&self, link: &NewIdentifier, id: Uuid) -> index::ActiveModel {
        let IndexHash { key_id, hash } = self
            .vault
            .index_hash(&link.identifier_type, &link.normalised);
        self.note_identifier(&hash, link.leads_elsewhere);
        index::ActiveModel {
            identifier_type: Set(link.identifier_type.as_str().to_owned()),
            index_key: Set(key_id.as_str().to_owned()),
            hash: Set(hash.to_vec()),
            slot: Set(if link.shared {
                link.subject_id.0
            } else {
                Uuid::nil()
            }),
            subject_id: Set(link.subject_id.0),
            identifier_id: Set(id),
        }
    }

    /// Takes an identifier off a subject; its value is destroyed. Says whether it was there.
    pub async fn unlink_identifier(
        &mut self,
        subject: SubjectId,
        wanted: &IdentifierKey,
    ) -> Result<bool, StoreError> {
        let hashes = self.vault.index_hashes(&wanted.0, &wanted.1);
        let hashes = hashes.iter().map(|hash| hash.hash.to_vec());
        let entries = index::Entity::find()
            .filter(index::Column::Hash.is_in(hashes))
            .filter(index::Column::SubjectId.eq(subject.0))
            .all(self.connection()?)
            .await?;
        let links: Vec<_> = entries.iter().map(|entry| entry.identifier_id).collect();
        self.keep_links(subject, subject, &links).await?;
        self.delete_links(subject, links).await?;
        Ok(!entries.is_empty())
    }

    /// Moves every identifier of `from` to `into`, sealed anew. One that both have stays once.
    pub async fn move_identifiers(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        let entries = self.index_of(from).await?;
        let held: Vec<_> = self.index_of(into).await?.iter().map(index_value).collect();
        let rows = self.identifier_rows(&[from]).await?;
        let mut moved = Vec::new();
        for row in rows {
            let value = self.open_identifier(&row).await?;
            moved.push((row, value));
        }
        let links: Vec<_> = moved.iter().map(|(row, _)| row.identifier_id).collect();
        self.move_past_links(from, into).await?;
        self.keep_links(from, into, &links).await?;
        self.delete_links(from, links).await?;
        let entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| !held.contains(&index_value(entry)))
            .collect();
        moved.retain(|(row, _)| {
            entries
                .iter()
                .any(|entry| entry.identifier_id == row.identifier_id)
        });
        self.put_links(into, moved, entries).await
    }

    async fn put_links(
        &mut self,
        into: SubjectId,
        links: Vec<(row::Model, IdentifierValue)>,
        entries: Vec<index::Model>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(links.len());
        for (row, value) in links {
            let place = value_at(into, row.identifier_id);
            let sealed = self.seal(place, value.expose().as_bytes()).await?;
            let mut row = row::ActiveModel::from(row);
            row.subject_id = Set(into.0);
            row.value_sealed = Set(sealed);
            rows.push(row.reset_all());
        }
        self.note_subjects([into]);
        for entry in &entries {
            self.note_identifier(&entry.hash, true);
        }
        let entries = entries.into_iter().map(|mut entry| {
            if !entry.slot.is_nil() {
                entry.slot = into.0;
            }
            entry.subject_id = into.0;
            index::ActiveModel::from(entry).reset_all()
        });
        let entries = entries.collect();
        self.insert_rows(rows).await?;
        self.insert_rows(entries).await
    }

    async fn delete_links(
        &mut self,
        subject: SubjectId,
        links: Vec<Uuid>,
    ) -> Result<(), StoreError> {
        // What is known of an identifier does not outlast what is known of those it leads to.
        self.note_subjects([subject]);
        for links in links.chunks(KEYS_MAX) {
            let of = |subject_column: sea_orm::sea_query::SimpleExpr, id_column| {
                Condition::all().add(subject_column).add(id_column)
            };
            index::Entity::delete_many()
                .filter(of(
                    index::Column::SubjectId.eq(subject.0),
                    index::Column::IdentifierId.is_in(links.iter().copied()),
                ))
                .exec(self.connection()?)
                .await?;
            row::Entity::delete_many()
                .filter(of(
                    row::Column::SubjectId.eq(subject.0),
                    row::Column::IdentifierId.is_in(links.iter().copied()),
                ))
                .exec(self.connection()?)
                .await?;
        }
        Ok(())
    }
}

fn value_at(subject: SubjectId, row: Uuid) -> At {
    At {
        table: TABLE,
        subject,
        row,
        column: "value_sealed",
    }
}

/// What an index entry stands for: equal for two subjects that share an identifier.
fn index_value(entry: &index::Model) -> (String, Vec<u8>) {
    (entry.index_key.clone(), entry.hash.clone())
}

impl TryFrom<row::Model> for LinkedIdentifier {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id: _,
            identifier_id,
            identifier_type,
            value_sealed: _,
            linked_at,
            linked_by,
        } = row;
        Ok(Self {
            identifier_id: IdentifierId(identifier_id),
            identifier_type: name(TABLE, "identifier_type", identifier_id, &identifier_type)?,
            linked_at: super::instant(TABLE, "linked_at", identifier_id, linked_at)?,
            linked_by,
        })
    }
}
