//! Suppressions: the identifiers of erased people, as keyed hashes and nothing else, so that a
//! partner's automatic update does not bring them back (CJEU C-129/21).

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::{
    error::StoreError,
    identifier::IdentifierKey,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    journal::{HashedIdentifier, KeyedHash},
    name::Purpose,
    suppression::Suppression,
};

const TABLE: &str = "suppressions";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "suppressions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub index_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub identifier_type: String,
        pub suppressed_at: i64,
        pub objected_purposes: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Those of `wanted` that are suppressed, under whichever key of the index.
    pub async fn list_suppressed(
        &self,
        wanted: &[IdentifierKey],
    ) -> Result<HashMap<IdentifierKey, Suppression>, StoreError> {
        let by_hash = self.by_hash(wanted);
        let hashes: Vec<_> = by_hash.keys().map(|one| one.hash.0.clone()).collect();
        let mut found = HashMap::<IdentifierKey, Suppression>::new();
        for hashes in hashes.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::Hash, hashes.iter().cloned()))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let (hash, suppression) = read(row)?;
                if let Some(key) = by_hash.get(&hash) {
                    let entry = found.entry((*key).clone()).or_default();
                    entry.join(suppression);
                }
            }
        }
        Ok(found)
    }

    /// Every keyed hash of `wanted`, and whose it is.
    pub(super) fn by_hash<'k>(
        &self,
        wanted: &'k [IdentifierKey],
    ) -> HashMap<HashedIdentifier, &'k IdentifierKey> {
        let hashed = wanted.iter().flat_map(|key| {
            let hashes = self.hash_identifier(key).into_iter();
            hashes.map(move |hash| (hash, key))
        });
        hashed.collect()
    }
}

impl Tx {
    /// Suppresses identifiers of one person, each once, with what that person's no said of
    /// marketing. What another erased person's no said of the same identifier is kept beside it.
    pub async fn suppress(
        &mut self,
        hashes: &[HashedIdentifier],
        suppression: &Suppression,
    ) -> Result<(), StoreError> {
        let objected = write(&suppression.objected);
        let rows = hashes.iter().map(|one| row::ActiveModel {
            hash: Set(one.hash.0.clone()),
            index_key: Set(one.index_key.clone()),
            identifier_type: Set(one.identifier_type.as_str().to_owned()),
            suppressed_at: Set(suppression.suppressed_at.as_microsecond()),
            objected_purposes: Set(objected.clone()),
        });
        let join = OnConflict::columns([
            row::Column::Hash,
            row::Column::IndexKey,
            row::Column::IdentifierType,
        ])
        .update_column(row::Column::SuppressedAt)
        .value(
            row::Column::ObjectedPurposes,
            Expr::cust("suppressions.objected_purposes || excluded.objected_purposes"),
        )
        .to_owned();
        self.put_rows(rows.collect(), &join).await
    }

    /// Lifts the suppression of identifiers whose owner has come back.
    pub async fn lift_suppressions(&mut self, lifted: &[IdentifierKey]) -> Result<(), StoreError> {
        for lifted in lifted.chunks(KEYS_MAX / 10) {
            let hashes = self.by_hash(lifted).into_keys();
            let any = hashes.fold(Condition::any(), |any, one| {
                any.add(
                    Condition::all()
                        .add(row::Column::Hash.eq(one.hash.0))
                        .add(row::Column::IndexKey.eq(one.index_key))
                        .add(row::Column::IdentifierType.eq(one.identifier_type.as_str())),
                )
            });
            row::Entity::delete_many()
                .filter(any)
                .exec(self.connection()?)
                .await?;
        }
        Ok(())
    }
}

/// `|newsletter@1717236000000000|`, so that two lists are joined by writing one behind the other.
fn write(objected: &[(Purpose, Timestamp)]) -> String {
    let mut text = String::new();
    for (purpose, at) in objected {
        text.push_str(&format!("|{purpose}@{}|", at.as_microsecond()));
    }
    text
}

fn read(row: row::Model) -> Result<(HashedIdentifier, Suppression), StoreError> {
    let row::Model {
        hash,
        index_key,
        identifier_type,
        suppressed_at,
        objected_purposes,
    } = row;
    let corrupt = || StoreError::Corrupt {
        table: TABLE,
        column: "objected_purposes",
        row: index_key.clone(),
        reason: "is no list of purposes and instants".into(),
    };
    let entries = objected_purposes.split('|').filter(|it| !it.is_empty());
    let objected = entries.map(|entry| {
        let (purpose, at) = entry.split_once('@').ok_or_else(corrupt)?;
        let at = at.parse().map_err(|_| corrupt())?;
        let purpose = name(TABLE, "objected_purposes", &index_key, purpose)?;
        Ok((
            purpose,
            super::instant(TABLE, "objected_purposes", &index_key, at)?,
        ))
    });
    let suppression = Suppression {
        suppressed_at: super::instant(TABLE, "suppressed_at", &index_key, suppressed_at)?,
        objected: objected.collect::<Result<_, StoreError>>()?,
    };
    let hash = HashedIdentifier {
        identifier_type: name(TABLE, "identifier_type", &index_key, &identifier_type)?,
        index_key,
        hash: KeyedHash(hash),
    };
    Ok((hash, suppression))
}
