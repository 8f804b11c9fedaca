//! The gRPC floor: the only place with tonic and prost servers. Services turn messages into domain
//! values, call a use case, and turn its result back; they hold no rules.

pub mod caller;
pub mod layers;
pub mod parse;
pub mod render;
pub mod scopes;
pub mod server;
pub mod status;
