//! Single documents: what the registry signed, and proofs of single entries.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{CheckpointError, Trusted};
use crate::{
    crypto::{
        merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion},
        signature::{Envelope, SignatureError, VerifyingKeys},
    },
    domain::audit_log::{CHECKPOINT_TYPE, Checkpoint},
};

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the types of everything that the registry signs begin with.
const TYPES: &str = "application/vnd.personal-data-registry.";

/// A document that is as it was signed.
#[derive(Clone, PartialEq, Eq)]
pub enum Document {
    /// A checkpoint.
    Checkpoint(Checkpoint),
    /// Another signed document. It may be about a person, and does not print.
    Signed {
        /// What it is.
        payload_type: String,
        /// The key that it names.
        key_id: String,
        /// What was signed.
        payload: Value,
    },
    /// An entry that is shown to stand in the log.
    Inclusion {
        /// Its place.
        position: u64,
        /// The entry as it was hashed.
        entry: String,
        /// The checkpoint that it stands before.
        checkpoint: Checkpoint,
    },
    /// A log that is shown to begin with an earlier one.
    Consistency {
        /// The earlier checkpoint.
        from: Checkpoint,
        /// The later one.
        to: Checkpoint,
    },
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint(_) => "Checkpoint(…)",
            Self::Signed { .. } => "Signed(…)",
            Self::Inclusion { .. } => "Inclusion(…)",
            Self::Consistency { .. } => "Consistency(…)",
        })
    }
}

/// Why a document is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is none of the registry's.
    #[error("is none of the registry's documents, or was changed so that it does not read")]
    Unknown,
    /// It is signed as something that the registry does not sign.
    #[error("is of a type that the registry does not sign")]
    PayloadType,
    /// Its signature is not believed.
    #[error("is not believed: {0}")]
    Signature(#[from] SignatureError),
    /// It carries a checkpoint that is not believed.
    #[error("carries a checkpoint that is not believed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// It is signed and no JSON.
    #[error("is signed, but does not read")]
    Payload,
    /// It carries no checkpoint over the tree that it speaks of.
    #[error("proves nothing: it has no signed checkpoint over the {0} entries that it speaks of")]
    NoCheckpoint(u64),
    /// The entry does not have its hash.
    #[error("the entry at position {0} was changed: its bytes do not have its hash")]
    EntryChanged(u64),
    /// The path does not lead to the root.
    #[error("the entry at position {0} does not stand in the log of the checkpoint")]
    NotIncluded(u64),
    /// The later log does not begin with the earlier one.
    #[error("the log of {to} entries does not begin with that of {from}: it was rewritten")]
    NotConsistent {
        /// Entries in the earlier log.
        from: u64,
        /// Entries in the later one.
        to: u64,
    },
}

/// What a document says, if it is as it was signed. `older` is trusted beside what it carries.
pub fn verify_document(
    text: &str,
    keys: &VerifyingKeys,
    older: Option<&Trusted>,
) -> Result<Document, DocumentError> {
    let value: Value = serde_json::from_str(text).map_err(|_| DocumentError::Unknown)?;
    if value.get("leaf_hash").is_some() {
        return inclusion(value, keys, older);
    }
    if value.get("to_root_hash").is_some() {
        return consistency(value, keys, older);
    }
    let envelope = envelope_in(value)?;
    if envelope.payload_type == CHECKPOINT_TYPE {
        let trusted = Trusted::read(&envelope, keys)?;
        return Ok(Document::Checkpoint(trusted.checkpoint));
    }
    if !envelope.payload_type.starts_with(TYPES) {
        return Err(DocumentError::PayloadType);
    }
    let payload = keys.verify(&envelope, &envelope.payload_type)?;
    Ok(Document::Signed {
        payload: serde_json::from_slice(&payload).map_err(|_| DocumentError::Payload)?,
        key_id: envelope.key_id().to_owned(),
        payload_type: envelope.payload_type,
    })
}

/// The checkpoint of a document that holds one.
pub fn older_checkpoint(text: &str, keys: &VerifyingKeys) -> Result<Trusted, DocumentError> {
    let value: Value = serde_json::from_str(text).map_err(|_| DocumentError::Unknown)?;
    Ok(Trusted::read(&envelope_in(value)?, keys)?)
}

/// The envelope itself, or the one in a message or a line that carries it.
fn envelope_in(value: Value) -> Result<Envelope, DocumentError> {
    let Value::Object(mut object) = value else {
        return Err(DocumentError::Unknown);
    };
    if object.contains_key("payloadType") {
        let envelope = serde_json::from_value(Value::Object(object));
        return envelope.map_err(|_| DocumentError::Unknown);
    }
    match object
        .remove("envelope")
        .or_else(|| object.remove("checkpoint"))
    {
        Some(Value::String(text)) => {
            serde_json::from_str(&text).map_err(|_| DocumentError::Unknown)
        }
        Some(inner @ Value::Object(_)) => envelope_in(inner),
        _ => Err(DocumentError::Unknown),
    }
}

/// `GetInclusionProofResponse` in the JSON of protobuf, which leaves zeros and empty lists out.
#[derive(Deserialize)]
struct Inclusion {
    #[serde(default, deserialize_with = "size")]
    position: u64,
    entry: String,
    #[serde(deserialize_with = "hash")]
    leaf_hash: Hash,
    #[serde(deserialize_with = "size")]
    tree_size: u64,
    #[serde(default)]
    path: Vec<Step>,
    checkpoint: Option<Carried>,
}

/// `GetConsistencyProofResponse`, in the same way, with the checkpoints that it is about.
#[derive(Deserialize)]
struct Consistency {
    #[serde(deserialize_with = "size")]
    from_tree_size: u64,
    #[serde(deserialize_with = "size")]
    to_tree_size: u64,
    #[serde(default)]
    path: Vec<Step>,
    from_checkpoint: Option<Carried>,
    to_checkpoint: Option<Carried>,
}

/// A checkpoint as a message carries it.
#[derive(Deserialize)]
struct Carried {
    envelope: String,
}

#[derive(Deserialize)]
struct Step(#[serde(deserialize_with = "hash")] Hash);

fn inclusion(
    value: Value,
    keys: &VerifyingKeys,
    older: Option<&Trusted>,
) -> Result<Document, DocumentError> {
    let proof: Inclusion = serde_json::from_value(value).map_err(|_| DocumentError::Unknown)?;
    let Inclusion {
        position,
        entry,
        leaf_hash: leaf,
        tree_size,
        path,
        checkpoint,
    } = proof;
    let trusted = trusted(checkpoint.as_ref(), older, tree_size, keys)?;
    if leaf_hash(entry.as_bytes()) != leaf {
        return Err(DocumentError::EntryChanged(position));
    }
    if !verify_inclusion(&leaf, position, tree_size, &hashes(&path), &trusted.root) {
        return Err(DocumentError::NotIncluded(position));
    }
    Ok(Document::Inclusion {
        position,
        entry,
        checkpoint: trusted.checkpoint,
    })
}

fn consistency(
    value: Value,
    keys: &VerifyingKeys,
    older: Option<&Trusted>,
) -> Result<Document, DocumentError> {
    let proof: Consistency = serde_json::from_value(value).map_err(|_| DocumentError::Unknown)?;
    let (from, to) = (proof.from_tree_size, proof.to_tree_size);
    let earlier = trusted(proof.from_checkpoint.as_ref(), older, from, keys)?;
    let later = trusted(proof.to_checkpoint.as_ref(), None, to, keys)?;
    let path = hashes(&proof.path);
    let is_shown = verify_consistency((from, &earlier.root), (to, &later.root), &path)
        && earlier.checkpoint.origin == later.checkpoint.origin;
    if !is_shown {
        return Err(DocumentError::NotConsistent { from, to });
    }
    Ok(Document::Consistency {
        from: earlier.checkpoint,
        to: later.checkpoint,
    })
}

/// The checkpoint over exactly so many entries: the older one that is trusted, or the one carried.
fn trusted(
    carried: Option<&Carried>,
    older: Option<&Trusted>,
    size: u64,
    keys: &VerifyingKeys,
) -> Result<Trusted, DocumentError> {
    if let Some(older) = older.filter(|older| older.checkpoint.tree_size == size) {
        return Ok(older.clone());
    }
    let carried = carried.ok_or(DocumentError::NoCheckpoint(size))?;
    let envelope = serde_json::from_str(&carried.envelope).map_err(|_| DocumentError::Unknown)?;
    let trusted = Trusted::read(&envelope, keys)?;
    if trusted.checkpoint.tree_size == size {
        Ok(trusted)
    } else {
        Err(DocumentError::NoCheckpoint(size))
    }
}

fn hashes(path: &[Step]) -> Vec<Hash> {
    path.iter().map(|step| step.0).collect()
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| de::Error::custom("is not base64 of a hash"))
}

/// A number, which the JSON of protobuf writes as text.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| de::Error::custom("is no number of entries"))
}
