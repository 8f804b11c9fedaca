//! Seals the audit log: entries get their places soon after they were committed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    app::{Registry, audit_log::SEALED_MAX},
    runtime::lifecycle::WorkerError,
};

/// From one round to the next: entries that are written meanwhile share a checkpoint.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub async fn run(registry: Registry, stop: CancellationToken) -> Result<(), WorkerError> {
    while !stop.is_cancelled() {
        match registry.seal_audit().await {
            // There may be more than one round seals.
            Ok(SEALED_MAX) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the audit log could not be sealed"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}
