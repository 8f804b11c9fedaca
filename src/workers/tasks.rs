//! What time does to tasks: takes leases away that ran out, gives up what nobody settles.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next.
const ROUND: Duration = Duration::from_secs(2);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        if let Err(error) = registry.age_tasks().await {
            tracing::warn!(%error, "tasks were not looked after; the next round tries again");
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
