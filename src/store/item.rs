//! Items: their state in the clear, since the decision reads it; content and key sealed. What is
//! deleted leaves a tombstone without content, so that the deletion can be proved.

mod content;
mod history;
mod holders;
mod moving;
mod paging;
mod retaining;
mod suspects;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

pub(super) use self::content::{decode as decode_content, encode as encode_content};
pub use self::{history::ItemChange, paging::ItemCount, retaining::RetainedItems};
use super::{
    error::StoreError,
    name_list,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
    vault::At,
};
use crate::domain::{
    id::{ItemId, SubjectId},
    item::{Content, Item, ItemKey, ItemState, LastWord},
    name::{DataCategory, Source, SubjectCategory},
};

const TABLE: &str = "items";
const CONTENT: &str = "content_sealed";
const KEY: &str = "item_key_sealed";
/// The label under which item keys are compared without being stored.
const KEY_LABEL: &str = "item key";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        pub subject_category: String,
        pub data_category: String,
        pub source: String,
        pub item_key_tag: Vec<u8>,
        pub item_key_sealed: Option<Vec<u8>>,
        pub content_sealed: Option<Vec<u8>>,
        pub collected_at: i64,
        pub recorded_at: i64,
        pub policy_version: String,
        pub purposes: String,
        pub deleted_at: Option<i64>,
        pub retained_for: Option<String>,
        pub retained_by: Option<Uuid>,
        pub sealed_under: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What makes two registrations of a subject one item. The key is in it as a keyed tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemIdentity {
    /// The subject.
    pub subject_id: SubjectId,
    /// The role in which it was collected.
    pub subject_category: SubjectCategory,
    /// What it is.
    pub data_category: DataCategory,
    /// Who collected it.
    pub source: Source,
    tag: Vec<u8>,
}

/// An item that is known, live or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownItem {
    /// Its id.
    pub item_id: ItemId,
    /// When it came to be what it is.
    pub last_word: LastWord,
}

impl Session {
    /// The live items of each subject, without content. `data` empty: of every category.
    pub async fn list_item_states(
        &self,
        subjects: &[SubjectId],
        data: &[DataCategory],
    ) -> Result<HashMap<SubjectId, Vec<ItemState>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let mut query = StateRow::select()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .filter(row::Column::DeletedAt.is_null());
            if !data.is_empty() {
                let names = data.iter().map(DataCategory::as_str);
                query = query.filter(row::Column::DataCategory.is_in(names));
            }
            let rows = query
                .order_by_asc(row::Column::SubjectId)
                .order_by_asc(row::Column::ItemId)
                .into_model::<StateRow>()
                .all(self.connection()?)
                .await?;
            for row in rows {
                let of_subject = listed.entry(SubjectId(row.subject_id)).or_default();
                of_subject.push(ItemState::try_from(row)?);
            }
        }
        Ok(listed)
    }

    /// The live ones among these items of a subject, with content, in the order asked. A page at a
    /// time: contents are large.
    pub async fn read_items(
        &self,
        subject: SubjectId,
        items: &[ItemId],
    ) -> Result<Vec<Item>, StoreError> {
        let mut rows = HashMap::new();
        for items in items.chunks(KEYS_MAX) {
            let found = row::Entity::find()
                .filter(row::Column::SubjectId.eq(subject.0))
                .filter(row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
                .filter(row::Column::DeletedAt.is_null())
                .all(self.connection()?)
                .await?;
            rows.extend(found.into_iter().map(|row| (row.item_id, row)));
        }
        let mut read = Vec::with_capacity(rows.len());
        for item in items {
            if let Some(row) = rows.remove(&item.0) {
                read.push(self.open_item(row).await?);
            }
        }
        Ok(read)
    }

    async fn open_item(&self, row: row::Model) -> Result<Item, StoreError> {
        let id = row.item_id;
        let key = match &row.item_key_sealed {
            Some(sealed) => content::key(id, &self.open(row.place_of(KEY), sealed).await?)?,
            None => ItemKey::default(),
        };
        let content = match &row.content_sealed {
            Some(sealed) => {
                let opened = self.open(row.place_of(CONTENT), sealed).await?;
                Some(content::decode(id, &opened)?)
            }
            None => None,
        };
        let state = ItemState::try_from(StateRow::from(&row))?;
        Ok(Item {
            state,
            key,
            content,
        })
    }

    /// What makes a registration of `subject` one with another.
    pub async fn item_identity(
        &self,
        subject_id: SubjectId,
        item: &ItemState,
        key: &ItemKey,
    ) -> Result<ItemIdentity, StoreError> {
        let tag = self
            .tag(subject_id, KEY_LABEL, key.expose().as_bytes())
            .await?;
        Ok(ItemIdentity {
            subject_id,
            subject_category: item.subject_category.clone(),
            data_category: item.data_category.clone(),
            source: item.source.clone(),
            tag,
        })
    }

    /// What is known under each identity, deleted items included.
    pub async fn list_known_items(
        &self,
        wanted: &[ItemIdentity],
    ) -> Result<HashMap<ItemIdentity, KnownItem>, StoreError> {
        let mut known = HashMap::new();
        for wanted in wanted.chunks(KEYS_MAX) {
            let subjects: std::collections::BTreeSet<_> =
                wanted.iter().map(|one| one.subject_id.0).collect();
            let rows = KnownRow::select()
                .filter(self.is_among(row::Column::SubjectId, subjects))
                .filter(self.is_among(
                    row::Column::ItemKeyTag,
                    wanted.iter().map(|one| one.tag.clone()),
                ))
                .into_model::<KnownRow>()
                .all(self.connection()?)
                .await?;
            for row in rows {
                let (identity, item) = row.read()?;
                known.insert(identity, item);
            }
        }
        Ok(known)
    }
}

impl Tx {
    /// Puts items in place whose ids nobody has given yet.
    pub async fn insert_items(
        &mut self,
        items: &BTreeMap<(SubjectId, ItemId), Item>,
    ) -> Result<(), StoreError> {
        let rows = self.seal_items(items).await?;
        self.insert_rows(rows).await
    }

    /// Puts items in place: new ones, and ones that replace what was known under their id. Older
    /// content is destroyed.
    pub async fn put_items(
        &mut self,
        items: &BTreeMap<(SubjectId, ItemId), Item>,
    ) -> Result<(), StoreError> {
        let rows = self.seal_items(items).await?;
        let replace = OnConflict::columns([row::Column::SubjectId, row::Column::ItemId])
            .update_columns([
                row::Column::ItemKeySealed,
                row::Column::ContentSealed,
                row::Column::CollectedAt,
                row::Column::RecordedAt,
                row::Column::PolicyVersion,
                row::Column::Purposes,
                row::Column::DeletedAt,
                row::Column::RetainedFor,
                row::Column::RetainedBy,
                row::Column::SealedUnder,
            ])
            .to_owned();
        self.put_rows(rows, &replace).await
    }

    async fn seal_items(
        &self,
        items: &BTreeMap<(SubjectId, ItemId), Item>,
    ) -> Result<Vec<row::ActiveModel>, StoreError> {
        let mut rows = Vec::with_capacity(items.len());
        for ((subject, _), item) in items {
            rows.push(self.seal_item(*subject, item).await?);
        }
        Ok(rows)
    }

    async fn seal_item(
        &self,
        subject: SubjectId,
        item: &Item,
    ) -> Result<row::ActiveModel, StoreError> {
        let Item {
            state,
            key,
            content,
        } = item;
        let id = state.item_id.0;
        let key_bytes = key.expose().as_bytes();
        let item_key_sealed = match key_bytes {
            [] => None,
            bytes => Some(self.seal(at(subject, id, KEY), bytes).await?),
        };
        let content_sealed = self.seal_content(subject, id, content.as_ref()).await?;
        Ok(row::ActiveModel {
            subject_id: Set(subject.0),
            item_id: Set(id),
            subject_category: Set(state.subject_category.as_str().to_owned()),
            data_category: Set(state.data_category.as_str().to_owned()),
            source: Set(state.source.as_str().to_owned()),
            item_key_tag: Set(self.tag(subject, KEY_LABEL, key_bytes).await?),
            item_key_sealed: Set(item_key_sealed),
            content_sealed: Set(content_sealed),
            collected_at: Set(state.collected_at.as_microsecond()),
            recorded_at: Set(self.now().as_microsecond()),
            policy_version: Set(state.policy_version.as_str().to_owned()),
            purposes: Set(name_list::write(&state.purposes)),
            deleted_at: Set(None),
            retained_for: Set(None),
            retained_by: Set(None),
            sealed_under: Set(None),
        })
    }

    async fn seal_content(
        &self,
        subject: SubjectId,
        id: Uuid,
        content: Option<&Content>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(content) = content else {
            return Ok(None);
        };
        let encoded = content::encode(content)?;
        self.seal(at(subject, id, CONTENT), &encoded)
            .await
            .map(Some)
    }

    /// Replaces the content of a live item by what the person says is right; it counts as collected
    /// then. The older content is destroyed. `None`: there is no such live item. The subject is
    /// locked.
    pub async fn correct_item(
        &mut self,
        subject: SubjectId,
        item: ItemId,
        content: &Content,
        corrected_at: Timestamp,
    ) -> Result<Option<ItemState>, StoreError> {
        let Some(mut state) = self.find_item_state(subject, item).await? else {
            return Ok(None);
        };
        state.collected_at = corrected_at;
        let sealed = self.seal_content(subject, item.0, Some(content)).await?;
        row::Entity::update_many()
            .col_expr(row::Column::ContentSealed, Expr::value(sealed))
            .col_expr(
                row::Column::CollectedAt,
                corrected_at.as_microsecond().into(),
            )
            .col_expr(row::Column::RecordedAt, self.now().as_microsecond().into())
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ItemId.eq(item.0))
            .exec(self.connection()?)
            .await?;
        self.append_item_history(&[(subject, state.clone(), ItemChange::Corrected)])
            .await?;
        Ok(Some(state))
    }

    async fn find_item_state(
        &self,
        subject: SubjectId,
        item: ItemId,
    ) -> Result<Option<ItemState>, StoreError> {
        StateRow::select()
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(row::Column::ItemId.eq(item.0))
            .filter(row::Column::DeletedAt.is_null())
            .into_model::<StateRow>()
            .one(self.connection()?)
            .await?
            .map(ItemState::try_from)
            .transpose()
    }

    /// Deletes the live ones among these items: content and key are destroyed at once, a tombstone
    /// stays. What was sealed under a key of its own loses that as well. Returns what was deleted. The
    /// subject is locked.
    pub async fn delete_items(
        &mut self,
        subject: SubjectId,
        items: &[ItemId],
    ) -> Result<Vec<ItemState>, StoreError> {
        let live = self.list_item_states(&[subject], &[]).await?;
        let mut doomed = live.into_values().flatten().collect::<Vec<_>>();
        let items: HashSet<_> = items.iter().collect();
        doomed.retain(|state| items.contains(&state.item_id));
        for items in doomed.chunks(KEYS_MAX) {
            self.destroy_own_keys(subject, items).await?;
            let no_bytes = || Expr::value(Option::<Vec<u8>>::None);
            row::Entity::update_many()
                .col_expr(row::Column::ContentSealed, no_bytes())
                .col_expr(row::Column::ItemKeySealed, no_bytes())
                .col_expr(row::Column::DeletedAt, self.now().as_microsecond().into())
                .col_expr(
                    row::Column::RetainedFor,
                    Expr::value(Option::<String>::None),
                )
                .col_expr(row::Column::RetainedBy, Expr::value(Option::<Uuid>::None))
                .col_expr(row::Column::SealedUnder, Expr::value(Option::<Uuid>::None))
                .filter(row::Column::SubjectId.eq(subject.0))
                .filter(row::Column::ItemId.is_in(items.iter().map(|state| state.item_id.0)))
                .exec(self.connection()?)
                .await?;
        }
        let history: Vec<_> = doomed
            .iter()
            .map(|state| (subject, state.clone(), ItemChange::Deleted))
            .collect();
        self.append_item_history(&history).await?;
        Ok(doomed)
    }
}

fn at(subject: SubjectId, row: Uuid, column: &'static str) -> At {
    At {
        table: TABLE,
        subject,
        row,
        column,
    }
}

impl row::Model {
    /// Where a column of this row is sealed: under the subject's key, or under one of its own, and then
    /// bound to no subject.
    fn place_of(&self, column: &'static str) -> At {
        match self.sealed_under {
            Some(own) => At::of_owner(own, TABLE, self.item_id, column),
            None => at(SubjectId(self.subject_id), self.item_id, column),
        }
    }
}

/// The part of a row that the decision sees.
#[derive(FromQueryResult)]
pub(super) struct StateRow {
    pub(super) subject_id: Uuid,
    pub(super) item_id: Uuid,
    pub(super) subject_category: String,
    pub(super) data_category: String,
    pub(super) source: String,
    pub(super) collected_at: i64,
    pub(super) policy_version: String,
    pub(super) purposes: String,
    pub(super) retained_for: Option<String>,
}

impl StateRow {
    fn select() -> Select<row::Entity> {
        row::Entity::find().select_only().columns([
            row::Column::SubjectId,
            row::Column::ItemId,
            row::Column::SubjectCategory,
            row::Column::DataCategory,
            row::Column::Source,
            row::Column::CollectedAt,
            row::Column::PolicyVersion,
            row::Column::Purposes,
            row::Column::RetainedFor,
        ])
    }
}

impl From<&row::Model> for StateRow {
    fn from(row: &row::Model) -> Self {
        Self {
            subject_id: row.subject_id,
            item_id: row.item_id,
            subject_category: row.subject_category.clone(),
            data_category: row.data_category.clone(),
            source: row.source.clone(),
            collected_at: row.collected_at,
            policy_version: row.policy_version.clone(),
            purposes: row.purposes.clone(),
            retained_for: row.retained_for.clone(),
        }
    }
}

impl TryFrom<StateRow> for ItemState {
    type Error = StoreError;

    fn try_from(row: StateRow) -> Result<Self, StoreError> {
        let StateRow {
            subject_id: _,
            item_id,
            subject_category,
            data_category,
            source,
            collected_at,
            policy_version,
            purposes,
            retained_for,
        } = row;
        let names = |column, list: &str| {
            name_list::read(list).ok_or_else(|| StoreError::Corrupt {
                table: TABLE,
                column,
                row: item_id.to_string(),
                reason: "is no list of names".into(),
            })
        };
        Ok(Self {
            item_id: ItemId(item_id),
            subject_category: name(TABLE, "subject_category", item_id, &subject_category)?,
            data_category: name(TABLE, "data_category", item_id, &data_category)?,
            source: name(TABLE, "source", item_id, &source)?,
            collected_at: super::instant(TABLE, "collected_at", item_id, collected_at)?,
            policy_version: name(TABLE, "policy_version", item_id, &policy_version)?,
            purposes: names("purposes", &purposes)?,
            retained_for: retained_for
                .map(|list| names("retained_for", &list))
                .transpose()?,
        })
    }
}

/// The part of a row that says which item it is, and how old.
#[derive(FromQueryResult)]
struct KnownRow {
    subject_id: Uuid,
    item_id: Uuid,
    subject_category: String,
    data_category: String,
    source: String,
    item_key_tag: Vec<u8>,
    collected_at: i64,
    deleted_at: Option<i64>,
}

impl KnownRow {
    fn select() -> Select<row::Entity> {
        row::Entity::find().select_only().columns([
            row::Column::SubjectId,
            row::Column::ItemId,
            row::Column::SubjectCategory,
            row::Column::DataCategory,
            row::Column::Source,
            row::Column::ItemKeyTag,
            row::Column::CollectedAt,
            row::Column::DeletedAt,
        ])
    }

    fn read(self) -> Result<(ItemIdentity, KnownItem), StoreError> {
        let id = self.item_id;
        let identity = ItemIdentity {
            subject_id: SubjectId(self.subject_id),
            subject_category: name(TABLE, "subject_category", id, &self.subject_category)?,
            data_category: name(TABLE, "data_category", id, &self.data_category)?,
            source: name(TABLE, "source", id, &self.source)?,
            tag: self.item_key_tag,
        };
        let item = KnownItem {
            item_id: ItemId(id),
            last_word: last_word(id, self.collected_at, self.deleted_at)?,
        };
        Ok((identity, item))
    }
}

fn last_word(id: Uuid, collected_at: i64, deleted_at: Option<i64>) -> Result<LastWord, StoreError> {
    Ok(LastWord {
        collected_at: super::instant(TABLE, "collected_at", id, collected_at)?,
        deleted_at: deleted_at
            .map(|at| super::instant(TABLE, "deleted_at", id, at))
            .transpose()?,
    })
}
