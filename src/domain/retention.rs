//! Retention: until when an item may be used, whether or not a sweep has run.

pub mod purge;
mod suspects;
mod use_ends;

use jiff::Timestamp;

pub use suspects::{Suspect, suspects};
pub use use_ends::{UseEnd, use_ends};

use super::{
    calendar,
    item::ItemState,
    name::Processor,
    policy::{
        compile::CompiledPolicy,
        model::{Retention, RetentionKind, RetentionTrigger},
    },
    subject::{Membership, SubjectState},
};

/// The use of an item that is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage<'a> {
    /// By whom; `None`: the controller itself. A rule with a processor counts for that one only.
    pub processor: Option<&'a Processor>,
    /// The withdrawal of the consent that the use rests on; `None` when it rests on none, or the
    /// consent stands.
    pub withdrawn_at: Option<Timestamp>,
    /// Whether the law requires the use (Art. 6(1)(c)). What the law also requires to be kept can then
    /// be used for as long, past every maximum: of the purposes that held the item this one is left.
    pub is_required_by_law: bool,
}

/// When the time of a use of the item runs out: the shortest maximum; `None`: no maximum, or none that
/// runs yet.
pub fn ends_at(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    usage: Usage<'_>,
) -> Option<Timestamp> {
    let owners = [None].into_iter().chain(usage.processor.map(Some));
    let ends = owners.filter_map(|owner| {
        let (end, _) = first_end(policy, subject, item, owner, usage.withdrawn_at)?;
        if !usage.is_required_by_law {
            return Some(end);
        }
        let obligations = purge::obligations_of(policy, subject, item, owner);
        let mut required = obligations.into_iter().map(|it| it.until);
        required.try_fold(end, |end, until| Some(end.max(until?)))
    });
    ends.min()
}

/// When the shortest maximum of `owner` that covers the item runs out, with the rule's place in the
/// policy. `None` is the registry itself; a processor has the rules that name it.
fn first_end(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    owner: Option<&Processor>,
    withdrawn_at: Option<Timestamp>,
) -> Option<(Timestamp, usize)> {
    let rules = policy.policy().retention.iter().enumerate();
    rules
        .filter(|(_, rule)| rule.kind == RetentionKind::Maximum && covers(rule, item, owner))
        .filter_map(|(place, rule)| {
            Some((
                trigger_end(policy, subject, item, rule, withdrawn_at)?,
                place,
            ))
        })
        .min()
}

/// Whether a rule is one of `owner`'s own and about this item.
fn covers(rule: &Retention, item: &ItemState, owner: Option<&Processor>) -> bool {
    rule.processor.as_ref() == owner
        && (rule.data.is_empty() || rule.data.contains(&item.data_category))
        && (rule.subjects.is_empty() || rule.subjects.contains(&item.subject_category))
}

/// When the rule's period runs out; `None`: it does not run yet, or never ends.
pub fn trigger_end(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    rule: &Retention,
    withdrawn_at: Option<Timestamp>,
) -> Option<Timestamp> {
    match rule.after {
        RetentionTrigger::Collection => period_after(policy, rule, Some(item.collected_at)),
        RetentionTrigger::LastActivity => {
            period_after(policy, rule, Some(last_activity(subject, item, rule)))
        }
        RetentionTrigger::ConsentWithdrawal => period_after(policy, rule, withdrawn_at),
        RetentionTrigger::CategoryEnd => after_category_end(policy, subject, item, rule),
    }
}

fn period_after(
    policy: &CompiledPolicy,
    rule: &Retention,
    from: Option<Timestamp>,
) -> Option<Timestamp> {
    calendar::end_of(from?, &rule.period, policy.time_zone())
}

/// The latest activity seen by the rule's sources, or `collected_at` of the subject's items of
/// this data category that the rule covers, whichever is later.
fn last_activity(subject: &SubjectState, item: &ItemState, rule: &Retention) -> Timestamp {
    let seen = subject
        .last_activity
        .iter()
        .filter(|(source, _)| {
            rule.activity_sources.is_empty() || rule.activity_sources.contains(source)
        })
        .map(|(_, at)| *at);
    let collected = subject
        .items
        .latest_collections(&item.data_category)
        .filter(|(category, _)| rule.subjects.is_empty() || rule.subjects.contains(category))
        .map(|(_, at)| at);
    seen.chain(collected)
        .fold(item.collected_at, Timestamp::max)
}

/// The end of the stay in which the item was collected, plus the period. A return before the
/// period has run out prolongs the stay; a later one does not revive the item.
fn after_category_end(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    rule: &Retention,
) -> Option<Timestamp> {
    let mut stays: Vec<&Membership> = subject
        .memberships
        .iter()
        .filter(|stay| stay.category == item.subject_category)
        .collect();
    stays.sort_by_key(|stay| stay.started_at);
    let mut left_at = None;
    for stay in stays {
        let over = period_after(policy, rule, left_at);
        if over.is_some_and(|over| over < stay.started_at) {
            if item.collected_at < stay.started_at {
                break;
            }
            left_at = None;
        }
        left_at = left_at.max(Some(stay.ended_at?));
    }
    period_after(policy, rule, left_at)
}
