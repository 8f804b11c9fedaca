//! Tasks: what one processor, or one internal holder of data, must do because of a request or an event
//! (Art. 17(2), Art. 19), and every step that a task can take.
//!
//! Nothing hangs for ever. Whatever is done or left undone, time alone brings a task to an end: a lease
//! runs out and counts as a failed attempt ([`ATTEMPTS_MAX`]); what nobody leases goes to the dead letters
//! ([`PENDING_AGE_MAX`]), also when its processor has left the policy or its connector was switched off;
//! a dead letter that nobody settles ends unconfirmed ([`DEAD_LETTER_AGE_MAX`]); and a recipient that puts
//! its answer off again and again is cut short ([`LIFE_MAX`]).

mod payload;
mod recipients;
mod step;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use payload::{Locator, Progress, TaskItem, TaskPayload};
pub use recipients::{Affected, Concerned, Disclosed, keepers, recipients};
pub use step::{Refused, Report, Settled};

use super::{
    id::{ExportId, ItemId, LeaseId, SubjectId, SubjectRequestId, TaskId},
    name::{DataCategory, Processor, Purpose, Source},
};

/// Attempts, after the last of which a task goes to the dead letters. With the pauses between them
/// they span more than two days: a weekend's outage is survived.
pub const ATTEMPTS_MAX: u32 = 15;
/// The pause after the first failed attempt; each further one is twice as long.
pub const BACKOFF_FIRST: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause.
pub const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(12);
/// The length of a lease that says nothing of it.
pub const LEASE_DEFAULT: SignedDuration = SignedDuration::from_secs(60);
/// The shortest lease.
pub const LEASE_MIN: SignedDuration = SignedDuration::from_secs(1);
/// The longest lease, and the longest prolongation of one.
pub const LEASE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How long one lease can be prolonged in all: a worker that hangs and still prolongs loses it.
pub const LEASE_HELD_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How far ahead the recipient can put the next attempt after a failure.
pub const FAILED_WAIT_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How far ahead a task can be parked, or its purge expected: two years.
pub const WAIT_MAX: SignedDuration = SignedDuration::from_hours(731 * 24);
/// A task that is due and that nobody leases for so long goes to the dead letters.
pub const PENDING_AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A dead letter that nobody settles for so long ends unconfirmed.
pub const DEAD_LETTER_AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Both of them for a copy to be handed over: the person is owed it within a month (Art. 12(3)), without
/// what nobody hands over.
pub const COPY_AGE_MAX: SignedDuration = SignedDuration::from_hours(10 * 24);
/// How long a task can go on, however often it is parked, from its making or from when somebody took it
/// up again: three years.
pub const LIFE_MAX: SignedDuration = SignedDuration::from_hours(1_096 * 24);
/// Longest ground, evidence or reason of a failure, in bytes.
pub const REPORT_BYTES_MAX: usize = 1_024;
/// Longest progress, in bytes of JSON.
pub const PROGRESS_BYTES_MAX: usize = 16 * 1_024;
/// Most items of one task; a recipient of more gets several tasks.
pub const TASK_ITEMS_MAX: usize = 500;
/// Most items of one task that asks for their content: the largest contents fit into one message.
pub const TASK_COPIES_MAX: usize = 10;
/// Most bytes of the personal data of one task, but for a single item that has more.
pub const TASK_BYTES_MAX: usize = 512 * 1_024;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskKind {
    /// Erase the items.
    Erase,
    /// Replace them by the right values.
    Rectify,
    /// Keep them and do not use them (Art. 18).
    Restrict,
    /// The restriction is lifted.
    LiftRestriction,
    /// Stop using them for the purposes.
    Stop,
    /// Hand their content over, for a copy.
    ProvideCopy,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Erase,
        Self::Rectify,
        Self::Restrict,
        Self::LiftRestriction,
        Self::Stop,
        Self::ProvideCopy,
    ];

    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "ERASE",
            Self::Rectify => "RECTIFY",
            Self::Restrict => "RESTRICT",
            Self::LiftRestriction => "LIFT_RESTRICTION",
            Self::Stop => "STOP",
            Self::ProvideCopy => "PROVIDE_COPY",
        }
    }

    /// How long a task that is due waits for somebody to take it.
    pub fn pending_age_max(self) -> SignedDuration {
        match self {
            Self::ProvideCopy => COPY_AGE_MAX,
            _ => PENDING_AGE_MAX,
        }
    }

    /// How long a dead letter waits for somebody to settle it.
    pub fn dead_letter_age_max(self) -> SignedDuration {
        match self {
            Self::ProvideCopy => COPY_AGE_MAX,
            _ => DEAD_LETTER_AGE_MAX,
        }
    }

    /// Whether processors are concerned: a copy is handed over by internal holders only.
    pub fn concerns_processors(self) -> bool {
        self != Self::ProvideCopy
    }

    /// Whether internal holders are concerned. What to stop, they are told by the check itself.
    pub fn concerns_holders(self) -> bool {
        self != Self::Stop
    }
}

/// Why there is a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskCause {
    /// A request of the person.
    Request,
    /// A retention ran out.
    Retention,
    /// A record was corrected.
    Correction,
    /// Records were deleted.
    Deletion,
    /// Consent was withdrawn.
    Withdrawal,
}

impl TaskCause {
    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Retention => "RETENTION",
            Self::Correction => "CORRECTION",
            Self::Deletion => "DELETION",
            Self::Withdrawal => "WITHDRAWAL",
        }
    }
}

/// Who is to do it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A processor.
    Processor(Processor),
    /// An internal service: the source of items of which the registry has a locator only.
    Holder(Source),
}

impl Recipient {
    /// The processor, if it is one.
    pub fn processor(&self) -> Option<&Processor> {
        match self {
            Self::Processor(processor) => Some(processor),
            Self::Holder(_) => None,
        }
    }

    /// The internal holder, if it is one.
    pub fn holder(&self) -> Option<&Source> {
        match self {
            Self::Processor(_) => None,
            Self::Holder(source) => Some(source),
        }
    }
}

/// How a task ended by the recipient's word, or by the word of whoever settled it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Done.
    Done,
    /// Done in part: the recipient keeps the rest on this ground.
    Partial(String),
    /// There was nothing any more.
    AlreadyGone,
    /// The person was told where to turn; the recipient keeps it on this ground.
    DirectedToRecipient(String),
}

impl Outcome {
    /// Its name: no text of anybody's.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Partial(_) => "PARTIAL",
            Self::AlreadyGone => "ALREADY_GONE",
            Self::DirectedToRecipient(_) => "DIRECTED_TO_RECIPIENT",
        }
    }

    /// The recipient's ground for what it keeps.
    pub fn ground(&self) -> Option<&str> {
        match self {
            Self::Done | Self::AlreadyGone => None,
            Self::Partial(ground) | Self::DirectedToRecipient(ground) => Some(ground),
        }
    }
}

/// The first of two stages: hidden from use, not purged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// When it was reached.
    pub at: Timestamp,
    /// When the purge is expected.
    pub expected: Timestamp,
    /// Proof of it.
    pub evidence: String,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub lease_id: LeaseId,
    /// Who has it.
    pub by: Source,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// To be leased from `not_before` on.
    Waiting {
        /// From when on.
        not_before: Timestamp,
    },
    /// Somebody works on it.
    Leased(Lease),
    /// Ended, with an outcome.
    Completed {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// Proof of it.
        evidence: String,
    },
    /// A person must look.
    DeadLetter {
        /// Since when.
        at: Timestamp,
    },
    /// Ended without anybody's word.
    Unconfirmed {
        /// When.
        at: Timestamp,
    },
    /// Ended because it is no longer wanted.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// The name of a task's state, as it is stored and asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateName {
    /// Waiting, nothing reached yet.
    Pending,
    /// Leased.
    Leased,
    /// Waiting for the purge.
    Suppressed,
    /// Completed.
    Completed,
    /// In the dead letters.
    DeadLetter,
    /// Unconfirmed.
    Unconfirmed,
    /// Cancelled.
    Cancelled,
}

impl StateName {
    /// Those from which a task goes on, in the order of a life.
    pub const OPEN: [Self; 4] = [
        Self::Pending,
        Self::Leased,
        Self::Suppressed,
        Self::DeadLetter,
    ];

    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Leased => "LEASED",
            Self::Suppressed => "SUPPRESSED",
            Self::Completed => "COMPLETED",
            Self::DeadLetter => "DEAD_LETTER",
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// A task, without what names the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id; its key of its own has the same.
    pub task_id: TaskId,
    /// The person.
    pub subject_id: SubjectId,
    /// The request that it belongs to.
    pub subject_request_id: Option<SubjectRequestId>,
    /// The package that what is handed over goes into.
    pub export_id: Option<ExportId>,
    /// Who is to do it.
    pub recipient: Recipient,
    /// What is to be done.
    pub kind: TaskKind,
    /// Why.
    pub cause: TaskCause,
    /// What it is about.
    pub data_categories: Vec<DataCategory>,
    /// The items.
    pub item_ids: Vec<ItemId>,
    /// For which purposes to stop.
    pub purposes: Vec<Purpose>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made, or taken up again.
    pub begun_at: Timestamp,
    /// Attempts that failed since it was made, taken up again, or went a step further.
    pub attempts: u32,
    /// Why the last attempt failed; empty: none did.
    pub failure: String,
    /// The first stage, if it is reached.
    pub suppression: Option<Suppression>,
    /// Where it stands.
    pub state: TaskState,
}

impl Task {
    /// The name of its state.
    pub fn state_name(&self) -> StateName {
        match &self.state {
            TaskState::Waiting { .. } if self.suppression.is_some() => StateName::Suppressed,
            TaskState::Waiting { .. } => StateName::Pending,
            TaskState::Leased(_) => StateName::Leased,
            TaskState::Completed { .. } => StateName::Completed,
            TaskState::DeadLetter { .. } => StateName::DeadLetter,
            TaskState::Unconfirmed { .. } => StateName::Unconfirmed,
            TaskState::Cancelled { .. } => StateName::Cancelled,
        }
    }

    /// When it ended; `None`: it goes on.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.state {
            TaskState::Completed { at, .. }
            | TaskState::Unconfirmed { at }
            | TaskState::Cancelled { at } => Some(at),
            TaskState::Waiting { .. } | TaskState::Leased(_) | TaskState::DeadLetter { .. } => None,
        }
    }

    /// Whether it has come to its end.
    pub fn is_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    /// The lease that it is on.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            TaskState::Leased(lease) => Some(lease),
            _ => None,
        }
    }

    /// Not handed out before; `None`: it does not wait.
    pub fn not_before(&self) -> Option<Timestamp> {
        match self.state {
            TaskState::Waiting { not_before } => Some(not_before),
            _ => None,
        }
    }

    /// How it ended, if it did by somebody's word.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            TaskState::Completed { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// Proof of what was done last; empty: none was given.
    pub fn evidence(&self) -> &str {
        match (&self.state, &self.suppression) {
            (TaskState::Completed { evidence, .. }, _) => evidence,
            (_, Some(suppression)) => &suppression.evidence,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests;
