//! What memory learns from checks that the store answered.

use std::sync::Arc;

use crate::{
    app::{decision::Evidence, error::Error, registry::View, resolve::identifier_key},
    domain::{id::SubjectId, subject_ref::SubjectRef},
    snapshot::{KnownPolicies, Mark, Memory},
    store::{sight::Sight, state::KnownSubject, subject::SubjectRecord},
};

/// What was read from one state, and memory may learn.
#[derive(Default)]
pub(super) struct Lesson {
    policies: Option<KnownPolicies>,
    states: Vec<Arc<KnownSubject>>,
    identifiers: Vec<([u8; 32], Vec<SubjectId>)>,
}

impl Lesson {
    /// What a view shows of the people whom references led to.
    pub(super) fn of(
        view: &View,
        evidence: &Evidence<'_>,
        references: &[&SubjectRef],
        found: &[Result<Vec<SubjectRecord>, Error>],
    ) -> Self {
        let identifiers = references.iter().zip(found);
        let identifiers = identifiers.filter_map(|(reference, found)| {
            let SubjectRef::Identifier(identifier) = reference else {
                return None;
            };
            let policy = view.in_force().ok()?;
            let key = identifier_key(policy, identifier, "subject.identifier").ok()?;
            let people = found.as_ref().ok()?.iter();
            let hash = view.snapshot.sole_hash(&key)?;
            Some((hash, people.map(|record| record.subject_id).collect()))
        });
        Self {
            policies: Some(KnownPolicies::new(
                view.policies.clone(),
                evidence.policy_revision,
            )),
            identifiers: identifiers.collect(),
            states: evidence.subjects.values().cloned().collect(),
        }
    }

    /// What was seen in one statement.
    pub(super) fn of_sight(sight: &Sight) -> Self {
        let identified = sight.identified.iter();
        Self {
            policies: Some(KnownPolicies::new(
                sight.policies.clone(),
                sight.policy_revision,
            )),
            identifiers: identified
                .map(|(hash, people)| (*hash, people.clone()))
                .collect(),
            states: sight.people.values().cloned().collect(),
        }
    }

    /// Teaches it, but for what was forgotten since `mark`.
    pub(super) fn teach(self, memory: &Memory, mark: Mark) {
        if let Some(policies) = self.policies.filter(|_| memory.policies().is_none()) {
            memory.learn_policies(mark, policies);
        }
        memory.learn(mark, self.states, self.identifiers);
    }
}
