//! Decisions as they are given out and kept (Art. 5(2)).

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::Error,
    registry::{Call, Change, Registry},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        decision::{Decision, DecisionReason, Effect, Query, decide},
        id::{DecisionId, ItemId, SubjectId},
        name::{DataCategory, Processor, Purpose},
        policy::history::PolicyHistory,
        revision::Revision,
    },
    store::{Session, StoreError, Tx, decision::KeptDecision, state::KnownSubject},
};

/// A decision, the state that it was read from, and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// The committed state that was read.
    pub revision: Revision,
    /// Under which id it is kept, if it is.
    pub decision_id: Option<DecisionId>,
}

impl Answer {
    /// Whether the use is lawful.
    pub fn is_lawful(&self) -> bool {
        self.decision.effect == Effect::Allow
    }

    /// The items that a yes covers; none for a no.
    pub fn item_ids(&self) -> impl Iterator<Item = ItemId> {
        let categories = self.decision.per_category.iter();
        let lawful = categories.filter(|_| self.is_lawful());
        lawful.flat_map(|category| category.item_ids.iter().copied())
    }
}

/// Answers by their reasons.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally([u64; DecisionReason::ALL.len()]);

impl Tally {
    /// One more.
    pub fn add(&mut self, answer: &Answer) {
        self.0[answer.decision.reason as usize] += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A question that was answered.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// Everybody whom the question was about.
    pub subjects: Vec<SubjectId>,
    /// Who decided: the one person, or of several the first that denies.
    pub decisive: Option<SubjectId>,
    /// What was asked.
    pub query: Query,
    /// What was answered.
    pub answer: Answer,
    /// When.
    pub decided_at: Timestamp,
}

/// What decisions are taken from: the policies, the subjects, and one `now` for both.
pub(super) struct Evidence<'s> {
    pub policies: &'s PolicyHistory,
    pub policy_revision: Revision,
    pub subjects: HashMap<SubjectId, Arc<KnownSubject>>,
    pub now: Timestamp,
}

impl<'s> Evidence<'s> {
    /// Everything that decisions on these subjects' `data` (empty: on any) rest on, as `session`
    /// sees it.
    pub async fn load(
        session: &Session,
        policies: &'s PolicyHistory,
        ids: &[SubjectId],
        data: &[DataCategory],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            policies,
            policy_revision: session.policy_revision().await?,
            subjects: shared(session.load_states(ids, data).await?),
            now: session.now(),
        })
    }

    /// Decides for everybody whom a question is about; nobody is a subject that is not known. Of
    /// several people the first, in the order of their ids, for whom it is denied is the answer.
    pub fn judge(&self, mut ids: Vec<SubjectId>, query: Query, explain: bool) -> Judged {
        ids.sort_unstable();
        ids.dedup();
        let (decision, decisive) = self.decide_for_all(&ids, &query, explain);
        Judged {
            answer: Answer {
                decision,
                revision: self.revision(&ids),
                decision_id: None,
            },
            subjects: ids,
            decisive,
            query,
            decided_at: self.now,
        }
    }

    fn decide_for_all(
        &self,
        ids: &[SubjectId],
        query: &Query,
        explain: bool,
    ) -> (Decision, Option<SubjectId>) {
        let mut allowed: Option<Decision> = None;
        for id in ids {
            let decision = self.decide_for(Some(*id), query, explain);
            if decision.effect == Effect::Deny {
                return (decision, Some(*id));
            }
            allowed = Some(match allowed {
                Some(others) => both(others, decision),
                None => decision,
            });
        }
        match (allowed, ids) {
            (Some(decision), [one]) => (decision, Some(*one)),
            (Some(decision), _) => (decision, None),
            (None, _) => (self.decide_for(None, query, explain), None),
        }
    }

    fn decide_for(&self, id: Option<SubjectId>, query: &Query, explain: bool) -> Decision {
        let known = id.and_then(|id| self.subjects.get(&id));
        let state = known.map(|known| &known.state);
        decide(self.policies, state, query, self.now, explain)
    }

    /// The committed state that an answer about these subjects was read from.
    pub fn revision(&self, ids: &[SubjectId]) -> Revision {
        let known = ids.iter().filter_map(|id| self.subjects.get(id));
        known
            .map(|known| known.revision)
            .fold(self.policy_revision, Revision::max)
    }
}

fn shared(known: HashMap<SubjectId, KnownSubject>) -> HashMap<SubjectId, Arc<KnownSubject>> {
    let shared = known.into_iter().map(|(id, known)| (id, Arc::new(known)));
    shared.collect()
}

/// Two people for whom it is allowed: the items of both, until the first of them changes.
fn both(mut one: Decision, other: Decision) -> Decision {
    one.valid_until = one.valid_until.into_iter().chain(other.valid_until).min();
    for category in other.per_category {
        let same = one
            .per_category
            .iter_mut()
            .find(|mine| mine.data_category == category.data_category);
        match same {
            Some(mine) => {
                mine.valid_until = mine
                    .valid_until
                    .into_iter()
                    .chain(category.valid_until)
                    .min();
                mine.item_ids.extend(category.item_ids);
                mine.trace.extend(category.trace);
            }
            None => one.per_category.push(category),
        }
    }
    one
}

/// Refuses a caller whose claims do not cover the purpose and the recipient.
pub(super) fn permit(
    caller: &Caller,
    purpose: &Purpose,
    processor: Option<&Processor>,
) -> Result<(), Error> {
    let refused = |claim, field: &str| Error::ClaimMissing {
        claim,
        field: field.to_owned(),
    };
    if !caller.may_use_purpose(purpose) {
        return Err(refused("purposes", "purpose"));
    }
    if !caller.may_name_processor(processor) {
        return Err(refused("processors", "processor"));
    }
    Ok(())
}

impl Registry {
    /// Counts answers that are given out.
    pub(super) fn count_decisions<'a>(&self, answers: impl IntoIterator<Item = &'a Answer>) {
        let mut tally = Tally::default();
        for answer in answers {
            tally.add(answer);
        }
        self.count(&tally);
    }

    /// Counts answers that were tallied.
    pub(super) fn count(&self, tally: &Tally) {
        for (reason, answers) in DecisionReason::ALL.into_iter().zip(tally.0) {
            if answers > 0 {
                let effect = match reason.effect() {
                    Effect::Allow => "ALLOW",
                    Effect::Deny => "DENY",
                };
                self.metrics().decided(effect, reason.as_str(), answers);
            }
        }
    }

    /// Keeps decisions, each with an audit entry for everybody whom it is about. Returns their ids.
    pub(super) async fn keep(
        &self,
        caller: Arc<Caller>,
        action: Action,
        judged: Vec<Judged>,
    ) -> Result<Vec<DecisionId>, Error> {
        let service = caller.service.as_str().to_owned();
        let judged: Arc<[Judged]> = judged.into();
        let written = self
            .change(Call::new(caller, action), move |tx, _| {
                let (service, judged) = (service.clone(), judged.clone());
                Box::pin(async move { keep_all(tx, &service, &judged).await })
            })
            .await?;
        Ok(written.value)
    }
}

async fn keep_all(
    tx: &mut Tx,
    service: &str,
    judged: &[Judged],
) -> Result<Change<Vec<DecisionId>>, Error> {
    let kept: Vec<_> = judged.iter().map(|one| one.kept(tx, service)).collect();
    tx.insert_decisions(&kept).await?;
    let ids: Vec<_> = kept.iter().map(|kept| kept.decision_id).collect();
    let details = judged.iter().zip(&ids);
    let details = details.flat_map(|(one, id)| one.audit_details(*id));
    let details = details.collect();
    Ok(Change::of_many(ids, details))
}

impl Judged {
    /// The row under a new id.
    pub fn kept(&self, tx: &Tx, service: &str) -> KeptDecision {
        KeptDecision {
            decision_id: DecisionId(tx.new_id()),
            subject_id: self.decisive,
            query: self.query.clone(),
            decision: self.answer.decision.clone(),
            revision: self.answer.revision,
            decided_at: self.decided_at,
            decided_for: service.to_owned(),
        }
    }

    /// What the log says of it, for each person apart.
    pub fn audit_details(&self, id: DecisionId) -> Vec<AuditDetail> {
        let whom = self.subjects.iter().copied().map(Some);
        let nobody = self.subjects.is_empty().then_some(None);
        whom.chain(nobody)
            .map(|subject_id| AuditDetail {
                subject_id,
                decision_id: Some(id),
                ..self.audit_detail()
            })
            .collect()
    }

    fn audit_detail(&self) -> AuditDetail {
        let decision = &self.answer.decision;
        let categories = decision.per_category.iter();
        AuditDetail {
            data_categories: categories
                .clone()
                .map(|category| category.data_category.clone())
                .collect(),
            purposes: vec![self.query.purpose.clone()],
            processors: self.query.processor.iter().cloned().collect(),
            item_ids: categories
                .flat_map(|category| category.item_ids.iter().copied())
                .collect(),
            policy_version: decision.policy_version.clone(),
            outcome: outcome(decision),
            ..AuditDetail::default()
        }
    }
}

/// A decision in one word, or two.
pub(super) fn outcome(decision: &Decision) -> String {
    match decision.effect {
        Effect::Allow => "ALLOW".to_owned(),
        Effect::Deny => format!("DENY {}", decision.reason),
    }
}
