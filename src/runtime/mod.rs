//! What the process takes from its surroundings: time, ids, signals, output. Everything above
//! gets them passed in, so that tests decide them.

pub mod boottime;
pub mod clock;
pub mod ids;
pub mod lifecycle;
pub mod metrics;
pub mod scrape;
pub mod stopwatch;
pub mod telemetry;
pub mod track;
