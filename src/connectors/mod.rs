//! Outbound calls to processors, declared and not programmed: one YAML file per processor says which
//! HTTP calls an erasure is there, and what the answers mean (`policies/connectors/`,
//! `docs/connectors.md`).
//!
//! A connector makes one call at a time and says how far it came; whoever drives it keeps that with
//! the task, so that a worker that dies loses and repeats nothing.

pub mod answer;
mod credentials;
pub mod declaration;
pub mod engine;
mod http;
pub mod loading;
pub mod outcome;
mod pace;
mod round;
pub mod shipped;
pub mod task;
pub mod template;
