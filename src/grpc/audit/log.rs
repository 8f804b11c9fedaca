//! The sealed log in messages.

use crate::{
    app::audit_log::{ConsistencyProof, Exported, Hash, InclusionProof, SignedCheckpoint},
    grpc::{
        parse::{Parse, Parsed},
        render::instant,
    },
    proto::v1::{self, export_audit_log_response::Part},
};

/// A place or size; `None`: 0, which means none is named.
pub(super) fn size(parse: &mut Parse, field: &str, size: i64) -> Parsed<Option<u64>> {
    match u64::try_from(size) {
        Ok(size) => Ok(Some(size).filter(|size| *size > 0)),
        Err(_) => Err(parse.refuse(field, "must not be negative")),
    }
}

pub(super) fn checkpoint(signed: SignedCheckpoint) -> v1::AuditCheckpoint {
    let SignedCheckpoint {
        checkpoint,
        root_hash,
        key_id,
        envelope,
    } = signed;
    v1::AuditCheckpoint {
        origin: checkpoint.origin,
        tree_size: number(checkpoint.tree_size),
        root_hash: root_hash.to_vec(),
        sealed_at: Some(instant(checkpoint.sealed_at)),
        key_id,
        envelope,
    }
}

pub(super) fn inclusion(proof: InclusionProof) -> v1::GetInclusionProofResponse {
    v1::GetInclusionProofResponse {
        position: number(proof.position),
        entry: proof.entry,
        leaf_hash: proof.leaf_hash.to_vec(),
        tree_size: number(proof.tree_size),
        root_hash: proof.root_hash.to_vec(),
        path: hashes(&proof.path),
        checkpoint: proof.checkpoint.map(checkpoint),
    }
}

pub(super) fn consistency(proof: &ConsistencyProof) -> v1::GetConsistencyProofResponse {
    v1::GetConsistencyProofResponse {
        from_tree_size: number(proof.from),
        from_root_hash: proof.from_root.to_vec(),
        to_tree_size: number(proof.to),
        to_root_hash: proof.to_root.to_vec(),
        path: hashes(&proof.path),
    }
}

pub(super) fn part(part: Exported) -> v1::ExportAuditLogResponse {
    let part = match part {
        Exported::Start { from, edge } => Part::Start(v1::AuditLogStart {
            from_position: number(from),
            edge: hashes(&edge),
        }),
        Exported::Entry {
            position,
            leaf,
            entry,
        } => Part::Entry(v1::SealedAuditEntry {
            position: number(position),
            leaf_hash: leaf.to_vec(),
            entry,
        }),
        Exported::Checkpoint(signed) => Part::Checkpoint(checkpoint(signed)),
    };
    v1::ExportAuditLogResponse { part: Some(part) }
}

fn hashes(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.to_vec()).collect()
}

/// The store counts in the same range.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
