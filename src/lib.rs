//! The personal-data registry.

pub mod domain;
