//! What surrounds every call, from the outside in: the envelope (log, limits, time-out, panics, the
//! shape of errors), then the token, then the place where it runs, then the router.

pub mod access_log;
pub mod auth;
pub mod body;
pub mod elsewhere;
pub mod envelope;
pub mod framework;
