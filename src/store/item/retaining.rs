//! Items that stay after an erasure (Art. 17(3)): sealed anew, each under a key of its own, before the
//! key of their subject goes; and let go of one by one, with their keys.
//!
//! What stays is no longer the item that a registration would find: it gives its identity up. Of a
//! subject that lives on a tombstone takes it, so that what was collected before the erasure stays
//! erased however late it arrives, and what is collected after it is an item of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    super::{
        error::StoreError,
        name_list,
        rows::KEYS_MAX,
        session::{Session, Tx},
        vault::At,
    },
    CONTENT, ItemChange, KEY, KEY_LABEL, TABLE, row,
};
use crate::domain::{
    id::{ItemId, SubjectId, SubjectRequestId},
    item::ItemState,
    name::Purpose,
};

/// Items that are in memory at once: contents are large.
const PAGE: usize = 50;

/// Items that stay, and on what grounds.
#[derive(Clone, Debug)]
pub struct RetainedItems<'i> {
    /// Whose.
    pub subject: SubjectId,
    /// The items as they are from now on: `retained_for` says for which purposes.
    pub items: &'i [ItemState],
    /// The request that waits for them; `None`: the same as before.
    pub retained_by: Option<SubjectRequestId>,
    /// Whether the subject lives on: something may be collected of it again.
    pub subject_lives: bool,
}

impl Session {
    /// Subjects after `after` with items that stay after an erasure, ascending, `limit` at most.
    pub async fn list_retained_subjects(
        &self,
        after: SubjectId,
        limit: u64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .distinct()
            .filter(row::Column::RetainedFor.is_not_null())
            .filter(row::Column::SubjectId.gt(after.0))
            .order_by_asc(row::Column::SubjectId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }

    /// Which request waits for each item that stays; `None`: none does.
    pub async fn list_waiting_requests(
        &self,
        subject: SubjectId,
    ) -> Result<HashMap<ItemId, Option<SubjectRequestId>>, StoreError> {
        let rows: Vec<(Uuid, Option<Uuid>)> = row::Entity::find()
            .select_only()
            .columns([row::Column::ItemId, row::Column::RetainedBy])
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::RetainedFor.is_not_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|(item, request)| (ItemId(item), request.map(SubjectRequestId)))
            .collect())
    }

    /// The live items of a subject that are sealed under keys of their own, with those keys.
    pub async fn list_own_keys(
        &self,
        subject: SubjectId,
    ) -> Result<Vec<(ItemId, Uuid)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = row::Entity::find()
            .select_only()
            .columns([row::Column::ItemId, row::Column::SealedUnder])
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::SealedUnder.is_not_null())
            .filter(row::Column::DeletedAt.is_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let rows = rows.into_iter();
        Ok(rows.map(|(item, key)| (ItemId(item), key)).collect())
    }
}

impl Tx {
    /// Lets items stay on their grounds alone, each under a key of its own from now on. One that has
    /// stayed already keeps its key. The subject is locked, and its key is there.
    pub async fn retain_items(&mut self, retained: RetainedItems<'_>) -> Result<(), StoreError> {
        for page in retained.items.chunks(PAGE) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectId.eq(retained.subject.0))
                .filter(row::Column::ItemId.is_in(page.iter().map(|item| item.item_id.0)))
                .filter(row::Column::DeletedAt.is_null())
                .filter(row::Column::SealedUnder.is_null())
                .all(self.connection()?)
                .await?;
            let mut tombstones = Vec::with_capacity(rows.len());
            for row in rows {
                let tag = self.seal_apart(&row).await?;
                if retained.subject_lives {
                    tombstones.push(self.tombstone(row, tag));
                }
            }
            self.insert_rows(tombstones).await?;
            let live = self.live_among(retained.subject, page).await?;
            let history: Vec<_> = page
                .iter()
                .filter(|state| live.contains(&state.item_id.0))
                .map(|state| (retained.subject, state.clone(), ItemChange::Retained))
                .collect();
            self.append_item_history(&history).await?;
        }
        self.ground_items(retained).await
    }

    async fn live_among(
        &self,
        subject: SubjectId,
        items: &[ItemState],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let live: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::ItemId)
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ItemId.is_in(items.iter().map(|item| item.item_id.0)))
            .filter(row::Column::DeletedAt.is_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(live.into_iter().collect())
    }

    /// Seals a row under a new key of its own. Returns the tag that it was found by.
    async fn seal_apart(&mut self, row: &row::Model) -> Result<Vec<u8>, StoreError> {
        let own = self.new_key_id().await?;
        let mut update = row::Entity::update_many()
            .col_expr(row::Column::SealedUnder, Expr::value(Some(own)))
            .filter(row::Column::SubjectId.eq(row.subject_id))
            .filter(row::Column::ItemId.eq(row.item_id));
        let sealed = [
            (&row.item_key_sealed, KEY, row::Column::ItemKeySealed),
            (&row.content_sealed, CONTENT, row::Column::ContentSealed),
        ];
        for (sealed, name, column) in sealed {
            if let Some(sealed) = sealed {
                let plain = self.open(row.place_of(name), sealed).await?;
                let place = At::of_owner(own, TABLE, row.item_id, name);
                update =
                    update.col_expr(column, Expr::value(Some(self.seal(place, &plain).await?)));
            }
        }
        let tag = self
            .tag(SubjectId(own), KEY_LABEL, row.item_id.as_bytes())
            .await?;
        update
            .col_expr(row::Column::ItemKeyTag, tag.into())
            .exec(self.connection()?)
            .await?;
        Ok(row.item_key_tag.clone())
    }

    /// What takes the place of an item that stays: it was erased now, as far as registrations go.
    fn tombstone(&self, row: row::Model, item_key_tag: Vec<u8>) -> row::ActiveModel {
        let now = self.now().as_microsecond();
        let mut tombstone = row::ActiveModel::from(row::Model {
            item_key_tag,
            item_key_sealed: None,
            content_sealed: None,
            deleted_at: Some(now),
            retained_for: None,
            retained_by: None,
            sealed_under: None,
            ..row
        })
        .reset_all();
        tombstone.item_id = Set(self.new_id());
        tombstone.recorded_at = Set(now);
        tombstone
    }

    /// Writes the grounds of items that stay, those of equal grounds at once.
    async fn ground_items(&mut self, retained: RetainedItems<'_>) -> Result<(), StoreError> {
        let mut by_grounds = BTreeMap::<&[Purpose], Vec<Uuid>>::new();
        for item in retained.items {
            let grounds = item.retained_for.as_deref().unwrap_or_default();
            by_grounds.entry(grounds).or_default().push(item.item_id.0);
        }
        for (grounds, ids) in by_grounds {
            for ids in ids.chunks(KEYS_MAX) {
                let grounds = Expr::value(Some(name_list::write(grounds)));
                let mut update =
                    row::Entity::update_many().col_expr(row::Column::RetainedFor, grounds);
                if let Some(request) = retained.retained_by {
                    update = update.col_expr(row::Column::RetainedBy, request.0.into());
                }
                update
                    .filter(row::Column::SubjectId.eq(retained.subject.0))
                    .filter(row::Column::ItemId.is_in(ids.iter().copied()))
                    .filter(row::Column::SealedUnder.is_not_null())
                    .exec(self.connection()?)
                    .await?;
            }
        }
        Ok(())
    }

    /// Decides the end of the keys of their own that these items have.
    pub(super) async fn destroy_own_keys(
        &mut self,
        subject: SubjectId,
        items: &[ItemState],
    ) -> Result<(), StoreError> {
        let keys: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SealedUnder)
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ItemId.is_in(items.iter().map(|item| item.item_id.0)))
            .filter(row::Column::SealedUnder.is_not_null())
            .into_tuple()
            .all(self.connection()?)
            .await?;
        self.intend_key_destructions(&keys).await
    }
}
