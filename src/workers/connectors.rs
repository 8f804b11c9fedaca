//! Carries out the tasks of processors whose connectors are switched on: leases them under the registry's
//! own name, has the connector make one call after another, and keeps how far it came after each.

mod carry;
mod report;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::carry::Carrier;
use crate::{
    app::{
        Registry,
        task::{LeaseTasks, OpenedTask},
    },
    connectors::{engine::Connector, task::Kind},
    domain::{
        audit::REGISTRY,
        caller::Caller,
        task::{LEASE_MAX, Recipient, TaskKind},
    },
    runtime::lifecycle::WorkerError,
};

/// From one look for due tasks to the next.
const ROUND: Duration = Duration::from_millis(500);
/// What a lease outlasts the longest call by: time to write down what came of it.
const LEASE_MARGIN: Duration = Duration::from_mins(1);

/// Runs until `stop`. What is in work by then is given back after the call that is under way.
pub async fn run(
    registry: Registry,
    connector: Arc<Connector>,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let worker = Worker::new(registry, connector, stop)?;
    let places = usize::try_from(worker.carrier.connector.concurrency()).unwrap_or(1);
    let mut busy = JoinSet::new();
    while !worker.carrier.stop.is_cancelled() {
        for task in worker.lease(places.saturating_sub(busy.len())).await {
            let carrier = worker.carrier.clone();
            busy.spawn(async move { carrier.carry_out(task).await });
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            Some(ended) = busy.join_next(), if !busy.is_empty() => note(&ended),
            () = worker.carrier.stop.cancelled() => {}
        }
    }
    while let Some(ended) = busy.join_next().await {
        note(&ended);
    }
    Ok(())
}

struct Worker {
    carrier: Arc<Carrier>,
    kinds: Vec<TaskKind>,
}

impl Worker {
    fn new(
        registry: Registry,
        connector: Arc<Connector>,
        stop: CancellationToken,
    ) -> Result<Self, WorkerError> {
        let service = REGISTRY.parse();
        let service = service.map_err(|error| Arc::new(error) as WorkerError)?;
        let caller = Caller::of_connector(service, connector.processor().clone());
        let length = connector.advance_max() + LEASE_MARGIN;
        let length = SignedDuration::try_from(length).unwrap_or(LEASE_MAX);
        Ok(Self {
            kinds: connector.takes().into_iter().map(kind).collect(),
            carrier: Arc::new(Carrier {
                registry,
                connector,
                caller: Arc::new(caller),
                lease_length: length.min(LEASE_MAX),
                stop,
            }),
        })
    }

    /// Due tasks, `most` at most; none while the processor is not to be called.
    async fn lease(&self, most: usize) -> Vec<OpenedTask> {
        let Carrier {
            registry,
            connector,
            caller,
            lease_length,
            ..
        } = &*self.carrier;
        if most == 0 || connector.paused_until().is_some() {
            return Vec::new();
        }
        let lease = LeaseTasks {
            recipient: Recipient::Processor(connector.processor().clone()),
            kinds: self.kinds.clone(),
            max: most as u64,
            length: *lease_length,
        };
        match registry.lease_tasks(caller.clone(), lease).await {
            Ok(leased) => leased,
            Err(error) => {
                let error = error.for_operators();
                let processor = connector.processor().as_str();
                tracing::warn!(
                    processor,
                    error,
                    "tasks could not be leased; the next round tries again"
                );
                Vec::new()
            }
        }
    }
}

/// A task whose carrier panicked keeps its lease until that runs out, which counts as a failed attempt: one
/// such task does not take the others with it.
fn note(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connector panicked over a task");
    }
}

fn kind(kind: Kind) -> TaskKind {
    match kind {
        Kind::Erase => TaskKind::Erase,
        Kind::Rectify => TaskKind::Rectify,
        Kind::Restrict => TaskKind::Restrict,
        Kind::LiftRestriction => TaskKind::LiftRestriction,
        Kind::Stop => TaskKind::Stop,
        Kind::ProvideCopy => TaskKind::ProvideCopy,
    }
}
