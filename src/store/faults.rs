//! Planned faults, for tests that ask what is left behind: a call to the databases that fails, or that
//! the process does not come back from.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use super::error::StoreError;

/// No call is planned to fail.
const NEVER: i64 = i64::MAX;

/// A planned failure of the n-th database call (statements, commits, the journal, calls to the key store).
#[derive(Clone, Default)]
pub struct Faults(Arc<Plan>);

struct Plan {
    /// Calls that work before the one that does not.
    left: AtomicI64,
    /// What happens in place of that call, before it fails.
    instead: Mutex<Option<Instead>>,
}

type Instead = Box<dyn FnOnce() + Send>;

impl Default for Plan {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(NEVER),
            instead: Mutex::default(),
        }
    }
}

impl Faults {
    /// The `n`-th call from now fails (0: the next), and every one after it works.
    pub fn fail_call(&self, n: u32) {
        self.plan(n, None);
    }

    /// As [`Self::fail_call`], and `instead` runs in place of the call: one that never returns holds the
    /// process there, between two calls, until it is killed.
    pub fn interrupt_call(&self, n: u32, instead: impl FnOnce() + Send + 'static) {
        self.plan(n, Some(Box::new(instead)));
    }

    /// No call fails. Returns whether the planned one had come.
    pub fn clear(&self) -> bool {
        self.0.left.swap(NEVER, Ordering::SeqCst) < 0
    }

    /// One call to a database: fails when it is the planned one.
    pub(super) fn step(&self) -> Result<(), StoreError> {
        let left = &self.0.left;
        if left.load(Ordering::SeqCst) == NEVER || left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return Ok(());
        }
        let instead = self.instead().take();
        if let Some(instead) = instead {
            instead();
        }
        Err(StoreError::Planned)
    }

    fn plan(&self, n: u32, instead: Option<Instead>) {
        *self.instead() = instead;
        self.0.left.store(i64::from(n), Ordering::SeqCst);
    }

    fn instead(&self) -> MutexGuard<'_, Option<Instead>> {
        let instead = self.0.instead.lock();
        instead.unwrap_or_else(PoisonError::into_inner)
    }
}
