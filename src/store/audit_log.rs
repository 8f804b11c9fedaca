//! The audit log as a hash tree: places given, hashes of complete subtrees, checkpoints.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement, sea_query::ExprTrait,
};
use uuid::Uuid;

use super::{
    audit::row as audit_row,
    error::StoreError,
    instant,
    session::{Session, Tx},
};
use crate::{
    crypto::merkle::{Hash, Subtree},
    domain::{audit_log::CanonicalEntry, id::AuditId},
};

/// The advisory lock of whoever seals.
const SEALING_LOCK: i64 = 0x7064_725f_7365_616c;
/// Nodes that one statement looks for: each is a condition of its own.
const NODES_MAX: usize = 200;

mod node {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_nodes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub level: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub node_index: i64,
        pub hash: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod checkpoint {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_checkpoints")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tree_size: i64,
        pub envelope: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entry that has its place in the tree.
#[derive(Clone, Debug)]
pub struct SealedEntry {
    /// Its place, from 0.
    pub position: u64,
    /// Its id.
    pub audit_id: AuditId,
    at: Timestamp,
    caller: String,
    action: String,
    subject: String,
    detail: String,
}

impl SealedEntry {
    /// The bytes that are hashed.
    pub fn canonical(&self) -> String {
        let Self {
            position: _,
            audit_id,
            at,
            caller,
            action,
            subject,
            detail,
        } = self;
        let entry = CanonicalEntry {
            audit_id: *audit_id,
            at: *at,
            caller,
            action,
            subject,
            detail,
        };
        entry.encode()
    }
}

/// A checkpoint as it was signed.
#[derive(Clone, Debug)]
pub struct KeptCheckpoint {
    /// Entries that it covers.
    pub tree_size: u64,
    /// The envelope, as JSON.
    pub envelope: String,
}

impl Session {
    /// Whether a committed entry waits for its place.
    pub async fn has_unsealed_audit(&self) -> Result<bool, StoreError> {
        let waiting: Option<i64> = audit_row::Entity::find()
            .select_only()
            .column(audit_row::Column::Seq)
            .filter(audit_row::Column::Position.is_null())
            .limit(1)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(waiting.is_some())
    }

    /// The latest checkpoint.
    pub async fn last_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        let row = checkpoint::Entity::find()
            .order_by_desc(checkpoint::Column::TreeSize)
            .one(self.connection()?)
            .await?;
        row.map(KeptCheckpoint::try_from).transpose()
    }

    /// The checkpoint over exactly so many entries.
    pub async fn find_checkpoint(
        &self,
        tree_size: u64,
    ) -> Result<Option<KeptCheckpoint>, StoreError> {
        let row = checkpoint::Entity::find_by_id(signed(tree_size)?)
            .one(self.connection()?)
            .await?;
        row.map(KeptCheckpoint::try_from).transpose()
    }

    /// Checkpoints over more than `after` and at most `until` entries, in order.
    pub async fn list_checkpoints(
        &self,
        after: u64,
        until: u64,
    ) -> Result<Vec<KeptCheckpoint>, StoreError> {
        let rows = checkpoint::Entity::find()
            .filter(checkpoint::Column::TreeSize.gt(signed(after)?))
            .filter(checkpoint::Column::TreeSize.lte(signed(until)?))
            .order_by_asc(checkpoint::Column::TreeSize)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(KeptCheckpoint::try_from).collect()
    }

    /// The entry of this id with its place, if it has one yet. `None`: there is no such entry.
    pub async fn find_sealed(
        &self,
        id: AuditId,
    ) -> Result<Option<Option<SealedEntry>>, StoreError> {
        let row = audit_row::Entity::find()
            .filter(audit_row::Column::AuditId.eq(id.0))
            .one(self.connection()?)
            .await?;
        match row {
            None => Ok(None),
            Some(row) if row.position.is_none() => Ok(Some(None)),
            Some(row) => Ok(Some(Some(row.try_into()?))),
        }
    }

    /// The id of the log's first entry, which names the log.
    pub async fn first_sealed(&self) -> Result<Option<AuditId>, StoreError> {
        let id: Option<Uuid> = audit_row::Entity::find()
            .select_only()
            .column(audit_row::Column::AuditId)
            .filter(audit_row::Column::Position.eq(0))
            .into_tuple()
            .one(self.connection()?)
            .await?;
        Ok(id.map(AuditId))
    }

    /// Entries from `from` until before `until`, in their order. One whose row is lost is left out.
    pub async fn list_sealed(&self, from: u64, until: u64) -> Result<Vec<SealedEntry>, StoreError> {
        let rows = audit_row::Entity::find()
            .filter(audit_row::Column::Position.gte(signed(from)?))
            .filter(audit_row::Column::Position.lt(signed(until)?))
            .order_by_asc(audit_row::Column::Position)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(SealedEntry::try_from).collect()
    }

    /// The leaves' hashes from `from` until before `until`, each with its place.
    pub async fn list_leaves(&self, from: u64, until: u64) -> Result<Vec<(u64, Hash)>, StoreError> {
        let rows = node::Entity::find()
            .filter(node::Column::Level.eq(0))
            .filter(node::Column::NodeIndex.gte(signed(from)?))
            .filter(node::Column::NodeIndex.lt(signed(until)?))
            .order_by_asc(node::Column::NodeIndex)
            .all(self.connection()?)
            .await?;
        let nodes = rows.iter().map(read_node);
        let leaves = nodes.map(|node| node.map(|(subtree, hash)| (subtree.index, hash)));
        leaves.collect()
    }

    /// The hashes of complete subtrees, in no order; those that are not there are left out.
    pub async fn find_nodes(
        &self,
        subtrees: &[Subtree],
    ) -> Result<Vec<(Subtree, Hash)>, StoreError> {
        let mut found = Vec::with_capacity(subtrees.len());
        for subtrees in subtrees.chunks(NODES_MAX) {
            let mut wanted = Condition::any();
            for subtree in subtrees {
                let is_it = node::Column::Level
                    .eq(i64::from(subtree.level))
                    .and(node::Column::NodeIndex.eq(signed(subtree.index)?));
                wanted = wanted.add(is_it);
            }
            let rows = node::Entity::find().filter(wanted);
            for row in rows.all(self.connection()?).await? {
                found.push(read_node(&row)?);
            }
        }
        Ok(found)
    }
}

impl Tx {
    /// Holds the log for sealing, if nobody else does; says whether.
    pub async fn hold_audit_log(&mut self) -> Result<bool, StoreError> {
        self.try_lock(SEALING_LOCK).await
    }

    /// Gives committed entries their places from `size` on, `limit` at most, and returns them in
    /// order. Whoever calls holds the log: what it sees is committed, and nothing that commits later
    /// can get a lower place.
    pub async fn place_audit(
        &mut self,
        size: u64,
        limit: u64,
    ) -> Result<Vec<SealedEntry>, StoreError> {
        let size = signed(size)?;
        let sql = Statement::from_sql_and_values(
            self.connection()?.get_database_backend(),
            "UPDATE audit SET position = placed.position FROM (
                SELECT seq, $1 + row_number() OVER (ORDER BY seq) AS position
                FROM audit WHERE position IS NULL ORDER BY seq LIMIT $2
             ) AS placed WHERE audit.seq = placed.seq",
            [(size - 1).into(), limit.into()],
        );
        self.connection()?.execute_raw(sql).await?;
        let rows = audit_row::Entity::find()
            .filter(audit_row::Column::Position.gte(size))
            .order_by_asc(audit_row::Column::Position)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(SealedEntry::try_from).collect()
    }

    /// Keeps the hashes of subtrees that are complete now.
    pub async fn insert_audit_nodes(
        &mut self,
        nodes: &[(Subtree, Hash)],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(nodes.len());
        for (subtree, hash) in nodes {
            rows.push(node::ActiveModel {
                level: Set(i64::from(subtree.level)),
                node_index: Set(signed(subtree.index)?),
                hash: Set(hash.to_vec()),
            });
        }
        self.insert_rows(rows).await
    }

    /// Keeps a checkpoint.
    pub async fn insert_checkpoint(&mut self, kept: KeptCheckpoint) -> Result<(), StoreError> {
        let KeptCheckpoint {
            tree_size,
            envelope,
        } = kept;
        let row = checkpoint::ActiveModel {
            tree_size: Set(signed(tree_size)?),
            envelope: Set(envelope),
        };
        self.insert_rows(vec![row]).await
    }
}

/// A place or size as the database keeps it.
fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Internal("a place beyond every log".into()))
}

fn unsigned(number: i64, column: &'static str) -> Result<u64, StoreError> {
    number.try_into().map_err(|_| StoreError::Corrupt {
        table: "audit",
        column,
        row: number.to_string(),
        reason: "is negative".into(),
    })
}

fn read_node(row: &node::Model) -> Result<(Subtree, Hash), StoreError> {
    let corrupt = |reason: &str| StoreError::Corrupt {
        table: "audit_nodes",
        column: "hash",
        row: format!("{} {}", row.level, row.node_index),
        reason: reason.to_owned(),
    };
    let subtree = Subtree {
        level: u32::try_from(row.level).map_err(|_| corrupt("the level is out of range"))?,
        index: unsigned(row.node_index, "node_index")?,
    };
    let hash = Hash::try_from(row.hash.as_slice());
    Ok((subtree, hash.map_err(|_| corrupt("not 32 bytes"))?))
}

impl TryFrom<checkpoint::Model> for KeptCheckpoint {
    type Error = StoreError;

    fn try_from(row: checkpoint::Model) -> Result<Self, StoreError> {
        Ok(Self {
            tree_size: unsigned(row.tree_size, "tree_size")?,
            envelope: row.envelope,
        })
    }
}

impl TryFrom<audit_row::Model> for SealedEntry {
    type Error = StoreError;

    fn try_from(row: audit_row::Model) -> Result<Self, StoreError> {
        let audit_row::Model {
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
        let pseudonym = subject_pseudonym.unwrap_or_default();
        Ok(Self {
            position: unsigned(position.unwrap_or(-1), "position")?,
            audit_id: AuditId(audit_id),
            at: instant("audit", "at", seq, at)?,
            caller,
            action,
            subject: URL_SAFE_NO_PAD.encode(pseudonym),
            detail: document,
        })
    }
}
