//! Subjects: made, locked, resolved, merged away.

use std::collections::HashMap;

use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{ExprTrait, LockBehavior, LockType},
};

use super::{
    error::StoreError,
    rows::KEYS_MAX,
    session::{Session, Tx},
};
use crate::domain::{id::SubjectId, revision::Revision};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subjects")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        pub created_at: i64,
        pub revision: i64,
        pub merged_into: Option<Uuid>,
        pub erased_at: Option<i64>,
        pub merged_at: Option<i64>,
        pub merged_first_into: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A subject's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRecord {
    /// The subject.
    pub subject_id: SubjectId,
    /// When it came into being.
    pub created_at: Timestamp,
    /// The last state in which anything of it changed.
    pub revision: Revision,
    /// The subject that it was merged into.
    pub merged_into: Option<SubjectId>,
    /// When it was erased.
    pub erased_at: Option<Timestamp>,
}

impl Session {
    /// The row of `id` as it stands, merged away or not.
    async fn subject_row(&self, id: SubjectId) -> Result<Option<SubjectRecord>, StoreError> {
        let row = row::Entity::find_by_id(id.0)
            .one(self.connection()?)
            .await?;
        row.map(SubjectRecord::try_from).transpose()
    }

    /// The living subject that `id` leads to: itself, or the one that it was merged into.
    pub async fn find_subject(&self, id: SubjectId) -> Result<Option<SubjectRecord>, StoreError> {
        let found = self.subject_row(id).await?;
        match found.as_ref().and_then(|record| record.merged_into) {
            // A merge repoints what had been merged before, so one step is the whole way.
            Some(survivor) => self.subject_row(survivor).await,
            None => Ok(found),
        }
    }

    /// Several subjects at once; those that are merged away or unknown are left out.
    pub async fn list_subjects(&self, ids: &[SubjectId]) -> Result<Vec<SubjectRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(self.is_among(row::Column::SubjectId, ids.iter().map(|id| id.0)))
            .filter(row::Column::MergedInto.is_null())
            .order_by_asc(row::Column::SubjectId)
            .all(self.connection()?)
            .await?;
        rows.into_iter().map(SubjectRecord::try_from).collect()
    }

    /// Those of `ids` that have a row, merged away or not.
    pub async fn list_existing(&self, ids: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError> {
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(self.is_among(row::Column::SubjectId, ids.iter().map(|id| id.0)))
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }

    /// Subjects after `after`, ascending, `limit` at most; those that were merged away are left out.
    pub async fn page_subjects(
        &self,
        after: Option<SubjectId>,
        limit: u64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.0);
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(row::Column::SubjectId.gt(after))
            .filter(row::Column::MergedInto.is_null())
            .order_by_asc(row::Column::SubjectId)
            .limit(limit)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }

    /// The ids that were merged into `id`.
    pub async fn list_merged(&self, id: SubjectId) -> Result<Vec<SubjectId>, StoreError> {
        let ids: Vec<uuid::Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .filter(row::Column::MergedInto.eq(id.0))
            .order_by_asc(row::Column::SubjectId)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }
}

impl Tx {
    /// The id of a subject to be made; its key is durable before this returns. Without
    /// [`Tx::insert_subjects`] nothing comes of it, and the key is swept.
    pub async fn reserve_subject(&mut self) -> Result<SubjectId, StoreError> {
        self.new_subject_key().await
    }

    /// Makes the subjects whose ids were reserved.
    pub async fn insert_subjects(&mut self, reserved: &[SubjectId]) -> Result<(), StoreError> {
        let rows = reserved.iter().map(|subject| row::ActiveModel {
            subject_id: Set(subject.0),
            created_at: Set(self.now().as_microsecond()),
            revision: Set(0),
            merged_into: Set(None),
            erased_at: Set(None),
            merged_at: Set(None),
            merged_first_into: Set(None),
        });
        let rows = rows.collect();
        self.insert_rows(rows).await
    }

    /// As [`Tx::lock_subject`], for many at once: where each id leads. Unknown ones are left out.
    pub async fn lock_subjects(
        &mut self,
        ids: &[SubjectId],
    ) -> Result<HashMap<SubjectId, SubjectRecord>, StoreError> {
        let held = self.hold_subjects(ids).await?;
        self.note_subjects(held.keys().copied());
        self.note_subjects(held.values().map(|record| record.subject_id));
        Ok(held)
    }

    /// As [`Tx::lock_subjects`], for what changes nothing that a decision rests on: nobody has to forget
    /// these subjects.
    pub async fn hold_subjects(
        &mut self,
        ids: &[SubjectId],
    ) -> Result<HashMap<SubjectId, SubjectRecord>, StoreError> {
        let mut held = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, ids.iter().map(|id| id.0)))
                .order_by_asc(self.in_order_of(row::Column::SubjectId))
                .lock(LockType::Update)
                .all(self.connection()?)
                .await?;
            for row in rows {
                let record = SubjectRecord::try_from(row)?;
                held.insert(record.subject_id, record);
            }
        }
        for record in held.values_mut() {
            if let Some(survivor) = record.merged_into
                && let Some(living) = self.hold_subject(survivor).await?
            {
                *record = living;
            }
        }
        Ok(held)
    }

    /// Finds the living subject that `id` leads to and holds it until the end of the transaction:
    /// two changes of one subject never overlap. Lock several in the order of their ids.
    ///
    /// Whoever locks a subject is taken to change it: what is known of it in memory is forgotten.
    pub async fn lock_subject(
        &mut self,
        id: SubjectId,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let held = self.hold_subject(id).await?;
        self.note_subjects(held.iter().flat_map(|record| [id, record.subject_id]));
        Ok(held)
    }

    async fn hold_subject(&mut self, id: SubjectId) -> Result<Option<SubjectRecord>, StoreError> {
        let mut wanted = id;
        loop {
            let row = row::Entity::find_by_id(wanted.0)
                .lock(LockType::Update)
                .one(self.connection()?)
                .await?;
            let Some(record) = row.map(SubjectRecord::try_from).transpose()? else {
                return Ok(None);
            };
            match record.merged_into {
                Some(survivor) => wanted = survivor,
                None => return Ok(Some(record)),
            }
        }
    }

    /// Notes the state in which the subjects changed last, and that something of them may end at another time.
    pub async fn stamp_subjects(
        &mut self,
        ids: &[SubjectId],
        revision: Revision,
    ) -> Result<(), StoreError> {
        for ids in ids.chunks(KEYS_MAX) {
            row::Entity::update_many()
                .col_expr(row::Column::Revision, revision.last_event().into())
                .filter(self.is_among(row::Column::SubjectId, ids.iter().map(|id| id.0)))
                .exec(self.connection()?)
                .await?;
        }
        self.doubt_expiries(ids).await
    }

    /// Holds those of `ids` that nobody else holds, merged away or not, until the end of the transaction. It waits
    /// for nobody, so the order in which it comes upon them does not matter.
    pub async fn hold_free_subjects(
        &mut self,
        ids: &[SubjectId],
    ) -> Result<Vec<SubjectRecord>, StoreError> {
        let mut rows = row::Entity::find()
            .filter(self.is_among(row::Column::SubjectId, ids.iter().map(|id| id.0)))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(self.connection()?)
            .await?;
        rows.sort_unstable_by_key(|row| row.subject_id);
        rows.into_iter().map(SubjectRecord::try_from).collect()
    }

    /// Lets `from`, and whatever was merged into it, lead to `into`.
    pub async fn redirect_subject(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        self.note_subjects([from, into]);
        row::Entity::update_many()
            .col_expr(row::Column::MergedInto, into.0.into())
            .filter(
                row::Column::SubjectId
                    .eq(from.0)
                    .or(row::Column::MergedInto.eq(from.0)),
            )
            .exec(self.connection()?)
            .await?;
        let now = self.now().as_microsecond();
        row::Entity::update_many()
            .col_expr(row::Column::MergedAt, now.into())
            .col_expr(row::Column::MergedFirstInto, into.0.into())
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        self.move_expiries(from, into).await
    }
}

impl TryFrom<row::Model> for SubjectRecord {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let row::Model {
            subject_id,
            created_at,
            revision,
            merged_into,
            erased_at,
            merged_at: _,
            merged_first_into: _,
        } = row;
        Ok(Self {
            subject_id: SubjectId(subject_id),
            created_at: super::instant("subjects", "created_at", subject_id, created_at)?,
            revision: Revision::after_event(revision),
            merged_into: merged_into.map(SubjectId),
            erased_at: erased_at
                .map(|at| super::instant("subjects", "erased_at", subject_id, at))
                .transpose()?,
        })
    }
}
