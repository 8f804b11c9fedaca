//! The rules, pure: values and `now` in, values out. Nothing here awaits, logs, reads a clock,
//! draws randomness, or knows a column or a message.

pub mod as_of;
pub mod audit;
pub mod audit_log;
pub mod calendar;
pub mod caller;
pub mod compact;
pub mod consent;
pub mod deadline;
pub mod decision;
pub mod disclosure;
pub mod erasure;
pub mod event;
pub mod expiry;
pub mod export;
pub mod hold;
pub mod id;
pub mod identifier;
pub mod item;
pub mod journal;
pub mod matching;
pub mod membership;
pub mod name;
pub mod policy;
pub mod request;
pub mod retention;
pub mod revision;
pub mod subject;
pub mod subject_ref;
pub mod suppression;
pub mod task;
pub mod violation;
