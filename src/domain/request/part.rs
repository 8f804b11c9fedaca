//! The parts of a request: one for each kind, in the order in which they were asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ObjectionRuling, RequestKind};
use crate::domain::{
    id::{ObjectionId, RestrictionId},
    name::Purpose,
};

/// How far one kind of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartState {
    /// An earlier part comes first, or the identity is not verified.
    Pending,
    /// It is being carried out.
    Running,
    /// It was carried out here; others have still to do their part.
    Waiting,
    /// It has come to its end.
    Done,
    /// It was refused or taken back before it was carried out.
    Dropped,
}

impl PartState {
    /// Whether nothing further happens to it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Dropped)
    }
}

/// One kind of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What was asked for.
    pub kind: RequestKind,
    /// How far it has come.
    pub state: PartState,
    /// When it was carried out here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_out_at: Option<Timestamp>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// The objections that it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objections: Vec<ObjectionMade>,
    /// The restriction that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<RestrictionMade>,
}

/// An objection that a request made, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectionMade {
    /// Its id.
    pub objection_id: ObjectionId,
    /// The purpose objected to.
    pub purpose: Purpose,
    /// What became of it; `None`: it stands, undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<ObjectionDecision>,
}

/// What became of an objection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectionDecision {
    /// What.
    pub ruling: ObjectionRuling,
    /// When.
    pub decided_at: Timestamp,
    /// The grounds, as the person was told.
    pub grounds: String,
}

/// A restriction that a request made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictionMade {
    /// Its id.
    pub restriction_id: RestrictionId,
    /// When it was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<Timestamp>,
}

impl Part {
    /// One that nothing was done for yet.
    pub fn pending(kind: RequestKind) -> Self {
        Self {
            kind,
            state: PartState::Pending,
            carried_out_at: None,
            done_at: None,
            objections: Vec::new(),
            restriction: None,
        }
    }

    /// It is being carried out.
    pub fn begin(&mut self) {
        self.state = PartState::Running;
    }

    /// It was carried out here; whether others have to do their part, [`super::advance::settle`] sees.
    pub fn carry_out(&mut self, now: Timestamp) {
        self.state = PartState::Waiting;
        self.carried_out_at.get_or_insert(now);
    }

    /// It has come to its end.
    pub fn end(&mut self, now: Timestamp) {
        self.state = PartState::Done;
        self.carried_out_at.get_or_insert(now);
        self.done_at = Some(now);
    }

    /// It is not carried out any more.
    pub fn drop_it(&mut self, now: Timestamp) {
        self.state = PartState::Dropped;
        self.done_at = Some(now);
    }
}
