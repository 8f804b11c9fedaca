//! What was asked of replicas and what they answered, and what of it breaks the promise.
//!
//! Every instant is when the test sent something, or heard an answer, by one monotonic clock: whatever a replica
//! did for a call, it did between the two. A write that was answered at last, by a repeat, took effect at some
//! instant between when it was first sent and that answer; one that was never answered took effect at any time
//! after it was sent, or never.

use std::{cmp::Reverse, time::Duration};

use tonic::Code;

/// What a write says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Grant,
    Withdrawal,
}

/// A grant or a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    pub subject: usize,
    pub change: Change,
    pub start: Duration,
    /// When it was answered OK. `None`: it never was, and may have happened.
    pub returned: Option<Duration>,
    /// The replica that recorded it, when the first that was asked has answered.
    pub recorded_by: Option<usize>,
}

/// What came back from a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Deny,
    /// No decision: an error, or (`DeadlineExceeded`) nothing in time.
    Failed(Code),
}

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    pub subject: usize,
    pub replica: usize,
    pub start: Duration,
    pub end: Duration,
    pub answer: Answer,
    /// The grant whose revision it named in `at_least_as_fresh`.
    pub names: Option<Write>,
}

/// A time in which nothing passed between a replica and its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub replica: usize,
    pub from: Duration,
    pub until: Duration,
}

/// Everything that was asked and answered.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub writes: Vec<Write>,
    pub checks: Vec<Check>,
    pub cuts: Vec<Cut>,
}

/// An answer that must not have been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// ALLOW, after this withdrawal had returned (`None`: where nobody had granted anything), and no grant can
    /// account for it.
    StaleAllow {
        check: Check,
        withdrawal: Option<Write>,
    },
    /// DENY, though the check had to see this grant, and no withdrawal can account for it.
    BlindDeny { check: Check, grant: Write },
    /// ALLOW of a replica that had been cut off for longer than its lease lasts.
    AllowWithoutLease { check: Check, cut: Cut },
}

impl Write {
    /// Whether it may have taken effect after `other` and before `check` was answered.
    fn may_count(&self, other: Option<&Self>, check: &Check) -> bool {
        let is_after = |other: &Self| self.returned.is_none_or(|it| it > other.start);
        self.start < check.end && other.is_none_or(is_after)
    }

    /// Whether it was answered before `check` began.
    fn precedes(&self, check: &Check) -> bool {
        self.returned.is_some_and(|it| it < check.start)
    }
}

impl History {
    /// Every answer that breaks the promise, where a lease lasts so long.
    pub fn violations(&self, lease: Duration) -> Vec<Violation> {
        let each = self.checks.iter().filter_map(|check| match check.answer {
            Answer::Allow => self
                .stale_allow(check)
                .or_else(|| self.allow_without_lease(check, lease)),
            Answer::Deny => self.blind_deny(check),
            Answer::Failed(_) => None,
        });
        each.collect()
    }

    fn writes(&self, subject: usize, change: Change) -> impl Iterator<Item = &Write> {
        let is_wanted = move |it: &&Write| it.subject == subject && it.change == change;
        self.writes.iter().filter(is_wanted)
    }

    /// Of the withdrawals that had returned, some grant must be able to have come after the one that began last:
    /// it is then able to have come after all of them.
    fn stale_allow(&self, check: &Check) -> Option<Violation> {
        let withdrawals = self.writes(check.subject, Change::Withdrawal);
        let last = withdrawals
            .filter(|it| it.precedes(check))
            .max_by_key(|it| it.start);
        let mut grants = self.writes(check.subject, Change::Grant);
        let is_accounted_for = grants.any(|grant| grant.may_count(last, check));
        (!is_accounted_for).then_some(Violation::StaleAllow {
            check: *check,
            withdrawal: last.copied(),
        })
    }

    /// A check has to see the grant that it names, and what its own replica recorded.
    fn blind_deny(&self, check: &Check) -> Option<Violation> {
        let own = self.writes(check.subject, Change::Grant);
        let own = own.filter(|it| it.recorded_by == Some(check.replica) && it.precedes(check));
        let seen = own.chain(&check.names);
        let grant = seen.min_by_key(|it| Reverse(it.start))?;
        let mut withdrawals = self.writes(check.subject, Change::Withdrawal);
        let is_accounted_for = withdrawals.any(|it| it.may_count(Some(grant), check));
        (!is_accounted_for).then_some(Violation::BlindDeny {
            check: *check,
            grant: *grant,
        })
    }

    fn allow_without_lease(&self, check: &Check, lease: Duration) -> Option<Violation> {
        let is_broken = |cut: &&Cut| {
            cut.replica == check.replica
                && cut.from + lease <= check.start
                && check.end <= cut.until
        };
        let cut = self.cuts.iter().find(is_broken)?;
        Some(Violation::AllowWithoutLease {
            check: *check,
            cut: *cut,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(10);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn write(change: Change, start: u64, returned: Option<u64>) -> Write {
        Write {
            subject: 0,
            change,
            start: at(start),
            returned: returned.map(at),
            recorded_by: None,
        }
    }

    fn granted(start: u64, returned: u64) -> Write {
        write(Change::Grant, start, Some(returned))
    }

    fn withdrawn(start: u64, returned: u64) -> Write {
        write(Change::Withdrawal, start, Some(returned))
    }

    fn check(answer: Answer, start: u64, end: u64) -> Check {
        Check {
            subject: 0,
            replica: 1,
            start: at(start),
            end: at(end),
            answer,
            names: None,
        }
    }

    fn found(writes: &[Write], check: Check) -> Option<Violation> {
        let history = History {
            writes: writes.to_vec(),
            checks: vec![check],
            cuts: Vec::new(),
        };
        let mut found = history.violations(LEASE);
        assert!(found.len() <= 1);
        found.pop()
    }

    fn is_stale(writes: &[Write], answered: [u64; 2]) -> bool {
        let [start, end] = answered;
        let found = found(writes, check(Answer::Allow, start, end));
        assert!(matches!(found, None | Some(Violation::StaleAllow { .. })));
        found.is_some()
    }

    #[test]
    fn an_allow_after_a_withdrawal_that_no_grant_accounts_for_is_stale() {
        let writes = [granted(0, 1), withdrawn(2, 5)];
        assert!(is_stale(&writes, [6, 7]));
        let stale = found(&writes, check(Answer::Allow, 6, 7));
        assert_eq!(
            stale,
            Some(Violation::StaleAllow {
                check: check(Answer::Allow, 6, 7),
                withdrawal: Some(writes[1]),
            })
        );
    }

    #[test]
    fn an_allow_that_was_asked_for_before_the_withdrawal_had_returned_is_not() {
        let writes = [granted(0, 1), withdrawn(2, 5)];
        assert!(!is_stale(&writes, [3, 7]));
        assert!(!is_stale(&writes, [5, 7]), "at the same instant");
    }

    #[test]
    fn a_grant_that_may_have_come_after_the_withdrawal_accounts_for_an_allow() {
        for grant in [granted(6, 8), granted(3, 4), granted(0, 3), granted(9, 12)] {
            assert!(!is_stale(&[grant, withdrawn(2, 5)], [8, 10]), "{grant:?}");
        }
        let too_early = granted(0, 2);
        let too_late = granted(10, 12);
        assert!(is_stale(&[too_early, too_late, withdrawn(2, 5)], [8, 10]));
    }

    #[test]
    fn a_grant_that_was_never_answered_may_have_happened_at_any_time_since() {
        let lost = write(Change::Grant, 0, None);
        assert!(!is_stale(&[lost, withdrawn(2, 5)], [8, 10]));
        let later = write(Change::Grant, 11, None);
        assert!(is_stale(&[later, withdrawn(2, 5)], [8, 10]));
    }

    #[test]
    fn a_withdrawal_that_was_never_answered_promises_nothing() {
        let lost = write(Change::Withdrawal, 2, None);
        assert!(!is_stale(&[granted(0, 1), lost], [8, 10]));
    }

    #[test]
    fn one_grant_must_account_for_all_withdrawals_that_had_returned() {
        // It is concurrent with the first and over before the second.
        let writes = [granted(3, 4), withdrawn(2, 5), withdrawn(6, 7)];
        assert!(is_stale(&writes, [8, 10]));
        // The second began first, and returned last.
        let writes = [granted(3, 4), withdrawn(2, 7), withdrawn(1, 5)];
        assert!(!is_stale(&writes, [8, 10]));
    }

    #[test]
    fn an_allow_where_nobody_has_granted_anything_is_stale() {
        assert!(is_stale(&[], [8, 10]));
        let of_another = Write {
            subject: 1,
            ..granted(0, 1)
        };
        assert!(is_stale(&[of_another], [8, 10]));
    }

    #[test]
    fn what_others_take_back_and_what_is_not_answered_is_no_violation() {
        let of_another = Write {
            subject: 1,
            ..withdrawn(2, 5)
        };
        assert!(!is_stale(&[granted(0, 1), of_another], [8, 10]));
        let failed = check(Answer::Failed(Code::Unavailable), 8, 10);
        assert_eq!(found(&[withdrawn(2, 5)], failed), None);
    }

    fn is_blind(grant: Write, withdrawals: &[Write], names: bool) -> bool {
        let check = Check {
            names: names.then_some(grant),
            ..check(Answer::Deny, 8, 10)
        };
        let found = found(&[&[grant], withdrawals].concat(), check);
        assert!(matches!(found, None | Some(Violation::BlindDeny { .. })));
        found.is_some()
    }

    #[test]
    fn a_deny_with_the_revision_of_a_grant_is_blind_unless_a_withdrawal_accounts_for_it() {
        let grant = granted(3, 5);
        assert!(is_blind(grant, &[], true));
        assert!(is_blind(grant, &[withdrawn(0, 2)], true), "it came before");
        assert!(is_blind(grant, &[withdrawn(11, 12)], true), "it came after");
        for withdrawal in [withdrawn(0, 4), withdrawn(4, 6), withdrawn(9, 12)] {
            assert!(!is_blind(grant, &[withdrawal], true), "{withdrawal:?}");
        }
        let lost = write(Change::Withdrawal, 0, None);
        assert!(!is_blind(grant, &[lost], true));
    }

    #[test]
    fn a_deny_of_the_replica_that_recorded_the_grant_is_blind_and_of_another_it_is_not() {
        let here = Write {
            recorded_by: Some(1),
            ..granted(3, 5)
        };
        assert!(is_blind(here, &[], false));
        let there = Write {
            recorded_by: Some(2),
            ..here
        };
        assert!(!is_blind(there, &[], false));
        let later = Write {
            returned: Some(at(9)),
            ..here
        };
        assert!(!is_blind(later, &[], false));
    }

    #[test]
    fn a_replica_that_was_cut_off_for_longer_than_its_lease_may_not_allow() {
        let cut = Cut {
            replica: 1,
            from: at(100),
            until: at(200),
        };
        let allows = |replica: usize, start: u64, end: u64| {
            let check = Check {
                replica,
                ..check(Answer::Allow, start, end)
            };
            let history = History {
                writes: vec![granted(0, 1)],
                checks: vec![check],
                cuts: vec![cut],
            };
            let found = history.violations(LEASE);
            found == [Violation::AllowWithoutLease { check, cut }]
        };
        assert!(allows(1, 110, 120));
        assert!(!allows(2, 110, 120), "another replica");
        assert!(!allows(1, 109, 120), "it may still have had its lease");
        assert!(!allows(1, 110, 201), "it was answered afterwards");
    }
}
