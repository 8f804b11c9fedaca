//! The steps of a task. Each takes the task and gives it back one step further, or says why not; time is
//! a value.

use jiff::{SignedDuration, Timestamp};

use super::{
    ATTEMPTS_MAX, BACKOFF_FIRST, BACKOFF_MAX, LEASE_HELD_MAX, LIFE_MAX, Lease, Outcome,
    Suppression, Task, TaskKind, TaskState,
};
use crate::domain::{id::LeaseId, name::Source};

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not due, or somebody has it.
    #[error("the task is not due, or somebody has it")]
    NotDue,
    /// The lease ran out, passed to somebody else, or the task has ended.
    #[error("the lease is lost")]
    LeaseLost,
    /// Its state or kind does not permit it; the text says why.
    #[error("{0}")]
    Illegal(&'static str),
}

/// What a worker reports of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is at its end.
    Ended(Settled),
    /// The first stage is reached.
    Suppressed {
        /// When the purge is expected.
        expected: Timestamp,
        /// Proof of it; may be empty.
        evidence: String,
    },
}

/// An end with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How it ended.
    pub outcome: Outcome,
    /// Proof of it; a worker's may be empty.
    pub evidence: String,
}

impl Task {
    /// Gives the task to a worker.
    pub fn leased(
        self,
        lease_id: LeaseId,
        by: Source,
        length: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        if self.not_before().is_none_or(|not_before| now < not_before) {
            return Err(Refused::NotDue);
        }
        let until = later(now, length);
        Ok(self.at(TaskState::Leased(Lease {
            lease_id,
            by,
            since: now,
            until,
        })))
    }

    /// Prolongs the lease from now on, within [`LEASE_HELD_MAX`].
    pub fn renewed(
        self,
        lease_id: LeaseId,
        length: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let lease = self.held(lease_id, now)?.clone();
        let until = later(now, length).min(later(lease.since, LEASE_HELD_MAX));
        Ok(self.at(TaskState::Leased(Lease {
            // A short prolongation takes nothing away.
            until: until.max(lease.until),
            ..lease
        })))
    }

    /// Says what was done under the lease.
    pub fn completed(
        self,
        lease_id: LeaseId,
        report: Report,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        self.held(lease_id, now)?;
        match report {
            Report::Ended(settled) => Ok(self.settled(settled, now)),
            Report::Suppressed { .. } if self.kind != TaskKind::Erase => Err(Refused::Illegal(
                "only an erasure has a first stage: SUPPRESSED does not go with this kind of task",
            )),
            Report::Suppressed { expected, evidence } => {
                let at = self.suppression.as_ref().map_or(now, |first| first.at);
                let suppression = Suppression {
                    at,
                    expected,
                    evidence,
                };
                let suppressed = Self {
                    suppression: Some(suppression),
                    ..self
                };
                Ok(suppressed.waiting_for_a_step(expected, now))
            }
        }
    }

    /// Says that the attempt under the lease failed. `not_before`: what the recipient said of it.
    pub fn failed(
        self,
        lease_id: LeaseId,
        is_retryable: bool,
        reason: String,
        not_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        self.held(lease_id, now)?;
        if !is_retryable {
            let attempts = self.attempts.saturating_add(1);
            return Ok(Self { attempts, ..self }.dead_letter(reason, now));
        }
        Ok(self.after_failure(reason, not_before.unwrap_or(now), now))
    }

    /// Gives the task back for later. It counts as a step further, not as a failure.
    pub fn parked(
        self,
        lease_id: LeaseId,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        self.held(lease_id, now)?;
        Ok(self.waiting_for_a_step(not_before, now))
    }

    /// Takes a dead letter up again: it is due at once, and its attempts are counted anew.
    pub fn retried(self, now: Timestamp) -> Result<Self, Refused> {
        if !matches!(self.state, TaskState::DeadLetter { .. }) {
            return Err(Refused::Illegal(
                "only a task in the dead letters can be taken up again",
            ));
        }
        let anew = Self {
            attempts: 0,
            begun_at: now,
            ..self
        };
        Ok(anew.at(TaskState::Waiting { not_before: now }))
    }

    /// Ends the task by hand.
    pub fn resolved(self, settled: Settled, now: Timestamp) -> Result<Self, Refused> {
        match self.state {
            TaskState::Waiting { .. } | TaskState::DeadLetter { .. } => {
                Ok(self.settled(settled, now))
            }
            TaskState::Leased(_) => Err(Refused::Illegal(
                "somebody works on the task: wait for the end of the lease",
            )),
            TaskState::Completed { .. }
            | TaskState::Unconfirmed { .. }
            | TaskState::Cancelled { .. } => {
                Err(Refused::Illegal("the task has come to its end already"))
            }
        }
    }

    /// Ends a task that is no longer wanted. A lease on it is lost.
    pub fn cancelled(self, now: Timestamp) -> Result<Self, Refused> {
        if self.is_ended() {
            return Err(Refused::Illegal("the task has come to its end already"));
        }
        Ok(self.at(TaskState::Cancelled { at: now }))
    }

    /// Gives it to a person to look at: what names the person to the recipient opens no more.
    pub fn unreadable(self, now: Timestamp) -> Result<Self, Refused> {
        match self.state {
            TaskState::Waiting { .. } | TaskState::Leased(_) => Ok(self.dead_letter(
                "what names the person is sealed under a key that is gone: tell the recipient by \
                 other means, and settle the task by hand"
                    .to_owned(),
                now,
            )),
            TaskState::DeadLetter { .. }
            | TaskState::Completed { .. }
            | TaskState::Unconfirmed { .. }
            | TaskState::Cancelled { .. } => Err(Refused::Illegal(
                "the task has come to its end already, or a person looks at it",
            )),
        }
    }

    /// What time does to it, one step: a lease that ran out is a failed attempt, what nobody takes goes
    /// to the dead letters, and what nobody settles ends unconfirmed. `Err`: nothing, as it is.
    pub fn aged(self, now: Timestamp) -> Result<Self, Box<Self>> {
        if self.ages_at().is_none_or(|at| now < at) {
            return Err(Box::new(self));
        }
        Ok(match &self.state {
            TaskState::Leased(lease) => {
                let until = lease.until;
                self.after_failure("the lease ran out".to_owned(), until, until)
                    .due_by(now)
            }
            TaskState::DeadLetter { .. } => self.at(TaskState::Unconfirmed { at: now }),
            _ => self.dead_letter("nobody has taken the task up in time".to_owned(), now),
        })
    }

    /// When time takes the next step; `None`: never, it has ended.
    pub fn ages_at(&self) -> Option<Timestamp> {
        match &self.state {
            TaskState::Waiting { not_before } => {
                Some(later(*not_before, self.kind.pending_age_max()))
            }
            TaskState::Leased(lease) => Some(lease.until),
            TaskState::DeadLetter { at } => Some(later(*at, self.kind.dead_letter_age_max())),
            TaskState::Completed { .. }
            | TaskState::Unconfirmed { .. }
            | TaskState::Cancelled { .. } => None,
        }
    }

    fn held(&self, lease_id: LeaseId, now: Timestamp) -> Result<&Lease, Refused> {
        self.lease()
            .filter(|lease| lease.lease_id == lease_id && now < lease.until)
            .ok_or(Refused::LeaseLost)
    }

    fn at(self, state: TaskState) -> Self {
        Self { state, ..self }
    }

    fn settled(self, settled: Settled, now: Timestamp) -> Self {
        let Settled { outcome, evidence } = settled;
        self.at(TaskState::Completed {
            at: now,
            outcome,
            evidence,
        })
    }

    fn dead_letter(self, failure: String, now: Timestamp) -> Self {
        Self { failure, ..self }.at(TaskState::DeadLetter { at: now })
    }

    fn waiting_for_a_step(self, not_before: Timestamp, now: Timestamp) -> Self {
        let end = later(self.begun_at, LIFE_MAX);
        if end <= now {
            return self.dead_letter("it was put off again and again".to_owned(), now);
        }
        let further = Self {
            attempts: 0,
            failure: String::new(),
            ..self
        };
        further.at(TaskState::Waiting {
            not_before: not_before.min(end),
        })
    }

    fn after_failure(self, failure: String, not_before: Timestamp, now: Timestamp) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let tried = Self { attempts, ..self };
        if attempts >= ATTEMPTS_MAX {
            return tried.dead_letter(failure, now);
        }
        let not_before = not_before.max(later(now, pause(attempts)));
        Self { failure, ..tried }.at(TaskState::Waiting { not_before })
    }

    /// What waits since before `now` waits from now on: a registry that stood still is nobody's fault.
    fn due_by(mut self, now: Timestamp) -> Self {
        match &mut self.state {
            TaskState::Waiting { not_before } => *not_before = (*not_before).max(now),
            TaskState::DeadLetter { at } => *at = now,
            _ => {}
        }
        self
    }
}

/// The pause after so many failed attempts.
fn pause(attempts: u32) -> SignedDuration {
    let doubled = 2_i32.saturating_pow(attempts.saturating_sub(1));
    let pause = BACKOFF_FIRST.checked_mul(doubled).unwrap_or(BACKOFF_MAX);
    pause.min(BACKOFF_MAX)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
