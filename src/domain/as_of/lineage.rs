//! Who was whom: a subject that was merged away later was somebody of its own before.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::id::SubjectId;

/// What the registry knows of a subject's being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Being {
    created_at: Timestamp,
    merged: Option<(Timestamp, SubjectId)>,
}

/// Subjects, when they came into being, and when each was merged into which.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    beings: HashMap<SubjectId, Being>,
}

impl Lineage {
    /// Adds a subject; `merged`: when it was merged away, and into whom at that time.
    pub fn add(
        &mut self,
        id: SubjectId,
        created_at: Timestamp,
        merged: Option<(Timestamp, SubjectId)>,
    ) {
        self.beings.insert(id, Being { created_at, merged });
    }

    /// Whether it is in here.
    pub fn has(&self, id: SubjectId) -> bool {
        self.beings.contains_key(&id)
    }

    /// The subject that `id` led to at an instant; `None`: to nobody yet.
    pub fn at(&self, id: SubjectId, known_at: Timestamp) -> Option<SubjectId> {
        let being = self.beings.get(&id)?;
        if being.created_at > known_at {
            return None;
        }
        Some(self.follow(id, |merged_at| merged_at <= known_at))
    }

    /// The subject that `id` leads to today: who holds what there is of it.
    pub fn today(&self, id: SubjectId) -> SubjectId {
        self.follow(id, |_| true)
    }

    fn follow(&self, id: SubjectId, counts: impl Fn(Timestamp) -> bool) -> SubjectId {
        let mut reached = id;
        // A survivor was living when it took another in, so the way has no circle; the bound is for data
        // that says otherwise.
        for _ in 0..=self.beings.len() {
            let merged = self.beings.get(&reached).and_then(|being| being.merged);
            match merged.filter(|(merged_at, _)| counts(*merged_at)) {
                Some((_, into)) => reached = into,
                None => break,
            }
        }
        reached
    }
}
