//! The table of reasons once more, as plainly as possible: every candidate is written down, and
//! row by row those that the row denies are struck out. The row that strikes out the last gives
//! the reason. It shares no code with the decision but the shapes of policy and subject, and
//! cares for nothing but being obviously right.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp, tz::TimeZone};
use registry::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    decision::{Decision, DecisionReason as Reason, Effect},
    id::ItemId,
    item::ItemState,
    name::{DataCategory, PolicyVersion, Processor, SubjectCategory},
    policy::model::{
        Activity, AfterCategoryEnd, LawfulBasis, Policy, RecipientRole, Retention, RetentionKind,
        RetentionTrigger,
    },
    subject::{Membership, Objection, SubjectState},
};

use crate::world::World;

/// What both implementations must agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    effect: Effect,
    reason: Reason,
    per_category: Vec<CategoryOutline>,
}

#[derive(Clone, Debug, PartialEq)]
struct CategoryOutline {
    data: DataCategory,
    effect: Effect,
    reason: Reason,
    basis: Option<LawfulBasis>,
    item_ids: Vec<ItemId>,
}

/// The same of a decision.
pub fn outline(decision: &Decision) -> Outline {
    let per_category = decision.per_category.iter().map(|answer| CategoryOutline {
        data: answer.data_category.clone(),
        effect: answer.effect,
        reason: answer.reason,
        basis: answer
            .lawful_basis
            .filter(|_| answer.effect == Effect::Allow),
        item_ids: answer.item_ids.clone(),
    });
    Outline {
        effect: decision.effect,
        reason: decision.reason,
        per_category: per_category.collect(),
    }
}

#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    pub activity: &'a Activity,
    pub category: &'a SubjectCategory,
    pub item: Option<&'a ItemState>,
}

pub struct Naive<'a> {
    pub world: &'a World,
    pub now: Timestamp,
}

/// Decides, naively.
pub fn decide(world: &World, now: Timestamp) -> Outline {
    let naive = Naive { world, now };
    let mut asked = world.query.data_categories.clone();
    let mut strangers = false;
    for id in &world.query.item_ids {
        let items = world.subject.iter().flat_map(|subject| &subject.items);
        match items.into_iter().find(|item| item.item_id == *id) {
            Some(item) => asked.push(item.data_category.clone()),
            None => strangers = true,
        }
    }
    let mut per_category: Vec<CategoryOutline> = Vec::new();
    for data in asked {
        if per_category.iter().all(|answer| answer.data != data) {
            per_category.push(naive.category(&data));
        }
    }
    let denied = per_category.iter().find(|it| it.effect == Effect::Deny);
    let reason = match denied {
        Some(answer) => answer.reason,
        None if strangers || per_category.is_empty() => {
            naive.gap(None).unwrap_or(Reason::NotCollected)
        }
        None => Reason::Lawful,
    };
    Outline {
        effect: effect(reason),
        reason,
        per_category,
    }
}

fn effect(reason: Reason) -> Effect {
    if reason == Reason::Lawful {
        Effect::Allow
    } else {
        Effect::Deny
    }
}

impl<'a> Naive<'a> {
    pub fn policy(&self) -> Option<&'a Policy> {
        let begun = |policy: &&Policy| policy.effective_from <= self.now;
        let begun = self.world.policies.iter().filter(begun);
        begun.max_by_key(|policy| policy.effective_from)
    }

    pub fn in_force(&self) -> &'a Policy {
        self.policy().expect("asked only once a policy is known")
    }

    pub fn subject(&self) -> &'a SubjectState {
        let subject = self.world.subject.as_ref();
        subject.expect("asked only once the subject is known")
    }

    fn gap(&self, data: Option<&DataCategory>) -> Option<Reason> {
        let query = &self.world.query;
        let Some(subject) = &self.world.subject else {
            return Some(Reason::SubjectUnknown);
        };
        let kept = subject.items.iter().any(|item| {
            data == Some(&item.data_category)
                && match &item.retained_for {
                    Some(grounds) => grounds.contains(&query.purpose),
                    None => false,
                }
        });
        if subject.erased_at.is_some() && !kept {
            return Some(Reason::SubjectErased);
        }
        let Some(policy) = self.policy() else {
            return Some(Reason::PurposeUnknown);
        };
        if !policy.purposes.contains_key(&query.purpose) {
            return Some(Reason::PurposeUnknown);
        }
        if data.is_some_and(|data| !policy.data_categories.contains_key(data)) {
            return Some(Reason::DataCategoryUnknown);
        }
        let processor = query.processor.as_ref();
        if processor.is_some_and(|processor| !policy.processors.contains_key(processor)) {
            return Some(Reason::ProcessorUnknown);
        }
        None
    }

    fn category(&self, data: &DataCategory) -> CategoryOutline {
        let deny = |reason| CategoryOutline {
            data: data.clone(),
            effect: Effect::Deny,
            reason,
            basis: None,
            item_ids: Vec::new(),
        };
        if let Some(reason) = self.gap(Some(data)) {
            return deny(reason);
        }
        let mut left = self.candidates(data);
        for (reason, denies) in self.rows(data) {
            left.retain(|candidate| !denies(candidate));
            if left.is_empty() {
                return deny(reason);
            }
        }
        let item_ids: BTreeSet<_> = left
            .iter()
            .filter_map(|candidate| candidate.item.map(|item| item.item_id))
            .collect();
        CategoryOutline {
            data: data.clone(),
            effect: Effect::Allow,
            reason: Reason::Lawful,
            basis: left[0].activity.lawful_basis,
            item_ids: item_ids.into_iter().collect(),
        }
    }

    /// Every activity for this data and purpose, in each of its subject categories, without an
    /// item and with each item of this data.
    fn candidates(&self, data: &DataCategory) -> Vec<Candidate<'a>> {
        let named = &self.world.query.item_ids;
        let of_data = || {
            self.subject()
                .items
                .iter()
                .filter(|it| it.data_category == *data)
        };
        let some_named = of_data().any(|item| named.contains(&item.item_id));
        let mut candidates = Vec::new();
        for activity in &self.in_force().activities {
            if activity.purpose != self.world.query.purpose || !activity.data.contains(data) {
                continue;
            }
            for category in &activity.subjects {
                candidates.push(Candidate {
                    activity,
                    category,
                    item: None,
                });
                for item in of_data() {
                    if !some_named || named.contains(&item.item_id) {
                        candidates.push(Candidate {
                            activity,
                            category,
                            item: Some(item),
                        });
                    }
                }
            }
        }
        candidates
    }

    #[expect(clippy::type_complexity, reason = "a table of rows, read in one place")]
    fn rows<'s>(
        &'s self,
        data: &'s DataCategory,
    ) -> Vec<(Reason, Box<dyn Fn(&Candidate) -> bool + 's>)> {
        let denial = |choice| move |fact: &ConsentFact| fact.choice == choice;
        vec![
            (Reason::NoActivity, Box::new(|c| !self.has_activity(c))),
            (
                Reason::ProcessorNotNamed,
                Box::new(|c| !self.is_shared(c, data)),
            ),
            (
                Reason::ProcessingRestricted,
                Box::new(|c| self.is_restricted(c, data)),
            ),
            (Reason::NotCollected, Box::new(|c| !is_collected(c))),
            (Reason::PurposeExcluded, Box::new(|c| self.is_excluded(c))),
            (Reason::RetentionExpired, Box::new(|c| self.is_over(c))),
            (Reason::Objected, Box::new(|c| self.is_objected(c))),
            (
                Reason::ConsentRefused,
                Box::new(move |c| self.no(c).is_some_and(denial(ConsentChoice::Refused))),
            ),
            (
                Reason::ConsentWithdrawn,
                Box::new(move |c| self.no(c).is_some_and(denial(ConsentChoice::Withdrawn))),
            ),
            (
                Reason::ConsentMissing,
                Box::new(|c| needs_yes(c) && self.yes(c).is_none()),
            ),
            (
                Reason::ConsentExpired,
                Box::new(|c| needs_yes(c) && self.yes(c).is_some_and(|it| self.expired(it))),
            ),
            (
                Reason::ConsentEvidenceInsufficient,
                Box::new(|c| needs_yes(c) && self.yes(c).is_some_and(|it| !self.proven(it))),
            ),
            (
                Reason::ConsentOutdated,
                Box::new(|c| {
                    needs_yes(c) && self.yes(c).is_some_and(|it| self.outdated(it, c, data))
                }),
            ),
        ]
    }

    pub fn after(&self, from: Timestamp, period: &Span) -> Timestamp {
        let name = &self.in_force().controller.time_zone;
        let zone = TimeZone::get(name).expect("a zone that the policy was compiled with");
        let wall = zone.to_datetime(from).checked_add(*period);
        let wall = wall.expect("periods here are short");
        zone.to_ambiguous_timestamp(wall)
            .compatible()
            .expect("in range")
    }

    fn has_activity(&self, candidate: &Candidate) -> bool {
        let in_it = |stay: &Membership| {
            let begun = stay.started_at <= self.now;
            let lasts = match (stay.ended_at, &candidate.activity.after_category_end) {
                (None, _) | (Some(_), AfterCategoryEnd::Continues) => true,
                (Some(end), AfterCategoryEnd::Stops) => self.now < end,
                (Some(end), AfterCategoryEnd::For(period)) => self.now < self.after(end, period),
            };
            stay.category == *candidate.category && begun && lasts
        };
        candidate.activity.lawful_basis.is_some() && self.subject().memberships.iter().any(in_it)
    }

    pub fn is_shared(&self, candidate: &Candidate, data: &DataCategory) -> bool {
        let query = &self.world.query;
        query.processor.as_ref().is_none_or(|processor| {
            self.in_force().sharing.iter().any(|sharing| {
                sharing.processor == *processor
                    && sharing.purpose == query.purpose
                    && sharing.data.contains(data)
                    && sharing.subjects.contains(candidate.category)
            })
        })
    }

    fn is_restricted(&self, candidate: &Candidate, data: &DataCategory) -> bool {
        self.subject().restrictions.iter().any(|restriction| {
            let covers = restriction.data_categories.is_empty()
                || restriction.data_categories.contains(data);
            let lifted = restriction.lifted_at.is_some_and(|at| at <= self.now);
            let marked = candidate.activity.under_restriction.is_some();
            let consented = needs_yes(candidate)
                && self
                    .yes(candidate)
                    .is_some_and(|yes| yes.occurred_at > restriction.started_at);
            covers && !lifted && !marked && !consented
        })
    }

    fn is_excluded(&self, candidate: &Candidate) -> bool {
        let Some(item) = candidate.item else {
            return false;
        };
        let purpose = &self.world.query.purpose;
        let narrowed = item.purposes.iter().any(|one| one != purpose)
            && item.purposes.iter().all(|one| one != purpose);
        let goes = match &item.retained_for {
            Some(grounds) => !grounds.contains(purpose),
            None => self.subject().erased_at.is_some(),
        };
        narrowed || goes
    }

    fn is_over(&self, candidate: &Candidate) -> bool {
        let item = candidate
            .item
            .expect("no candidate without item gets this far");
        self.in_force()
            .retention
            .iter()
            .filter(|rule| {
                rule.kind == RetentionKind::Maximum
                    && (rule.data.is_empty() || rule.data.contains(&item.data_category))
                    && (rule.subjects.is_empty() || rule.subjects.contains(&item.subject_category))
                    && (rule.processor.is_none() || rule.processor == self.world.query.processor)
            })
            .filter_map(|rule| self.starts(rule, candidate, item).map(|from| (rule, from)))
            .any(|(rule, from)| {
                self.after(from, &rule.period) <= self.now
                    && !self.is_required(rule, candidate, item)
            })
    }

    /// Whether the law requires the use, and the item to be kept by whom a maximum is about.
    fn is_required(&self, maximum: &Retention, candidate: &Candidate, item: &ItemState) -> bool {
        candidate.activity.lawful_basis == Some(LawfulBasis::LegalObligation)
            && !self.minima_are_over(item, maximum.processor.as_ref())
    }

    /// Whether no law requires the item to be kept by `owner` any longer.
    pub fn minima_are_over(&self, item: &ItemState, owner: Option<&Processor>) -> bool {
        let withdrawals = self.subject().consents.iter();
        let last_withdrawal = withdrawals
            .filter(|fact| fact.choice == ConsentChoice::Withdrawn)
            .map(|fact| fact.occurred_at)
            .max();
        for rule in &self.in_force().retention {
            let covers = (rule.data.is_empty() || rule.data.contains(&item.data_category))
                && (rule.subjects.is_empty() || rule.subjects.contains(&item.subject_category));
            if rule.kind != RetentionKind::LegalMinimum
                || rule.processor.as_ref() != owner
                || !covers
            {
                continue;
            }
            let begins = match rule.after {
                RetentionTrigger::Collection => Some(item.collected_at),
                RetentionTrigger::LastActivity => self.last_activity(rule, item),
                RetentionTrigger::CategoryEnd => self.left_at(rule, item),
                RetentionTrigger::ConsentWithdrawal => match last_withdrawal {
                    Some(withdrawal) => Some(withdrawal),
                    None => continue,
                },
            };
            if begins.is_none_or(|begins| self.after(begins, &rule.period) > self.now) {
                return false;
            }
        }
        true
    }

    pub fn starts(
        &self,
        rule: &Retention,
        candidate: &Candidate,
        item: &ItemState,
    ) -> Option<Timestamp> {
        match rule.after {
            RetentionTrigger::Collection => Some(item.collected_at),
            RetentionTrigger::LastActivity => self.last_activity(rule, item),
            RetentionTrigger::CategoryEnd => self.left_at(rule, item),
            RetentionTrigger::ConsentWithdrawal => self.withdrawn_at(candidate),
        }
    }

    fn last_activity(&self, rule: &Retention, item: &ItemState) -> Option<Timestamp> {
        let mut instants = Vec::new();
        for (source, at) in &self.subject().last_activity {
            if rule.activity_sources.is_empty() || rule.activity_sources.contains(source) {
                instants.push(*at);
            }
        }
        for other in &self.subject().items {
            let covered =
                rule.subjects.is_empty() || rule.subjects.contains(&other.subject_category);
            if covered && other.data_category == item.data_category {
                instants.push(other.collected_at);
            }
        }
        instants.into_iter().max()
    }

    /// The first end that no other stay bridges within the period, leaving out those that lie
    /// before the stay in which the item was collected.
    fn left_at(&self, rule: &Retention, item: &ItemState) -> Option<Timestamp> {
        let stays: Vec<_> = self
            .subject()
            .memberships
            .iter()
            .filter(|stay| stay.category == item.subject_category)
            .collect();
        let mut ends: Vec<_> = stays.iter().filter_map(|stay| stay.ended_at).collect();
        ends.retain(|end| {
            let over = self.after(*end, &rule.period);
            let bridged = stays.iter().any(|stay| {
                stay.started_at <= over && stay.ended_at.is_none_or(|other| other > *end)
            });
            let of_an_earlier_stay = stays
                .iter()
                .any(|stay| stay.started_at > over && stay.started_at <= item.collected_at);
            !bridged && !of_an_earlier_stay
        });
        ends.into_iter().min()
    }

    fn is_objected(&self, candidate: &Candidate) -> bool {
        let query = &self.world.query;
        let weighed = matches!(
            candidate.activity.lawful_basis,
            Some(LawfulBasis::LegitimateInterests | LawfulBasis::PublicTask)
        );
        let marketing = self.in_force().purposes[&query.purpose].direct_marketing;
        let to_this = |it: &&Objection| it.purpose == query.purpose;
        self.subject()
            .objections
            .iter()
            .filter(to_this)
            .any(|objection| {
                let rejected = objection.rejected_at.is_some_and(|at| at <= self.now);
                let said_yes_since = self
                    .facts(candidate)
                    .iter()
                    .any(|fact| fact.occurred_at > objection.occurred_at && self.proven(fact));
                weighed && !rejected || marketing && !said_yes_since
            })
    }

    /// What was said to the recipient asked for, and counts by now. For what does not need a yes,
    /// one that has run out does not count.
    pub fn facts(&self, candidate: &Candidate) -> Vec<&'a ConsentFact> {
        let query = &self.world.query;
        let mut facts: Vec<_> = self.subject().consents.iter().collect();
        facts.retain(|fact| fact.purpose == query.purpose);
        facts.retain(|fact| match &query.processor {
            Some(processor) => fact.processors.is_empty() || fact.processors.contains(processor),
            None => fact.processors.is_empty() || fact.choice == ConsentChoice::Given,
        });
        facts.retain(|fact| is_no(fact) || fact.occurred_at <= self.now);
        facts.retain(|fact| needs_yes(candidate) || is_no(fact) || !self.expired(fact));
        facts
    }

    pub fn no(&self, candidate: &Candidate) -> Option<&'a ConsentFact> {
        let heeded = needs_yes(candidate)
            || candidate.activity.lawful_basis == Some(LawfulBasis::LegitimateInterests)
            || self.in_force().purposes[&self.world.query.purpose].direct_marketing;
        last_word(&self.facts(candidate)).filter(|fact| heeded && is_no(fact))
    }

    pub fn yes(&self, candidate: &Candidate) -> Option<&'a ConsentFact> {
        last_word(&self.facts(candidate)).filter(|fact| fact.choice == ConsentChoice::Given)
    }

    /// The first withdrawal after the last moment at which no denial stood.
    pub fn withdrawn_at(&self, candidate: &Candidate) -> Option<Timestamp> {
        let mut facts = self.facts(candidate);
        if !needs_yes(candidate) || !last_word(&facts).is_some_and(is_no) {
            return None;
        }
        let mut first = None;
        while let Some(latest) = last_of(&facts) {
            if !last_word(&facts).is_some_and(is_no) {
                break;
            }
            if latest.choice == ConsentChoice::Withdrawn {
                first = Some(latest.occurred_at);
            }
            facts.retain(|fact| fact.consent_id != latest.consent_id);
        }
        first
    }

    pub fn expired(&self, fact: &ConsentFact) -> bool {
        let by_itself = fact.expires_at.is_some_and(|at| at <= self.now);
        let period = &self.in_force().consent.expires_after;
        let by_policy =
            period.is_some_and(|period| self.after(fact.occurred_at, &period) <= self.now);
        fact.choice == ConsentChoice::Given && (by_itself || by_policy)
    }

    pub fn proven(&self, fact: &ConsentFact) -> bool {
        let accepted = self.in_force().consent.methods.get(&fact.purpose);
        let affirmative = match fact.method {
            EvidenceMethod::ImpliedByUse | EvidenceMethod::PreTicked => false,
            EvidenceMethod::Imported => fact.has_reference,
            _ => true,
        };
        fact.choice == ConsentChoice::Given
            && affirmative
            && accepted.is_none_or(|methods| methods.contains(&fact.method))
    }

    fn outdated(&self, fact: &ConsentFact, candidate: &Candidate, data: &DataCategory) -> bool {
        let mut versions: Vec<_> = self.world.policies.iter().collect();
        versions.sort_by_key(|policy| policy.effective_from);
        let place = |version: &PolicyVersion| versions.iter().position(|it| it.version == *version);
        let (Some(from), Some(to)) = (place(&fact.policy_version), place(&self.in_force().version))
        else {
            return true;
        };
        let mut way = versions[from.min(to)..=from.max(to)].to_vec();
        if from > to {
            way.reverse();
        }
        way.windows(2).any(|step| {
            let [before, after] = [step[0], step[1]];
            let basis = self.basis(after, candidate, data);
            let rebased = basis.is_some() && basis != self.basis(before, candidate, data);
            let given_away = self.goes_to_controller(after, candidate, data)
                && !self.goes_to_controller(before, candidate, data);
            rebased || given_away
        })
    }

    fn basis(
        &self,
        policy: &Policy,
        candidate: &Candidate,
        data: &DataCategory,
    ) -> Option<LawfulBasis> {
        let mut of_cell = policy.activities.iter().filter(|activity| {
            activity.purpose == self.world.query.purpose
                && activity.data.contains(data)
                && activity.subjects.contains(candidate.category)
        });
        of_cell.find_map(|activity| activity.lawful_basis)
    }

    fn goes_to_controller(
        &self,
        policy: &Policy,
        candidate: &Candidate,
        data: &DataCategory,
    ) -> bool {
        let query = &self.world.query;
        policy.sharing.iter().any(|sharing| {
            Some(&sharing.processor) == query.processor.as_ref()
                && sharing.purpose == query.purpose
                && sharing.data.contains(data)
                && sharing.subjects.contains(candidate.category)
                && policy.processors[&sharing.processor].role == RecipientRole::Controller
        })
    }
}

fn is_collected(candidate: &Candidate) -> bool {
    candidate
        .item
        .is_some_and(|item| item.subject_category == *candidate.category)
}

pub fn needs_yes(candidate: &Candidate) -> bool {
    candidate.activity.lawful_basis == Some(LawfulBasis::Consent)
        || candidate.activity.also_requires_consent
}

fn is_no(fact: &ConsentFact) -> bool {
    fact.choice == ConsentChoice::Refused || fact.choice == ConsentChoice::Withdrawn
}

fn last_of<'a>(facts: &[&'a ConsentFact]) -> Option<&'a ConsentFact> {
    let mut sorted = facts.to_vec();
    sorted.sort_by_key(|fact| fact.consent_id);
    sorted.sort_by_key(|fact| fact.recorded_at);
    sorted.sort_by_key(|fact| is_no(fact));
    sorted.sort_by_key(|fact| fact.occurred_at);
    sorted.pop()
}

/// The last fact stands, unless it is one that may not override what stood before it.
fn last_word<'a>(facts: &[&'a ConsentFact]) -> Option<&'a ConsentFact> {
    let last = last_of(facts)?;
    let mut others = facts.to_vec();
    others.retain(|fact| fact.consent_id != last.consent_id);
    let weak = !is_no(last)
        && (last.choice == ConsentChoice::Pending
            || last.method == EvidenceMethod::ImpliedByUse
            || last.method == EvidenceMethod::PreTicked);
    let before = last_word(&others).filter(|fact| is_no(fact));
    if weak {
        before.or(Some(last))
    } else {
        Some(last)
    }
}
