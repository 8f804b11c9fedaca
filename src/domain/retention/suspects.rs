//! Which items a sweep has to look at: a bound that the store can search by, so that nobody's state is
//! loaded of whom nothing can be due.

use jiff::{Timestamp, ToSpan};

use crate::domain::{
    name::{DataCategory, SubjectCategory},
    policy::{
        compile::CompiledPolicy,
        model::{Retention, RetentionKind, RetentionTrigger},
    },
};

/// Counting a period back from its end can miss its beginning by a few days: months differ in length.
/// No period of a policy has so many parts that it misses by more.
const SLACK_DAYS: i64 = 10;

/// Items that a maximum may have run out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Items of these data categories; empty: of every one.
    pub data: Vec<DataCategory>,
    /// Items of these subject categories; empty: of every one.
    pub subjects: Vec<SubjectCategory>,
    /// Items that were collected by then; `None`: whenever they were.
    pub collected_by: Option<Timestamp>,
}

/// What must be looked at to find everything that is due at `now`. Nothing: no maximum, nothing is due.
pub fn suspects(policy: &CompiledPolicy, now: Timestamp) -> Vec<Suspect> {
    let rules = policy.policy().retention.iter();
    rules
        .filter(|rule| rule.kind == RetentionKind::Maximum)
        .map(|rule| Suspect {
            data: rule.data.clone(),
            subjects: rule.subjects.clone(),
            collected_by: collected_by(policy, rule, now),
        })
        .collect()
}

/// A period that runs from the collection, or from something later, has run out only for what was
/// collected at least so long ago.
fn collected_by(policy: &CompiledPolicy, rule: &Retention, now: Timestamp) -> Option<Timestamp> {
    match rule.after {
        RetentionTrigger::Collection | RetentionTrigger::LastActivity => {
            let zoned = now.to_zoned_datetime(policy.time_zone().clone());
            let begun = zoned.checked_sub(rule.period).ok()?;
            Some(begun.checked_add(SLACK_DAYS.days()).ok()?.timestamp())
        }
        // Who left, or took consent back, may have done so before the item was collected.
        RetentionTrigger::CategoryEnd | RetentionTrigger::ConsentWithdrawal => None,
    }
}
