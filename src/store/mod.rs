//! The only floor that knows sea-orm: transactions, one file per noun, the dialect, the keys.
//!
//! Everything is read through a [`Session`]: one consistent view with one `now`. [`Snapshot`] is one
//! that reads, [`Tx`] one that writes. What comes out are domain values; rows stay in their file.

mod columns;
mod dialect;
mod doors;
mod error;
mod faults;
mod name_list;
mod orphan;
mod rows;
mod session;
pub mod sight;
mod vault;
mod write_queue;

pub mod activity;
pub mod as_of;
pub mod audit;
pub mod audit_log;
pub mod changes;
pub mod consent;
pub mod decision;
pub mod disclosure;
pub mod erasure;
pub mod event;
pub mod expiry;
pub mod export;
pub mod export_provided;
pub mod hold;
pub mod idempotency;
pub mod identifier;
pub mod impact;
pub mod import;
pub mod item;
pub mod journal;
pub mod key_destruction;
pub mod membership;
pub mod metrics;
pub mod notice;
pub mod objection;
pub mod policy;
pub mod processor_purge;
pub mod replica;
pub mod request;
pub mod restore;
pub mod restriction;
pub mod state;
pub mod subject;
pub mod suppression;
pub mod sweep;
pub mod task;
pub mod waiting;
pub mod withdrawal_token;

pub use changes::{Changes, Witness};
pub use dialect::Dialect;
pub use doors::{Store, StoreOptions, TimeSource, Unsettled};
pub use error::{StoreError, WriteError};
pub use faults::Faults;
pub use journal::JournalPlace;
pub use session::{Session, Snapshot, Tx};
pub use vault::{KeyState, Secrets};

/// A lock's number from bytes that are spread evenly: an id's random end, a hash.
fn lock_key(bytes: &[u8]) -> i64 {
    let mut last = [0; 8];
    let length = bytes.len().min(8);
    last[..length].copy_from_slice(&bytes[bytes.len() - length..]);
    i64::from_be_bytes(last)
}

/// A stored instant back.
fn instant(
    table: &'static str,
    column: &'static str,
    row: impl std::fmt::Display,
    microseconds: i64,
) -> Result<jiff::Timestamp, StoreError> {
    jiff::Timestamp::from_microsecond(microseconds).map_err(|error| StoreError::Corrupt {
        table,
        column,
        row: row.to_string(),
        reason: error.to_string(),
    })
}
