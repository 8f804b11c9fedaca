//! How far a connector came.

use std::{borrow::Cow, fmt, time::Duration};

use jiff::Timestamp;

use super::task::Progress;

/// What one call of [`Connector::advance`](super::engine::Connector::advance) led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Advance {
    /// A step was made. Keep the progress, then call again.
    Step(Progress),
    /// That is all for now, or for good.
    Outcome(Outcome),
}

/// What becomes of the task.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done {
        /// The processor's reference.
        evidence: String,
    },
    /// Hidden from use; to be taken up again when the purge is expected.
    Suppressed {
        /// When it is.
        purge_at: Timestamp,
        /// The processor's reference.
        evidence: String,
        /// To be kept.
        progress: Progress,
    },
    /// Nothing can be done before an instant. It is no failure.
    Wait {
        /// The instant.
        until: Timestamp,
        /// To be kept.
        progress: Progress,
    },
    /// Done, except for what the processor keeps.
    Partial {
        /// What it keeps.
        kept: String,
        /// Its ground.
        ground: String,
        /// The processor's reference.
        evidence: String,
    },
    /// There was nothing any more.
    AlreadyGone {
        /// What was asked, in counts.
        evidence: String,
    },
    /// The processor takes it from the person only.
    DirectedToRecipient {
        /// Where the person turns to, and on what ground the recipient keeps it.
        ground: String,
    },
    /// A failure that a repeat may mend.
    Retry {
        /// How long to pause.
        after: Duration,
        /// Why.
        reason: Reason,
        /// To be kept.
        progress: Progress,
    },
    /// The processor refuses the credentials, or none were to be had. It is nobody's task that failed:
    /// all of them wait, and a person must be told.
    Refused {
        /// When one call may try again.
        until: Timestamp,
        /// Why.
        reason: Reason,
        /// To be kept.
        progress: Progress,
    },
    /// A failure that a person must look at.
    Failed {
        /// Why.
        reason: Reason,
        /// To be kept: where to go on when it is taken up again.
        progress: Progress,
    },
}

/// Why something failed: words of the declaration and of this module, never of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What happened.
    pub code: Cow<'static, str>,
    /// In which step; empty: before the first.
    pub step: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.step.is_empty() {
            write!(f, " in step {}", self.step)?;
        }
        self.status
            .map_or(Ok(()), |status| write!(f, ", status {status}"))
    }
}

/// The codes of reasons; a declaration can name further ones.
pub mod code {
    /// The declaration has no steps for this kind of task.
    pub const KIND_NOT_SERVED: &str = "KIND_NOT_SERVED";
    /// The calls would erase more than the task names, which the processor still has for something.
    pub const MORE_WOULD_GO: &str = "MORE_WOULD_GO";
    /// The task has no identifier and no reference that the processor knows people by.
    pub const IDENTIFIER_MISSING: &str = "IDENTIFIER_MISSING";
    /// An identifier or a reference cannot be put into a call.
    pub const IDENTIFIER_UNUSABLE: &str = "IDENTIFIER_UNUSABLE";
    /// Nothing was found, though the processor gave names that the declaration cannot use.
    pub const REFERENCE_UNKNOWN: &str = "REFERENCE_UNKNOWN";
    /// What was kept with the task cannot be read.
    pub const PROGRESS_UNREADABLE: &str = "PROGRESS_UNREADABLE";
    /// More was found than can be kept with a task.
    pub const TOO_MUCH_FOUND: &str = "TOO_MUCH_FOUND";
    /// The call cannot be built, or would go where it must not.
    pub const CALL_REFUSED: &str = "CALL_REFUSED";
    /// The processor refuses the credentials.
    pub const AUTHENTICATION_REFUSED: &str = "AUTHENTICATION_REFUSED";
    /// No token was to be had.
    pub const TOKEN_UNAVAILABLE: &str = "TOKEN_UNAVAILABLE";
    /// No answer in time.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// No connection, or one that broke.
    pub const CONNECTION_FAILED: &str = "CONNECTION_FAILED";
    /// The answer is larger than any that is expected.
    pub const ANSWER_TOO_LARGE: &str = "ANSWER_TOO_LARGE";
    /// The answer is not what the declaration reads: HTML, cut off, without a field.
    pub const ANSWER_MALFORMED: &str = "ANSWER_MALFORMED";
    /// The processor has trouble.
    pub const PROCESSOR_UNAVAILABLE: &str = "PROCESSOR_UNAVAILABLE";
    /// The answer says to try again.
    pub const TRY_AGAIN: &str = "TRY_AGAIN";
    /// A look-up found nothing where there must be something. It is not an erasure.
    pub const LOOKUP_FAILED: &str = "LOOKUP_FAILED";
    /// The answer fits no condition of the declaration.
    pub const ANSWER_UNEXPECTED: &str = "ANSWER_UNEXPECTED";
    /// The processor could not be reached, or refused, for longer than a task waits.
    pub const TROUBLE_TOO_LONG: &str = "TROUBLE_TOO_LONG";
    /// It was asked as often as declared and is still not done.
    pub const STILL_PENDING: &str = "STILL_PENDING";
}
