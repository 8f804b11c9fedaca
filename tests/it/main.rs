//! The registry as its users meet it: over gRPC, with tokens, on both databases.

mod harness;
#[path = "../postgres/mod.rs"]
mod postgres;
mod vendors;

mod as_of;
mod audit;
mod audit_log;
mod collection;
mod connector;
mod consent;
mod crash;
mod disclosure;
mod erasure;
mod event;
mod expiry;
mod export;
mod glance;
mod golden;
mod histories;
mod hold;
mod identity;
mod import;
mod memory;
mod metrics;
mod policy;
mod purpose;
mod record;
mod replicas;
mod request;
mod restore;
mod retention;
mod secrecy;
mod server;
mod subject;
mod task;
