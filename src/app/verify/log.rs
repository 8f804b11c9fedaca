//! An exported log, line by line, in constant memory.

use std::io::{self, BufRead, Read};

use super::{FINDINGS_MAX, Fault, Finding, Trusted, hash};
use crate::{
    crypto::{
        merkle::{Frontier, leaf_hash},
        signature::{Envelope, VerifyingKeys},
    },
    domain::{
        audit_log::{Checkpoint, Line, Start, origin, start_line},
        id::AuditId,
    },
};

/// Longest line, in bytes: far beyond an entry that names every item of a person.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The version of the format that is read.
const FORMAT: u32 = 1;

/// What an exported log was found to be.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// Where it begins.
    pub from: u64,
    /// Entries that were read.
    pub entries: u64,
    /// Checkpoints whose signature and root are right.
    pub checkpoints: u64,
    /// Checkpoints that are signed and could not be held against the entries, since something before
    /// them is missing.
    pub unjudged: u64,
    /// The last checkpoint that is right: everything before it is as it was signed, but for the findings.
    pub last: Option<Checkpoint>,
    /// The older checkpoint that it was held against and agrees with, in entries.
    pub agrees_with: Option<u64>,
    /// What is wrong, [`FINDINGS_MAX`] at most.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_count: u64,
}

impl LogReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings_count == 0
    }
}

/// Whether a file that begins so is a log, and not a document.
pub fn begins_like_a_log(start: &[u8]) -> bool {
    [
        &br#"{"audit_log":"#[..],
        br#"{"position":"#,
        br#"{"checkpoint":{"payloadType""#,
    ]
    .iter()
    .any(|prefix| start.starts_with(prefix))
}

/// Reads a log that was exported to one file, or to several that go on where the one before ends.
pub struct LogVerifier<'k> {
    keys: &'k VerifyingKeys,
    older: Option<Trusted>,
    /// The tree as far as every place was there; `None`: nothing was read yet.
    tree: Option<Frontier>,
    /// The place that comes next.
    next: u64,
    /// Whether the root still means something.
    is_whole: bool,
    /// Behind which place something is in question: what the last right checkpoint covers.
    right_until: u64,
    origin: Option<String>,
    /// Whether there was a checkpoint that is signed, whatever it says.
    is_signed: bool,
    file: usize,
    line: u64,
    report: LogReport,
}

impl<'k> LogVerifier<'k> {
    /// Trusts what these keys signed. `older`: a checkpoint that the log must agree with.
    pub fn new(keys: &'k VerifyingKeys, older: Option<Trusted>) -> Self {
        Self {
            keys,
            older,
            tree: None,
            next: 0,
            is_whole: true,
            right_until: 0,
            origin: None,
            is_signed: false,
            file: 0,
            line: 0,
            report: LogReport {
                from: 0,
                entries: 0,
                checkpoints: 0,
                unjudged: 0,
                last: None,
                agrees_with: None,
                findings: Vec::new(),
                findings_count: 0,
            },
        }
    }

    /// Reads a file to its end. Errors are those of reading; what is wrong with the log is a finding.
    pub fn read_file(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        self.line = 0;
        loop {
            line.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            self.line += 1;
            match line.strip_suffix(b"\n") {
                Some(whole) => self.read_line(whole),
                None if read > LINE_BYTES_MAX => {
                    self.find(Fault::TooLong);
                    self.is_whole = false;
                    skip_line(reader)?;
                }
                None => {
                    self.read_line(&line);
                    self.find(Fault::NotEnded);
                }
            }
        }
        if self.line == 0 {
            self.find(Fault::NoStart);
        }
        self.file += 1;
        Ok(())
    }

    /// What was found in all files.
    pub fn finish(mut self) -> LogReport {
        self.file = self.file.saturating_sub(1);
        self.line = 0;
        if !self.is_signed {
            self.find(Fault::NoCheckpoint);
        } else if self.is_whole && self.next > self.right_until {
            self.find(Fault::Uncovered {
                from: self.right_until,
            });
        }
        if let Some(older) = self.older.take()
            && self.is_whole
            && older.checkpoint.tree_size > self.next
        {
            let known = self.origin.as_deref();
            let is_same_log = known.is_none_or(|known| known == older.checkpoint.origin);
            let (size, found) = (older.checkpoint.tree_size, self.next);
            self.find(if is_same_log {
                Fault::Shorter { size, found }
            } else {
                Fault::AnotherLog
            });
        }
        self.report
    }

    fn read_line(&mut self, line: &[u8]) {
        let text = str::from_utf8(line).ok();
        match text.and_then(Line::read) {
            Some(Line::Start(text)) if self.line == 1 => self.start(text),
            Some(Line::Start(_)) => self.find(Fault::StartAgain),
            _ if self.line == 1 => {
                self.find(Fault::NoStart);
                self.is_whole = false;
            }
            Some(Line::Entry {
                position,
                leaf,
                entry,
            }) if is_spelled(line, position) => self.entry(position, leaf, entry),
            Some(Line::Checkpoint(envelope)) => self.checkpoint(envelope),
            Some(Line::Entry { .. }) | None => self.unreadable(),
        }
    }

    fn unreadable(&mut self) {
        self.find(Fault::Unreadable);
        // It may have been an entry, and without its hash there is no root.
        self.is_whole = false;
    }

    fn start(&mut self, text: &str) {
        let read: Option<Start> = serde_json::from_str(text).ok();
        let read = read.filter(|start| start.audit_log == FORMAT);
        let Some(start) = read.filter(|start| start_line(start.from, &start.edge) == text) else {
            self.find(Fault::NoStart);
            self.is_whole = false;
            return;
        };
        let from = start.from;
        let edge: Option<Vec<_>> = start.edge.iter().map(|text| hash(text)).collect();
        let Some(tree) = edge.and_then(|edge| Frontier::restore(from, edge)) else {
            self.find(Fault::Edge { from });
            self.is_whole = false;
            return;
        };
        match &self.tree {
            None => self.begin(tree),
            Some(_) if from != self.next => {
                let size = self.next;
                self.find(Fault::NotContinued { size, from });
                self.is_whole = false;
                self.next = from;
            }
            Some(before) if self.is_whole && *before != tree => {
                self.find(Fault::AnotherEdge { from });
                self.is_whole = false;
            }
            Some(_) => {}
        }
    }

    fn begin(&mut self, tree: Frontier) {
        let from = tree.size();
        (self.next, self.right_until, self.report.from) = (from, from, from);
        self.tree = Some(tree);
        if let Some(older) = &self.older
            && older.checkpoint.tree_size < from
        {
            let size = older.checkpoint.tree_size;
            self.find(Fault::BeginsBehind { size, from });
        }
        self.compare_with_older();
    }

    fn entry(&mut self, position: u64, leaf: &str, entry: &str) {
        self.report.entries += 1;
        let expected = self.next;
        if position != expected {
            self.find(if position > expected {
                let found = position;
                Fault::Missing { expected, found }
            } else {
                let found = position;
                Fault::OutOfOrder { expected, found }
            });
            self.is_whole = false;
        }
        let Some(next) = position.checked_add(1) else {
            return self.unreadable();
        };
        self.next = self.next.max(next);
        let Some(leaf) = hash(leaf) else {
            return self.unreadable();
        };
        if entry.is_empty() {
            self.find(Fault::Lost { position });
        } else if leaf_hash(entry.as_bytes()) != leaf {
            self.find(Fault::Changed { position });
        }
        if position == 0 {
            self.origin = first_id(entry).map(origin);
        }
        if let Some(tree) = &mut self.tree
            && self.is_whole
        {
            tree.append(leaf, |_, _| ());
            self.compare_with_older();
        }
    }

    fn checkpoint(&mut self, text: &str) {
        let envelope: Option<Envelope> = serde_json::from_str(text).ok();
        let Some(envelope) = envelope.filter(|envelope| envelope.to_json() == text) else {
            return self.find(Fault::Unreadable);
        };
        let Trusted { checkpoint, root } = match Trusted::read(&envelope, self.keys) {
            Ok(trusted) => trusted,
            Err(error) => return self.find(Fault::Checkpoint(error)),
        };
        self.is_signed = true;
        if self
            .origin
            .as_ref()
            .is_some_and(|known| *known != checkpoint.origin)
        {
            return self.find(Fault::AnotherLog);
        }
        self.origin = Some(checkpoint.origin.clone());
        let tree = self.tree.as_ref().filter(|_| self.is_whole);
        let Some((size, our_root)) = tree.map(|tree| (tree.size(), tree.root())) else {
            self.report.unjudged += 1;
            return;
        };
        let (signed, from) = (checkpoint.tree_size, self.right_until);
        if signed != size {
            self.find(Fault::AnotherSize {
                from,
                signed,
                found: size,
            });
            self.is_whole = false;
        } else if our_root != root {
            let last = size.saturating_sub(1);
            self.find(Fault::Between { from, last });
            self.is_whole = false;
        } else {
            self.right_until = size;
            self.report.checkpoints += 1;
            self.report.last = Some(checkpoint);
        }
    }

    /// Holds the log against the older checkpoint, when it has come to be as long as that.
    fn compare_with_older(&mut self) {
        let (Some(older), Some(tree)) = (&self.older, &self.tree) else {
            return;
        };
        let size = older.checkpoint.tree_size;
        if tree.size() != size {
            return;
        }
        let is_same_log = self
            .origin
            .as_ref()
            .is_none_or(|known| *known == older.checkpoint.origin);
        if !is_same_log {
            self.older = None;
            self.find(Fault::AnotherLog);
        } else if tree.root() == older.root {
            self.origin = Some(older.checkpoint.origin.clone());
            self.report.agrees_with = Some(size);
        } else {
            self.older = None;
            self.find(Fault::Rewritten { size });
        }
    }

    fn find(&mut self, fault: Fault) {
        self.report.findings_count += 1;
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding {
                file: self.file,
                line: self.line,
                fault,
            });
        }
    }
}

/// Whether the place is spelled as the registry spells it; the rest of the line leaves no choice.
fn is_spelled(line: &[u8], position: u64) -> bool {
    line.starts_with(format!(r#"{{"position":{position},"#).as_bytes())
}

/// The id of the log's first entry, which names the log.
fn first_id(entry: &str) -> Option<AuditId> {
    let id = entry.strip_prefix(r#"{"audit_id":""#)?;
    id.split_once('"')?.0.parse().ok()
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(read.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}
