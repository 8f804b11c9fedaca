//! Puts together what checks are answered from in memory, and the process's place among the replicas.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    app::Registry,
    config::Config,
    runtime::{clock::Clock, ids::Ids, ids::SystemIds, lifecycle::Lifecycle},
    snapshot::{Ear, Lease, Memory, Replica, Seat},
    store::{Dialect, Store},
};

/// How long a process that ends may take to give its place back.
const FAREWELL: Duration = Duration::from_secs(2);

/// The place of a process among the replicas, while it runs.
pub(super) struct AmongReplicas {
    stop: DropGuard,
    listening: JoinHandle<()>,
}

/// Gives the registry a memory, if one is configured, and lets it hear of every change.
pub(super) fn remember(
    config: &Config,
    store: &Arc<Store>,
    clock: Arc<dyn Clock>,
    registry: Registry,
    lifecycle: &Lifecycle,
) -> (Registry, Option<AmongReplicas>) {
    let is_alone = store.dialect() == Dialect::Sqlite;
    let lease = if is_alone {
        Lease::forever()
    } else {
        Lease::none()
    };
    let budget = config.memory.budget_bytes();
    let memory = Arc::new(Memory::new(budget, lease, clock, store.time_source()));
    // Without a memory of its own a replica still has to wait for the others'.
    let among = (!is_alone).then(|| join(config, store, memory.clone(), lifecycle));
    if is_alone {
        store.tell(memory.clone());
    }
    let registry = match budget {
        0 => registry,
        _ => registry.with_memory(memory),
    };
    (registry, among)
}

fn join(
    config: &Config,
    store: &Store,
    memory: Arc<Memory>,
    lifecycle: &Lifecycle,
) -> AmongReplicas {
    let database = &config.database;
    let url = database.direct_url.as_ref().unwrap_or(&database.url);
    let seat = Seat {
        url: url.expose().to_owned(),
        lease: config.memory.lease,
        new_id: Box::new(|| SystemIds.uuid_v4()),
    };
    let (replica, ear) = Replica::new(memory, seat);
    store.tell(Arc::new(replica));
    let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
    let listening = tokio::spawn(listen(ear, stop.clone(), ended.clone().drop_guard()));
    let soft = lifecycle.soft();
    // It listens until everybody is answered, and so outlasts the workers; but they do not outlast it.
    lifecycle.spawn("replica", async move {
        tokio::select! {
            () = ended.cancelled() => Ok(()),
            () = soft.cancelled() => Ok(()),
        }
    });
    AmongReplicas {
        stop: stop.drop_guard(),
        listening,
    }
}

async fn listen(ear: Ear, stop: CancellationToken, _ended: DropGuard) {
    ear.run(stop).await;
}

impl AmongReplicas {
    /// Gives the place back, so that nobody waits for this process any more.
    pub(super) async fn leave(self) {
        drop(self.stop);
        if timeout(FAREWELL, self.listening).await.is_err() {
            tracing::warn!(
                "the place among the replicas was not given back; they wait a moment for it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn leases_are_configured_within_the_limits_that_replicas_wait_for() {
        assert_eq!(
            crate::config::memory::LEASE_LIMITS,
            crate::snapshot::LEASE_LIMITS
        );
    }
}
