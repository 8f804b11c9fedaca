//! Loops that call the use cases without anybody asking. Each ends when asked to stop; one that
//! fails says so in the log and goes on, since the next round may succeed.

pub mod journal;
pub mod outbox;
pub mod retention;
pub mod sealing;
pub mod tasks;
pub mod upkeep;

use crate::{app::Registry, config::Config, runtime::lifecycle::Lifecycle};

/// Starts all of them.
pub fn start(lifecycle: &Lifecycle, registry: &Registry, config: &Config) {
    lifecycle.spawn("journal", journal::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("outbox", outbox::run(registry.clone(), lifecycle.soft()));
    let interval = config.retention.sweep_interval;
    let sweeps = retention::run(registry.clone(), interval, lifecycle.soft());
    lifecycle.spawn("retention", sweeps);
    lifecycle.spawn("sealing", sealing::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("tasks", tasks::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("upkeep", upkeep::run(registry.clone(), lifecycle.soft()));
}
