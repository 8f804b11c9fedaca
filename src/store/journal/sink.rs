//! What every place of a journal can do: append durably, say what it has, read it back.

use jiff::Timestamp;
use uuid::Uuid;

use super::{super::error::StoreError, JournalPlace, file::FileSink, postgres::PostgresSink};
use crate::domain::journal::JournalEntry;

/// An entry as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub entry_id: Uuid,
    /// The instant of its transaction.
    pub at: Timestamp,
    /// The entry as JSON.
    pub document: String,
}

/// An entry that the journal keeps, without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub entry_id: Uuid,
    /// The instant of its transaction.
    pub at: Timestamp,
    /// Where it begins, in a file.
    pub(super) offset: u64,
}

impl Written {
    /// What it says.
    pub(super) fn entry(&self) -> Result<JournalEntry, StoreError> {
        serde_json::from_str(&self.document).map_err(|error| StoreError::Corrupt {
            table: "journal",
            column: "document",
            row: self.entry_id.to_string(),
            reason: format!("{error}; a newer program may have written it"),
        })
    }
}

/// A place of a journal.
pub(super) enum Sink {
    File(FileSink),
    Postgres(PostgresSink),
}

impl Sink {
    /// Nothing is read or written yet.
    pub(super) async fn open(place: JournalPlace) -> Result<Option<Self>, StoreError> {
        Ok(match place {
            JournalPlace::File(path) => Some(Self::File(FileSink::new(path))),
            JournalPlace::Postgres(url) => Some(Self::Postgres(PostgresSink::open(&url).await?)),
            JournalPlace::Nowhere => None,
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Postgres(sink) => sink.migrate().await,
        }
    }

    pub(super) async fn pending_migrations(&self) -> Result<usize, StoreError> {
        match self {
            Self::File(_) => Ok(0),
            Self::Postgres(sink) => sink.pending_migrations().await,
        }
    }

    /// Gets ready for appending: mends what a crash left, and keeps others out where one may write.
    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        match self {
            Self::File(sink) => sink.prepare().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Appends; what is appended again changes nothing. Durable when this returns.
    pub(super) async fn append(&self, entries: &[Written]) -> Result<(), StoreError> {
        match self {
            Self::File(sink) => sink.append(entries).await,
            Self::Postgres(sink) => sink.append(entries).await,
        }
    }

    /// How many entries it has, and the last of them by id.
    pub(super) async fn size(&self) -> Result<(u64, Option<Uuid>), StoreError> {
        match self {
            Self::File(sink) => sink.size().await,
            Self::Postgres(sink) => sink.size().await,
        }
    }

    /// Everything it has; an entry may come twice.
    pub(super) async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        match self {
            Self::File(sink) => sink.list().await,
            Self::Postgres(sink) => sink.list().await,
        }
    }

    /// The entries kept, in the order asked.
    pub(super) async fn read(&self, kept: &[Kept]) -> Result<Vec<Written>, StoreError> {
        match self {
            Self::File(sink) => sink.read(kept).await,
            Self::Postgres(sink) => sink.read(kept).await,
        }
    }
}
