//! The decision: may this data of this person be used for this purpose, by this recipient, now?
//!
//! `rules` is the table of reasons. `consents` is what the person said, as the rules hear it.
//! `horizon` is until when the answer can hold, `trace` how it came about. Nothing here knows where the facts came from.

mod category;
mod consent_ends;
mod consents;
pub mod dense;
mod horizon;
mod reason;
mod rules;
mod standing;
mod trace;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::category::Question;
pub(in crate::domain) use self::consents::is_affirmative;
pub use self::{
    consent_ends::consent_ends,
    reason::{DecisionReason, Effect},
    standing::{Standing, standing},
    trace::TraceStep,
};
use super::{
    id::{ConsentId, ItemId},
    name::{ActivityId, DataCategory, PolicyVersion, Processor, Purpose},
    policy::{history::PolicyHistory, model::LawfulBasis},
    subject::SubjectState,
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The data categories, in the order asked. One that is named twice is answered once.
    pub data_categories: Vec<DataCategory>,
    /// Items asked for by name. Of their categories only they count; a category that is not
    /// listed is asked after those that are.
    pub item_ids: Vec<ItemId>,
    /// What for.
    pub purpose: Purpose,
    /// For whom; `None`: for the controller itself.
    pub processor: Option<Processor>,
}

/// The answer for one data category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryDecision {
    /// The data category.
    pub data_category: DataCategory,
    /// Yes or no.
    pub effect: Effect,
    /// Why.
    pub reason: DecisionReason,
    /// The basis (Art. 6(1)) of `activity`.
    pub lawful_basis: Option<LawfulBasis>,
    /// The activity that permits it, or that came closest to.
    pub activity: Option<ActivityId>,
    /// The consent that it rests on, or the fact that denies it.
    pub consent_id: Option<ConsentId>,
    /// The items that a yes covers, ascending; empty for a no.
    pub item_ids: Vec<ItemId>,
    /// No later than the instant at which the answer changes by itself; `None`: it does not.
    pub valid_until: Option<Timestamp>,
    /// Every rule considered, when asked to explain.
    pub trace: Vec<TraceStep>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Yes, if it is yes for every data category asked for.
    pub effect: Effect,
    /// That of the first denied data category, in the order asked.
    pub reason: DecisionReason,
    /// That of the data category that decided: the first denied one, or else the first.
    pub lawful_basis: Option<LawfulBasis>,
    /// Of the same data category.
    pub activity: Option<ActivityId>,
    /// The policy in force.
    pub policy_version: Option<PolicyVersion>,
    /// Of the same data category.
    pub consent_id: Option<ConsentId>,
    /// The earliest of all data categories'. It informs, and never licenses to keep a yes.
    pub valid_until: Option<Timestamp>,
    /// The answers one by one, in the order asked. An item id that leads to no live item of the
    /// subject has no entry here, and denies the whole.
    pub per_category: Vec<CategoryDecision>,
}

/// Decides. `subject: None` is a subject that nobody knows.
///
/// Whatever is not known denies: no policy in force, no category asked for, an item id that leads
/// nowhere. `now` comes from the clock that the facts were written by (the database's, where several
/// replicas share one): another clock's skew could grant what that one denies.
pub fn decide(
    policies: &PolicyHistory,
    subject: Option<&SubjectState>,
    query: &Query,
    now: Timestamp,
    explain: bool,
) -> Decision {
    let question = Question::new(policies, subject, query, now, explain);
    let per_category: Vec<_> = question
        .data_categories()
        .iter()
        .map(|data| question.decide_category(data))
        .collect();
    let denied = per_category
        .iter()
        .find(|answer| answer.effect == Effect::Deny);
    let reason = match denied {
        Some(answer) => answer.reason,
        None if per_category.is_empty() || question.asks_for_a_stranger() => {
            question.reason_without_item()
        }
        None => DecisionReason::Lawful,
    };
    let decisive = denied.or(per_category
        .first()
        .filter(|_| reason.effect() == Effect::Allow));
    Decision {
        effect: reason.effect(),
        reason,
        lawful_basis: decisive.and_then(|answer| answer.lawful_basis),
        activity: decisive.and_then(|answer| answer.activity.clone()),
        policy_version: question.policy_version(),
        consent_id: decisive.and_then(|answer| answer.consent_id),
        valid_until: question.valid_until(&per_category),
        per_category,
    }
}
