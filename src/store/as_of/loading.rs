//! Everything that is kept of subjects, loaded in a constant number of queries for a chunk of them.

use std::collections::HashMap;

use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use super::super::{error::StoreError, rows::name, session::Session};
use crate::domain::{
    as_of::{ActivityDay, Lineage, PastRow, SubjectHistory},
    id::SubjectId,
    name::DataCategory,
};

/// Subjects of one round of queries: an id is a parameter of each.
const SUBJECTS_MAX: usize = 1_000;

#[derive(FromQueryResult)]
struct BeingRow {
    subject_id: Uuid,
    created_at: i64,
    merged_at: Option<i64>,
    merged_first_into: Option<Uuid>,
}

#[derive(FromQueryResult)]
struct PastRowRow {
    subject_id: Uuid,
    row_id: Uuid,
    until: i64,
    held_by: Uuid,
    began_at: Option<i64>,
    ended_at: Option<i64>,
}

#[derive(FromQueryResult)]
struct DayRow {
    subject_id: Uuid,
    source: String,
    first_at: i64,
    first_recorded_at: i64,
    last_at: i64,
    last_recorded_at: i64,
}

impl Session {
    /// Where these ids led, step by step, up to the subjects of today. Unknown ones are left out.
    pub async fn load_lineage(&self, ids: &[SubjectId]) -> Result<Lineage, StoreError> {
        let mut lineage = Lineage::default();
        let mut wanted: Vec<SubjectId> = ids.to_vec();
        while !wanted.is_empty() {
            let mut next = Vec::new();
            for chunk in wanted.chunks(SUBJECTS_MAX) {
                let sql = format!(
                    "SELECT subject_id, created_at, merged_at, merged_first_into
                     FROM subjects WHERE subject_id IN ({})",
                    places(chunk)
                );
                for row in self.select::<BeingRow>(&sql, values(chunk)).await? {
                    next.extend(row.add_to(&mut lineage)?);
                }
            }
            next.sort_unstable();
            next.dedup();
            next.retain(|id| !lineage.has(*id));
            wanted = next;
        }
        Ok(lineage)
    }

    /// What is kept of subjects of today, on `data` (empty: on any), and of the activity of `further` ones
    /// that were merged into them, by the subject that they are today.
    pub async fn load_histories(
        &self,
        holders: &[SubjectId],
        data: &[DataCategory],
        further: &[(SubjectId, SubjectId)],
    ) -> Result<HashMap<SubjectId, SubjectHistory>, StoreError> {
        let mut known = HashMap::with_capacity(holders.len());
        for chunk in holders.chunks(SUBJECTS_MAX) {
            for record in self.list_subjects(chunk).await? {
                let history: &mut SubjectHistory = known.entry(record.subject_id).or_default();
                history.erased_at = record.erased_at;
            }
            self.add_facts(chunk, data, &mut known).await?;
            self.add_past(chunk, &mut known).await?;
        }
        self.add_activity(further, &mut known).await?;
        Ok(known)
    }

    async fn add_facts(
        &self,
        ids: &[SubjectId],
        data: &[DataCategory],
        known: &mut HashMap<SubjectId, SubjectHistory>,
    ) -> Result<(), StoreError> {
        let mut memberships = self.list_recorded_memberships(ids).await?;
        let mut items = self.list_item_versions(ids, data).await?;
        let mut consents = self.list_recorded_consents(ids).await?;
        let mut objections = self.list_recorded_objections(ids).await?;
        let mut restrictions = self.list_recorded_restrictions(ids).await?;
        for id in ids {
            let Some(history) = known.get_mut(id) else {
                continue;
            };
            history.memberships = memberships.remove(id).unwrap_or_default();
            history.items = items.remove(id).unwrap_or_default();
            history.consents = consents.remove(id).unwrap_or_default();
            history.objections = objections.remove(id).unwrap_or_default();
            history.restrictions = restrictions.remove(id).unwrap_or_default();
        }
        Ok(())
    }

    async fn add_past(
        &self,
        ids: &[SubjectId],
        known: &mut HashMap<SubjectId, SubjectHistory>,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT subject_id, row_id, until, held_by, began_at, ended_at
             FROM past_rows WHERE subject_id IN ({})",
            places(ids)
        );
        for row in self.select::<PastRowRow>(&sql, values(ids)).await? {
            let holder = SubjectId(row.subject_id);
            if let Some(history) = known.get_mut(&holder) {
                let past = history.past.entry(row.row_id).or_default();
                past.push(row.read()?);
            }
        }
        Ok(())
    }

    async fn add_activity(
        &self,
        of: &[(SubjectId, SubjectId)],
        known: &mut HashMap<SubjectId, SubjectHistory>,
    ) -> Result<(), StoreError> {
        let holders: HashMap<_, _> = of.iter().copied().collect();
        let ids: Vec<_> = holders.keys().copied().collect();
        for chunk in ids.chunks(SUBJECTS_MAX) {
            let sql = format!(
                "SELECT subject_id, source, first_at, first_recorded_at, last_at, last_recorded_at
                 FROM activity_history WHERE subject_id IN ({})",
                places(chunk)
            );
            for row in self.select::<DayRow>(&sql, values(chunk)).await? {
                let of = SubjectId(row.subject_id);
                let holder = holders.get(&of).and_then(|holder| known.get_mut(holder));
                if let Some(history) = holder {
                    history.activity.entry(of).or_default().push(row.read()?);
                }
            }
        }
        Ok(())
    }
}

fn places(ids: &[SubjectId]) -> String {
    let places: Vec<_> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    places.join(", ")
}

fn values(ids: &[SubjectId]) -> Vec<Value> {
    ids.iter().map(|id| id.0.into()).collect()
}

impl BeingRow {
    /// Adds it; returns the subject that the way goes on to.
    fn add_to(self, lineage: &mut Lineage) -> Result<Option<SubjectId>, StoreError> {
        let Self {
            subject_id,
            created_at,
            merged_at,
            merged_first_into,
        } = self;
        let instant = |column, at| super::super::instant("subjects", column, subject_id, at);
        let into = merged_first_into.map(SubjectId);
        let merged_at = merged_at.map(|at| instant("merged_at", at)).transpose()?;
        let created_at = instant("created_at", created_at)?;
        lineage.add(SubjectId(subject_id), created_at, merged_at.zip(into));
        Ok(into)
    }
}

impl PastRowRow {
    fn read(self) -> Result<PastRow, StoreError> {
        let Self {
            subject_id: _,
            row_id,
            until,
            held_by,
            began_at,
            ended_at,
        } = self;
        let instant = |column, at| super::super::instant("past_rows", column, row_id, at);
        Ok(PastRow {
            until: instant("until", until)?,
            held_by: SubjectId(held_by),
            began_at: began_at.map(|at| instant("began_at", at)).transpose()?,
            ended_at: ended_at.map(|at| instant("ended_at", at)).transpose()?,
        })
    }
}

impl DayRow {
    fn read(self) -> Result<ActivityDay, StoreError> {
        const TABLE: &str = "activity_history";
        let Self {
            subject_id,
            source,
            first_at,
            first_recorded_at,
            last_at,
            last_recorded_at,
        } = self;
        let instant = |column, at| super::super::instant(TABLE, column, subject_id, at);
        Ok(ActivityDay {
            source: name(TABLE, "source", subject_id, &source)?,
            first: (
                instant("first_at", first_at)?,
                instant("first_recorded_at", first_recorded_at)?,
            ),
            last: (
                instant("last_at", last_at)?,
                instant("last_recorded_at", last_recorded_at)?,
            ),
        })
    }
}
