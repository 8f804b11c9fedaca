//! Everything that is recorded of a request beside its state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IdentityMethod, Scope, part::Part};
use crate::domain::{
    deadline::Calendar,
    id::{SubjectId, SubjectRequestId},
    name::Channel,
};

/// What is recorded of a request. No personal data: the right values of a rectification are kept apart,
/// sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub subject_request_id: SubjectRequestId,
    /// Whose it is.
    pub subject_id: SubjectId,
    /// Through which channel it came.
    pub channel: Channel,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What it is about.
    pub scope: Scope,
    /// What was asked for, in order.
    pub parts: Vec<Part>,
    /// The deadline, and what moved it.
    pub clock: DeadlineClock,
    /// When the person was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// That the identity was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The reason of a refusal, as the person was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    /// When the last part and the last recipient had come to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// That a person's identity was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// How.
    pub method: IdentityMethod,
    /// When.
    pub verified_at: Timestamp,
}

/// A deadline, and what moved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineClock {
    /// The last instant at which an answer is in time, had the clock run since.
    pub due_at: Timestamp,
    /// Since when it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_since: Option<Timestamp>,
    /// Days on which it stood still.
    #[serde(default)]
    pub paused_days: u32,
    /// The reason of the extension, as the person was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_reason: Option<String>,
}

impl DeadlineClock {
    /// A clock that runs from `received_at`.
    pub fn start(received_at: Timestamp, calendar: Calendar<'_>) -> Self {
        Self {
            due_at: calendar.due_at(received_at, false, 0),
            paused_since: None,
            paused_days: 0,
            extension_reason: None,
        }
    }

    /// The deadline; `None` while the clock stands still.
    pub fn running_due_at(&self) -> Option<Timestamp> {
        self.paused_since.is_none().then_some(self.due_at)
    }

    /// Lets it run on, the days on which it stood still added.
    pub(super) fn resume(&mut self, now: Timestamp, calendar: Calendar<'_>) {
        if let Some(since) = self.paused_since.take() {
            self.paused_days += calendar.paused_days(since, now);
        }
    }

    /// Counts the deadline anew.
    pub(super) fn count(&mut self, received_at: Timestamp, calendar: Calendar<'_>) {
        let extended = self.extension_reason.is_some();
        self.due_at = calendar.due_at(received_at, extended, self.paused_days);
    }
}
