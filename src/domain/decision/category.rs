//! One data category: every candidate is held against the rules, and the best answer counts.
//!
//! A candidate is an activity and one of its subject categories, and then each item that was
//! collected in that subject category: purpose limitation hangs on the context of collection.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    CategoryDecision, Query,
    consents::{Answers, Consents},
    horizon::Horizon,
    reason::DecisionReason,
    rules::{self, ACTIVITY_RULES, ITEM_RULES, QUESTION_RULES},
    trace::TraceStep,
};
use crate::domain::{
    id::{ConsentId, ItemId},
    item::ItemState,
    name::{ActivityId, DataCategory, PolicyVersion, SubjectCategory},
    policy::{
        compile::CompiledPolicy,
        history::PolicyHistory,
        model::{Activity, LawfulBasis},
    },
    subject::SubjectState,
};

/// What is asked, and what is known.
pub(super) struct Question<'a> {
    pub(super) policies: &'a PolicyHistory,
    /// The policy in force.
    pub(super) policy: Option<&'a CompiledPolicy>,
    pub(super) subject: Option<&'a SubjectState>,
    pub(super) query: &'a Query,
    pub(super) now: Timestamp,
    explain: bool,
    consents: Consents<'a>,
}

/// An activity in one of its subject categories.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) policy: &'a CompiledPolicy,
    pub(super) subject: &'a SubjectState,
    pub(super) data: &'a DataCategory,
    pub(super) activity: &'a Activity,
    pub(super) category: &'a SubjectCategory,
}

impl<'a> Question<'a> {
    pub(super) fn new(
        policies: &'a PolicyHistory,
        subject: Option<&'a SubjectState>,
        query: &'a Query,
        now: Timestamp,
        explain: bool,
    ) -> Self {
        let policy = policies.in_force(now).map(AsRef::as_ref);
        let consents = match (policy, subject) {
            (Some(policy), Some(subject)) => {
                let processor = query.processor.as_ref();
                Consents::hear(policy, subject, &query.purpose, processor, now)
            }
            _ => Consents::default(),
        };
        Self {
            policies,
            policy,
            subject,
            query,
            now,
            explain,
            consents,
        }
    }

    pub(super) fn policy_version(&self) -> Option<PolicyVersion> {
        self.policy.map(|policy| policy.version().clone())
    }

    /// The data categories asked for, each once: those listed, then those of the items.
    pub(super) fn data_categories(&self) -> Vec<&'a DataCategory> {
        let of_items = self.query.item_ids.iter().filter_map(|id| {
            let item = self.live_items().iter().find(|item| item.item_id == *id)?;
            Some(&item.data_category)
        });
        let mut seen = BTreeSet::new();
        let asked = self.query.data_categories.iter().chain(of_items);
        asked.filter(|data| seen.insert(*data)).collect()
    }

    /// Whether an item id leads to no live item of the subject.
    pub(super) fn asks_for_a_stranger(&self) -> bool {
        let known = |id: &ItemId| self.live_items().iter().any(|item| item.item_id == *id);
        !self.query.item_ids.iter().all(known)
    }

    /// Why a question is denied that no item answers.
    pub(super) fn reason_without_item(&self) -> DecisionReason {
        self.question_steps(None)
            .find(|(_, applies)| *applies)
            .map_or(DecisionReason::NotCollected, |(reason, _)| reason)
    }

    /// The earliest instant at which one of these answers may change by itself.
    pub(super) fn valid_until(&self, answers: &[CategoryDecision]) -> Option<Timestamp> {
        let mut horizon = self.horizon();
        horizon.watch(answers.iter().filter_map(|answer| answer.valid_until));
        horizon.first()
    }

    /// The answer for one data category.
    pub(super) fn decide_category(&'a self, data: &'a DataCategory) -> CategoryDecision {
        let mut weighing = Weighing::new(self, data);
        weighing.weigh_question();
        if let (None, Some(policy), Some(subject)) = (&weighing.best, self.policy, self.subject) {
            self.watch_consents(policy, subject, &mut weighing.horizon);
            for activity in policy.activities(data, &self.query.purpose) {
                for category in &activity.subjects {
                    weighing.weigh_activity(Candidate {
                        question: self,
                        policy,
                        subject,
                        data,
                        activity,
                        category,
                    });
                }
            }
        }
        weighing.conclude()
    }

    /// A subject that is unknown, or erased with nothing kept, changes only by being written to; for
    /// others the next policy may answer differently.
    fn horizon(&self) -> Horizon {
        let mut horizon = Horizon::from(self.now);
        let has_something = |it: &SubjectState| {
            it.erased_at.is_none() || it.items.iter().any(ItemState::is_retained)
        };
        if self.subject.is_some_and(has_something) {
            horizon.watch(self.policies.next_change(self.now));
        }
        horizon
    }

    fn watch_consents(
        &self,
        policy: &CompiledPolicy,
        subject: &SubjectState,
        horizon: &mut Horizon,
    ) {
        let processor = self.query.processor.as_ref();
        self.consents
            .watch(policy, subject, &self.query.purpose, processor, horizon);
    }

    fn live_items(&self) -> &'a [ItemState] {
        self.subject.map_or(&[], |subject| &subject.items)
    }

    fn question_steps(
        &self,
        data: Option<&DataCategory>,
    ) -> impl Iterator<Item = (DecisionReason, bool)> {
        QUESTION_RULES
            .iter()
            .map(move |(reason, rule)| (*reason, rule(self, data)))
    }
}

impl<'a> Candidate<'a> {
    pub(super) fn rests_on_consent(&self) -> bool {
        rules::rests_on_consent(self.activity)
    }

    pub(super) fn is_direct_marketing(&self) -> bool {
        self.policy
            .purpose(&self.question.query.purpose)
            .is_some_and(|purpose| purpose.direct_marketing)
    }

    /// What the person said, as it bears on this activity.
    pub(super) fn said(&self) -> &'a Answers<'a> {
        if self.rests_on_consent() {
            &self.question.consents.ever
        } else {
            &self.question.consents.still
        }
    }

    /// The items that were collected in this subject category; of a category of which items are
    /// asked for by name, only those.
    pub(super) fn items(&self) -> impl Iterator<Item = &'a ItemState> {
        let (named, data, category) = (&self.question.query.item_ids, self.data, self.category);
        let of_data = self
            .subject
            .items
            .iter()
            .filter(move |item| item.data_category == *data);
        let by_name = of_data.clone().any(|item| named.contains(&item.item_id));
        of_data.filter(move |item| {
            item.subject_category == *category && (!by_name || named.contains(&item.item_id))
        })
    }

    /// The fact that the answer rests on.
    fn deciding_fact(&self, reason: DecisionReason) -> Option<ConsentId> {
        let permits = reason == DecisionReason::Lawful && self.rests_on_consent();
        let fact = self.said().no().or(self.said().yes());
        fact.filter(|_| permits || reason.rests_on_a_fact())
            .map(|fact| fact.consent_id)
    }
}

/// The candidates of one data category, weighed one after the other.
struct Weighing<'a> {
    question: &'a Question<'a>,
    data: &'a DataCategory,
    best: Option<Outcome>,
    item_ids: BTreeSet<ItemId>,
    horizon: Horizon,
    trace: Vec<TraceStep>,
}

struct Outcome {
    reason: DecisionReason,
    lawful_basis: Option<LawfulBasis>,
    activity: Option<ActivityId>,
    consent_id: Option<ConsentId>,
}

impl<'a> Weighing<'a> {
    fn new(question: &'a Question<'a>, data: &'a DataCategory) -> Self {
        Self {
            question,
            data,
            best: None,
            item_ids: BTreeSet::new(),
            horizon: question.horizon(),
            trace: Vec::new(),
        }
    }

    fn weigh_question(&mut self) {
        for (reason, applies) in self.question.question_steps(Some(self.data)) {
            self.explain(None, None, reason, applies);
            if applies {
                self.best = Some(Outcome {
                    reason,
                    lawful_basis: None,
                    activity: None,
                    consent_id: None,
                });
                return;
            }
        }
    }

    fn weigh_activity(&mut self, candidate: Candidate<'a>) {
        for (reason, rule) in ACTIVITY_RULES {
            let applies = rule(&candidate, &mut self.horizon);
            self.explain(Some(&candidate), None, reason, applies);
            if applies {
                self.keep_if_better(&candidate, reason);
                return;
            }
        }
        for item in candidate.items() {
            self.weigh_item(&candidate, item);
        }
    }

    fn weigh_item(&mut self, candidate: &Candidate<'a>, item: &ItemState) {
        for (reason, rule) in ITEM_RULES {
            let applies = rule(candidate, item, &mut self.horizon);
            self.explain(Some(candidate), Some(item), reason, applies);
            if applies {
                self.keep_if_better(candidate, reason);
                return;
            }
        }
        self.explain(Some(candidate), Some(item), DecisionReason::Lawful, true);
        self.item_ids.insert(item.item_id);
        self.keep_if_better(candidate, DecisionReason::Lawful);
    }

    /// Of equals the first counts: the policy's own order.
    fn keep_if_better(&mut self, candidate: &Candidate, reason: DecisionReason) {
        if self.best.as_ref().is_some_and(|best| best.reason >= reason) {
            return;
        }
        let activity = Some(candidate.activity).filter(|_| reason > DecisionReason::NoActivity);
        self.best = Some(Outcome {
            reason,
            lawful_basis: activity.and_then(|activity| activity.lawful_basis),
            activity: activity.map(|activity| activity.id.clone()),
            consent_id: candidate.deciding_fact(reason),
        });
    }

    fn explain(
        &mut self,
        candidate: Option<&Candidate>,
        item: Option<&ItemState>,
        rule: DecisionReason,
        applies: bool,
    ) {
        if self.question.explain {
            self.trace.push(TraceStep {
                activity: candidate.map(|it| it.activity.id.clone()),
                subject_category: candidate.map(|it| it.category.clone()),
                item_id: item.map(|item| item.item_id),
                rule,
                applies,
            });
        }
    }

    fn conclude(self) -> CategoryDecision {
        let best = self.best.unwrap_or(Outcome {
            reason: DecisionReason::NoActivity,
            lawful_basis: None,
            activity: None,
            consent_id: None,
        });
        CategoryDecision {
            data_category: self.data.clone(),
            effect: best.reason.effect(),
            reason: best.reason,
            lawful_basis: best.lawful_basis,
            activity: best.activity,
            consent_id: best.consent_id,
            item_ids: self.item_ids.into_iter().collect(),
            valid_until: self.horizon.first(),
            trace: self.trace,
        }
    }
}
