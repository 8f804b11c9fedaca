//! What is known of people in memory, so that most checks ask no database. `memory` holds it, `lease` says
//! whether and by which clock it may be answered from, `replica` keeps it true among several processes.
//!
//! The argument why no answer from here is stale stands in `docs/consistency.md`.

mod barrier;
mod forgotten;
mod lease;
mod memory;
mod replica;
mod weight;

pub use lease::{Instants, LEASE_LIMITS, Lease};
pub use memory::{KnownPolicies, Mark, Memory};
pub use replica::{Ear, Replica, Seat};
