//! What the registry exported and signed, verified by whoever has its public keys: without a server, a
//! database or a configuration (`docs/audit-log.md`). Everything here computes.

mod document;
mod finding;
mod log;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};

pub use document::{
    DOCUMENT_BYTES_MAX, Document, DocumentError, older_checkpoint, verify_document,
};
pub use finding::{FINDINGS_MAX, Fault, Finding};
pub use log::{LINE_BYTES_MAX, LogReport, LogVerifier, begins_like_a_log};

use crate::{
    crypto::{
        merkle::Hash,
        signature::{Envelope, SignatureError, VerifyingKeys},
    },
    domain::audit_log::{CHECKPOINT_TYPE, Checkpoint},
};

/// A checkpoint that one of the keys signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The root, from base64.
    pub root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Nobody whom the keys name has signed it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is signed, and not of this format.
    #[error("it is signed, but does not read as a checkpoint")]
    Unreadable,
}

impl Trusted {
    /// The checkpoint in an envelope, if one of the keys signed it.
    pub fn read(envelope: &Envelope, keys: &VerifyingKeys) -> Result<Self, CheckpointError> {
        let payload = keys.verify(envelope, CHECKPOINT_TYPE)?;
        let checkpoint: Checkpoint =
            serde_json::from_slice(&payload).map_err(|_| CheckpointError::Unreadable)?;
        let root = hash(&checkpoint.root_hash).ok_or(CheckpointError::Unreadable)?;
        Ok(Self { checkpoint, root })
    }
}

/// A hash in base64.
fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
