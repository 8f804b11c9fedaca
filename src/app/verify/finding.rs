//! What can be wrong with an exported log, and where.

use super::CheckpointError;

/// Findings that a report holds; more are counted only.
pub const FINDINGS_MAX: usize = 100;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which of the files, from 0.
    pub file: usize,
    /// On which line of it, from 1; 0: in none.
    pub line: u64,
    /// What.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that the registry does not write.
    #[error("no line of an exported log: it was changed, or the file was cut off in it")]
    Unreadable,
    /// A line longer than any entry.
    #[error("longer than any line of an exported log")]
    TooLong,
    /// The last line does not end.
    #[error("the file was cut off: its last line does not end")]
    NotEnded,
    /// The first line is another one.
    #[error("the file does not begin with the place and the edge of the log")]
    NoStart,
    /// The first line stands again.
    #[error("the place and the edge of the log stand in the middle of it")]
    StartAgain,
    /// The first line does not fit together.
    #[error("the edge is not that of a log of {from} entries")]
    Edge {
        /// Where the log begins.
        from: u64,
    },
    /// One file does not go on where the one before it ends.
    #[error("the file begins at position {from}; the one before it ends before position {size}")]
    NotContinued {
        /// Where it would have to begin.
        size: u64,
        /// Where it begins.
        from: u64,
    },
    /// One file's edge is not that of the files before it.
    #[error("what stands before position {from} is not what the file before it holds")]
    AnotherEdge {
        /// Where it begins.
        from: u64,
    },
    /// A place comes too early.
    #[error(
        "entries are missing here: those from position {expected} until before position {found} were removed, or stand elsewhere"
    )]
    Missing {
        /// The place that belongs there.
        expected: u64,
        /// The place that stands there.
        found: u64,
    },
    /// A place comes too late, or again.
    #[error(
        "the entry at position {found} was inserted, repeated or moved: position {expected} belongs here"
    )]
    OutOfOrder {
        /// The place that belongs there.
        expected: u64,
        /// The place that stands there.
        found: u64,
    },
    /// An entry does not have its leaf's hash.
    #[error("the entry at position {position} was changed: its bytes do not have its hash")]
    Changed {
        /// Its place.
        position: u64,
    },
    /// The registry had the hash of an entry and had lost the entry.
    #[error("the entry at position {position} is lost: only its hash was there")]
    Lost {
        /// Its place.
        position: u64,
    },
    /// A root is not the signed one.
    #[error(
        "between position {from} and position {last} an entry was changed, inserted, removed or moved together with its hash: the root is not the signed one"
    )]
    Between {
        /// The first place that is in question.
        from: u64,
        /// The last one.
        last: u64,
    },
    /// A checkpoint covers another number of entries.
    #[error(
        "behind position {from} entries were removed or inserted: a checkpoint over {signed} entries stands behind {found}"
    )]
    AnotherSize {
        /// The first place that is in question.
        from: u64,
        /// Entries that the checkpoint covers.
        signed: u64,
        /// Entries that stand before it.
        found: u64,
    },
    /// A checkpoint is not believed.
    #[error("the checkpoint is not believed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of another log.
    #[error("the checkpoint is one of another log")]
    AnotherLog,
    /// Entries that no checkpoint covers.
    #[error("the log was cut off: no checkpoint covers position {from} and what follows it")]
    Uncovered {
        /// The first of them.
        from: u64,
    },
    /// No checkpoint at all.
    #[error("the log holds no checkpoint: nothing in it can be believed")]
    NoCheckpoint,
    /// The log is shorter than it was.
    #[error(
        "the log was cut off or rolled back: it had {size} entries at the older checkpoint, and has {found}"
    )]
    Shorter {
        /// Entries at the older checkpoint.
        size: u64,
        /// Entries now.
        found: u64,
    },
    /// The log is not the one of the older checkpoint.
    #[error(
        "the log does not begin with the {size} entries of the older checkpoint: it was rewritten"
    )]
    Rewritten {
        /// Entries at the older checkpoint.
        size: u64,
    },
    /// The log begins too late to be held against the older checkpoint.
    #[error(
        "the log begins at position {from}, behind the {size} entries of the older checkpoint: export it from there"
    )]
    BeginsBehind {
        /// Entries at the older checkpoint.
        size: u64,
        /// Where the log begins.
        from: u64,
    },
}

impl Fault {
    /// A stable name, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "UNREADABLE",
            Self::TooLong => "TOO_LONG",
            Self::NotEnded => "NOT_ENDED",
            Self::NoStart => "NO_START",
            Self::StartAgain => "START_AGAIN",
            Self::Edge { .. } => "EDGE",
            Self::NotContinued { .. } => "NOT_CONTINUED",
            Self::AnotherEdge { .. } => "ANOTHER_EDGE",
            Self::Missing { .. } => "MISSING",
            Self::OutOfOrder { .. } => "OUT_OF_ORDER",
            Self::Changed { .. } => "CHANGED",
            Self::Lost { .. } => "LOST",
            Self::Between { .. } => "BETWEEN",
            Self::AnotherSize { .. } => "ANOTHER_SIZE",
            Self::Checkpoint(_) => "CHECKPOINT",
            Self::AnotherLog => "ANOTHER_LOG",
            Self::Uncovered { .. } => "UNCOVERED",
            Self::NoCheckpoint => "NO_CHECKPOINT",
            Self::Shorter { .. } => "SHORTER",
            Self::Rewritten { .. } => "REWRITTEN",
            Self::BeginsBehind { .. } => "BEGINS_BEHIND",
        }
    }

    /// The first and the last place that it is about, if it is about places.
    pub fn positions(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Missing { expected, found } => Some((expected, found.saturating_sub(1))),
            Self::OutOfOrder { found, .. } => Some((found, found)),
            Self::Changed { position } | Self::Lost { position } => Some((position, position)),
            Self::Between { from, last } => Some((from, last)),
            Self::AnotherSize {
                from,
                signed,
                found,
            } => Some((from, signed.max(found).saturating_sub(1))),
            Self::Uncovered { from } => Some((from, u64::MAX)),
            _ => None,
        }
    }
}
