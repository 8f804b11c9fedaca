//! Reads answers: what becomes of the task.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Connector, PROGRESS_BYTES_MAX, REFUSED_PAUSE, TROUBLE_MAX, turn::Turn};
use crate::connectors::{
    answer::{Answer, Rule, Verdict, is_success, judge},
    outcome::{Advance, Outcome, code},
    pace::{back_off, later},
    task::Progress,
};

/// Longest pause that an answer can ask for.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Most pages of one round.
pub(super) const PAGES_MAX: u32 = 1_000;

impl Connector {
    pub(super) fn unanswered(&self, turn: Turn<'_>, reason: &'static str) -> Advance {
        let permanent = [
            code::CALL_REFUSED,
            code::IDENTIFIER_UNUSABLE,
            code::ANSWER_TOO_LARGE,
        ];
        if permanent.contains(&reason) {
            return turn.fail(reason.into(), None);
        }
        if reason == code::AUTHENTICATION_REFUSED {
            return self.refused(turn, None);
        }
        // Whether the call arrived is not known: the same key says that it is the same.
        self.retry(turn, reason, None, None)
    }

    pub(super) fn read(&self, turn: Turn<'_>, answer: &Answer) -> Advance {
        if turn.is_unreadable(answer) {
            return self.retry(turn, code::ANSWER_MALFORMED, Some(answer.status), None);
        }
        let rules: [&[Rule]; 2] = [&turn.call.answers, &turn.calls.answers];
        match verdict(answer, &rules) {
            Verdict::Success => self.collect(turn, answer),
            Verdict::Gone => turn.done(|progress| progress.gone += 1),
            Verdict::Partial { kept, ground } => turn.done(|progress| {
                progress.done += 1;
                progress.kept = Some((kept, ground));
            }),
            Verdict::Pending => self.ask_again(turn),
            other => self.not_yet(turn, other, answer),
        }
    }

    /// What an answer leads to that neither settles the round nor says that it is under way.
    pub(super) fn not_yet(&self, turn: Turn<'_>, verdict: Verdict, answer: &Answer) -> Advance {
        let status = Some(answer.status);
        match verdict {
            Verdict::NotFound => turn.fail(code::LOOKUP_FAILED.into(), status),
            Verdict::Failed(code) => turn.fail(code.into(), status),
            Verdict::Refused => self.refused(turn, status),
            Verdict::Throttled(pause) => {
                let pause = answer.retry_after.unwrap_or(pause).min(RETRY_AFTER_MAX);
                let until = later(self.clock.now(), pause);
                self.pacer.hold(until);
                self.put_off(turn, until)
            }
            Verdict::Retry(reason) => self.retry(turn, reason, status, answer.retry_after),
            Verdict::Success | Verdict::Gone | Verdict::Partial { .. } | Verdict::Pending => {
                turn.fail(code::ANSWER_UNEXPECTED.into(), status)
            }
        }
    }

    fn ask_again(&self, mut turn: Turn<'_>) -> Advance {
        let Some(poll) = turn.call.poll else {
            return turn.fail(code::STILL_PENDING.into(), None);
        };
        turn.progress.trouble_since = None;
        turn.progress.polls += 1;
        if turn.progress.polls > poll.at_most {
            turn.progress.polls = 0;
            return turn.fail(code::STILL_PENDING.into(), None);
        }
        wait_until(later(self.clock.now(), poll.every), turn.progress)
    }

    fn collect(&self, mut turn: Turn<'_>, answer: &Answer) -> Advance {
        let json = answer.json.as_ref().unwrap_or(&Json::Null);
        let status = Some(answer.status);
        let Some(rows) = turn.rows(&self.settings, json) else {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        };
        let page = turn.call.next_page.as_ref();
        let Ok(page) = turn.next_page(page, &turn.call.url, &self.settings, json) else {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        };
        if let Err(full) = keep(&mut turn.progress, rows) {
            return turn.fail(full.into(), None);
        }
        if let Some(page) = page {
            return turn.turn_to(page);
        }
        let is_effect = turn.call.is_effect;
        turn.done(|progress| progress.done += u32::from(is_effect))
    }

    /// The processor refuses whoever calls: it is given up at once, and no task is the worse for it.
    fn refused(&self, mut turn: Turn<'_>, status: Option<u16>) -> Advance {
        let now = self.clock.now();
        self.breaker.trip(now, REFUSED_PAUSE);
        let reason = turn.reason(code::AUTHENTICATION_REFUSED.into(), status);
        if is_too_long(&mut turn.progress, now) {
            return turn.fail(code::AUTHENTICATION_REFUSED.into(), status);
        }
        Advance::Outcome(Outcome::Refused {
            until: later(now, REFUSED_PAUSE),
            reason,
            progress: turn.progress,
        })
    }

    /// No call is made before `until`: the processor has trouble, or asked for a pause.
    pub(super) fn put_off(&self, mut turn: Turn<'_>, until: Timestamp) -> Advance {
        if is_too_long(&mut turn.progress, self.clock.now()) {
            return turn.fail(code::TROUBLE_TOO_LONG.into(), None);
        }
        wait_until(until, turn.progress)
    }

    pub(super) fn retry(
        &self,
        mut turn: Turn<'_>,
        reason: &'static str,
        status: Option<u16>,
        asked: Option<Duration>,
    ) -> Advance {
        if is_too_long(&mut turn.progress, self.clock.now()) {
            return turn.fail(code::TROUBLE_TOO_LONG.into(), status);
        }
        let reason = turn.reason(reason.into(), status);
        if status.is_some_and(|status| status >= 500) {
            // Such an answer is remembered under its key: the next call needs another. Whether it did
            // something, it does not say.
            turn.progress.tries += 1;
            turn.progress.in_doubt = turn.call.look.is_some();
        }
        let pause = back_off(&turn.calls.limits, turn.job.attempts, self.chance());
        let asked = asked.unwrap_or(Duration::ZERO).min(RETRY_AFTER_MAX);
        Advance::Outcome(Outcome::Retry {
            after: pause.max(asked),
            reason,
            progress: turn.progress,
        })
    }

    /// From 0 to 1.
    fn chance(&self) -> f64 {
        f64::from(self.ids.uuid_v4().as_bytes()[0]) / f64::from(u8::MAX)
    }
}

/// Adds rows to their lists. The error is the code of a reason.
pub(super) fn keep(
    progress: &mut Progress,
    rows: Vec<(String, Vec<String>)>,
) -> Result<(), &'static str> {
    for (list, row) in rows {
        let list = progress.lists.entry(list).or_default();
        if !list.contains(&row) {
            list.push(row);
        }
    }
    let bytes = progress.write().to_string().len();
    if bytes > PROGRESS_BYTES_MAX || progress.pages >= PAGES_MAX {
        return Err(code::TOO_MUCH_FOUND);
    }
    Ok(())
}

/// What an answer means.
pub(super) fn verdict(answer: &Answer, rules: &[&[Rule]]) -> Verdict {
    judge(answer, rules).unwrap_or_else(|| by_status(answer.status))
}

pub(super) fn wait_until(until: Timestamp, progress: Progress) -> Advance {
    Advance::Outcome(Outcome::Wait { until, progress })
}

/// Whether a succeeding answer is none that can be read.
pub(super) fn is_malformed(answer: &Answer, reads_json: bool) -> bool {
    is_success(answer.status) && (answer.is_html || answer.json.is_none() && reads_json)
}

/// Notes that a call found trouble. Once that has lasted too long it is noted anew: whoever takes the
/// task up again begins with patience.
fn is_too_long(progress: &mut Progress, now: Timestamp) -> bool {
    let since = *progress.trouble_since.get_or_insert(now);
    let is_too_long = now > later(since, TROUBLE_MAX);
    if is_too_long {
        progress.trouble_since = None;
    }
    is_too_long
}

/// What an answer means that fits no rule.
fn by_status(status: u16) -> Verdict {
    match status {
        429 => Verdict::Throttled(Duration::from_mins(1)),
        408 | 425 | 500..=599 => Verdict::Retry(code::PROCESSOR_UNAVAILABLE),
        401 | 403 => Verdict::Refused,
        _ => Verdict::Failed(code::ANSWER_UNEXPECTED.to_owned()),
    }
}
