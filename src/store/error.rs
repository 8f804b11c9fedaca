//! What can go wrong in the store. The texts are for the log: they name tables and columns, never values.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx::sqlite::SqliteError};

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
    /// The key of a subject, task, package or retained item is not there: it was destroyed, or lost.
    #[error("the key of {0} is not there")]
    KeyMissing(uuid::Uuid),
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

/// Whether a connection that the pool gave broke on its first statement.
pub(super) fn is_connection_lost(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    matches!(from_sqlx(cause), StoreError::Unavailable(_))
}

pub(super) fn from_sqlx(error: &sea_orm::sqlx::Error) -> StoreError {
    let sea_orm::sqlx::Error::Database(database) = error else {
        return match error {
            sea_orm::sqlx::Error::Io(_)
            | sea_orm::sqlx::Error::PoolTimedOut
            | sea_orm::sqlx::Error::PoolClosed
            | sea_orm::sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Internal(error.to_string()),
        };
    };
    // The database's own message can quote values; the code cannot.
    let code = database.code().unwrap_or_default();
    if database.try_downcast_ref::<SqliteError>().is_some() {
        from_sqlite(&code)
    } else {
        from_sqlstate(&code)
    }
}

/// Classes: 40 (rolled back), 55P03 (locked), 08, 53, 57P, 58 (gone, going or full), 25006 (it only
/// stands by).
fn from_sqlstate(code: &str) -> StoreError {
    match code {
        "40001" | "40P01" | "55P03" => StoreError::Contention,
        code if ["08", "53", "57P", "58", "25006"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            StoreError::Unavailable(format!("SQLSTATE {code}"))
        }
        code => StoreError::Internal(format!("SQLSTATE {code}")),
    }
}

/// The last byte is the class, the rest tells its cases apart: busy and locked; input or output
/// failed, the disk is full, the file cannot be opened or written.
fn from_sqlite(code: &str) -> StoreError {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => StoreError::Contention,
        Ok(8 | 10 | 13 | 14) => StoreError::Unavailable(format!("SQLite error {code}")),
        _ => StoreError::Internal(format!("SQLite error {code}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_an_sqlite_class_is_read_as_its_class() {
        // 517: a snapshot that is too old to write; 266: a read failed; 13: full; 1555: a key twice.
        assert!(matches!(from_sqlite("517"), StoreError::Contention));
        assert!(matches!(from_sqlite("266"), StoreError::Unavailable(_)));
        assert!(matches!(from_sqlite("13"), StoreError::Unavailable(_)));
        assert!(matches!(from_sqlite("1555"), StoreError::Internal(_)));
    }

    #[test]
    fn a_server_that_goes_fills_up_or_stands_by_is_unavailable() {
        for code in ["08006", "53100", "57P01", "58030", "25006"] {
            assert!(matches!(from_sqlstate(code), StoreError::Unavailable(_)));
        }
        assert!(matches!(from_sqlstate("40001"), StoreError::Contention));
        assert!(matches!(from_sqlstate("57014"), StoreError::Internal(_)));
    }
}
