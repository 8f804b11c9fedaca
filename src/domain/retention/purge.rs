//! Which items go because their time has run out (Art. 5(1)(e)), and which a law keeps longer.
//!
//! Only a rule of the policy makes an item go: a maximum that has run out. Where several purposes hold
//! an item it stays as long as the longest lawful one, and a check answers for that one alone. In the
//! order in which it is decided here:
//!
//! - An activity concerns an item when it has a lawful basis, names the item's subject and data
//!   category, and the item was not collected for other purposes only. It holds the item until its own
//!   end: the shortest maximum that counts for it. A maximum after a withdrawal counts only for the
//!   activity whose consent was withdrawn, every other one for all of them.
//! - An activity whose end has not come holds the item while the person is, or will be, in the subject
//!   category, or the activity outlasts that, unless the person's word is against it: a consent that
//!   was withdrawn or never given is no ground to keep anything (Art. 17(1)(b)), nor is marketing that
//!   was objected to (Art. 17(1)(c)). While a maximum after the withdrawal still runs, it holds.
//! - An item that no activity concerns goes when its shortest maximum has run out.
//! - A consent that was withdrawn makes an item go only with such a rule: without one the policy does
//!   not say when, and the person asks for the erasure.
//! - A law that requires the item to be kept delays it (Art. 17(3)(b)); so do a legal hold and a
//!   restriction of processing, for as long as they stand (Art. 17(3)(e); Art. 18(2) lets restricted
//!   data be stored and nothing else).
//! - A processor's own maximum makes the processor go without the item, in the same way: held there by
//!   the activities for which the policy shares it. The processor is told once for what was collected
//!   once; the item stays here.
//! - What an erasure had to leave is the erasure's.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::{covers, first_end, trigger_end};
use crate::domain::{
    calendar,
    consent::ConsentChoice,
    decision::{Standing, standing},
    hold::{LegalHold, is_held},
    id::ItemId,
    item::ItemState,
    name::Processor,
    policy::{
        compile::CompiledPolicy,
        model::{Activity, AfterCategoryEnd, RetentionKind, RetentionTrigger},
    },
    subject::SubjectState,
    task::{Affected, Disclosed, TaskCause, TaskKind, recipients},
};

/// A law that requires an item to be kept (Art. 17(3)(b)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Until when; `None`: the period has not begun to run, or never ends.
    pub until: Option<Timestamp>,
    /// The law, as the rule names it.
    pub ground: String,
    /// The rule's place in the policy: `retention[2]`.
    pub rule: String,
}

impl Obligation {
    /// Whether it still obliges.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Why an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurgeReason {
    /// Its retention has run out for every purpose that held it.
    RetentionExpired,
    /// A processor's own retention has run out: the processor is told, the item stays here.
    ProcessorRetentionExpired,
    /// An erasure waited for a hold or a law, and waits no longer.
    ErasureDue,
}

impl PurgeReason {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetentionExpired => "RETENTION_EXPIRED",
            Self::ProcessorRetentionExpired => "PROCESSOR_RETENTION_EXPIRED",
            Self::ErasureDue => "ERASURE_DUE",
        }
    }
}

/// An item whose time has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The item.
    pub item: ItemState,
    /// Why it goes.
    pub reason: PurgeReason,
    /// The processor that is told; `None`: the item goes here.
    pub processor: Option<Processor>,
    /// The rule that ran out last, by its place in the policy: `retention[2]`; empty for an erasure.
    pub rule: String,
    /// When the last period that kept it ran out.
    pub due_at: Timestamp,
}

/// That a processor was told that its own retention of an item has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The item.
    pub item_id: ItemId,
    /// The processor.
    pub processor: Processor,
    /// When the item had been collected: what was collected anew is told of anew.
    pub collected_at: Timestamp,
}

/// What bears on a purge beside the subject's state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Legal holds on the subject's items.
    pub holds: &'a [LegalHold],
    /// What went to processors that have a retention of their own.
    pub disclosed: &'a [Disclosed],
    /// What those processors were told already.
    pub told: &'a [Told],
}

/// What a sweep does to one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgePlan {
    /// What goes: first what goes here, then what processors are told, each in the order of the items.
    pub due: Vec<Purge>,
    /// Items whose time has run out, here or at a processor, and that a hold or a restriction keeps.
    pub held: Vec<ItemId>,
}

/// The legal minima that cover an item, whether or not they have run out. One that runs from a
/// withdrawal obliges to nothing before there is one.
pub fn obligations(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
) -> Vec<Obligation> {
    obligations_of(policy, subject, item, None)
}

/// As [`obligations`], of a processor.
pub(super) fn obligations_of(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    owner: Option<&Processor>,
) -> Vec<Obligation> {
    let withdrawals = subject.consents.iter();
    let withdrawn_at = withdrawals
        .filter(|fact| fact.choice == ConsentChoice::Withdrawn)
        .map(|fact| fact.occurred_at)
        .max();
    let rules = policy.policy().retention.iter().enumerate();
    rules
        .filter(|(_, rule)| rule.kind == RetentionKind::LegalMinimum && covers(rule, item, owner))
        .filter(|(_, rule)| {
            let after_withdrawal = rule.after == RetentionTrigger::ConsentWithdrawal;
            !after_withdrawal || withdrawn_at.is_some()
        })
        .map(|(place, rule)| Obligation {
            until: trigger_end(policy, subject, item, rule, withdrawn_at),
            ground: rule.ground.clone(),
            rule: rule_name(place),
        })
        .collect()
}

/// The processors that have a retention of their own, each once.
pub fn processors_with_maxima(policy: &CompiledPolicy) -> BTreeSet<Processor> {
    let rules = policy.policy().retention.iter();
    let maxima = rules.filter(|rule| rule.kind == RetentionKind::Maximum);
    maxima.filter_map(|rule| rule.processor.clone()).collect()
}

/// What goes at `now`. Without a maximum that has run out nothing goes.
pub fn purge_plan(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    known: Surroundings<'_>,
    now: Timestamp,
) -> PurgePlan {
    if subject.erased_at.is_some() {
        return PurgePlan::default();
    }
    let mut planner = Planner {
        policy,
        subject,
        now,
        standings: HashMap::new(),
    };
    let mut due = planner.expired();
    let gone: HashSet<_> = due.iter().map(|purge| purge.item.item_id).collect();
    for processor in processors_with_maxima(policy) {
        due.extend(planner.expired_at(&processor, &gone, known));
    }
    let (held, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|purge| {
        is_held(known.holds, &purge.item) || is_restricted(subject, &purge.item, now)
    });
    let held: BTreeSet<_> = held.iter().map(|purge| purge.item.item_id).collect();
    PurgePlan {
        due,
        held: held.into_iter().collect(),
    }
}

/// Whether a restriction that stands is about the item. As in a check it holds from when it is recorded.
fn is_restricted(subject: &SubjectState, item: &ItemState, now: Timestamp) -> bool {
    subject.restrictions.iter().any(|restriction| {
        let named = &restriction.data_categories;
        let is_lifted = restriction.lifted_at.is_some_and(|lifted| lifted <= now);
        !is_lifted && (named.is_empty() || named.contains(&item.data_category))
    })
}

fn rule_name(place: usize) -> String {
    format!("retention[{place}]")
}

struct Planner<'a> {
    policy: &'a CompiledPolicy,
    subject: &'a SubjectState,
    now: Timestamp,
    /// By the activity's place and the processor.
    standings: HashMap<(usize, Option<Processor>), Standing>,
}

impl<'a> Planner<'a> {
    fn ordinary_items(&self) -> impl Iterator<Item = &'a ItemState> + use<'a> {
        self.subject.items.iter().filter(|item| !item.is_retained())
    }

    /// What goes here.
    fn expired(&mut self) -> Vec<Purge> {
        let items = self.ordinary_items();
        items.filter_map(|item| self.purge(item, None)).collect()
    }

    /// What a processor is told, of what stays here and it was not told of yet.
    fn expired_at(
        &mut self,
        processor: &Processor,
        gone: &HashSet<ItemId>,
        known: Surroundings<'_>,
    ) -> Vec<Purge> {
        let told: HashSet<_> = known
            .told
            .iter()
            .filter(|told| told.processor == *processor)
            .map(|told| (told.item_id, told.collected_at))
            .collect();
        let items = self.ordinary_items().filter(|item| {
            !gone.contains(&item.item_id) && !told.contains(&(item.item_id, item.collected_at))
        });
        let mut due: Vec<_> = items
            .filter_map(|item| self.purge(item, Some(processor)))
            .collect();
        if due.is_empty() {
            return due;
        }
        let items: Vec<_> = due.iter().map(|purge| purge.item.clone()).collect();
        let affected = Affected {
            kind: TaskKind::Erase,
            cause: TaskCause::Retention,
            purposes: &[],
            only: std::slice::from_ref(processor),
        };
        let concerned = recipients(self.policy, &items, known.disclosed, affected);
        let has = concerned.get(processor);
        due.retain(|purge| has.is_some_and(|has| has.items.contains(&purge.item.item_id)));
        due
    }

    fn purge(&mut self, item: &ItemState, owner: Option<&Processor>) -> Option<Purge> {
        let (mut due_at, place) = self.last_end(item, owner)?;
        for obligation in obligations_of(self.policy, self.subject, item, owner) {
            due_at = due_at.max(obligation.until?);
        }
        (due_at <= self.now).then(|| Purge {
            item: item.clone(),
            reason: match owner {
                None => PurgeReason::RetentionExpired,
                Some(_) => PurgeReason::ProcessorRetentionExpired,
            },
            processor: owner.cloned(),
            rule: rule_name(place),
            due_at,
        })
    }

    /// The maximum that ran out last; `None`: something holds the item, or none has run out.
    fn last_end(
        &mut self,
        item: &ItemState,
        owner: Option<&Processor>,
    ) -> Option<(Timestamp, usize)> {
        let (policy, subject, now) = (self.policy, self.subject, self.now);
        if !has_maximum(policy, item, owner) {
            return None;
        }
        let end = |withdrawn_at| first_end(policy, subject, item, owner, withdrawn_at);
        let has_ended = |end: &(Timestamp, usize)| end.0 <= now;
        let mut is_concerned = false;
        let mut last: Option<(Timestamp, usize)> = None;
        for (place, activity) in policy.policy().activities.iter().enumerate() {
            if !concerns(policy, activity, item, owner) {
                continue;
            }
            is_concerned = true;
            let standing = self.standing(place, activity, owner);
            match end(standing.withdrawn_at) {
                Some(ended) if has_ended(&ended) => {
                    last = Some(last.map_or(ended, |it| later(it, ended)));
                }
                // The period after the withdrawal still runs.
                Some(_) if standing.withdrawn_at.is_some() => return None,
                _ if self.goes_on(activity, item)
                    && self.has_ground(place, activity, item, owner) =>
                {
                    return None;
                }
                _ => {}
            }
        }
        if is_concerned {
            last
        } else {
            end(None).filter(has_ended)
        }
    }

    fn standing(
        &mut self,
        place: usize,
        activity: &Activity,
        owner: Option<&Processor>,
    ) -> Standing {
        let (policy, subject, now) = (self.policy, self.subject, self.now);
        let known = self.standings.entry((place, owner.cloned()));
        *known.or_insert_with(|| standing(policy, subject, activity, owner, now))
    }

    /// Whether the person's word is not against the activity, for one at least of those who use the item:
    /// for the registry's own keeping the controller and whoever the policy shares it with.
    fn has_ground(
        &mut self,
        place: usize,
        activity: &Activity,
        item: &ItemState,
        owner: Option<&Processor>,
    ) -> bool {
        if !self.standing(place, activity, owner).is_opposed {
            return true;
        }
        if owner.is_some() {
            return false;
        }
        let policy = self.policy;
        let (category, data) = (&item.subject_category, &item.data_category);
        let mut others = policy
            .policy()
            .processors
            .keys()
            .filter(|processor| policy.shares(category, data, &activity.purpose, processor));
        others.any(|processor| !self.standing(place, activity, Some(processor)).is_opposed)
    }

    /// Whether the person is, or will be, in the category, or the activity outlasts the membership.
    fn goes_on(&self, activity: &Activity, item: &ItemState) -> bool {
        let stays = self.subject.memberships.iter();
        let mut stays = stays.filter(|stay| stay.category == item.subject_category);
        stays.any(|stay| {
            let until = stay
                .ended_at
                .and_then(|ended| match &activity.after_category_end {
                    AfterCategoryEnd::Stops => Some(ended),
                    AfterCategoryEnd::Continues => None,
                    AfterCategoryEnd::For(period) => {
                        calendar::end_of(ended, period, self.policy.time_zone())
                    }
                });
            until.is_none_or(|until| self.now < until)
        })
    }
}

fn has_maximum(policy: &CompiledPolicy, item: &ItemState, owner: Option<&Processor>) -> bool {
    let mut rules = policy.policy().retention.iter();
    rules.any(|rule| rule.kind == RetentionKind::Maximum && covers(rule, item, owner))
}

/// Of two ends the later; of equals the rule that stands first in the policy.
fn later(one: (Timestamp, usize), other: (Timestamp, usize)) -> (Timestamp, usize) {
    if (other.0, one.1) > (one.0, other.1) {
        other
    } else {
        one
    }
}

pub(super) fn concerns(
    policy: &CompiledPolicy,
    activity: &Activity,
    item: &ItemState,
    owner: Option<&Processor>,
) -> bool {
    let (category, data) = (&item.subject_category, &item.data_category);
    activity.lawful_basis.is_some()
        && activity.subjects.contains(category)
        && activity.data.contains(data)
        && (item.purposes.is_empty() || item.purposes.contains(&activity.purpose))
        && owner.is_none_or(|owner| policy.shares(category, data, &activity.purpose, owner))
}

#[cfg(test)]
mod tests;
