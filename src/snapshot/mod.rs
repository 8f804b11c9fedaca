//! What is known of people in memory, so that most checks ask no database. `memory` holds it, `lease` says
//! whether and by which clock it may be answered from, `replica` keeps it true among several processes.
//!
//! The argument why no answer from here is stale stands in `docs/consistency.md`.

mod barrier;
mod forgotten;
mod held;
mod lease;
mod memory;
mod policies;
mod replica;
mod spellings;
mod vocabulary;

pub use held::Held;
pub use lease::{Instants, LEASE_LIMITS, Lease};
pub use memory::{Mark, Memory, People};
pub use policies::KnownPolicies;
pub use replica::{Ear, Replica, Seat};
pub use spellings::{Spelling, Spellings};
