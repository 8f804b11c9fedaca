//! The decision on a packed state by the tables of the policy: the same rules as in `rules`, in numbers. It
//! answers what is asked every day. What is rare (an erased person, objections, restrictions, single items, a
//! reason to explain) it leaves to [`decide`](super::decide), by answering nothing.
//!
//! That both answer alike is held by `tests/decision_properties` over generated policies and lives.

mod facts;
mod weighing;

use jiff::Timestamp;
use smallvec::SmallVec;

use self::{facts::Known, weighing::Weighing};
use super::{CategoryDecision, Decision, DecisionReason, Effect, Query};
use crate::domain::{
    compact::{Names, Number, Reader, Stay},
    name::{DataCategory, Processor},
    policy::dense::{DensePolicy, Use},
    revision::Revision,
};

/// Data categories of a question, and pieces of a state, that take no allocation.
const FEW: usize = 4;
type Few<T> = SmallVec<[T; FEW]>;

/// A question by the tables of the policy in force.
#[derive(Clone, Copy)]
struct Question<'q> {
    policy: &'q DensePolicy,
    usage: Use,
    processor: Option<Number>,
    purpose: Number,
    /// Microseconds since 1970.
    now: i64,
    /// When the next version comes into force.
    next_policy: Option<i64>,
}

/// The first instant after `now` at which something changes by itself.
#[derive(Clone, Copy)]
struct Horizon {
    now: i64,
    first: i64,
}

impl Horizon {
    const NEVER: i64 = i64::MAX;

    fn from(now: i64) -> Self {
        Self {
            now,
            first: Self::NEVER,
        }
    }

    fn watch(&mut self, at: Option<i64>) {
        if let Some(at) = at.filter(|at| *at > self.now) {
            self.first = self.first.min(at);
        }
    }

    fn first(self) -> Option<Timestamp> {
        if self.first == Self::NEVER {
            return None;
        }
        Timestamp::from_microsecond(self.first).ok()
    }
}

/// What is asked, by names that need not be known.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a, S> {
    /// The data categories, in the order asked.
    pub data_categories: &'a [S],
    /// What for.
    pub purpose: &'a str,
    /// For whom; `None`: for the controller itself.
    pub processor: Option<&'a str>,
}

impl<'a> Asked<'a, DataCategory> {
    /// What a query asks; `None`: for single items too.
    pub fn of(query: &'a Query) -> Option<Self> {
        query.item_ids.is_empty().then(|| Self {
            data_categories: &query.data_categories,
            purpose: query.purpose.as_str(),
            processor: query.processor.as_ref().map(Processor::as_str),
        })
    }
}

/// Decides on a packed state under the policy in force at `now`, and says which committed state that was.
/// `None`: this is not among what it answers.
pub fn decide<S: AsRef<str>>(
    policy: &DensePolicy,
    names: &Names,
    state: &[u8],
    asked: &Asked<'_, S>,
    now: Timestamp,
) -> Option<(Decision, Revision)> {
    if asked.data_categories.is_empty() || now < Timestamp::UNIX_EPOCH {
        return None;
    }
    let state = Reader::open(state).filter(|state| !state.has_what_is_rare())?;
    let question = Question {
        policy,
        usage: policy.usage(names, asked.purpose, asked.processor)?,
        purpose: names.number(asked.purpose)?,
        processor: asked.processor.and_then(|it| names.number(it)),
        now: now.as_microsecond(),
        next_policy: policy
            .history()
            .next_change(now)
            .map(Timestamp::as_microsecond),
    };
    let mut data = Few::<(Number, usize)>::new();
    for name in asked.data_categories {
        let number = names.number(name.as_ref())?;
        if data.iter().all(|(known, _)| *known != number) {
            data.push((number, policy.data(number)?));
        }
    }
    let revision = state.revision();
    let known = Known::read(question, state, &data)?;
    let mut answers = Vec::with_capacity(data.len());
    for (number, place) in data {
        answers.push(Weighing::new(question, &known, number, place).decide()?);
    }
    Some((question.conclude(answers), revision))
}

impl Question<'_> {
    fn horizon(&self) -> Horizon {
        let mut horizon = Horizon::from(self.now);
        horizon.watch(self.next_policy);
        horizon
    }

    fn conclude(&self, per_category: Vec<CategoryDecision>) -> Decision {
        let denied = per_category.iter().find(|it| it.effect == Effect::Deny);
        let decisive = denied.or(per_category.first());
        let reason = denied.map_or(DecisionReason::Lawful, |it| it.reason);
        let until = per_category.iter().filter_map(|it| it.valid_until);
        Decision {
            effect: reason.effect(),
            reason,
            lawful_basis: decisive.and_then(|it| it.lawful_basis),
            activity: decisive.and_then(|it| it.activity.clone()),
            policy_version: Some(self.policy.compiled().version().clone()),
            consent_id: decisive.and_then(|it| it.consent_id),
            valid_until: self.horizon().first().into_iter().chain(until).min(),
            per_category,
        }
    }
}

/// Whether a stay is in a category.
fn is_of(stay: &Stay, category: Number) -> bool {
    stay.category == category
}
