//! Loops that call the use cases without anybody asking. Each ends when asked to stop; one that
//! fails says so in the log and goes on, since the next round may succeed.

pub mod connectors;
pub mod expiries;
pub mod exports;
pub mod journal;
pub mod metrics;
pub mod outbox;
pub mod requests;
pub mod retention;
pub mod sealing;
pub mod tasks;
pub mod upkeep;

use std::sync::Arc;

use crate::{
    app::Registry, config::Config, connectors::engine::Connector, runtime::lifecycle::Lifecycle,
};

/// Starts all of them, with one for each connector that is switched on.
pub fn start(
    lifecycle: &Lifecycle,
    registry: &Registry,
    config: &Config,
    connectors: Vec<Connector>,
) {
    for connector in connectors {
        let run = connectors::run(registry.clone(), Arc::new(connector), lifecycle.soft());
        lifecycle.spawn("connector", run);
    }
    lifecycle.spawn(
        "expiries",
        expiries::run(registry.clone(), lifecycle.soft()),
    );
    lifecycle.spawn("exports", exports::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("journal", journal::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("outbox", outbox::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn(
        "requests",
        requests::run(registry.clone(), lifecycle.soft()),
    );
    let interval = config.retention.sweep_interval;
    let sweeps = retention::run(registry.clone(), interval, lifecycle.soft());
    lifecycle.spawn("retention", sweeps);
    lifecycle.spawn("sealing", sealing::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("tasks", tasks::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("upkeep", upkeep::run(registry.clone(), lifecycle.soft()));
}
