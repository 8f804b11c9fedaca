//! The policy: what is collected from whom, why, with whom it is shared, how long it is kept.
//!
//! `model` is the policy as written. `compile` checks it (`check`, `limits`) and indexes it for
//! questions; nothing but a [`compile::CompiledPolicy`] is ever asked. `history` puts the
//! published versions in order.

mod check;
pub mod compile;
pub mod dense;
pub mod diff;
pub mod example;
pub mod finding;
pub mod format;
pub mod history;
pub mod limits;
pub mod lint;
pub mod model;
pub mod processing_record;
#[cfg(test)]
mod sample;
mod walk;
