//! Legal holds: few, and read with the items that they keep.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{ExprTrait, OnConflict},
};

use super::{
    error::StoreError,
    name_list,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{
    hold::LegalHold,
    id::{ItemId, LegalHoldId, SubjectId},
    journal::JournalKind,
};

const TABLE: &str = "legal_holds";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "legal_holds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub legal_hold_id: Uuid,
        pub item_ids: String,
        pub data_categories: String,
        pub purposes: String,
        pub matter: String,
        pub article: String,
        pub placed_at: i64,
        pub placed_by: String,
        pub released_at: Option<i64>,
        pub released_by: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which holds are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldFilter {
    /// Of one subject; `None`: of all.
    pub subject: Option<SubjectId>,
    /// Released ones too.
    pub include_released: bool,
}

impl Session {
    /// Every hold that stands on items of these subjects. A subject without one is left out.
    pub async fn list_holds(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, Vec<LegalHold>>, StoreError> {
        let mut holds = HashMap::<_, Vec<_>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(row::Column::SubjectId.is_in(subjects.iter().map(|id| id.0)))
                .filter(row::Column::ReleasedAt.is_null())
                .order_by_asc(row::Column::LegalHoldId)
                .all(self.connection()?)
                .await?;
            for row in rows {
                let hold = LegalHold::try_from(row)?;
                holds.entry(hold.subject_id).or_default().push(hold);
            }
        }
        Ok(holds)
    }

    /// A hold by its id, released or not.
    pub async fn find_hold(&self, id: LegalHoldId) -> Result<Option<LegalHold>, StoreError> {
        row::Entity::find()
            .filter(row::Column::LegalHoldId.eq(id.0))
            .one(self.connection()?)
            .await?
            .map(LegalHold::try_from)
            .transpose()
    }

    /// Holds, latest placed first, `limit` at most. `before`: only those that come after this one in
    /// that order.
    pub async fn page_holds(
        &self,
        filter: HoldFilter,
        before: Option<(Timestamp, LegalHoldId)>,
        limit: u64,
    ) -> Result<Vec<LegalHold>, StoreError> {
        let mut query = row::Entity::find();
        if let Some(subject) = filter.subject {
            query = query.filter(row::Column::SubjectId.eq(subject.0));
        }
        if !filter.include_released {
            query = query.filter(row::Column::ReleasedAt.is_null());
        }
        if let Some((placed_at, id)) = before {
            query = query.filter(earlier(placed_at, id));
        }
        let rows = query
            .order_by_desc(row::Column::PlacedAt)
            .order_by_desc(row::Column::LegalHoldId)
            .limit(limit)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(LegalHold::try_from).collect()
    }
}

impl Tx {
    /// Keeps a hold that is placed, or released. The subject is locked. The journal has it.
    pub async fn put_hold(&mut self, hold: &LegalHold) -> Result<(), StoreError> {
        self.put_hold_again(hold).await?;
        let kept = JournalKind::HoldKept(Box::new(hold.clone()));
        self.append_journal(vec![(hold.subject_id, kept)]).await
    }

    /// As [`Tx::put_hold`], of what the journal has.
    pub async fn put_hold_again(&mut self, hold: &LegalHold) -> Result<(), StoreError> {
        let released = OnConflict::columns([row::Column::SubjectId, row::Column::LegalHoldId])
            .update_columns([row::Column::ReleasedAt, row::Column::ReleasedBy])
            .to_owned();
        self.put_rows(vec![row_of(hold)], &released).await
    }

    /// Gives the holds of one subject to another, for a merge. `gone` are items that went up in
    /// others by it: a hold on the one is a hold on the other from then on. Lock both subjects
    /// first.
    pub async fn move_holds(
        &mut self,
        from: SubjectId,
        into: SubjectId,
        gone: &HashMap<ItemId, ItemId>,
    ) -> Result<(), StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::SubjectId.is_in([from.0, into.0]))
            .all(self.connection()?)
            .await?;
        let mut moved = Vec::with_capacity(rows.len());
        for row in rows {
            let mut hold = LegalHold::try_from(row)?;
            let heirs = hold.item_ids.iter().filter_map(|id| gone.get(id)).copied();
            let heirs: Vec<_> = heirs.collect();
            hold.item_ids.extend(heirs);
            hold.item_ids.sort_unstable();
            hold.item_ids.dedup();
            hold.subject_id = into;
            moved.push(row_of(&hold));
        }
        row::Entity::delete_many()
            .filter(row::Column::SubjectId.is_in([from.0, into.0]))
            .exec(self.connection()?)
            .await?;
        self.insert_rows(moved).await
    }
}

fn earlier(placed_at: Timestamp, id: LegalHoldId) -> Condition {
    let at = placed_at.as_microsecond();
    Condition::any().add(row::Column::PlacedAt.lt(at)).add(
        row::Column::PlacedAt
            .eq(at)
            .and(row::Column::LegalHoldId.lt(id.0)),
    )
}

fn row_of(hold: &LegalHold) -> row::ActiveModel {
    let LegalHold {
        legal_hold_id,
        subject_id,
        item_ids,
        data_categories,
        purposes,
        matter,
        article,
        placed_at,
        placed_by,
        released_at,
        released_by,
    } = hold;
    let item_ids: Vec<_> = item_ids.iter().map(ToString::to_string).collect();
    row::ActiveModel {
        subject_id: Set(subject_id.0),
        legal_hold_id: Set(legal_hold_id.0),
        item_ids: Set(name_list::write(&item_ids)),
        data_categories: Set(name_list::write(data_categories)),
        purposes: Set(name_list::write(purposes)),
        matter: Set(matter.clone()),
        article: Set(article.clone()),
        placed_at: Set(placed_at.as_microsecond()),
        placed_by: Set(placed_by.as_str().to_owned()),
        released_at: Set(released_at.map(Timestamp::as_microsecond)),
        released_by: Set(released_by.as_ref().map(|by| by.as_str().to_owned())),
    }
}

impl TryFrom<row::Model> for LegalHold {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id,
            legal_hold_id: id,
            item_ids,
            data_categories,
            purposes,
            matter,
            article,
            placed_at,
            placed_by,
            released_at,
            released_by,
        } = row;
        Ok(Self {
            legal_hold_id: LegalHoldId(id),
            subject_id: SubjectId(subject_id),
            item_ids: names("item_ids", id, &item_ids)?,
            data_categories: names("data_categories", id, &data_categories)?,
            purposes: names("purposes", id, &purposes)?,
            matter,
            article,
            placed_at: super::instant(TABLE, "placed_at", id, placed_at)?,
            placed_by: name(TABLE, "placed_by", id, &placed_by)?,
            released_at: released_at
                .map(|at| super::instant(TABLE, "released_at", id, at))
                .transpose()?,
            released_by: released_by
                .map(|by| name(TABLE, "released_by", id, &by))
                .transpose()?,
        })
    }
}

fn names<N: std::str::FromStr>(
    column: &'static str,
    id: uuid::Uuid,
    text: &str,
) -> Result<Vec<N>, StoreError> {
    name_list::read(text).ok_or_else(|| StoreError::Corrupt {
        table: TABLE,
        column,
        row: id.to_string(),
        reason: "is no list of names".into(),
    })
}
