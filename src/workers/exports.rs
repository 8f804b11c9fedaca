//! Writes packages for people as soon as everything for them is there, and destroys those whose time has
//! run out.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next. An expired package is refused at once, whether or not a round has come.
const ROUND: Duration = Duration::from_secs(2);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.build_exports().await {
            Ok(0) => {}
            Ok(packages) => tracing::info!(packages, "packages are complete"),
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(
                    error,
                    "packages could not be written; the next round goes on"
                );
            }
        }
        match registry.expire_exports().await {
            Ok(0) => {}
            Ok(packages) => tracing::info!(packages, "packages have expired and are destroyed"),
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(error, "expired packages are not destroyed yet");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
