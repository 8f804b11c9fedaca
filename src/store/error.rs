//! What can go wrong in the store. The texts are for the log: they name tables and columns, never values.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another transaction was in the way; the same again may succeed.
    #[error("another transaction was in the way")]
    Contention,
    /// The database does not answer, or the pool has no connection to give.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// A row does not read as what was written.
    #[error("{table}.{column} of row {row} does not read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
        /// Why, without the value.
        reason: String,
    },
    /// A subject's key is not there: it was destroyed, or lost.
    #[error("the key of subject {0} is not there")]
    KeyMissing(crate::domain::id::SubjectId),
    /// Sealing or opening failed.
    #[error("sealing: {0}")]
    Crypto(String),
    /// The schema is not the one that this program knows.
    #[error("{0}")]
    Schema(String),
    /// Everything else.
    #[error("{0}")]
    Internal(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// A fault that a test asked for.
    #[error("a planned fault")]
    Planned,
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Contention;
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => from_sqlx(cause),
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// SQLSTATE classes: 40 (rollback), 55P03 (lock), 08, 53, 57P (gone or going). SQLite: 5 and 6 are
/// busy and locked.
fn from_sqlx(error: &sea_orm::sqlx::Error) -> StoreError {
    let sea_orm::sqlx::Error::Database(database) = error else {
        return match error {
            sea_orm::sqlx::Error::Io(_)
            | sea_orm::sqlx::Error::PoolTimedOut
            | sea_orm::sqlx::Error::PoolClosed
            | sea_orm::sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Internal(error.to_string()),
        };
    };
    let code = database.code().unwrap_or_default();
    match code.as_ref() {
        "40001" | "40P01" | "55P03" | "5" | "6" | "517" => StoreError::Contention,
        // 13: the disk is full; 10: input or output failed.
        "13" | "10" => StoreError::Unavailable(format!("SQLite error {code}")),
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
            StoreError::Unavailable(format!("SQLSTATE {code}"))
        }
        // The database's own message can quote values; the code cannot.
        code => StoreError::Internal(format!("database error {code}")),
    }
}

/// What a transaction's body may fail with: it says itself whether trying again makes sense.
pub trait WriteError: From<StoreError> + Send + 'static {
    /// Whether another transaction was in the way.
    fn is_contention(&self) -> bool;
}

impl WriteError for StoreError {
    fn is_contention(&self) -> bool {
        matches!(self, Self::Contention)
    }
}
