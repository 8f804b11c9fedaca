//! Gives committed events their places, soon after they were committed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    app::{Registry, event::PLACED_MAX},
    runtime::lifecycle::WorkerError,
};

/// How long an event of another replica may wait, when that replica died before placing it.
const ROUND: Duration = Duration::from_millis(250);

/// From one round to the next at least: events that are committed meanwhile get their places together.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.place_events().await {
            // There may be more than one round places.
            Ok(placed) if placed >= PLACED_MAX => continue,
            Ok(placed) if placed > 0 => {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => continue,
                    () = stop.cancelled() => break,
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "events could not be placed"),
        }
        tokio::select! {
            () = registry.wait_for_change(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
