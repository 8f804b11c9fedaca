//! Sweeps: what goes because its time has run out, once in an interval, and at once when something is
//! released that others may have waited for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::Registry, app::retention::Swept, runtime::lifecycle::WorkerError};

/// How long until it is tried again when another replica is at it.
const BUSY: Duration = Duration::from_secs(2);
/// How long until it is tried again when it failed, unless the next sweep comes sooner.
const RETRY: Duration = Duration::from_secs(30);

/// Runs until `stop`.
pub async fn run(
    registry: Registry,
    interval: Duration,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let mut is_asked = false;
    while !stop.is_cancelled() {
        let wait = match left(&registry, interval).await {
            Some(left) if !is_asked => left,
            _ => match registry.sweep_retention().await {
                Ok(Some(swept)) => {
                    is_asked = false;
                    tell(swept);
                    interval
                }
                Ok(None) => BUSY,
                Err(error) => {
                    let error = error.for_operators();
                    tracing::warn!(
                        error,
                        "the retention sweep failed; it goes on from its place"
                    );
                    RETRY.min(interval)
                }
            },
        };
        tokio::select! {
            woken = registry.wait_for_due(wait) => is_asked |= woken,
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

/// How long until the next sweep is due: replicas share them. `None`: it is.
async fn left(registry: &Registry, interval: Duration) -> Option<Duration> {
    let since = registry.since_last_sweep().await.ok()??;
    let since = Duration::try_from(since).unwrap_or_default();
    interval.checked_sub(since).filter(|left| !left.is_zero())
}

fn tell(swept: Swept) {
    if swept == Swept::default() {
        tracing::debug!("nothing was due");
        return;
    }
    tracing::info!(
        items = swept.items,
        processors_told = swept.told,
        erased = swept.erased,
        failed = swept.failed,
        "what was due is gone"
    );
}
