//! Disclosures and the items that went with each.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::{
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
    vault::At,
};
use crate::domain::{
    disclosure::{Disclosure, ExternalReference},
    id::{DecisionId, DisclosureId, ItemId, SubjectId},
    name::{DataCategory, Processor, Purpose},
    task::Disclosed,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "disclosures")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub disclosure_id: Uuid,
        pub purpose: String,
        pub processor: String,
        pub decision_id: Uuid,
        pub external_reference_sealed: Option<Vec<u8>>,
        pub occurred_at: i64,
        pub recorded_at: i64,
        pub recorded_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod item_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "disclosed_items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub disclosure_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: Uuid,
        pub data_category: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

type Items = HashMap<DisclosureId, Vec<(ItemId, DataCategory)>>;

impl Session {
    /// A subject's disclosures, latest recorded first, `limit` at most. `processors`: only to these;
    /// `before`: only those that come after this one in that order.
    pub async fn list_disclosures(
        &self,
        subject: SubjectId,
        processors: Option<&[Processor]>,
        before: Option<(Timestamp, DisclosureId)>,
        limit: u64,
    ) -> Result<Vec<Disclosure>, StoreError> {
        let mut query = row::Entity::find().filter(row::Column::SubjectId.eq(subject.0));
        if let Some(processors) = processors {
            let names = processors.iter().map(AsRef::<str>::as_ref);
            query = query.filter(row::Column::Processor.is_in(names));
        }
        if let Some((recorded_at, id)) = before {
            query = query.filter(earlier(recorded_at, id));
        }
        let rows = query
            .order_by_desc(row::Column::RecordedAt)
            .order_by_desc(row::Column::DisclosureId)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        let mut items = self.disclosed_items(subject, &rows).await?;
        let mut disclosures = Vec::with_capacity(rows.len());
        for row in rows {
            disclosures.push(self.disclosure(row, &mut items).await?);
        }
        Ok(disclosures)
    }

    /// The recipients that have one of these items, each once.
    pub async fn list_recipients(
        &self,
        subject: SubjectId,
        items: &[ItemId],
    ) -> Result<Vec<Processor>, StoreError> {
        let mut recipients = BTreeSet::new();
        for items in items.chunks(KEYS_MAX) {
            let disclosed = item_row::Entity::find()
                .select_only()
                .column(item_row::Column::DisclosureId)
                .filter(item_row::Column::SubjectId.eq(subject.0))
                .filter(item_row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
                .into_query();
            let names: Vec<String> = row::Entity::find()
                .select_only()
                .column(row::Column::Processor)
                .distinct()
                .filter(row::Column::SubjectId.eq(subject.0))
                .filter(row::Column::DisclosureId.in_subquery(disclosed))
                .into_tuple()
                .all(self.connection()?)
                .await?;
            recipients.extend(names);
        }
        let names = recipients.iter();
        names
            .map(|text| name("disclosures", "processor", subject, text))
            .collect()
    }

    /// Everybody who has any data of a subject by a recorded disclosure; `data` empty: whatever it is.
    pub async fn list_all_recipients(
        &self,
        subject: SubjectId,
        data: &[DataCategory],
    ) -> Result<Vec<Processor>, StoreError> {
        let mut query = row::Entity::find()
            .select_only()
            .column(row::Column::Processor)
            .distinct()
            .filter(row::Column::SubjectId.eq(subject.0));
        if !data.is_empty() {
            let names = data.iter().map(DataCategory::as_str);
            let disclosed = item_row::Entity::find()
                .select_only()
                .column(item_row::Column::DisclosureId)
                .filter(item_row::Column::SubjectId.eq(subject.0))
                .filter(item_row::Column::DataCategory.is_in(names))
                .into_query();
            query = query.filter(row::Column::DisclosureId.in_subquery(disclosed));
        }
        let names: Vec<String> = query.into_tuple().all(self.connection()?).await?;
        let names: BTreeSet<_> = names.into_iter().collect();
        let names = names.iter();
        names
            .map(|text| name("disclosures", "processor", subject, text))
            .collect()
    }

    /// How many items went with each of a subject's disclosures, latest recorded first, `limit` at most.
    /// `before`: only those that come after this one in that order.
    pub async fn size_disclosures(
        &self,
        subject: SubjectId,
        before: (Timestamp, DisclosureId),
        limit: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let (recorded_at, id) = before;
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::DisclosureId)
            .filter(row::Column::SubjectId.eq(subject.0))
            .filter(earlier(recorded_at, id))
            .order_by_desc(row::Column::RecordedAt)
            .order_by_desc(row::Column::DisclosureId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let counts: Vec<(uuid::Uuid, i64)> = item_row::Entity::find()
            .select_only()
            .column(item_row::Column::DisclosureId)
            .column_as(item_row::Column::ItemId.count(), "items")
            .filter(item_row::Column::SubjectId.eq(subject.0))
            .filter(item_row::Column::DisclosureId.is_in(ids.iter().copied()))
            .group_by(item_row::Column::DisclosureId)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        let counts: HashMap<_, _> = counts.into_iter().collect();
        let sizes = ids.iter().map(|id| counts.get(id).copied().unwrap_or(0));
        Ok(sizes.map(i64::unsigned_abs).collect())
    }

    /// The disclosures that one of these items went with, without the other items.
    pub async fn list_disclosures_of(
        &self,
        subject: SubjectId,
        items: &[ItemId],
    ) -> Result<Vec<Disclosure>, StoreError> {
        let mut with = Items::new();
        for items in items.chunks(KEYS_MAX) {
            let rows = item_row::Entity::find()
                .filter(item_row::Column::SubjectId.eq(subject.0))
                .filter(item_row::Column::ItemId.is_in(items.iter().map(|id| id.0)))
                .order_by_asc(item_row::Column::ItemId)
                .all(self.connection()?)
                .await?;
            for row in rows {
                let (disclosure_id, item) = disclosed_item(row)?;
                with.entry(disclosure_id).or_default().push(item);
            }
        }
        let mut ids: Vec<_> = with.keys().copied().collect();
        ids.sort_unstable();
        let mut disclosures = Vec::with_capacity(ids.len());
        for ids in ids.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectId.eq(subject.0))
                .filter(row::Column::DisclosureId.is_in(ids.iter().map(|id| id.0)))
                .order_by_asc(row::Column::DisclosureId)
                .all(self.connection()?)
                .await?;
            for row in rows {
                disclosures.push(self.disclosure(row, &mut with).await?);
            }
        }
        Ok(disclosures)
    }

    /// Which items of these subjects went to which of `processors`, and what for. A subject of whom none
    /// did is left out.
    pub async fn list_disclosed(
        &self,
        subjects: &[SubjectId],
        processors: &[Processor],
    ) -> Result<HashMap<SubjectId, Vec<Disclosed>>, StoreError> {
        let mut listed = HashMap::<_, Vec<_>>::new();
        if processors.is_empty() {
            return Ok(listed);
        }
        for subjects in subjects.chunks(KEYS_MAX) {
            let subjects = || subjects.iter().map(|id| id.0);
            let names = processors.iter().map(AsRef::<str>::as_ref);
            let to_them = row::Entity::find()
                .filter(row::Column::SubjectId.is_in(subjects()))
                .filter(row::Column::Processor.is_in(names));
            let ids = to_them.clone().select_only();
            let ids = ids.column(row::Column::DisclosureId).into_query();
            let items = item_row::Entity::find()
                .filter(item_row::Column::SubjectId.is_in(subjects()))
                .filter(item_row::Column::DisclosureId.in_subquery(ids))
                .all(self.connection()?)
                .await?;
            let mut items_of = HashMap::<_, Vec<_>>::new();
            for item in items {
                let of = items_of.entry((item.subject_id, item.disclosure_id));
                of.or_default().push(ItemId(item.item_id));
            }
            for row in to_them.all(self.connection()?).await? {
                let id = row.disclosure_id;
                let processor: Processor = name("disclosures", "processor", id, &row.processor)?;
                let purpose: Purpose = name("disclosures", "purpose", id, &row.purpose)?;
                let items = items_of.remove(&(row.subject_id, id)).unwrap_or_default();
                let disclosed = items.into_iter().map(|item_id| Disclosed {
                    processor: processor.clone(),
                    purpose: purpose.clone(),
                    item_id,
                });
                let of_subject = listed.entry(SubjectId(row.subject_id)).or_default();
                of_subject.extend(disclosed);
            }
        }
        Ok(listed)
    }

    async fn disclosed_items(
        &self,
        subject: SubjectId,
        rows: &[row::Model],
    ) -> Result<Items, StoreError> {
        let mut items = Items::new();
        for chunk in rows.chunks(KEYS_MAX) {
            let ids = chunk.iter().map(|row| row.disclosure_id);
            let rows = item_row::Entity::find()
                .filter(item_row::Column::SubjectId.eq(subject.0))
                .filter(item_row::Column::DisclosureId.is_in(ids))
                .order_by_asc(item_row::Column::ItemId)
                .all(self.connection()?)
                .await?;
            for row in rows {
                let (disclosure_id, item) = disclosed_item(row)?;
                items.entry(disclosure_id).or_default().push(item);
            }
        }
        Ok(items)
    }

    async fn disclosure(
        &self,
        row: row::Model,
        items: &mut Items,
    ) -> Result<Disclosure, StoreError> {
        let row::Model {
            subject_id,
            disclosure_id,
            purpose,
            processor,
            decision_id,
            external_reference_sealed,
            occurred_at,
            recorded_at,
            recorded_by,
        } = row;
        let at = reference_at(SubjectId(subject_id), DisclosureId(disclosure_id));
        let external_reference = match external_reference_sealed {
            Some(sealed) => self.open_reference(at, &sealed).await?,
            None => None,
        };
        Ok(Disclosure {
            disclosure_id: DisclosureId(disclosure_id),
            subject_id: SubjectId(subject_id),
            items: items
                .remove(&DisclosureId(disclosure_id))
                .unwrap_or_default(),
            purpose: name("disclosures", "purpose", disclosure_id, &purpose)?,
            processor: name("disclosures", "processor", disclosure_id, &processor)?,
            external_reference,
            occurred_at: super::instant("disclosures", "occurred_at", disclosure_id, occurred_at)?,
            recorded_at: super::instant("disclosures", "recorded_at", disclosure_id, recorded_at)?,
            decision_id: DecisionId(decision_id),
            recorded_by,
        })
    }

    async fn open_reference(
        &self,
        at: At,
        sealed: &[u8],
    ) -> Result<Option<ExternalReference>, StoreError> {
        let Some(plain) = self.open_unless_destroyed(at, sealed).await? else {
            return Ok(None);
        };
        let text = String::from_utf8(plain.to_vec()).map_err(|error| StoreError::Corrupt {
            table: at.table,
            column: at.column,
            row: at.row.to_string(),
            reason: error.utf8_error().to_string(),
        })?;
        Ok(ExternalReference::new(text))
    }
}

impl Tx {
    /// Records disclosures.
    pub async fn insert_disclosures(
        &mut self,
        disclosures: &[Disclosure],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(disclosures.len());
        for disclosure in disclosures {
            rows.push(self.disclosure_row(disclosure).await?);
        }
        let items = disclosures.iter().flat_map(item_rows).collect();
        self.insert_rows(rows).await?;
        self.insert_rows(items).await
    }

    /// Gives the disclosures of one subject to another, their references sealed anew. For a merge:
    /// ids and times stay. Lock both subjects first.
    pub async fn move_disclosures(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.eq(from.0))
            .all(self.connection()?)
            .await?;
        let mut moved = Vec::with_capacity(rows.len());
        for row in rows {
            let disclosure = self.disclosure(row, &mut Items::new()).await?;
            let disclosure = Disclosure {
                subject_id: into,
                ..disclosure
            };
            moved.push(self.disclosure_row(&disclosure).await?);
        }
        row::Entity::delete_many()
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        item_row::Entity::update_many()
            .col_expr(item_row::Column::SubjectId, into.0.into())
            .filter(item_row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        self.insert_rows(moved).await
    }

    async fn disclosure_row(
        &self,
        disclosure: &Disclosure,
    ) -> Result<row::ActiveModel, StoreError> {
        let at = reference_at(disclosure.subject_id, disclosure.disclosure_id);
        let sealed = match &disclosure.external_reference {
            Some(reference) => Some(self.seal(at, reference.expose().as_bytes()).await?),
            None => None,
        };
        Ok(row::ActiveModel {
            subject_id: Set(disclosure.subject_id.0),
            disclosure_id: Set(disclosure.disclosure_id.0),
            purpose: Set(disclosure.purpose.as_str().to_owned()),
            processor: Set(disclosure.processor.as_str().to_owned()),
            decision_id: Set(disclosure.decision_id.0),
            external_reference_sealed: Set(sealed),
            occurred_at: Set(disclosure.occurred_at.as_microsecond()),
            recorded_at: Set(disclosure.recorded_at.as_microsecond()),
            recorded_by: Set(disclosure.recorded_by.clone()),
        })
    }
}

fn item_rows(disclosure: &Disclosure) -> impl Iterator<Item = item_row::ActiveModel> {
    disclosure
        .items
        .iter()
        .map(|(item_id, data_category)| item_row::ActiveModel {
            subject_id: Set(disclosure.subject_id.0),
            disclosure_id: Set(disclosure.disclosure_id.0),
            item_id: Set(item_id.0),
            data_category: Set(data_category.as_str().to_owned()),
        })
}

fn disclosed_item(
    row: item_row::Model,
) -> Result<(DisclosureId, (ItemId, DataCategory)), StoreError> {
    let item_row::Model {
        subject_id: _,
        disclosure_id,
        item_id,
        data_category,
    } = row;
    let data_category = name("disclosed_items", "data_category", item_id, &data_category)?;
    Ok((
        DisclosureId(disclosure_id),
        (ItemId(item_id), data_category),
    ))
}

fn earlier(recorded_at: Timestamp, id: DisclosureId) -> Condition {
    let recorded_at = recorded_at.as_microsecond();
    Condition::any()
        .add(row::Column::RecordedAt.lt(recorded_at))
        .add(
            Condition::all()
                .add(row::Column::RecordedAt.eq(recorded_at))
                .add(row::Column::DisclosureId.lt(id.0)),
        )
}

fn reference_at(subject: SubjectId, disclosure: DisclosureId) -> At {
    At {
        table: "disclosures",
        subject,
        row: disclosure.0,
        column: "external_reference_sealed",
    }
}
