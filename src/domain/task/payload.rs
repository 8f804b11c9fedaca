//! What names the person to a recipient. Personal data: it is kept sealed under the task's own key, and
//! does not print.

use std::fmt;

use crate::domain::{
    disclosure::ExternalReference,
    id::ItemId,
    item::{Content, ItemKey},
    name::DataCategory,
    subject_ref::Identifier,
};

/// What a worker needs to do a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPayload {
    /// By what the recipient may know the person.
    pub identifiers: Vec<Identifier>,
    /// The items as the recipient may know them.
    pub items: Vec<TaskItem>,
}

/// An item as a recipient may know it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskItem {
    /// The item.
    pub item_id: ItemId,
    /// What it is.
    pub data_category: DataCategory,
    /// What tells it from others of its category.
    pub key: ItemKey,
    /// Where the holder has it.
    pub locator: Option<Locator>,
    /// The recipient's own names of the disclosures by which it came to have it.
    pub external_references: Vec<ExternalReference>,
    /// The right value, for a rectification.
    pub right_value: Option<Content>,
}

impl TaskItem {
    /// About how many bytes it takes when sealed or sent.
    pub fn bytes(&self) -> usize {
        let references = self.external_references.iter();
        let value = match &self.right_value {
            Some(Content::Text(text) | Content::Locator(text)) => text.len(),
            Some(Content::Blob(bytes)) => bytes.len(),
            Some(Content::Json(value)) => value.to_string().len(),
            None => 0,
        };
        // Ids, names and punctuation.
        200 + self.key.expose().len()
            + self.locator.as_ref().map_or(0, |one| one.expose().len())
            + references.map(|one| one.expose().len() + 8).sum::<usize>()
            + value
    }
}

/// Where a holder has an item.
#[derive(Clone, PartialEq, Eq)]
pub struct Locator(String);

impl Locator {
    /// Takes a locator.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The locator itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locator(…)")
    }
}

/// What one lease keeps for the next: a JSON object of the worker's own.
#[derive(Clone, PartialEq)]
pub struct Progress(pub serde_json::Value);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress(…)")
    }
}
