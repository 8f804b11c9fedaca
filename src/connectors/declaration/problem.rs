//! What is wrong with a declaration.

use std::fmt;

/// A place in a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// One problem of a declaration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is; `None` when it is in no file.
    pub position: Option<Position>,
    /// The field: `tasks.erase.steps[2].url`.
    pub path: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Problem {
    /// A problem that has no place in the file.
    pub fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            position: None,
            path: path.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)
    }
}
