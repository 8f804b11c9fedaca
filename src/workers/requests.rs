//! Moves requests of data subjects on, as soon as what they wait for has come.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next, when nothing in this process woke it: another replica may have ended a task.
const ROUND: Duration = Duration::from_secs(5);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.advance_requests().await {
            // What went on may let others go on.
            Ok(moved) if moved > 0 => continue,
            Ok(_) => {}
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(
                    error,
                    "requests could not go on; the next round tries again"
                );
            }
        }
        tokio::select! {
            () = registry.wait_for_requests(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
