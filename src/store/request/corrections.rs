//! The right values of a rectification, sealed as one: for each its item's id, its length, its content.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    super::{
        error::StoreError,
        item::{decode_content, encode_content},
        session::{Session, Tx},
        vault::At,
    },
    TABLE, row,
};
use crate::domain::{
    id::{ItemId, SubjectId, SubjectRequestId},
    request::{Correction, record::Record},
};

/// Bytes of an item's id.
const ID_BYTES: usize = 16;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

impl Session {
    /// The right values that a request waits to put in place; none when it has done so.
    pub async fn read_corrections(&self, record: &Record) -> Result<Vec<Correction>, StoreError> {
        let id = record.subject_request_id;
        let sealed: Option<Option<Vec<u8>>> = row::Entity::find_by_id(id.0)
            .select_only()
            .column(row::Column::CorrectionsSealed)
            .into_tuple()
            .one(self.connection()?)
            .await?;
        let Some(sealed) = sealed.flatten() else {
            return Ok(Vec::new());
        };
        let opened = self.open(place(record.subject_id, id.0), &sealed).await?;
        decode(id, &opened)
    }
}

impl Tx {
    pub(super) async fn seal_corrections(
        &self,
        record: &Record,
        corrections: &[Correction],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if corrections.is_empty() {
            return Ok(None);
        }
        let encoded = encode(corrections)?;
        let at = place(record.subject_id, record.subject_request_id.0);
        self.seal(at, &encoded).await.map(Some)
    }

    /// Seals under the key of `into` what was sealed under that of `from`, one after another: the values
    /// of one request may be large. For a merge: lock both subjects first, and move the requests next.
    pub async fn move_corrections(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectRequestId)
            .filter(row::Column::SubjectId.eq(from.0))
            .filter(row::Column::CorrectionsSealed.is_not_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        for id in ids {
            let sealed: Option<Option<Vec<u8>>> = row::Entity::find_by_id(id)
                .select_only()
                .column(row::Column::CorrectionsSealed)
                .into_tuple()
                .one(self.connection()?)
                .await?;
            let Some(sealed) = sealed.flatten() else {
                continue;
            };
            let opened = self.open(place(from, id), &sealed).await?;
            let sealed = self.seal(place(into, id), &opened).await?;
            row::Entity::update_many()
                .col_expr(row::Column::CorrectionsSealed, Expr::value(Some(sealed)))
                .filter(row::Column::SubjectRequestId.eq(id))
                .exec(self.connection()?)
                .await?;
        }
        Ok(())
    }

    /// Destroys right values that no key opens any more.
    pub async fn forget_corrections(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(
                row::Column::CorrectionsSealed,
                Expr::value(Option::<Vec<u8>>::None),
            )
            .filter(row::Column::SubjectId.eq(subject.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}

fn place(subject: SubjectId, row: Uuid) -> At {
    At {
        table: TABLE,
        subject,
        row,
        column: "corrections_sealed",
    }
}

fn encode(corrections: &[Correction]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(Vec::new());
    for correction in corrections {
        let content = encode_content(&correction.content)?;
        let length = u32::try_from(content.len())
            .map_err(|_| StoreError::Internal("a right value is too long".into()))?;
        bytes.extend_from_slice(correction.item_id.0.as_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&content);
    }
    Ok(bytes)
}

fn decode(request: SubjectRequestId, mut bytes: &[u8]) -> Result<Vec<Correction>, StoreError> {
    let corrupt = || StoreError::Corrupt {
        table: TABLE,
        column: "corrections_sealed",
        row: request.to_string(),
        reason: "is not what was sealed".into(),
    };
    let mut corrections = Vec::new();
    while !bytes.is_empty() {
        let (id, rest) = bytes.split_first_chunk::<ID_BYTES>().ok_or_else(corrupt)?;
        let (length, rest) = rest
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or_else(corrupt)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| corrupt())?;
        let (content, rest) = rest.split_at_checked(length).ok_or_else(corrupt)?;
        let item = Uuid::from_bytes(*id);
        corrections.push(Correction {
            item_id: ItemId(item),
            content: decode_content(item, content)?,
        });
        bytes = rest;
    }
    Ok(corrections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::item::Content;

    const REQUEST: SubjectRequestId = SubjectRequestId(Uuid::nil());

    #[test]
    fn right_values_read_back_as_themselves_and_a_part_of_them_does_not() {
        let corrections = [
            Content::Text("Ada".into()),
            Content::Text(String::new()),
            Content::Json(serde_json::json!({"street": "…"})),
            Content::Blob(vec![0, 255]),
        ];
        let corrections: Vec<_> = (1..)
            .zip(corrections)
            .map(|(id, content)| Correction {
                item_id: ItemId(Uuid::from_u128(id)),
                content,
            })
            .collect();
        let bytes = encode(&corrections).expect("they encode");
        assert_eq!(decode(REQUEST, &bytes).expect("they decode"), corrections);
        assert!(decode(REQUEST, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode(REQUEST, &[]).expect("nothing").is_empty());
    }
}
