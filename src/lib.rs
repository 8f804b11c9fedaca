//! The personal-data registry.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod crypto;
pub mod domain;
pub mod grpc;
pub mod proto;
pub mod runtime;
pub mod snapshot;
pub mod store;
pub mod workers;
