//! How fast a processor may be called: rates, pauses, and a circuit breaker. All of it is arithmetic
//! on instants that are passed in.

use std::{sync::Mutex, time::Duration};

use jiff::Timestamp;

use super::declaration::model::{Limits, Rate};

/// Calls per period, as the generic cell rate algorithm has them: a full period's calls at once, then
/// one as often as the rate has it.
#[derive(Debug)]
pub(super) struct Pacer {
    rates: Vec<Rate>,
    // When the bucket of each rate is full again.
    full_at: Mutex<Vec<Timestamp>>,
    // No call before: the processor asked for a pause.
    held_until: Mutex<Timestamp>,
}

impl Pacer {
    pub(super) fn new(rates: Vec<Rate>) -> Self {
        let full_at = Mutex::new(vec![Timestamp::MIN; rates.len()]);
        Self {
            rates,
            full_at,
            held_until: Mutex::new(Timestamp::MIN),
        }
    }

    /// Makes no call before an instant: the processor has asked for a pause, and not of one task only.
    pub(super) fn hold(&self, until: Timestamp) {
        let mut held = self.held_until.lock().expect("no reservation panics");
        *held = until.max(*held);
    }

    /// How long it is until a call may be made. It takes nothing.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let full_at = self.full_at.lock().expect("no reservation panics");
        self.wait_of(&full_at, now)
    }

    fn wait_of(&self, full_at: &[Timestamp], now: Timestamp) -> Duration {
        let waits = self.rates.iter().zip(full_at.iter());
        let waits = waits.map(|(rate, full_at)| wait(*rate, *full_at, now));
        let held = *self.held_until.lock().expect("no reservation panics");
        waits.fold(until(now, held), Duration::max)
    }

    /// Takes a place for one call at `now`, unless it would come more than `patience` later; says how
    /// long it is until the call may be made.
    pub(super) fn reserve(&self, now: Timestamp, patience: Duration) -> Result<Duration, Duration> {
        let mut full_at = self.full_at.lock().expect("no reservation panics");
        let wait = self.wait_of(&full_at, now);
        if wait > patience {
            return Err(wait);
        }
        for (rate, full_at) in self.rates.iter().zip(full_at.iter_mut()) {
            *full_at = later((*full_at).max(now), rate.per / rate.calls);
        }
        Ok(wait)
    }
}

// A bucket that is full at once or earlier has all its places; one that is full in a period has none.
fn wait(rate: Rate, full_at: Timestamp, now: Timestamp) -> Duration {
    let every = rate.per / rate.calls;
    let busy = until(now, full_at) + every;
    busy.saturating_sub(rate.per)
}

/// Stops calling a processor that fails, and tries with one call whether it has recovered.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    failures: u32,
    /// No call before.
    open_until: Option<Timestamp>,
}

impl Breaker {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            failures_max: limits.breaker_failures,
            pause: limits.breaker_pause,
            state: Mutex::new(State {
                failures: 0,
                open_until: None,
            }),
        }
    }

    /// Until when no call may be made. It takes nothing.
    pub(super) fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.state.lock().expect("no state panics");
        state.open_until.filter(|until| *until > now)
    }

    /// Asks to make a call. After the pause one is let through, and the others wait for what it says.
    pub(super) fn admit(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut state = self.state.lock().expect("no state panics");
        match state.open_until {
            Some(until) if until > now => Err(until),
            Some(_) => {
                state.open_until = Some(later(now, self.pause));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Gives the processor up at once and for so long: no repeat helps before. Says whether it is given
    /// up just now.
    pub(super) fn trip(&self, now: Timestamp, pause: Duration) -> bool {
        let mut state = self.state.lock().expect("no state panics");
        let was_open = state.open_until.is_some();
        state.failures = self.failures_max;
        state.open_until = Some(later(now, pause));
        !was_open
    }

    /// The processor answered. Says whether it had been given up before.
    pub(super) fn succeeded(&self) -> bool {
        let mut state = self.state.lock().expect("no state panics");
        let was_open = state.open_until.is_some();
        *state = State {
            failures: 0,
            open_until: None,
        };
        was_open
    }

    /// It did not, or with trouble of its own. Says whether it is given up just now.
    pub(super) fn failed(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock().expect("no state panics");
        state.failures = state.failures.saturating_add(1);
        if state.failures < self.failures_max {
            return false;
        }
        let was_open = state.open_until.is_some();
        state.open_until = Some(later(now, self.pause));
        !was_open
    }
}

/// How long to pause after the failure that came after `attempts` others. `chance` is from 0 to 1:
/// half of the pause is left to it, so that those who failed together do not come back together.
pub(super) fn back_off(limits: &Limits, attempts: u32, chance: f64) -> Duration {
    let doubled = 2_u32.checked_pow(attempts).unwrap_or(u32::MAX);
    let pause = limits.retry_first.saturating_mul(doubled);
    let pause = pause.min(limits.retry_most);
    pause.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

/// An instant after another; at most the last there is.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_until(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        later(noon(), Duration::from_secs(seconds))
    }

    fn rate(calls: u32, seconds: u64) -> Rate {
        Rate {
            calls,
            per: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_rate_gives_its_calls_at_once_and_then_one_by_one() {
        let pacer = Pacer::new(vec![rate(3, 30)]);
        let wait = |now| {
            pacer
                .reserve(now, Duration::from_mins(5))
                .unwrap()
                .as_secs()
        };
        assert_eq!([wait(noon()), wait(noon()), wait(noon())], [0, 0, 0]);
        assert_eq!([wait(noon()), wait(noon())], [10, 20]);
        assert_eq!(wait(after(60)), 0);
    }

    #[test]
    fn of_several_rates_each_holds() {
        let pacer = Pacer::new(vec![rate(1, 1), rate(2, 3600)]);
        let wait = |now| {
            pacer
                .reserve(now, Duration::from_hours(2))
                .unwrap()
                .as_secs()
        };
        assert_eq!([wait(noon()), wait(noon())], [0, 1]);
        assert_eq!(wait(after(10)), 1790);
    }

    #[test]
    fn a_place_that_comes_too_late_is_not_taken() {
        let pacer = Pacer::new(vec![rate(1, 60)]);
        let patience = Duration::from_secs(1);
        assert_eq!(pacer.reserve(noon(), patience), Ok(Duration::ZERO));
        for _ in 0..3 {
            assert_eq!(pacer.reserve(noon(), patience), Err(Duration::from_mins(1)));
        }
        assert_eq!(pacer.reserve(after(60), patience), Ok(Duration::ZERO));
    }

    #[test]
    fn a_pause_that_was_asked_for_holds_back_every_call() {
        let pacer = Pacer::new(vec![]);
        pacer.hold(after(60));
        pacer.hold(after(30));
        let patience = Duration::from_secs(2);
        assert_eq!(pacer.reserve(noon(), patience), Err(Duration::from_mins(1)));
        assert_eq!(pacer.wait(after(59)), Duration::from_secs(1));
        assert_eq!(pacer.reserve(after(60), patience), Ok(Duration::ZERO));
    }

    #[test]
    fn a_processor_that_refuses_the_credentials_is_given_up_at_once() {
        let breaker = breaker();
        assert!(breaker.trip(noon(), Duration::from_mins(15)));
        assert_eq!(breaker.admit(after(60)), Err(after(900)));
        assert_eq!(breaker.admit(after(900)), Ok(()), "one may try");
        assert!(!breaker.trip(after(900), Duration::from_mins(15)));
    }

    #[test]
    fn without_a_rate_there_is_no_waiting() {
        let pacer = Pacer::new(vec![]);
        assert_eq!(pacer.reserve(noon(), Duration::ZERO), Ok(Duration::ZERO));
    }

    fn breaker() -> Breaker {
        Breaker::new(&Limits {
            breaker_failures: 3,
            breaker_pause: Duration::from_mins(1),
            ..Limits::default()
        })
    }

    #[test]
    fn after_failures_in_a_row_calls_cease_and_one_tries_again() {
        let breaker = breaker();
        assert!(!breaker.failed(noon()) && !breaker.failed(noon()));
        assert_eq!(breaker.admit(noon()), Ok(()));
        assert!(breaker.failed(noon()), "the third one opens it");
        assert_eq!(breaker.admit(after(59)), Err(after(60)));
        assert_eq!(breaker.admit(after(60)), Ok(()), "one may try");
        assert_eq!(breaker.admit(after(60)), Err(after(120)), "and no other");
        assert!(!breaker.failed(after(61)), "it was open already");
        assert_eq!(breaker.admit(after(62)), Err(after(121)));
        assert_eq!(breaker.admit(after(121)), Ok(()));
        assert!(breaker.succeeded());
        assert_eq!(breaker.admit(after(121)), Ok(()));
        assert_eq!(breaker.closed_until(after(121)), None);
    }

    #[test]
    fn a_success_between_failures_begins_the_count_anew() {
        let breaker = breaker();
        for _ in 0..3 {
            assert!(!breaker.failed(noon()) && !breaker.failed(noon()));
            assert!(!breaker.succeeded());
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_chance() {
        let limits = Limits {
            retry_first: Duration::from_secs(10),
            retry_most: Duration::from_secs(100),
            ..Limits::default()
        };
        let seconds = |attempts, chance| back_off(&limits, attempts, chance).as_secs();
        assert_eq!(
            [seconds(0, 1.0), seconds(1, 1.0), seconds(2, 1.0)],
            [10, 20, 40]
        );
        assert_eq!([seconds(4, 1.0), seconds(99, 1.0)], [100, 100]);
        assert_eq!([seconds(0, 0.0), seconds(0, 0.5)], [5, 7]);
    }
}
