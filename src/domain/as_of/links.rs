//! Whom an identifier led to: today's links, and those that were taken off or given to another since.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::id::{IdentifierId, SubjectId};

/// That an identifier leads, or led, to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link's id; it stays when a merge gives the identifier to another subject.
    pub identifier_id: IdentifierId,
    /// Whom it leads to.
    pub subject_id: SubjectId,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// Until when it led there; `None`: it does today.
    pub until: Option<Timestamp>,
}

/// The subjects that an identifier with these links led to at an instant, ascending.
pub fn led_to(links: &[Link], known_at: Timestamp) -> Vec<SubjectId> {
    let mut stood = BTreeMap::<_, &Link>::new();
    for link in links {
        if link.until.is_some_and(|until| until <= known_at) {
            continue;
        }
        let known = stood.entry(Uuid::from(link.identifier_id)).or_insert(link);
        let (this, other) = (link.until, known.until);
        if this.is_some_and(|this| other.is_none_or(|other| this < other)) {
            *known = link;
        }
    }
    let stood = stood.into_values().filter(|it| it.linked_at <= known_at);
    let subjects: BTreeSet<_> = stood.map(|link| link.subject_id).collect();
    subjects.into_iter().collect()
}
