//! Subjects as the decision sees them, many at once: a constant number of queries for a chunk of
//! subjects, however many facts they have.

use std::collections::HashMap;

use super::{error::StoreError, session::Session, subject::SubjectRecord};
use crate::domain::{
    id::SubjectId,
    name::DataCategory,
    revision::Revision,
    subject::{Items, SubjectState},
};

/// Subjects of one round of queries: an id is a parameter of each.
const SUBJECTS_MAX: usize = 1_000;

/// A subject that the registry knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSubject {
    /// Everything that bears on a decision.
    pub state: SubjectState,
    /// The last committed state in which anything of it changed.
    pub revision: Revision,
}

impl Session {
    /// What the decision on `data` (empty: on any) needs to know of these subjects. Ids that are
    /// unknown, or were merged away, are left out.
    pub async fn load_states(
        &self,
        ids: &[SubjectId],
        data: &[DataCategory],
    ) -> Result<HashMap<SubjectId, KnownSubject>, StoreError> {
        let mut known = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(SUBJECTS_MAX) {
            let records = self.list_subjects(chunk).await?;
            self.load_known(records, data, &mut known).await?;
        }
        Ok(known)
    }

    /// Everything that bears on decisions about a living subject but its items, which may be many.
    pub async fn load_without_items(
        &self,
        id: SubjectId,
    ) -> Result<Option<SubjectState>, StoreError> {
        let Some(record) = self.list_subjects(&[id]).await?.pop() else {
            return Ok(None);
        };
        Ok(Some(SubjectState {
            subject_id: id,
            erased_at: record.erased_at,
            memberships: only(self.list_memberships(&[id]).await?),
            items: Items::default(),
            consents: only(self.list_consent_facts(&[id]).await?),
            objections: only(self.list_objections(&[id]).await?),
            restrictions: only(self.list_restrictions(&[id]).await?),
            last_activity: only(self.list_activity(&[id]).await?),
        }))
    }

    async fn load_known(
        &self,
        records: Vec<SubjectRecord>,
        data: &[DataCategory],
        known: &mut HashMap<SubjectId, KnownSubject>,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = records.iter().map(|record| record.subject_id).collect();
        let mut memberships = self.list_memberships(&ids).await?;
        let mut items = self.list_item_states(&ids, data).await?;
        let mut activity = self.list_activity(&ids).await?;
        let mut consents = self.list_consent_facts(&ids).await?;
        let mut objections = self.list_objections(&ids).await?;
        let mut restrictions = self.list_restrictions(&ids).await?;
        for record in records {
            let id = record.subject_id;
            let state = SubjectState {
                subject_id: id,
                erased_at: record.erased_at,
                memberships: memberships.remove(&id).unwrap_or_default(),
                items: items.remove(&id).unwrap_or_default().into(),
                consents: consents.remove(&id).unwrap_or_default(),
                objections: objections.remove(&id).unwrap_or_default(),
                restrictions: restrictions.remove(&id).unwrap_or_default(),
                last_activity: activity.remove(&id).unwrap_or_default(),
            };
            let revision = record.revision;
            known.insert(id, KnownSubject { state, revision });
        }
        Ok(())
    }
}

/// What was asked for one subject alone.
fn only<T: Default>(of_subjects: HashMap<SubjectId, T>) -> T {
    of_subjects.into_values().next().unwrap_or_default()
}
