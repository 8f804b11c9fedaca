//! Activity: when each source saw a subject last.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::{
    error::StoreError,
    rows::{KEYS_MAX, name},
    session::{Session, Tx},
};
use crate::domain::{id::SubjectId, name::Source};

const TABLE: &str = "activity";

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "activity")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: String,
        pub last_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// The latest activity of each subject by source.
    pub async fn list_activity(
        &self,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, BTreeMap<Source, Timestamp>>, StoreError> {
        let mut listed = HashMap::<_, BTreeMap<_, _>>::new();
        for subjects in subjects.chunks(KEYS_MAX) {
            let rows = row::Entity::find()
                .filter(self.is_among(row::Column::SubjectId, subjects.iter().map(|id| id.0)))
                .all(self.connection()?)
                .await?;
            for row in rows {
                let row::Model {
                    subject_id,
                    source,
                    last_at,
                } = row;
                let at = super::instant(TABLE, "last_at", subject_id, last_at)?;
                listed
                    .entry(SubjectId(subject_id))
                    .or_default()
                    .insert(name(TABLE, "source", subject_id, &source)?, at);
            }
        }
        Ok(listed)
    }
}

impl Tx {
    /// Notes an activity. An instant earlier than the latest known one changes nothing. Returns the
    /// latest, and whether it is this one. The subject is locked.
    pub async fn record_activity(
        &mut self,
        subject: SubjectId,
        source: &Source,
        at: Timestamp,
    ) -> Result<(Timestamp, bool), StoreError> {
        let mut known = self.list_activity(&[subject]).await?;
        let last = known
            .get_mut(&subject)
            .and_then(|by_source| by_source.remove(source));
        if let Some(last) = last.filter(|last| *last >= at) {
            return Ok((last, false));
        }
        let row = row::ActiveModel {
            subject_id: Set(subject.0),
            source: Set(source.as_str().to_owned()),
            last_at: Set(at.as_microsecond()),
        };
        let replace = OnConflict::columns([row::Column::SubjectId, row::Column::Source])
            .update_column(row::Column::LastAt)
            .to_owned();
        self.put_rows(vec![row], &replace).await?;
        self.keep_activity(subject, source.as_str(), at).await?;
        Ok((at, true))
    }

    /// Moves the activity of `from` to `into`: of each source the latest. Its history stays where it is:
    /// `into` hears of it now.
    pub async fn move_activity(
        &mut self,
        from: SubjectId,
        into: SubjectId,
    ) -> Result<(), StoreError> {
        let mut known = self.list_activity(&[from]).await?;
        let moved = known.remove(&from).unwrap_or_default();
        for (source, at) in &moved {
            self.record_activity(into, source, *at).await?;
        }
        row::Entity::delete_many()
            .filter(row::Column::SubjectId.eq(from.0))
            .exec(self.connection()?)
            .await?;
        Ok(())
    }
}
