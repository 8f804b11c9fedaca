//! Tells of what ends by itself, soon after it has: consents, retentions, and policies that come into force.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next, when nobody is left to look at. A check answers by the instant itself.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.announce_expiries().await {
            Ok(done) if done.more => continue,
            Ok(_) => {}
            Err(error) => {
                let error = error.for_operators();
                tracing::warn!(
                    error,
                    "what has ended is not told yet; the next round goes on"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
