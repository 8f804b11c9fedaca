//! The content of an item as bytes to be sealed: a letter for its kind, then the value.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::error::StoreError;
use crate::domain::item::{Content, ItemKey};

const TEXT: u8 = b'T';
const JSON: u8 = b'J';
const BLOB: u8 = b'B';
const LOCATOR: u8 = b'L';

/// To bytes.
pub(in crate::store) fn encode(content: &Content) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let json;
    let (kind, value) = match content {
        Content::Text(text) => (TEXT, text.as_bytes()),
        Content::Json(value) => {
            // The error could quote the value.
            json = serde_json::to_vec(value)
                .map_err(|_| StoreError::Internal("content does not encode".into()))?;
            (JSON, json.as_slice())
        }
        Content::Blob(bytes) => (BLOB, bytes.as_slice()),
        Content::Locator(locator) => (LOCATOR, locator.as_bytes()),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + value.len()));
    bytes.push(kind);
    bytes.extend_from_slice(value);
    Ok(bytes)
}

/// And back.
pub(in crate::store) fn decode(item: Uuid, bytes: &[u8]) -> Result<Content, StoreError> {
    let unreadable = || corrupt(item, "content_sealed");
    let (kind, value) = bytes.split_first().ok_or_else(unreadable)?;
    let text = || String::from_utf8(value.to_vec()).map_err(|_| unreadable());
    match *kind {
        TEXT => text().map(Content::Text),
        JSON => serde_json::from_slice(value)
            .map(Content::Json)
            .map_err(|_| unreadable()),
        BLOB => Ok(Content::Blob(value.to_vec())),
        LOCATOR => text().map(Content::Locator),
        _ => Err(unreadable()),
    }
}

/// An item key from its bytes.
pub(super) fn key(item: Uuid, bytes: &[u8]) -> Result<ItemKey, StoreError> {
    String::from_utf8(bytes.to_vec())
        .map(ItemKey::new)
        .map_err(|_| corrupt(item, "item_key_sealed"))
}

fn corrupt(item: Uuid, column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: super::TABLE,
        column,
        row: item.to_string(),
        reason: "is not what was sealed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_content_reads_back_as_itself() {
        for content in [
            Content::Text("T\0é".into()),
            Content::Json(serde_json::json!({"order": [1.5, null, "J"]})),
            Content::Blob(vec![0, 255, b'B']),
            Content::Locator("crm://orders/1".into()),
            Content::Text(String::new()),
        ] {
            let bytes = encode(&content).unwrap();
            assert_eq!(decode(Uuid::nil(), &bytes).unwrap(), content);
        }
    }

    #[test]
    fn bytes_of_no_known_kind_are_corrupt() {
        assert!(decode(Uuid::nil(), b"").is_err());
        assert!(decode(Uuid::nil(), b"X1").is_err());
        assert!(decode(Uuid::nil(), b"J{").is_err());
    }
}
