//! Identifiers that led to somebody else, or to somebody at all: their keyed hashes.

use std::collections::HashMap;

use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use super::super::{
    error::StoreError,
    identifier::IdentifierKey,
    session::{Session, Tx},
};
use crate::domain::{
    as_of::Link,
    id::{IdentifierId, SubjectId},
};

/// Hashes of one query.
const HASHES_MAX: usize = 1_000;

#[derive(FromQueryResult)]
struct LinkRow {
    index_key: String,
    hash: Vec<u8>,
    identifier_id: Uuid,
    held_by: Uuid,
    linked_at: i64,
    until: Option<i64>,
}

impl Session {
    /// Every link of each identifier, those of the past included. One that never led anywhere is left out.
    pub async fn list_links(
        &self,
        wanted: &[IdentifierKey],
    ) -> Result<HashMap<IdentifierKey, Vec<Link>>, StoreError> {
        let mut by_hash = HashMap::with_capacity(wanted.len());
        for key in wanted {
            for hashed in self.hash_identifier(key) {
                by_hash.insert((hashed.index_key, hashed.hash.0), key);
            }
        }
        let hashes: Vec<_> = by_hash.keys().map(|(_, hash)| hash.clone()).collect();
        let mut links = HashMap::<IdentifierKey, Vec<Link>>::new();
        for hashes in hashes.chunks(HASHES_MAX) {
            for row in self.link_rows(hashes).await? {
                let (index_key, hash, link) = row.read()?;
                if let Some(key) = by_hash.get(&(index_key, hash)) {
                    links.entry((*key).clone()).or_default().push(link);
                }
            }
        }
        Ok(links)
    }

    async fn link_rows(&self, hashes: &[Vec<u8>]) -> Result<Vec<LinkRow>, StoreError> {
        let places: Vec<_> = (1..=hashes.len()).map(|n| format!("${n}")).collect();
        let places = places.join(", ");
        let values = || hashes.iter().cloned().map(Value::from).collect::<Vec<_>>();
        let mut rows: Vec<LinkRow> = self
            .select(
                &format!(
                    "SELECT entry.index_key, entry.hash, entry.identifier_id,
                        entry.subject_id AS held_by, link.linked_at, CAST(NULL AS bigint) AS until
                     FROM identifier_index AS entry JOIN identifiers AS link
                        ON link.subject_id = entry.subject_id
                        AND link.identifier_id = entry.identifier_id
                     WHERE entry.hash IN ({places})"
                ),
                values(),
            )
            .await?;
        let past = self
            .select(
                &format!(
                    "SELECT index_key, hash, identifier_id, held_by, linked_at, until
                     FROM past_links WHERE hash IN ({places})"
                ),
                values(),
            )
            .await?;
        rows.extend(past);
        Ok(rows)
    }
}

impl Tx {
    /// Keeps where identifiers of `from` lead, before they are taken off it, or given to `holder`. The
    /// subjects are locked.
    pub(in crate::store) async fn keep_links(
        &mut self,
        from: SubjectId,
        holder: SubjectId,
        links: &[Uuid],
    ) -> Result<(), StoreError> {
        for link in links {
            let values = vec![
                holder.0.into(),
                self.now().as_microsecond().into(),
                from.0.into(),
                (*link).into(),
            ];
            self.run(
                "INSERT INTO past_links
                    (subject_id, identifier_id, until, index_key, hash, held_by, linked_at)
                 SELECT $1, entry.identifier_id, $2, entry.index_key, entry.hash, $3, link.linked_at
                 FROM identifier_index AS entry JOIN identifiers AS link
                    ON link.subject_id = entry.subject_id
                    AND link.identifier_id = entry.identifier_id
                 WHERE entry.subject_id = $3 AND entry.identifier_id = $4
                 ON CONFLICT DO NOTHING",
                values,
            )
            .await?;
        }
        Ok(())
    }

    /// Gives what is kept of links of `from` to `into`. Both are locked.
    pub(in crate::store) async fn move_past_links(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE past_links SET subject_id = $2 WHERE subject_id = $1",
            vec![from.0.into(), into.0.into()],
        )
        .await?;
        Ok(())
    }
}

impl LinkRow {
    fn read(self) -> Result<(String, Vec<u8>, Link), StoreError> {
        let Self {
            index_key,
            hash,
            identifier_id,
            held_by,
            linked_at,
            until,
        } = self;
        let instant = |column, at| super::super::instant("past_links", column, identifier_id, at);
        let link = Link {
            identifier_id: IdentifierId(identifier_id),
            subject_id: SubjectId(held_by),
            linked_at: instant("linked_at", linked_at)?,
            until: until.map(|at| instant("until", at)).transpose()?,
        };
        Ok((index_key, hash, link))
    }
}
