//! Retention: until when an item may be used, whether or not a sweep has run.

pub mod purge;

use jiff::Timestamp;

use super::{
    calendar,
    item::ItemState,
    name::Processor,
    policy::{
        compile::CompiledPolicy,
        model::{Retention, RetentionTrigger},
    },
    subject::{Membership, SubjectState},
};

/// When the shortest maximum that covers the item runs out; `None`: no maximum, or none that runs
/// yet. A rule with a processor counts only when `processor` is that one.
///
/// `withdrawn_at` is the withdrawal of the consent that the use rests on; `None` when it rests on
/// none, or the consent stands.
pub fn ends_at(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    processor: Option<&Processor>,
    withdrawn_at: Option<Timestamp>,
) -> Option<Timestamp> {
    first_end(policy, subject, item, processor, withdrawn_at).map(|(end, _)| end)
}

/// As [`ends_at`], with the place of the rule in the policy.
fn first_end(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    processor: Option<&Processor>,
    withdrawn_at: Option<Timestamp>,
) -> Option<(Timestamp, usize)> {
    policy
        .retention_maxima(&item.subject_category, &item.data_category, processor)
        .filter_map(|rule| {
            let end = trigger_end(policy, subject, item, rule, withdrawn_at)?;
            let mut rules = policy.policy().retention.iter();
            Some((end, rules.position(|one| std::ptr::eq(one, rule))?))
        })
        .min()
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
        .iter()
        .filter(|other| {
            other.data_category == item.data_category
                && (rule.subjects.is_empty() || rule.subjects.contains(&other.subject_category))
        })
        .map(|other| other.collected_at);
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
