//! What stands in the store, for monitoring. It is asked by nobody who calls, and tells of nobody.

use jiff::SignedDuration;

use super::{error::Error, registry::Registry};

pub use crate::store::metrics::{Figures, OpenTasks};

/// A request is due soon when its deadline is no further than this.
pub const DUE_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Registry {
    /// What stands in the store now: every replica sees the same.
    pub async fn figures(&self) -> Result<Figures, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let now = snapshot.now();
        let figures = snapshot.count_figures(now.checked_add(DUE_SOON).unwrap_or(now));
        let figures = figures.await?;
        snapshot.close().await?;
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use crate::app::testing::registry;

    #[tokio::test]
    async fn what_waits_is_counted_until_it_is_done() {
        let test = registry().await;
        let before = test.registry.figures().await.expect("counted");
        assert_eq!((before.unsealed_audit, before.unplaced_events), (1, 1));
        test.registry.seal_audit().await.expect("sealed");
        test.registry.place_events().await.expect("placed");
        let after = test.registry.figures().await.expect("counted");
        assert_eq!((after.unsealed_audit, after.unplaced_events), (0, 0));
        assert_eq!((after.requests.due, after.requests.overdue), (0, 0));
        assert!(after.tasks.is_empty());
    }
}
