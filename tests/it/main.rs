//! The registry as its users meet it: over gRPC, with tokens, on both databases.

mod harness;
#[path = "../postgres/mod.rs"]
mod postgres;

mod audit;
mod audit_log;
mod collection;
mod consent;
mod crash;
mod disclosure;
mod event;
mod export;
mod golden;
mod hold;
mod identity;
mod import;
mod policy;
mod purpose;
mod record;
mod replicas;
mod restore;
mod secrecy;
mod server;
mod subject;
mod task;
