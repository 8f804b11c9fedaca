//! Items of a subject that goes up in another: sealed anew under the other's key, in pages, since
//! contents are large.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{
    super::{
        error::StoreError,
        session::{Session, Tx},
    },
    ItemChange, ItemIdentity, KEY_LABEL, KnownItem, StateRow, last_word, row,
};
use crate::domain::{
    id::{ItemId, SubjectId},
    item::{ItemKey, ItemState},
};

/// Items that are in memory at once.
const PAGE: u64 = 50;

impl Session {
    /// How many items a subject has, deleted ones included.
    pub async fn count_items(&self, subject: SubjectId) -> Result<u64, StoreError> {
        Ok(row::Entity::find()
            .filter(row::Column::SubjectId.eq(subject.0))
            .count(self.connection()?)
            .await?)
    }
}

impl Tx {
    /// Moves every item of `from` to `into`. Where both have the same item, the later one stands:
    /// the other's content is destroyed. Returns which item went up in which. Both subjects are locked.
    pub async fn move_items(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<HashMap<ItemId, ItemId>, StoreError> {
        self.move_item_history(from, into).await?;
        let mut gone = HashMap::new();
        loop {
            let page = row::Entity::find()
                .filter(row::Column::SubjectId.eq(from.0))
                .order_by_asc(row::Column::ItemId)
                .limit(PAGE)
                .all(self.connection()?)
                .await?;
            if page.is_empty() {
                return Ok(gone);
            }
            self.move_page(from, into, page, &mut gone).await?;
        }
    }

    async fn move_page(
        &mut self,
        from: SubjectId,
        into: SubjectId,
        page: Vec<row::Model>,
        gone: &mut HashMap<ItemId, ItemId>,
    ) -> Result<(), StoreError> {
        let mut arriving = BTreeMap::new();
        for row in &page {
            let identity = self.identity_at(from, into, row).await?;
            arriving.insert(identity, row);
        }
        let identities: Vec<_> = arriving.keys().cloned().collect();
        let known = self.list_known_items(&identities).await?;
        let (mut rows, mut history, mut yielding) = (Vec::new(), Vec::new(), Vec::new());
        for (identity, row) in arriving {
            let arrives = last_word(row.item_id, row.collected_at, row.deleted_at)?;
            match known.get(&identity) {
                Some(held) if held.last_word.outlasts(arrives) => {
                    let state = ItemState::try_from(StateRow::from(row))?;
                    gone.insert(state.item_id, held.item_id);
                    history.push((into, state, ItemChange::Merged));
                }
                held => {
                    gone.extend(held.map(|held| (held.item_id, ItemId(row.item_id))));
                    yielding.extend(held.copied());
                    rows.push(self.seal_again(&identity, row).await?);
                }
            }
        }
        history.extend(self.yield_items(into, &yielding).await?);
        delete(self, from, page.iter().map(|row| row.item_id)).await?;
        self.insert_rows(rows).await?;
        self.append_item_history(&history).await
    }

    /// Takes away the items of `into` that give way.
    async fn yield_items(
        &mut self,
        into: SubjectId,
        yielding: &[KnownItem],
    ) -> Result<Vec<(SubjectId, ItemState, ItemChange)>, StoreError> {
        let ids: Vec<Uuid> = yielding.iter().map(|known| known.item_id.0).collect();
        let states = StateRow::select()
            .filter(row::Column::SubjectId.eq(into.0))
            .filter(row::Column::ItemId.is_in(ids.iter().copied()))
            .into_model::<StateRow>()
            .all(self.connection()?)
            .await?;
        delete(self, into, ids.into_iter()).await?;
        let changes = states
            .into_iter()
            .map(|state| Ok((into, ItemState::try_from(state)?, ItemChange::Merged)));
        changes.collect()
    }

    /// The identity that an item of `from` gets under `into`'s key.
    async fn identity_at(
        &self,
        from: SubjectId,
        into: SubjectId,
        row: &row::Model,
    ) -> Result<ItemIdentity, StoreError> {
        let state = ItemState::try_from(StateRow::from(row))?;
        if row.sealed_under.is_some() {
            // What stays after an erasure is the same item as nothing else.
            let mut own = self
                .item_identity(into, &state, &ItemKey::default())
                .await?;
            own.tag.clone_from(&row.item_key_tag);
            return Ok(own);
        }
        let key = match &row.item_key_sealed {
            Some(sealed) => {
                let opened = self.open(row.place_of(super::KEY), sealed).await?;
                super::content::key(row.item_id, &opened)?
            }
            None => ItemKey::default(),
        };
        let mut identity = self.item_identity(into, &state, &key).await?;
        let keyless = self.tag(from, KEY_LABEL, b"").await?;
        if row.item_key_sealed.is_none() && row.item_key_tag != keyless {
            // A tombstone whose key is destroyed: its tag can match nothing any more.
            identity.tag.clone_from(&row.item_key_tag);
        }
        Ok(identity)
    }

    async fn seal_again(
        &self,
        identity: &ItemIdentity,
        row: &row::Model,
    ) -> Result<row::ActiveModel, StoreError> {
        let (into, id) = (identity.subject_id, row.item_id);
        let mut moved = row.clone();
        moved.subject_id = into.0;
        moved.item_key_tag.clone_from(&identity.tag);
        let sealed = [
            (&mut moved.item_key_sealed, super::KEY),
            (&mut moved.content_sealed, super::CONTENT),
        ];
        for (sealed, column) in sealed {
            // What is sealed under a key of its own is bound to no subject.
            if let Some(bytes) = sealed.as_mut().filter(|_| row.sealed_under.is_none()) {
                let plain = self.open(row.place_of(column), bytes).await?;
                *bytes = self.seal(super::at(into, id, column), &plain).await?;
            }
        }
        let mut moved = row::ActiveModel::from(moved).reset_all();
        moved.recorded_at = Set(self.now().as_microsecond());
        Ok(moved)
    }
}

async fn delete(
    tx: &Tx,
    subject: SubjectId,
    items: impl Iterator<Item = Uuid>,
) -> Result<(), StoreError> {
    row::Entity::delete_many()
        .filter(row::Column::SubjectId.eq(subject.0))
        .filter(row::Column::ItemId.is_in(items))
        .exec(tx.connection()?)
        .await?;
    Ok(())
}
