//! The policy: what is collected from whom, why, with whom it is shared, how long it is kept.

pub mod model;
