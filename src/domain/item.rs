//! Items: one collected value of one data category of one subject in one subject category
//! (purpose limitation hangs on the context of collection, Art. 5(1)(b)).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `None`: an ordinary item. `Some`: it should be erased and stays for now; the purposes that are
    /// the ground for keeping it (Art. 17(3)), possibly none. It is answerable for them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_for: Option<Vec<Purpose>>,
}

impl ItemState {
    /// Whether it stays for now though it should be erased.
    pub fn is_retained(&self) -> bool {
        self.retained_for.is_some()
    }

    /// Whether it stays though it should be erased, and this purpose is the ground for that.
    pub fn is_retained_for(&self, purpose: &Purpose) -> bool {
        let grounds = self.retained_for.as_ref();
        grounds.is_some_and(|grounds| grounds.contains(purpose))
    }
}

/// What tells several items of one category apart: an order number. It is personal data: it does
/// not print.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ItemKey(String);

impl ItemKey {
    /// Takes a key; the empty one is the key of an item that stands alone.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself, to be sealed or compared.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemKey(…)")
    }
}

/// An item with what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What the decision sees.
    pub state: ItemState,
    /// What tells it from others of its category.
    pub key: ItemKey,
    /// What it holds; `None` when only the fact of collection is kept.
    pub content: Option<Content>,
}

/// When an item came to be what it is: collected, or deleted after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastWord {
    /// When its content was collected.
    pub collected_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}

impl LastWord {
    /// Whether what was collected at `at` replaces it: the latest is live, of equals the one heard
    /// of last. What was collected before a deletion stays deleted, however late it arrives.
    pub fn yields_to(self, at: Timestamp) -> bool {
        self.at() <= at
    }

    /// Whether it stands against the same item of another subject, when the two become one: the
    /// later stands, and of equals the deleted one.
    pub fn outlasts(self, other: Self) -> bool {
        (self.at(), self.deleted_at.is_some()) >= (other.at(), other.deleted_at.is_some())
    }

    fn at(self) -> Timestamp {
        self.deleted_at
            .unwrap_or(self.collected_at)
            .max(self.collected_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn word(collected: i64, deleted: Option<i64>) -> LastWord {
        LastWord {
            collected_at: at(collected),
            deleted_at: deleted.map(at),
        }
    }

    #[test]
    fn the_latest_collection_is_live_and_of_equals_the_one_heard_of_last() {
        assert!(word(2, None).yields_to(at(3)));
        assert!(word(2, None).yields_to(at(2)));
        assert!(!word(2, None).yields_to(at(1)));
    }

    #[test]
    fn what_was_collected_before_a_deletion_stays_deleted() {
        assert!(!word(1, Some(5)).yields_to(at(4)));
        assert!(word(1, Some(5)).yields_to(at(6)));
    }

    #[test]
    fn of_two_items_that_become_one_the_later_stands_and_of_equals_the_deleted_one() {
        assert!(word(2, None).outlasts(word(1, None)));
        assert!(!word(2, None).outlasts(word(1, Some(3))));
        assert!(word(1, Some(3)).outlasts(word(3, None)));
        assert!(!word(3, None).outlasts(word(1, Some(3))));
    }

    #[test]
    fn neither_content_nor_key_prints() {
        let item = (ItemKey::new("order-4711"), Content::Text("anna".into()));
        let printed = format!("{item:?}");
        assert!(!printed.contains("4711") && !printed.contains("anna"));
    }
}
