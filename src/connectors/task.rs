//! What a connector is asked to do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is to be done at a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Erase.
    Erase,
    /// Replace by the right values.
    Rectify,
    /// Keep and do not use.
    Restrict,
    /// The restriction is lifted.
    LiftRestriction,
    /// Stop using for some purposes.
    Stop,
    /// Hand over the content.
    ProvideCopy,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Erase,
        Self::Rectify,
        Self::Restrict,
        Self::LiftRestriction,
        Self::Stop,
        Self::ProvideCopy,
    ];

    /// Its name in declarations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Rectify => "rectify",
            Self::Restrict => "restrict",
            Self::LiftRestriction => "lift_restriction",
            Self::Stop => "stop",
            Self::ProvideCopy => "provide_copy",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("is no kind of task; there are {known}")
            })
    }
}

/// A task on lease. Personal data: it does not print what names the person.
#[derive(Clone)]
pub struct Job {
    /// The task.
    pub task_id: Uuid,
    /// What is to be done.
    pub kind: Kind,
    /// By what the processor may know the person: type and value.
    pub identifiers: Vec<(String, String)>,
    /// The processor's own names of the disclosures by which it came to have the items.
    pub external_references: Vec<String>,
    /// How often it failed so far; the pauses grow with it.
    pub attempts: u32,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("task_id", &self.task_id)
            .field("kind", &self.kind)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// What was done so far: kept with the task between calls, so that whoever goes on repeats nothing.
/// It holds the processor's names of things, which may be personal data, and does not print them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Progress {
    /// The step that is next; empty: none was begun.
    pub(super) step: String,
    /// Which of the step's rounds is next.
    pub(super) round: usize,
    /// The next page of this round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<String>,
    /// Pages of this round so far.
    pub(super) pages: u32,
    /// How often this round was asked whether it is done.
    pub(super) polls: u32,
    /// Counts the answers that a repeat must not be given again: part of the idempotency key.
    pub(super) tries: u32,
    /// When this round's call was announced: it may have been made since, whatever became of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_at: Option<jiff::Timestamp>,
    /// Whether it did something is not known, and its key does not say any more: look first.
    pub(super) in_doubt: bool,
    /// Since when every call found trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble_since: Option<jiff::Timestamp>,
    /// What earlier steps collected, by list: rows of the list's fields, in their order.
    pub(super) lists: std::collections::BTreeMap<String, Vec<Vec<String>>>,
    /// Until when a step waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<jiff::Timestamp>,
    /// Rounds that changed something.
    pub(super) done: u32,
    /// Rounds that found nothing any more.
    pub(super) gone: u32,
    /// What the processor keeps, and its ground.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<(String, String)>,
    /// It went back to an earlier step after a failure.
    pub(super) resumed: bool,
    /// The first stage is reached.
    pub(super) suppressed: bool,
}

impl Progress {
    /// Reads what was kept with the task; nothing was kept in a new one.
    pub fn read(kept: &serde_json::Value) -> Result<Self, serde_json::Error> {
        if kept.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(kept)
    }

    /// What is to be kept with the task.
    pub fn write(&self) -> serde_json::Value {
        // Texts and numbers have a form in JSON: nothing is lost here.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("step", &self.step)
            .field("round", &self.round)
            .finish_non_exhaustive()
    }
}
