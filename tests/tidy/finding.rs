//! What a rule reports.

use std::fmt;

use super::source::Source;

/// A broken rule: where, which, and what to do.
#[derive(Debug)]
pub struct Finding {
    /// The file, from the root of the project.
    pub path: String,
    /// The line; the first is 1.
    pub line: usize,
    /// What is there and should not be.
    pub rule: String,
    /// What to do instead.
    pub advice: String,
}

impl Finding {
    /// A finding in a Rust file.
    pub fn new(
        source: &Source,
        line: usize,
        rule: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            path: source.path.clone(),
            line,
            rule: rule.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}\n    {}",
            self.path, self.line, self.rule, self.advice
        )
    }
}
