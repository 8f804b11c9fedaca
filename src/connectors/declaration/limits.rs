//! What a declaration may ask for, and what it gets when it does not say.

use std::time::Duration;

use super::model::Limits;

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Longest text, such as a ground, in bytes.
pub const TEXT_BYTES_MAX: usize = 450;
/// Most steps of a kind of task.
pub const STEPS_MAX: usize = 32;
/// Most rows of a list that make one round.
pub const BATCH_MAX: u32 = 100;
/// Most times that a step asks again.
pub const POLLS_MAX: u32 = 100_000;

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);
/// Longest wait.
pub const DURATION_MAX: Duration = Duration::from_hours(24 * 366);
/// Calls at once.
pub const CONCURRENCY: [u32; 2] = [1, 64];
/// Calls of a rate.
pub const RATE_CALLS: [u32; 2] = [1, 1_000_000];
/// From sending a call to having its answer.
pub const TIMEOUT: [Duration; 2] = [SECOND, Duration::from_mins(2)];
/// First pause after a failure.
pub const RETRY_FIRST: [Duration; 2] = [SECOND, Duration::from_hours(1)];
/// Longest pause after a failure.
pub const RETRY_MOST: [Duration; 2] = [SECOND, Duration::from_hours(24)];
/// Failures in a row after which calls cease.
pub const BREAKER_FAILURES: [u32; 2] = [1, 1_000];
/// For how long.
pub const PAUSE: [Duration; 2] = [SECOND, Duration::from_hours(24)];

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 2,
            rates: Vec::new(),
            timeout: Duration::from_secs(30),
            retry_first: Duration::from_secs(30),
            retry_most: Duration::from_hours(6),
            breaker_failures: 5,
            breaker_pause: Duration::from_mins(1),
        }
    }
}
