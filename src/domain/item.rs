//! Items: one collected value of one data category of one subject in one subject category
//! (purpose limitation hangs on the context of collection, Art. 5(1)(b)).

use std::fmt;

use jiff::Timestamp;

use super::{
    id::ItemId,
    name::{DataCategory, PolicyVersion, Purpose, Source, SubjectCategory},
};

/// Longest content of one item, in bytes, after encoding.
pub const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// Longest item key, in bytes.
pub const ITEM_KEY_BYTES_MAX: usize = 256;

/// The content of an item. It is personal data: it does not print.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A JSON object.
    Json(serde_json::Value),
    /// Bytes.
    Blob(Vec<u8>),
    /// Where the value is held, when it is not held here.
    Locator(String),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
            Self::Locator(_) => "Locator(…)",
        })
    }
}

/// An item as the decision sees it: no content, no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemState {
    /// Its id.
    pub item_id: ItemId,
    /// The subject category in which it was collected.
    pub subject_category: SubjectCategory,
    /// What it is.
    pub data_category: DataCategory,
    /// Who collected it.
    pub source: Source,
    /// When it was collected.
    pub collected_at: Timestamp,
    /// The policy under which it was collected.
    pub policy_version: PolicyVersion,
    /// What it may be used for; empty: whatever the policy says.
    pub purposes: Vec<Purpose>,
}
