//! A subject as the decision sees it: everything that bears on lawfulness, and no content.

mod items;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::items::Items;
use super::{
    consent::ConsentFact,
    id::{ObjectionId, RestrictionId, SubjectId},
    name::{DataCategory, Purpose, Source, SubjectCategory},
};

/// A subject's membership in a subject category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The category.
    pub category: SubjectCategory,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it did; an instant in the future is a known end.
    pub ended_at: Option<Timestamp>,
}

impl Membership {
    /// Whether the membership holds at `now`: from its start on, until just before its end.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.started_at <= now && self.ended_at.is_none_or(|end| now < end)
    }
}

/// An objection (Art. 21) to a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Its id.
    pub objection_id: ObjectionId,
    /// The purpose objected to.
    pub purpose: Purpose,
    /// When the person objected.
    pub occurred_at: Timestamp,
    /// When it was rejected on compelling legitimate grounds (Art. 21(1)); never for direct marketing.
    pub rejected_at: Option<Timestamp>,
}

/// A restriction of processing (Art. 18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// Its id.
    pub restriction_id: RestrictionId,
    /// The data categories it names; empty: all.
    pub data_categories: Vec<DataCategory>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was lifted, if it was.
    pub lifted_at: Option<Timestamp>,
}

/// What the decision needs to know of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// The subject (never an id that was merged away).
    pub subject_id: SubjectId,
    /// When the subject was erased, if it was (Art. 17).
    pub erased_at: Option<Timestamp>,
    /// Memberships, past ones included.
    pub memberships: Vec<Membership>,
    /// Live items, without content.
    pub items: Items,
    /// Every consent fact, in no order.
    pub consents: Vec<ConsentFact>,
    /// Objections, rejected ones included.
    pub objections: Vec<Objection>,
    /// Restrictions, lifted ones included.
    pub restrictions: Vec<Restriction>,
    /// The latest activity seen by each source.
    pub last_activity: BTreeMap<Source, Timestamp>,
}

impl SubjectState {
    /// A subject of which nothing is recorded yet.
    pub fn new(subject_id: SubjectId) -> Self {
        Self {
            subject_id,
            erased_at: None,
            memberships: Vec::new(),
            items: Items::default(),
            consents: Vec::new(),
            objections: Vec::new(),
            restrictions: Vec::new(),
            last_activity: BTreeMap::new(),
        }
    }
}
