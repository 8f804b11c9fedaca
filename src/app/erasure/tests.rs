//! Erasures.
