//! What a connector's outcome is to a task.

use jiff::Timestamp;

use crate::{
    app::task::Failed,
    connectors::{outcome::Outcome, task::Progress},
    domain::task::{self, FAILED_WAIT_MAX, Report, Settled, WAIT_MAX},
};

/// What is said of a task under its lease.
#[derive(Debug)]
pub(super) enum Word {
    /// It is done, or its first stage is.
    Reported {
        report: Report,
        progress: Option<Progress>,
    },
    /// It goes on later.
    Parked {
        until: Timestamp,
        progress: Progress,
    },
    /// The attempt failed.
    Failed {
        failed: Failed,
        progress: Option<Progress>,
    },
}

impl Word {
    pub(super) fn of(outcome: Outcome, now: Timestamp) -> Self {
        let most = |longest| now.checked_add(longest).unwrap_or(Timestamp::MAX);
        match outcome {
            Outcome::Done { evidence } => Self::ended(task::Outcome::Done, evidence),
            Outcome::AlreadyGone { evidence } => Self::ended(task::Outcome::AlreadyGone, evidence),
            Outcome::Partial {
                kept,
                ground,
                evidence,
            } => Self::ended(
                task::Outcome::Partial(format!("{ground} Kept: {kept}")),
                evidence,
            ),
            Outcome::DirectedToRecipient { ground } => {
                Self::ended(task::Outcome::DirectedToRecipient(ground), String::new())
            }
            Outcome::Suppressed {
                purge_at,
                evidence,
                progress,
            } => Self::Reported {
                report: Report::Suppressed {
                    expected: purge_at.min(most(WAIT_MAX)),
                    evidence,
                },
                progress: Some(progress),
            },
            // The credentials are no fault of the task: it waits, and no attempt is counted.
            Outcome::Wait { until, progress }
            | Outcome::Refused {
                until, progress, ..
            } => Self::Parked {
                until: until.min(most(WAIT_MAX)),
                progress,
            },
            Outcome::Retry {
                after,
                reason,
                progress,
            } => Self::Failed {
                failed: Failed {
                    is_retryable: true,
                    reason: reason.to_string(),
                    not_before: now
                        .checked_add(after)
                        .ok()
                        .map(|at| at.min(most(FAILED_WAIT_MAX))),
                },
                progress: Some(progress),
            },
            Outcome::Failed { reason, progress } => match Self::for_good(reason.to_string()) {
                Self::Failed { failed, .. } => Self::Failed {
                    failed,
                    progress: Some(progress),
                },
                other => other,
            },
        }
    }

    /// No repeat helps.
    pub(super) fn for_good(reason: String) -> Self {
        Self::Failed {
            failed: Failed {
                is_retryable: false,
                reason,
                not_before: None,
            },
            progress: None,
        }
    }

    fn ended(outcome: task::Outcome, evidence: String) -> Self {
        Self::Reported {
            report: Report::Ended(Settled { outcome, evidence }),
            progress: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        connectors::{
            declaration::limits::TEXT_BYTES_MAX,
            outcome::{Reason, code},
        },
        domain::task::REPORT_BYTES_MAX,
    };

    fn noon() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn reason() -> Reason {
        Reason {
            code: code::TIMEOUT.into(),
            step: "delete".to_owned(),
            status: None,
        }
    }

    #[test]
    fn the_longest_ground_of_a_declaration_fits_into_a_report() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        let partial = Outcome::Partial {
            kept: longest.clone(),
            ground: longest,
            evidence: String::new(),
        };
        let Word::Reported {
            report: Report::Ended(settled),
            ..
        } = Word::of(partial, noon())
        else {
            panic!("it ends the task");
        };
        assert!(settled.outcome.ground().unwrap().len() <= REPORT_BYTES_MAX);
    }

    #[test]
    fn refused_credentials_park_a_task_and_burn_no_attempt() {
        let until = noon() + Duration::from_mins(15);
        let refused = Outcome::Refused {
            until,
            reason: reason(),
            progress: Progress::default(),
        };
        assert!(matches!(Word::of(refused, noon()), Word::Parked { until: at, .. } if at == until));
    }

    #[test]
    fn a_failure_says_when_to_try_again_within_what_a_task_may_wait() {
        let retry = |after| Outcome::Retry {
            after,
            reason: reason(),
            progress: Progress::default(),
        };
        let of = |outcome| match Word::of(outcome, noon()) {
            Word::Failed { failed, .. } => failed,
            other => panic!("{other:?}"),
        };
        let soon = of(retry(Duration::from_mins(1)));
        assert_eq!(soon.not_before, Some(noon() + Duration::from_mins(1)));
        assert_eq!(soon.reason, "TIMEOUT in step delete");
        let late = of(retry(Duration::from_hours(24 * 365)));
        assert_eq!(late.not_before, Some(noon() + FAILED_WAIT_MAX));
        let for_good = of(Outcome::Failed {
            reason: reason(),
            progress: Progress::default(),
        });
        assert!(soon.is_retryable && !for_good.is_retryable);
    }

    #[test]
    fn what_waits_for_ever_waits_as_long_as_a_task_may() {
        let wait = Outcome::Wait {
            until: Timestamp::MAX,
            progress: Progress::default(),
        };
        assert!(
            matches!(Word::of(wait, noon()), Word::Parked { until, .. } if until == noon() + WAIT_MAX)
        );
    }
}
