//! Loops that call the use cases without anybody asking. Each ends when asked to stop; one that
//! fails says so in the log and goes on, since the next round may succeed.

pub mod exports;
pub mod journal;
pub mod metrics;
pub mod outbox;
pub mod requests;
pub mod sealing;
pub mod tasks;
pub mod upkeep;

use crate::{app::Registry, runtime::lifecycle::Lifecycle};

/// Starts all of them.
pub fn start(lifecycle: &Lifecycle, registry: &Registry) {
    lifecycle.spawn("exports", exports::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("journal", journal::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("outbox", outbox::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn(
        "requests",
        requests::run(registry.clone(), lifecycle.soft()),
    );
    lifecycle.spawn("sealing", sealing::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("tasks", tasks::run(registry.clone(), lifecycle.soft()));
    lifecycle.spawn("upkeep", upkeep::run(registry.clone(), lifecycle.soft()));
}
