//! Checks that are answered from memory: no database is asked, and nothing is awaited.

use std::sync::Arc;

use smallvec::smallvec;

use super::{Check, data_asked};
use crate::{
    app::{
        decision::{Answer, Evidence, Tally, permit},
        error::Error,
        registry::{Registry, authorise},
        resolve::identifier_key,
    },
    domain::{
        audit::Action,
        caller::Caller,
        compact::Names,
        decision::{
            Query,
            dense::{self, Asked},
        },
        id::SubjectId,
        name::DataCategory,
        revision::Revision,
        subject_ref::SubjectRef,
    },
    snapshot::{Held, Instants, KnownPolicies, Memory, People, Spelling},
};

/// Whom a check is about, as it says.
#[derive(Clone, Copy)]
pub enum Whom<'a> {
    /// Somebody of this id.
    Id(SubjectId),
    /// Whoever has an identifier of this type and value.
    Identifier(&'a str, &'a str),
}

/// What is at hand for checks that came together.
pub struct Recollection<'m> {
    memory: &'m Memory,
    policies: Arc<KnownPolicies>,
    instants: Instants,
    names: Arc<Names>,
}

impl Registry {
    /// What checks that have come may be answered from at once; `None`: the store has to be asked. Refuses a
    /// caller who may not make the call.
    pub fn recollect(
        &self,
        caller: &Caller,
        action: Action,
    ) -> Result<Option<Recollection<'_>>, Error> {
        authorise(caller, action)?;
        if caller.has_expired(self.clock_now()) {
            return Err(Error::TokenExpired);
        }
        Ok(self.memory.as_deref().and_then(Recollection::of))
    }

    /// Counts answers that were given out from memory.
    pub fn count_recalled(&self, tally: &Tally) {
        self.metrics().checked("memory", tally.total());
        self.count(tally);
    }

    /// The answers that memory has, counted; `None`: the store has to be asked. Refuses a caller who may not make
    /// the call.
    pub fn recall(
        &self,
        caller: &Caller,
        action: Action,
        checks: &[Check],
        at_least_as_fresh: Option<Revision>,
    ) -> Result<Vec<Option<Result<Answer, Error>>>, Error> {
        let at_hand = self.recollect(caller, action)?;
        let answer = |check: &Check| {
            let at_hand = at_hand.as_ref()?;
            let wanted = check.at_least_as_fresh.max(at_least_as_fresh);
            self.recall_one(at_hand, caller, check, wanted).map(Ok)
        };
        let answers: Vec<_> = checks.iter().map(answer).collect();
        let mut tally = Tally::default();
        for answer in answers.iter().flatten().flatten() {
            tally.add(answer);
        }
        self.count_recalled(&tally);
        Ok(answers)
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
        if !people
            .iter()
            .all(|(_, held)| is_fresh(held, at_least_as_fresh))
        {
            return None;
        }
        let asked = Asked::of(query).filter(|_| !check.explain);
        let answer = match (people.as_slice(), &asked) {
            ([(_, held)], Some(asked)) => at_hand.decide(held, asked),
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
                let hash = self.store.sole_hash(&key)?;
                let kind = identifier.identifier_type.as_str();
                if let Some(spelling) = at_hand.spelling(kind, identifier.value.expose()) {
                    at_hand.memory.spellings().learn(spelling, hash);
                }
                at_hand.memory.identified(&hash)
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

    /// Answers a check as it came, of names that were not looked at yet. `None`: it is none of those that are asked
    /// every day, or not known here, or to be refused; then it is to be read as any other.
    pub fn answer(
        &self,
        caller: &Caller,
        whom: Whom<'_>,
        asked: &Asked<'_, String>,
        at_least_as_fresh: Option<Revision>,
    ) -> Option<Answer> {
        if !caller.may_ask(asked.purpose, asked.processor) {
            return None;
        }
        let held = self.find(whom)?;
        let answer = self.decide(&held, asked)?;
        (is_fresh(&held, at_least_as_fresh) && self.is_certain(&answer)).then_some(answer)
    }

    fn find(&self, whom: Whom<'_>) -> Option<Held> {
        match whom {
            Whom::Id(id) => self.memory.subject(id),
            Whom::Identifier(kind, value) => {
                let hash = self.memory.spellings().find(self.spelling(kind, value)?)?;
                let mut people = self.memory.identified(&hash)?;
                people
                    .pop()
                    .filter(|_| people.is_empty())
                    .map(|(_, held)| held)
            }
        }
    }

    fn spelling<'a>(&self, identifier_type: &'a str, value: &'a str) -> Option<Spelling<'a>> {
        let policies = &self.policies;
        Some(Spelling {
            revision: policies.revision,
            policy: policies.history.index_in_force(self.instants.earliest)?,
            identifier_type,
            value,
        })
    }

    /// By the tables, if they answer it.
    fn decide<S: AsRef<str>>(&self, held: &Held, asked: &Asked<'_, S>) -> Option<Answer> {
        let now = self.instants.earliest;
        let policy = self.memory.dense(&self.policies, now)?;
        let (decision, revision) = dense::decide(policy, &self.names, held.bytes(), asked, now)?;
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

/// Whether a state includes the one that is wanted: a person's changes are committed in the order of their
/// revisions; those of different people are not.
fn is_fresh(held: &Held, wanted: Option<Revision>) -> bool {
    wanted.is_none_or(|wanted| held.revision().is_some_and(|it| it >= wanted))
}
