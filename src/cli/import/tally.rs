//! What became of an import's lines: counted, shown as they come, summed up at the end.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    cli::output::{Output, print, print_value, printable, short},
    proto::v1::{EntryError, import_collections_response::Result as Outcome},
};

const BAR: &str = "{bar:40.cyan/dim} {percent:>3} %  {bytes}/{total_bytes}  {msg}  {eta} left";

/// Counts, and says what has to be said.
pub(super) struct Tally {
    output: Output,
    bar: ProgressBar,
    settled_before: u64,
    registered: u64,
    refused: u64,
    refused_before: u64,
}

impl Tally {
    /// For a file of this many bytes. The bar is shown on a terminal only.
    pub(super) fn new(output: Output, bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        Self {
            output,
            bar,
            settled_before: 0,
            registered: 0,
            refused: 0,
            refused_before: 0,
        }
    }

    /// Lines that were refused now.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The server has settled everything up to this line before.
    pub(super) fn begin(&mut self, checkpoint: u64) {
        self.settled_before = checkpoint;
    }

    /// A line that is not to be sent.
    pub(super) fn skip(&self, end: u64) {
        self.bar.set_position(end);
    }

    /// A line that is no record.
    pub(super) fn refuse_line(&mut self, number: u64, problem: &str) -> Result<()> {
        let error = EntryError {
            message: problem.to_owned(),
            ..EntryError::default()
        };
        self.refuse(number, &error)
    }

    /// A line that was answered. Without an outcome it was refused in an earlier run.
    pub(super) fn settle(&mut self, number: u64, end: u64, outcome: Option<Outcome>) -> Result<()> {
        match outcome {
            Some(Outcome::Registered(_)) => self.registered += 1,
            Some(Outcome::Error(error)) => self.refuse(number, &error)?,
            None => self.refused_before += 1,
        }
        self.bar.set_position(end);
        let counts = format!("{} registered, {} refused", self.registered, self.refused);
        self.bar.set_message(counts);
        Ok(())
    }

    fn refuse(&mut self, number: u64, error: &EntryError) -> Result<()> {
        self.refused += 1;
        let output = self.output;
        self.bar.suspend(|| match output {
            Output::Json => print_value(&json!({
                "line": number,
                "reason": reason(error),
                "message": error.message,
                "violations": error.violations.iter().map(|violation| json!({
                    "field": violation.field,
                    "description": violation.description,
                })).collect::<Vec<_>>(),
            })),
            Output::Table => print(&describe(number, error)),
        })
    }

    /// The sum.
    pub(super) fn finish(&self, import_id: &str) -> Result<()> {
        self.bar.finish_and_clear();
        let Self {
            settled_before,
            registered,
            refused,
            refused_before,
            ..
        } = self;
        match self.output {
            Output::Json => print_value(&json!({
                "import_id": import_id,
                "registered": registered,
                "refused": refused,
                "refused_before": refused_before,
                "settled_before_line": settled_before,
            })),
            Output::Table => {
                let before = match settled_before {
                    0 => String::new(),
                    line => format!("; lines 1 to {line} had been settled before"),
                };
                print(&format!(
                    "{registered} registered, {refused} refused{before} (import {import_id})\n"
                ))
            }
        }
    }
}

fn reason(error: &EntryError) -> &'static str {
    // A line that never reached the server has no reason of the server's.
    match short(error.reason().as_str_name(), "ERROR_REASON_") {
        "UNSPECIFIED" => "LINE_UNREADABLE",
        reason => reason,
    }
}

fn describe(number: u64, error: &EntryError) -> String {
    let mut text = format!(
        "line {number}: {}: {}\n",
        reason(error),
        printable(&error.message)
    );
    for violation in &error.violations {
        text.push_str(&format!(
            "  {}: {}\n",
            printable(&violation.field),
            printable(&violation.description)
        ));
    }
    text
}
