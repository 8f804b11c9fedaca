//! What one step of a larger change did: a request carries out several in one transaction.

use super::registry::Change;
use crate::domain::{
    audit::AuditDetail,
    event::Event,
    id::{SubjectId, TaskId},
    journal::JournalKind,
};

/// What a step left to be told, logged and kept outside the database.
#[derive(Default)]
pub(in crate::app) struct Effect {
    /// What others hear of, in order.
    pub events: Vec<Event>,
    /// What the log says of each person and thing concerned.
    pub audit: Vec<AuditDetail>,
    /// Further subjects that changed, beside those that the events name.
    pub subjects: Vec<SubjectId>,
    /// What is taken away, and must not come back with a backup.
    pub journal: Vec<(SubjectId, JournalKind)>,
    /// The tasks that it made.
    pub task_ids: Vec<TaskId>,
}

impl Effect {
    /// Adds what a further step did.
    pub(in crate::app) fn join(&mut self, other: Self) {
        self.events.extend(other.events);
        self.audit.extend(other.audit);
        self.subjects.extend(other.subjects);
        self.journal.extend(other.journal);
        self.task_ids.extend(other.task_ids);
    }

    /// It as a change, with the log's last word on the whole.
    pub(in crate::app) fn change<T>(self, value: T, whole: AuditDetail) -> Change<T> {
        let mut audit = self.audit;
        audit.push(AuditDetail {
            task_ids: self.task_ids,
            ..whole
        });
        let mut change = Change::of_many(value, audit);
        change.events = self.events;
        change.subjects = self.subjects;
        change.journal = self.journal;
        change
    }
}
