//! The use cases, one file per noun: authorise → load → decide → save → audit → commit.

pub mod error;

pub use error::{Error, Missing};
