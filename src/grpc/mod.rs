//! The gRPC floor: the only place with tonic and prost servers. Services turn messages into domain
//! values, call a use case, and turn its result back; they hold no rules.

pub mod audit;
mod batch;
pub mod caller;
pub mod choice;
pub mod collection;
pub mod consent;
pub mod decision;
pub mod disclosure;
pub mod event;
pub mod hold;
pub mod layers;
pub mod parse;
pub mod policy;
pub mod purpose;
pub mod record;
pub mod render;
pub mod request;
pub mod retention;
pub mod scopes;
pub mod server;
pub mod status;
pub mod subject;
pub mod task;
