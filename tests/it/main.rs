//! The registry as its users meet it: over gRPC, with tokens, on both databases.

mod harness;
#[path = "../postgres/mod.rs"]
mod postgres;

mod consent;
mod collection;
mod crash;
mod disclosure;
mod golden;
mod identity;
mod import;
mod policy;
mod purpose;
mod record;
mod replicas;
mod secrecy;
mod server;
mod subject;
