//! The use cases, one file per noun: authorise → load → decide → save → audit → commit.

pub mod audience;
pub mod audit;
pub mod audit_log;
mod background;
pub mod collection;
pub mod consent;
pub mod decision;
pub mod disclosure;
mod effect;
pub mod erasure;
pub mod error;
pub mod event;
pub mod expiry;
pub mod export;
pub mod hold;
mod merge;
pub mod metrics;
pub mod page;
pub mod policy;
pub mod purpose;
mod reading;
pub mod record;
pub mod registry;
pub mod request;
mod resolve;
pub mod restore;
pub mod retention;
#[cfg(test)]
pub(crate) mod scene;
pub mod subject;
pub mod task;
#[cfg(test)]
pub(crate) mod testing;
pub mod unjudged;
pub mod upkeep;
pub mod verify;

pub use error::{Error, Missing};
pub use registry::{Call, Registry, Written};
