//! The store and the use cases on it, shown to behave the same on SQLite and on PostgreSQL. What
//! only one of the two can do (kill a connection, share a commit) is tried on that one.

mod harness;
#[path = "../postgres/mod.rs"]
mod postgres;
mod sample;
mod sealing;

mod clock;
mod connections;
mod contention;
mod erasure;
mod events;
mod exports;
mod idempotency;
mod journal;
mod keys;
mod killed;
mod migrations;
mod registrations;
mod rotation;
mod text;
mod tokens;
mod upkeep;
mod write_queue;
