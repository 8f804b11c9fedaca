//! The sealed audit log: entries get their place, checkpoints are signed, proofs and exports are made
//! for whoever verifies without trusting the registry (Art. 5(2)).

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, stream};

pub use crate::crypto::merkle::Hash;

use super::{
    error::{Error, Missing},
    registry::{Registry, View},
};
use crate::{
    crypto::{
        merkle::{Frontier, Span, Subtree, consistency_steps, inclusion_steps, leaf_hash, prove},
        signature::Envelope,
    },
    domain::{
        audit::Action,
        audit_log::{CHECKPOINT_TYPE, Checkpoint, origin},
        caller::Caller,
        id::AuditId,
    },
    store::{Session, Store, Tx, audit_log::KeptCheckpoint},
};

/// Entries sealed in one transaction at most.
pub const SEALED_MAX: u64 = 1_000;
/// Entries of an export that are read at once.
const EXPORT_PAGE: u64 = 500;
/// An export carries a checkpoint about every so many entries, beside the last: when something is
/// wrong, they narrow down where.
const EXPORT_CHECKPOINT_EVERY: u64 = 1_000;

/// A signed checkpoint.
#[derive(Clone, Debug)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The hash over all entries.
    pub root_hash: Hash,
    /// The key that signed.
    pub key_id: String,
    /// The DSSE envelope, as JSON.
    pub envelope: String,
}

/// The proof that an entry stands in the log.
#[derive(Clone, Debug)]
pub struct InclusionProof {
    /// Its place.
    pub position: u64,
    /// The bytes that were hashed, as they are now.
    pub entry: String,
    /// The leaf's hash, as it was sealed.
    pub leaf_hash: Hash,
    /// Entries in the tree that the proof is for.
    pub tree_size: u64,
    /// The tree's root.
    pub root_hash: Hash,
    /// The steps from the leaf upwards.
    pub path: Vec<Hash>,
    /// The checkpoint over exactly this tree, if one was made.
    pub checkpoint: Option<SignedCheckpoint>,
}

/// The proof that a later log has an earlier one for its beginning.
#[derive(Clone, Debug)]
pub struct ConsistencyProof {
    /// Entries in the earlier log.
    pub from: u64,
    /// Its root.
    pub from_root: Hash,
    /// Entries in the later log.
    pub to: u64,
    /// Its root.
    pub to_root: Hash,
    /// The steps.
    pub path: Vec<Hash>,
}

/// A part of an exported log.
#[derive(Clone, Debug)]
pub enum Exported {
    /// Where it begins, and the hashes of the complete subtrees before that.
    Start {
        /// The place of the first entry.
        from: u64,
        /// What stands before it, the largest subtree first.
        edge: Vec<Hash>,
    },
    /// An entry.
    Entry {
        /// Its place.
        position: u64,
        /// The leaf's hash, as it was sealed.
        leaf: Hash,
        /// The bytes that were hashed, as they are now; empty: the row is lost.
        entry: String,
    },
    /// A checkpoint over everything before it.
    Checkpoint(SignedCheckpoint),
}

impl Registry {
    /// Gives committed audit entries their places and signs a checkpoint over them. One replica seals
    /// at a time. Returns how many were sealed.
    pub async fn seal_audit(&self) -> Result<u64, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let waiting = snapshot.has_unsealed_audit().await?;
        snapshot.close().await?;
        if !waiting {
            return Ok(0);
        }
        let store = self.store.clone();
        self.store
            .write("seal_audit", self.clock_now(), move |tx| {
                let store = store.clone();
                Box::pin(async move { seal(&store, tx).await })
            })
            .await
    }

    /// The checkpoint over `tree_size` entries; `None`: the latest.
    pub async fn get_checkpoint(
        &self,
        caller: &Caller,
        tree_size: Option<u64>,
    ) -> Result<SignedCheckpoint, Error> {
        let view = self.view(caller, Action::GetCheckpoint, None).await?;
        let kept = match tree_size {
            None => view.snapshot.last_checkpoint().await?,
            Some(size) => view.snapshot.find_checkpoint(size).await?,
        };
        match (kept, tree_size) {
            (Some(kept), _) => kept.try_into(),
            (None, None) => Err(Error::NotSealedYet),
            (None, Some(_)) => Err(Error::NotFound(Missing::Checkpoint)),
        }
    }

    /// The proof that an entry stands in the log as it was with `tree_size` entries; `None`: as it is
    /// at the latest checkpoint.
    pub async fn get_inclusion_proof(
        &self,
        caller: &Caller,
        audit_id: AuditId,
        tree_size: Option<u64>,
    ) -> Result<InclusionProof, Error> {
        let view = self.view(caller, Action::GetInclusionProof, None).await?;
        let entry = view.snapshot.find_sealed(audit_id).await?;
        let entry = entry.ok_or(Error::NotFound(Missing::AuditEntry))?;
        let entry = entry.ok_or(Error::NotSealedYet)?;
        let position = entry.position;
        let tree_size = sealed_size(&view, tree_size).await?;
        if position >= tree_size {
            let rule = format!("must be more than {position}, the entry's position");
            return Err(Error::invalid("tree_size", rule));
        }
        let steps = inclusion_steps(position, tree_size);
        let leaf = Subtree {
            level: 0,
            index: position,
        };
        let tree = [Span::of_tree(tree_size)];
        let nodes = Nodes::load(&view.snapshot, &[&steps, &tree], &[leaf]).await?;
        let kept = view.snapshot.find_checkpoint(tree_size).await?;
        Ok(InclusionProof {
            position,
            entry: entry.canonical(),
            leaf_hash: nodes.get(leaf)?,
            tree_size,
            root_hash: nodes.root(tree_size)?,
            path: nodes.prove(&steps)?,
            checkpoint: kept.map(SignedCheckpoint::try_from).transpose()?,
        })
    }

    /// The proof that the log of `to` entries (`None`: as it is at the latest checkpoint) begins with
    /// that of `from` entries.
    pub async fn get_consistency_proof(
        &self,
        caller: &Caller,
        from: u64,
        to: Option<u64>,
    ) -> Result<ConsistencyProof, Error> {
        let view = self.view(caller, Action::GetConsistencyProof, None).await?;
        let to = sealed_size(&view, to).await?;
        if !(1..=to).contains(&from) {
            let rule = format!("must be 1 to {to}, the size of the later log");
            return Err(Error::invalid("from_tree_size", rule));
        }
        let steps = consistency_steps(from, to);
        let trees = [Span::of_tree(from), Span::of_tree(to)];
        let nodes = Nodes::load(&view.snapshot, &[&steps, &trees], &[]).await?;
        Ok(ConsistencyProof {
            from,
            from_root: nodes.root(from)?,
            to,
            to_root: nodes.root(to)?,
            path: nodes.prove(&steps)?,
        })
    }

    /// The log from `from` on up to the latest checkpoint, in parts that are read as they are wanted.
    pub async fn export_audit_log(
        &self,
        caller: Arc<Caller>,
        from: u64,
    ) -> Result<impl Stream<Item = Result<Exported, Error>> + Send + use<>, Error> {
        let view = self.view(&caller, Action::ExportAuditLog, None).await?;
        let size = sealed_size(&view, None).await?;
        if from >= size {
            let rule = format!("must be less than {size}, the size of the sealed log");
            return Err(Error::invalid("from_position", rule));
        }
        let before = [Span::of_tree(from)];
        let nodes = Nodes::load(&view.snapshot, &[&before], &[]).await?;
        let start = Exported::Start {
            from,
            edge: nodes.edge(from)?,
        };
        let export = Export {
            registry: self.clone(),
            caller,
            next: from,
            size,
            last_checkpoint: from,
        };
        let pages = stream::unfold(Some(export), |export| async {
            let mut export = export?;
            match export.page().await {
                Ok(page) if page.is_empty() => None,
                Ok(page) => Some((Ok(page), Some(export))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(in_order(start, pages))
    }
}

/// The start, then what stands on the pages.
fn in_order(
    start: Exported,
    pages: impl Stream<Item = Result<Vec<Exported>, Error>> + Send,
) -> impl Stream<Item = Result<Exported, Error>> + Send {
    use futures::StreamExt;
    let first = stream::iter([Ok(start)]);
    let parts = pages.flat_map(|page| match page {
        Ok(page) => stream::iter(page.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    });
    first.chain(parts)
}

/// How far an export has come.
struct Export {
    registry: Registry,
    caller: Arc<Caller>,
    next: u64,
    size: u64,
    last_checkpoint: u64,
}

impl Export {
    /// The next page; empty behind the last.
    async fn page(&mut self) -> Result<Vec<Exported>, Error> {
        let (from, until) = (self.next, self.size.min(self.next + EXPORT_PAGE));
        if from == until {
            return Ok(Vec::new());
        }
        let (registry, caller) = (&self.registry, &self.caller);
        let view = registry.view(caller, Action::ExportAuditLog, None).await?;
        let entries = view.snapshot.list_sealed(from, until).await?;
        let mut entries = entries.into_iter().peekable();
        let leaves = view.snapshot.list_leaves(from, until).await?;
        let checkpoints = view.snapshot.list_checkpoints(from, until).await?;
        let mut checkpoints = checkpoints.into_iter().peekable();
        let mut parts = Vec::new();
        for (position, leaf) in leaves {
            let entry = entries.next_if(|entry| entry.position == position);
            parts.push(Exported::Entry {
                position,
                leaf,
                entry: entry.map(|entry| entry.canonical()).unwrap_or_default(),
            });
            let behind = position + 1;
            let due =
                behind == self.size || behind >= self.last_checkpoint + EXPORT_CHECKPOINT_EVERY;
            if let Some(kept) = checkpoints.next_if(|kept| kept.tree_size == behind)
                && due
            {
                self.last_checkpoint = behind;
                parts.push(Exported::Checkpoint(kept.try_into()?));
            }
        }
        self.next = until;
        Ok(parts)
    }
}

/// The size asked for, if the log has grown to it; the latest when none is.
async fn sealed_size(view: &View, wanted: Option<u64>) -> Result<u64, Error> {
    let last = view.snapshot.last_checkpoint().await?;
    let sealed = last.map_or(0, |last| last.tree_size);
    let wanted = wanted.unwrap_or(sealed);
    if wanted > sealed || sealed == 0 {
        return Err(Error::NotSealedYet);
    }
    Ok(wanted)
}

async fn seal(store: &Store, tx: &mut Tx) -> Result<u64, Error> {
    if !tx.hold_audit_log().await? {
        return Ok(0);
    }
    let last = tx.last_checkpoint().await?;
    let size = last.map_or(0, |last| last.tree_size);
    let before = [Span::of_tree(size)];
    let nodes = Nodes::load(tx, &[&before], &[]).await?;
    let mut tree = Frontier::restore(size, nodes.edge(size)?).ok_or_else(|| broken("its edge"))?;
    let entries = tx.place_audit(size, SEALED_MAX).await?;
    let Some(first) = entries.first() else {
        return Ok(0);
    };
    let first = tx.first_sealed().await?.unwrap_or(first.audit_id);
    let mut made = Vec::with_capacity(2 * entries.len());
    for entry in &entries {
        let leaf = leaf_hash(entry.canonical().as_bytes());
        tree.append(leaf, |subtree, hash| made.push((subtree, hash)));
    }
    tx.insert_audit_nodes(&made).await?;
    let checkpoint = Checkpoint {
        origin: origin(first),
        tree_size: tree.size(),
        root_hash: STANDARD.encode(tree.root()),
        sealed_at: tx.now(),
    };
    let signing = store.key_ring().signing();
    let envelope = signing.sign(CHECKPOINT_TYPE, checkpoint.to_json().as_bytes());
    tx.insert_checkpoint(KeptCheckpoint {
        tree_size: tree.size(),
        envelope: envelope.to_json(),
    })
    .await?;
    Ok(entries.len() as u64)
}

/// Hashes of subtrees, read at once.
struct Nodes(HashMap<Subtree, Hash>);

impl Nodes {
    async fn load(
        session: &Session,
        spans: &[&[Span]],
        further: &[Subtree],
    ) -> Result<Self, Error> {
        let spans = spans.iter().copied().flatten();
        let mut wanted: Vec<_> = spans.flat_map(|span| span.subtrees()).collect();
        wanted.extend(further);
        wanted.sort_unstable();
        wanted.dedup();
        Ok(Self(
            session.find_nodes(&wanted).await?.into_iter().collect(),
        ))
    }

    fn get(&self, subtree: Subtree) -> Result<Hash, Error> {
        let found = self.0.get(&subtree).copied();
        found.ok_or_else(|| broken("the hash of a subtree"))
    }

    fn edge(&self, size: u64) -> Result<Vec<Hash>, Error> {
        let subtrees = Span::of_tree(size).subtrees().into_iter();
        subtrees.map(|subtree| self.get(subtree)).collect()
    }

    fn root(&self, size: u64) -> Result<Hash, Error> {
        let tree = Frontier::restore(size, self.edge(size)?);
        Ok(tree.ok_or_else(|| broken("its edge"))?.root())
    }

    fn prove(&self, steps: &[Span]) -> Result<Vec<Hash>, Error> {
        let path = prove(steps, |subtree| self.0.get(&subtree).copied());
        path.ok_or_else(|| broken("the hash of a subtree"))
    }
}

fn broken(what: &str) -> Error {
    Error::Internal(format!("the sealed audit log lacks {what}"))
}

impl TryFrom<KeptCheckpoint> for SignedCheckpoint {
    type Error = Error;

    fn try_from(kept: KeptCheckpoint) -> Result<Self, Error> {
        let unreadable = |_| broken("a checkpoint that reads");
        let envelope: Envelope = serde_json::from_str(&kept.envelope).map_err(unreadable)?;
        let checkpoint: Checkpoint =
            serde_json::from_slice(&envelope.payload).map_err(unreadable)?;
        let root_hash = STANDARD.decode(&checkpoint.root_hash).ok();
        let root_hash = root_hash.and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            root_hash: root_hash.ok_or_else(|| broken("a checkpoint that reads"))?,
            key_id: envelope.key_id().to_owned(),
            checkpoint,
            envelope: kept.envelope,
        })
    }
}
