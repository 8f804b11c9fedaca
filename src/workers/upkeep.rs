//! Forgets what need not be remembered, once an hour.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, runtime::lifecycle::WorkerError};

/// From one round to the next.
const ROUND: Duration = Duration::from_hours(1);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.keep_up().await {
            Ok(done) => tracing::info!(
                answers_forgotten = done.answers_forgotten,
                events_trimmed = done.events_trimmed,
                tokens_forgotten = done.tokens_forgotten,
                changes_trimmed = done.changes_trimmed,
                keys_removed = done.keys_removed,
                keys_destroyed = done.keys_destroyed,
                "upkeep"
            ),
            Err(error) => tracing::warn!(%error, "upkeep failed; the next round tries again"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
