//! What is recorded of a package beside its pieces.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ExportKind;
use crate::domain::id::{ExportId, SubjectId, SubjectRequestId};

/// A package, being written or complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRecord {
    /// Its id; its key of its own has the same.
    pub export_id: ExportId,
    /// The request that it answers.
    pub subject_request_id: SubjectRequestId,
    /// The person.
    pub subject_id: SubjectId,
    /// Which right it serves.
    pub kind: ExportKind,
    /// When its writing began; until then, when it was asked for.
    pub created_at: Timestamp,
    /// When it was complete.
    pub ready_at: Option<Timestamp>,
    /// When it is destroyed.
    pub expires_at: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
    /// Items in it.
    pub items: u64,
    /// The JSON package.
    pub json: Option<Written>,
    /// The page for people.
    pub html: Option<Written>,
}

/// A format that was written to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Bytes of it.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

impl ExportRecord {
    /// Whether its part of the request has come to its end: it is complete, or was, or it was destroyed
    /// before it came to be, so that nobody waits for it.
    pub fn is_ready(&self) -> bool {
        self.ready_at.is_some() || self.destroyed_at.is_some()
    }

    /// Whether it can be downloaded.
    pub fn is_available(&self, now: Timestamp) -> bool {
        self.ready_at.is_some()
            && self.destroyed_at.is_none()
            && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}
