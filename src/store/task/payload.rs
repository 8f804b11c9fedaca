//! What names the person, as bytes to be sealed.

use std::fmt::Display;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{super::error::StoreError, TABLE};
use crate::domain::{
    disclosure::ExternalReference,
    id::{ItemId, TaskId},
    identifier::IdentifierValue,
    item::{Content, ItemKey},
    name::{DataCategory, IdentifierType},
    subject_ref::Identifier,
    task::{Locator, Progress, TaskItem, TaskPayload},
};

#[derive(Serialize, Deserialize)]
struct Payload {
    identifiers: Vec<(IdentifierType, String)>,
    items: Vec<StoredItem>,
}

#[derive(Serialize, Deserialize)]
struct StoredItem {
    #[serde(rename = "item_id")]
    id: ItemId,
    data_category: DataCategory,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locator: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    right_value: Option<Stored>,
}

#[derive(Serialize, Deserialize)]
enum Stored {
    Text(String),
    Json(Value),
    Blob(String),
    Locator(String),
}

/// To bytes.
pub(in crate::store) fn write(payload: &TaskPayload) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let identifiers = payload.identifiers.iter();
    let stored = Payload {
        identifiers: identifiers
            .map(|one| (one.identifier_type.clone(), one.value.expose().to_owned()))
            .collect(),
        items: payload.items.iter().map(StoredItem::from).collect(),
    };
    bytes(&stored)
}

/// And back, from this row of a table.
pub(in crate::store) fn read(
    table: &'static str,
    row: impl Display,
    bytes: &[u8],
) -> Result<TaskPayload, StoreError> {
    let corrupt = || corrupt(table, &row, "payload_sealed");
    let stored: Payload = serde_json::from_slice(bytes).map_err(|_| corrupt())?;
    let identifiers = stored.identifiers.into_iter();
    let identifiers = identifiers.map(|(identifier_type, value)| Identifier {
        identifier_type,
        value: IdentifierValue::new(value),
    });
    let items = stored.items.into_iter();
    let items = items.map(|item| item.read().ok_or_else(corrupt));
    Ok(TaskPayload {
        identifiers: identifiers.collect(),
        items: items.collect::<Result<_, _>>()?,
    })
}

/// Progress to bytes.
pub(super) fn write_progress(progress: &Progress) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    bytes(&progress.0)
}

/// And back.
pub(super) fn read_progress(task: TaskId, bytes: &[u8]) -> Result<Progress, StoreError> {
    let value =
        serde_json::from_slice(bytes).map_err(|_| corrupt(TABLE, task, "progress_sealed"))?;
    Ok(Progress(value))
}

impl From<&TaskItem> for StoredItem {
    fn from(item: &TaskItem) -> Self {
        let TaskItem {
            item_id,
            data_category,
            key,
            locator,
            external_references,
            right_value,
        } = item;
        let references = external_references.iter();
        Self {
            id: *item_id,
            data_category: data_category.clone(),
            key: key.expose().to_owned(),
            locator: locator.as_ref().map(|one| one.expose().to_owned()),
            external_references: references.map(|one| one.expose().to_owned()).collect(),
            right_value: right_value.as_ref().map(|content| match content {
                Content::Text(text) => Stored::Text(text.clone()),
                Content::Json(value) => Stored::Json(value.clone()),
                Content::Blob(bytes) => Stored::Blob(STANDARD.encode(bytes)),
                Content::Locator(locator) => Stored::Locator(locator.clone()),
            }),
        }
    }
}

impl StoredItem {
    /// `None`: it is not what was written.
    fn read(self) -> Option<TaskItem> {
        let references = self.external_references.into_iter();
        let right_value = match self.right_value {
            None => None,
            Some(Stored::Text(text)) => Some(Content::Text(text)),
            Some(Stored::Json(value)) => Some(Content::Json(value)),
            Some(Stored::Locator(locator)) => Some(Content::Locator(locator)),
            Some(Stored::Blob(text)) => Some(Content::Blob(STANDARD.decode(text).ok()?)),
        };
        Some(TaskItem {
            item_id: self.id,
            data_category: self.data_category,
            key: ItemKey::new(self.key),
            locator: self.locator.map(Locator::new),
            external_references: references.filter_map(ExternalReference::new).collect(),
            right_value,
        })
    }
}

/// The error could quote the value.
fn bytes(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let written = serde_json::to_vec(value);
    let written = written.map_err(|_| StoreError::Internal("a payload does not encode".into()))?;
    Ok(Zeroizing::new(written))
}

fn corrupt(table: &'static str, row: impl Display, column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table,
        column,
        row: row.to_string(),
        reason: "is not what was sealed".into(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn whatever_names_the_person_reads_back_as_it_was() {
        let item = |right_value| TaskItem {
            item_id: ItemId(Uuid::from_u128(7)),
            data_category: "order_contents".parse().unwrap(),
            key: ItemKey::new("order-1"),
            locator: Some(Locator::new("crm://1")),
            external_references: ExternalReference::new("list 7".into())
                .into_iter()
                .collect(),
            right_value,
        };
        let payload = TaskPayload {
            identifiers: vec![Identifier {
                identifier_type: "email".parse().unwrap(),
                value: IdentifierValue::new("Ada@example.org"),
            }],
            items: vec![
                item(None),
                item(Some(Content::Text("é\0".into()))),
                item(Some(Content::Blob(vec![0, 255]))),
                item(Some(Content::Json(serde_json::json!({"a": [1.5]})))),
                item(Some(Content::Locator("crm://2".into()))),
            ],
        };
        let task = TaskId(Uuid::nil());
        let written = write(&payload).unwrap();
        assert_eq!(read(TABLE, task, &written).unwrap(), payload);
        assert!(read(TABLE, task, b"{}").is_err());
    }
}
