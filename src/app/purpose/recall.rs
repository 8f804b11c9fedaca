//! Checks that are answered from memory, and what memory learns from those that are not.

use std::sync::Arc;

use smallvec::smallvec;

use super::{Check, data_asked};
use crate::{
    app::{
        decision::{Answer, Evidence, permit},
        error::Error,
        registry::{Registry, View},
        resolve::identifier_key,
    },
    domain::{
        caller::Caller,
        compact::Names,
        decision::{Query, dense},
        id::SubjectId,
        name::DataCategory,
        revision::Revision,
        subject_ref::SubjectRef,
    },
    snapshot::{Held, Instants, KnownPolicies, Mark, Memory, People},
    store::{state::KnownSubject, subject::SubjectRecord},
};

/// What is at hand for checks that came together.
struct Recollection<'m> {
    memory: &'m Memory,
    policies: Arc<KnownPolicies>,
    instants: Instants,
    names: Arc<Names>,
}

/// What was read from one state, and memory may learn.
#[derive(Default)]
pub(super) struct Lesson {
    policies: Option<KnownPolicies>,
    states: Vec<Arc<KnownSubject>>,
    identifiers: Vec<([u8; 32], Vec<SubjectId>)>,
}

impl Registry {
    /// The answers that memory has; `None`: the store has to be asked.
    pub(super) fn recall(
        &self,
        caller: &Caller,
        checks: &[Check],
        at_least_as_fresh: Option<Revision>,
    ) -> Vec<Option<Result<Answer, Error>>> {
        let at_hand = self.memory.as_deref().and_then(Recollection::of);
        let answer = |check: &Check| {
            let at_hand = at_hand.as_ref()?;
            let wanted = check.at_least_as_fresh.max(at_least_as_fresh);
            self.recall_one(at_hand, caller, check, wanted).map(Ok)
        };
        let answers: Vec<_> = checks.iter().map(answer).collect();
        let recalled = answers.iter().flatten().count();
        self.metrics().checked("memory", recalled);
        self.metrics().checked("store", checks.len() - recalled);
        answers
    }

    fn recall_one(
        &self,
        at_hand: &Recollection<'_>,
        caller: &Caller,
        check: &Check,
        at_least_as_fresh: Option<Revision>,
    ) -> Option<Answer> {
        let Check {
            query,
            record,
            as_of,
            ..
        } = check;
        // What is kept is written, and the past is in the store alone. What is refused is refused by the
        // store's own path.
        if *record
            || as_of.is_some()
            || permit(caller, &query.purpose, query.processor.as_ref()).is_err()
        {
            return None;
        }
        let people = self.recall_people(at_hand, &check.subject)?;
        // A person's changes are committed in the order of their revisions; those of different people are not.
        if let Some(wanted) = at_least_as_fresh {
            let is_fresh = |held: &Held| held.revision().is_some_and(|it| it >= wanted);
            if !people.iter().all(|(_, held)| is_fresh(held)) {
                return None;
            }
        }
        let answer = match people.as_slice() {
            [(_, held)] if !check.explain => at_hand.decide(held, query),
            _ => None,
        };
        let answer = match answer {
            Some(answer) => answer,
            None => at_hand.judge(people, query, check.explain)?,
        };
        at_hand.is_certain(&answer).then_some(answer)
    }

    fn recall_people(&self, at_hand: &Recollection<'_>, subject: &SubjectRef) -> Option<People> {
        match subject {
            SubjectRef::Id(id) => Some(smallvec![(*id, at_hand.memory.subject(*id)?)]),
            SubjectRef::Identifier(identifier) => {
                let now = at_hand.instants.earliest;
                let policy = at_hand.policies.history.in_force(now)?;
                let key = identifier_key(policy, identifier, "subject.identifier").ok()?;
                at_hand.memory.identified(&self.store.sole_hash(&key)?)
            }
        }
    }

    /// The data to be read of these subjects; empty: all of it, so that it can be remembered. Of somebody with
    /// more than is remembered only what the checks ask for.
    pub(super) fn data_to_read(&self, ids: &[SubjectId], checks: &[Check]) -> Vec<DataCategory> {
        match &self.memory {
            Some(memory) if !ids.iter().any(|id| memory.is_large(*id)) => Vec::new(),
            _ => data_asked(checks),
        }
    }
}

impl<'m> Recollection<'m> {
    fn of(memory: &'m Memory) -> Option<Self> {
        Some(Self {
            memory,
            instants: memory.may_answer()?,
            policies: memory.policies()?,
            names: memory.names(),
        })
    }

    /// By the tables, if they answer it.
    fn decide(&self, held: &Held, query: &Query) -> Option<Answer> {
        let now = self.instants.earliest;
        let policy = self.memory.dense(&self.policies, now)?;
        let (decision, revision) = dense::decide(policy, &self.names, held.bytes(), query, now)?;
        Some(Answer {
            decision,
            revision: revision.max(self.policies.revision),
            decision_id: None,
        })
    }

    /// By the rules in names.
    fn judge(&self, people: People, query: &Query, explain: bool) -> Option<Answer> {
        let ids = people.iter().map(|(id, _)| *id).collect();
        let states = people.into_iter().map(|(id, held)| {
            let known = held.unpack(&self.names, id)?;
            Some((id, Arc::new(known)))
        });
        let evidence = Evidence {
            policies: &self.policies.history,
            policy_revision: self.policies.revision,
            subjects: states.collect::<Option<_>>()?,
            now: self.instants.earliest,
        };
        Some(evidence.judge(ids, query.clone(), explain).answer)
    }

    /// Whether the answer is the same at every instant that it may be by the database's clock.
    fn is_certain(&self, answer: &Answer) -> bool {
        let Instants { earliest, latest } = self.instants;
        let until = answer.decision.valid_until;
        earliest == latest || until.is_none_or(|until| latest < until)
    }
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

    /// Teaches it, but for what was forgotten since `mark`.
    pub(super) fn teach(self, memory: &Memory, mark: Mark) {
        if let Some(policies) = self.policies.filter(|_| memory.policies().is_none()) {
            memory.learn_policies(mark, policies);
        }
        memory.learn(mark, self.states, self.identifiers);
    }
}
