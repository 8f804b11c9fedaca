//! Generated worlds: few names and coarse instants, so that everything overlaps and ties.

mod policies;
mod subjects;

use std::{fmt::Debug, str::FromStr};

use jiff::{Span, Timestamp, ToSpan};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};
use registry::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    decision::Query,
    id::{ConsentId, ItemId, ObjectionId, RestrictionId},
    policy::{history::PolicyHistory, model::Policy},
    subject::{Objection, Restriction, SubjectState},
};
use uuid::Uuid;

pub use self::subjects::any_consents;

const CATEGORIES: [&str; 2] = ["visitor", "client"];
/// The data categories of every generated policy.
pub const DATA: [&str; 2] = ["email_address", "navigation"];
/// The purposes of every generated policy.
pub const PURPOSES: [&str; 2] = ["newsletter", "research"];
/// The processors of every generated policy.
pub const PROCESSORS: [&str; 2] = ["mailer", "analyst"];
const SOURCES: [&str; 2] = ["web", "shop"];
/// One more than is ever published.
const VERSIONS: [&str; 4] = ["v0", "v1", "v2", "v3"];
/// Facts lie on the days of a grid; `now` too, so that facts tie with it and with each other.
const DAYS_APART: i64 = 4;
/// Days of the grid on which facts lie; a few lie ahead of `now`.
const GRID: i64 = 18;
/// Days of the grid on which questions are asked.
const NOW: std::ops::Range<i64> = 5..16;

/// A policy's history, a subject, a question and an instant.
#[derive(Clone, Debug)]
pub struct World {
    /// The versions as written.
    pub policies: Vec<Policy>,
    /// The same, compiled.
    pub history: PolicyHistory,
    /// The subject, if it is known.
    pub subject: Option<SubjectState>,
    /// What is asked.
    pub query: Query,
    /// When.
    pub now: Timestamp,
    /// An instant for a change to the world, before or after `now`.
    pub another_time: Timestamp,
}

impl World {
    /// Adds a fact on the purpose of the query. Always possible, unless nobody knows the subject.
    pub fn say_of_query(&mut self, choice: ConsentChoice) -> bool {
        let (purpose, occurred_at) = (self.query.purpose.clone(), self.another_time);
        let Some(subject) = &mut self.subject else {
            return false;
        };
        subject.consents.push(ConsentFact {
            consent_id: ConsentId(Uuid::from_u128(999)),
            purpose,
            processors: Vec::new(),
            choice,
            method: EvidenceMethod::Form,
            has_reference: false,
            policy_version: name(VERSIONS[0]),
            occurred_at,
            recorded_at: self.now,
            expires_at: None,
        });
        true
    }

    /// Adds an objection to the purpose of the query.
    pub fn object_to_query(&mut self) -> bool {
        let (purpose, occurred_at) = (self.query.purpose.clone(), self.another_time);
        let Some(subject) = &mut self.subject else {
            return false;
        };
        subject.objections.push(Objection {
            objection_id: ObjectionId(Uuid::from_u128(999)),
            purpose,
            occurred_at,
            rejected_at: None,
        });
        true
    }

    /// Adds a restriction of everything.
    pub fn restrict_everything(&mut self) -> bool {
        let started_at = self.another_time;
        let Some(subject) = &mut self.subject else {
            return false;
        };
        subject.restrictions.push(Restriction {
            restriction_id: RestrictionId(Uuid::from_u128(999)),
            data_categories: Vec::new(),
            started_at,
            lifted_at: None,
        });
        true
    }

    /// Ends now whatever membership has begun and not ended.
    pub fn end_memberships(&mut self) -> bool {
        let now = self.now;
        let Some(subject) = &mut self.subject else {
            return false;
        };
        for membership in &mut subject.memberships {
            if membership.is_current(now) {
                membership.ended_at = Some(now);
            }
        }
        true
    }
}

/// Any world.
pub fn any_world() -> impl Strategy<Value = World> {
    let policies = policies::any_policies();
    let subject = prop_oneof![1 => Just(None), 30 => subjects::any_subject().prop_map(Some)];
    (policies, subject, any_query(), NOW, any_day()).prop_map(
        |(policies, subject, query, now, another_time)| World {
            history: policies::history(&policies),
            policies,
            subject,
            query,
            now: day(now),
            another_time,
        },
    )
}

/// Any of the domain's names.
pub trait Name: FromStr<Err: Debug> + Debug + Clone {}

impl<T: FromStr<Err: Debug> + Debug + Clone> Name for T {}

fn name<T: Name>(text: &str) -> T {
    text.parse().expect("a name of this file")
}

fn names<T: Name>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| name(text)).collect()
}

/// A day of the grid.
fn day(number: i64) -> Timestamp {
    let first: Timestamp = "2024-02-10T00:00:00Z".parse().expect("a timestamp");
    first + (24 * DAYS_APART * number).hours()
}

/// Any day of the grid.
pub fn any_day() -> impl Strategy<Value = Timestamp> {
    (0..GRID).prop_map(day)
}

/// One of these names.
pub fn one_of<T: Name>(texts: &'static [&'static str]) -> impl Strategy<Value = T> {
    (0..texts.len()).prop_map(|index| name(texts[index]))
}

fn some_of<T: Name>(texts: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<T>> {
    subsequence(texts.to_vec(), least..=texts.len()).prop_map(|texts| names(&texts))
}

fn mostly_none<T: Name>(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![4 => Just(Vec::new()), 1 => some_of(texts, 1)]
}

fn any_period() -> impl Strategy<Value = Span> {
    prop_oneof![
        (1..9_i64).prop_map(|days| (DAYS_APART * days).days()),
        Just(1.month()),
        Just(3.weeks()),
    ]
}

fn any_method() -> impl Strategy<Value = EvidenceMethod> {
    prop_oneof![
        5 => Just(EvidenceMethod::Checkbox),
        2 => Just(EvidenceMethod::DoubleOptIn),
        1 => Just(EvidenceMethod::ImpliedByUse),
        1 => Just(EvidenceMethod::PreTicked),
        1 => Just(EvidenceMethod::Imported),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    let data = prop_oneof![
        8 => some_of(&DATA, 1),
        1 => Just(Vec::new()),
        1 => Just(names(&["shoe_size"])),
    ];
    let items = prop_oneof![4 => Just(Vec::new()), 1 => vec(1..8_u128, 1..3)];
    let purpose = prop_oneof![20 => one_of(&PURPOSES), 1 => Just(name("telemarketing"))];
    let processor = prop_oneof![10 => one_of(&PROCESSORS), 1 => Just(name("stranger"))];
    (data, items, purpose, option::weighted(0.4, processor)).prop_map(
        |(data_categories, items, purpose, processor)| Query {
            data_categories,
            item_ids: items
                .into_iter()
                .map(|id| ItemId(Uuid::from_u128(id)))
                .collect(),
            purpose,
            processor,
        },
    )
}
