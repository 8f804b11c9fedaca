//! Takes to the journal what nobody waits for any more: the caller went away, or the journal did not
//! answer in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next.
const ROUND: Duration = Duration::from_secs(5);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.flush_journal().await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "the journal has caught up"),
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(error, "the journal cannot be written");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
