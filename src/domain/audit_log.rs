//! The sealed audit log: how an entry is spelled before it is hashed, and what a checkpoint says.
//! Frozen, since whoever verifies the log does so without this program: `docs/audit-log.md`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::AuditId;

/// DSSE payload type of a checkpoint.
pub const CHECKPOINT_TYPE: &str = "application/vnd.personal-data-registry.audit-checkpoint.v1+json";
/// What every origin begins with; the id of the log's first entry follows.
const ORIGIN: &str = "personal-data-registry/audit/";

/// An entry as it is hashed. Its place is given by the tree and does not stand in it.
#[derive(Clone, Debug)]
pub struct CanonicalEntry<'e> {
    /// Its id.
    pub audit_id: AuditId,
    /// When; it is kept to the microsecond.
    pub at: Timestamp,
    /// The service that called.
    pub caller: &'e str,
    /// The RPC or chore.
    pub action: &'e str,
    /// The subject's pseudonym in base64url without padding; empty where there is none.
    pub subject: &'e str,
    /// The detail, byte for byte as it was written in the transaction of what it tells of.
    pub detail: &'e str,
}

impl CanonicalEntry<'_> {
    /// The bytes that are hashed: JSON with these fields in this order and without white space.
    pub fn encode(&self) -> String {
        let Self {
            audit_id,
            at,
            caller,
            action,
            subject,
            detail,
        } = self;
        let (caller, action) = (text(caller), text(action));
        let subject = text(subject);
        format!(
            r#"{{"audit_id":"{audit_id}","at":"{at:.6}","caller":{caller},"action":{action},"subject":{subject},"detail":{detail}}}"#
        )
    }
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What a checkpoint says, signed: the log had these entries, in this order, at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Entries in it.
    pub tree_size: u64,
    /// The hash over all of them, in base64.
    pub root_hash: String,
    /// When they were sealed.
    pub sealed_at: Timestamp,
}

impl Checkpoint {
    /// As it is signed.
    ///
    /// # Panics
    ///
    /// Never: texts and numbers are always JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always JSON")
    }
}

/// The name of the log that begins with this entry: a checkpoint of one log says nothing of another.
pub fn origin(first: AuditId) -> String {
    format!("{ORIGIN}{first}")
}

/// The line that an exported log begins with.
pub fn start_line(from_position: u64, edge: &[String]) -> String {
    let edge = serde_json::Value::from(edge);
    format!(r#"{{"audit_log":1,"from":{from_position},"edge":{edge}}}"#)
}

/// The line of an entry: its place, the leaf's hash in base64 and the canonical entry; `null` when
/// the log has the hash and not the entry.
pub fn entry_line(position: u64, leaf: &str, entry: &str) -> String {
    let entry = if entry.is_empty() { "null" } else { entry };
    format!(r#"{{"position":{position},"leaf":"{leaf}","entry":{entry}}}"#)
}

/// The line of a checkpoint; the envelope is DSSE's JSON.
pub fn checkpoint_line(envelope: &str) -> String {
    format!(r#"{{"checkpoint":{envelope}}}"#)
}

/// An exported line, apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// The first line.
    Start(&'l str),
    /// An entry.
    Entry {
        /// Its place.
        position: u64,
        /// The leaf's hash, as the line says.
        leaf: &'l str,
        /// The bytes that were hashed; empty: the entry is missing.
        entry: &'l str,
    },
    /// A checkpoint's envelope.
    Checkpoint(&'l str),
}

impl<'l> Line<'l> {
    /// Takes a line apart without changing a byte of the entry. `None`: no line of an exported log.
    pub fn read(line: &'l str) -> Option<Self> {
        if line.starts_with(r#"{"audit_log":"#) {
            return Some(Self::Start(line));
        }
        if let Some(rest) = line.strip_prefix(r#"{"checkpoint":"#) {
            return rest.strip_suffix('}').map(Self::Checkpoint);
        }
        let rest = line.strip_prefix(r#"{"position":"#)?;
        let (position, rest) = rest.split_once(r#","leaf":""#)?;
        let (leaf, rest) = rest.split_once(r#"","entry":"#)?;
        let entry = rest.strip_suffix('}')?;
        Some(Self::Entry {
            position: position.parse().ok()?,
            leaf,
            entry: if entry == "null" { "" } else { entry },
        })
    }
}

/// The first line of an exported log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The version of the format.
    pub audit_log: u32,
    /// The place of the first entry.
    pub from: u64,
    /// What stands before it: the hashes of the complete subtrees, the largest first, in base64.
    pub edge: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_an_entry_is_frozen() {
        let entry = CanonicalEntry {
            audit_id: AuditId(uuid::Uuid::from_u128(0x17)),
            at: "2026-06-01T12:00:00.25Z".parse().unwrap(),
            caller: "shop \"one\"",
            action: "FetchRecords",
            subject: "AQI",
            detail: r#"{"data_categories":["email_address"]}"#,
        };
        let encoded = concat!(
            r#"{"audit_id":"00000000-0000-0000-0000-000000000017","at":"2026-06-01T12:00:00.250000Z","#,
            r#""caller":"shop \"one\"","action":"FetchRecords","subject":"AQI","#,
            r#""detail":{"data_categories":["email_address"]}}"#
        );
        assert_eq!(entry.encode(), encoded);
    }

    #[test]
    fn the_spelling_of_a_checkpoint_is_frozen() {
        let checkpoint = Checkpoint {
            origin: origin(AuditId(uuid::Uuid::from_u128(0x17))),
            tree_size: 3,
            root_hash: "AA==".into(),
            sealed_at: "2026-06-01T12:00:00Z".parse().unwrap(),
        };
        let json = concat!(
            r#"{"origin":"personal-data-registry/audit/00000000-0000-0000-0000-000000000017","#,
            r#""tree_size":3,"root_hash":"AA==","sealed_at":"2026-06-01T12:00:00Z"}"#
        );
        assert_eq!(checkpoint.to_json(), json);
    }

    #[test]
    fn a_line_is_taken_apart_as_it_was_put_together() {
        let line = entry_line(7, "AA==", r#"{"a":"}"}"#);
        let apart = Line::Entry {
            position: 7,
            leaf: "AA==",
            entry: r#"{"a":"}"}"#,
        };
        assert_eq!(Line::read(&line), Some(apart));
        let line = entry_line(7, "AA==", "");
        assert!(matches!(
            Line::read(&line),
            Some(Line::Entry { entry: "", .. })
        ));
        assert_eq!(
            Line::read(&checkpoint_line("{}")),
            Some(Line::Checkpoint("{}"))
        );
        let line = start_line(2, &["AA==".to_owned()]);
        assert_eq!(Line::read(&line), Some(Line::Start(&line)));
        let start: Start = serde_json::from_str(&line).unwrap();
        assert_eq!((start.from, start.edge.len()), (2, 1));
        for strange in ["", "{}", r#"{"position":x,"leaf":"","entry":{}}"#, "null"] {
            assert_eq!(Line::read(strange), None, "{strange}");
        }
    }
}
