//! Whose items a sweep has to look at.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    super::{error::StoreError, session::Session},
    row,
};
use crate::domain::{id::SubjectId, retention::Suspect};

impl Session {
    /// The subjects from `first` to `last` that have a live item among `suspects`, ascending.
    pub async fn list_suspects(
        &self,
        first: SubjectId,
        last: SubjectId,
        suspects: &[Suspect],
    ) -> Result<Vec<SubjectId>, StoreError> {
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let any = suspects
            .iter()
            .fold(Condition::any(), |any, suspect| any.add(condition(suspect)));
        let ids: Vec<Uuid> = row::Entity::find()
            .select_only()
            .column(row::Column::SubjectId)
            .distinct()
            .filter(row::Column::SubjectId.between(first.0, last.0))
            .filter(row::Column::DeletedAt.is_null())
            .filter(any)
            .order_by_asc(row::Column::SubjectId)
            .into_tuple()
            .all(self.connection()?)
            .await?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }
}

fn condition(suspect: &Suspect) -> Condition {
    let Suspect {
        data,
        subjects,
        collected_by,
    } = suspect;
    let data = (!data.is_empty())
        .then(|| row::Column::DataCategory.is_in(data.iter().map(AsRef::<str>::as_ref)));
    let subjects = (!subjects.is_empty())
        .then(|| row::Column::SubjectCategory.is_in(subjects.iter().map(AsRef::<str>::as_ref)));
    let collected = collected_by.map(|by| row::Column::CollectedAt.lte(by.as_microsecond()));
    Condition::all()
        .add(row::Column::SubjectId.is_not_null())
        .add_option(data)
        .add_option(subjects)
        .add_option(collected)
}
