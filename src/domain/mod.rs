//! The rules, pure: values and `now` in, values out. Nothing here awaits, logs, reads a clock,
//! draws randomness, or knows a column or a message.

pub mod consent;
pub mod id;
pub mod item;
pub mod name;
pub mod policy;
pub mod subject;
pub mod violation;
