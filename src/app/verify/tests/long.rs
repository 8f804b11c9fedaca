//! A log of a million entries, made while it is read: no more than a few lines of it are ever there.

use std::io::{self, BufReader, Read};

use super::*;

const ENTRIES: u64 = 1_000_000;
const ENTRIES_OF_CHECKPOINT: u64 = 100_000;
/// Far beyond a line of this log, and far below the log.
const PENDING_BYTES_MAX: usize = 4 * 1024;

/// The log as it is exported, an entry at a time; `tamper` says what becomes of the line of each place.
struct Made<'k, F> {
    signing: &'k SigningKeys,
    tree: Frontier,
    tamper: F,
    pending: Vec<u8>,
    given: usize,
}

impl<'k, F: FnMut(u64, String) -> String> Made<'k, F> {
    fn new(signing: &'k SigningKeys, tamper: F) -> Self {
        Self {
            signing,
            tree: Frontier::empty(),
            tamper,
            pending: ended(start_line(0, &[])).into_bytes(),
            given: 0,
        }
    }

    fn make_more(&mut self) {
        self.pending.clear();
        self.given = 0;
        while self.pending.is_empty() && self.tree.size() < ENTRIES {
            let position = self.tree.size();
            let entry = entry(position);
            let leaf = leaf_hash(entry.as_bytes());
            let line = ended(entry_line(position, &encoded(&leaf), &entry));
            self.tree.append(leaf, |_, _| ());
            let line = (self.tamper)(position, line);
            self.pending.extend(line.bytes());
            if self.tree.size().is_multiple_of(ENTRIES_OF_CHECKPOINT) {
                let envelope = Log::sign(self.signing, self.tree.size(), &self.tree.root());
                let line = ended(checkpoint_line(&envelope.to_json()));
                self.pending.extend(line.bytes());
            }
        }
        assert!(self.pending.len() <= PENDING_BYTES_MAX);
    }
}

impl<F: FnMut(u64, String) -> String> Read for Made<'_, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.pending.len() {
            self.make_more();
        }
        let rest = &self.pending[self.given..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

fn ended(mut line: String) -> String {
    line.push('\n');
    line
}

fn verified(tamper: impl FnMut(u64, String) -> String) -> LogReport {
    let signing = signing("k1");
    let keys = signing.verifying();
    let mut verifier = LogVerifier::new(&keys, None);
    let mut reader = BufReader::with_capacity(256 * 1024, Made::new(&signing, tamper));
    verifier.read_file(&mut reader).unwrap();
    verifier.finish()
}

#[test]
fn a_million_entries_are_good_and_covered_to_the_last() {
    let report = verified(|_, line| line);
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.entries, report.checkpoints), (ENTRIES, 10));
    assert_eq!(report.last.unwrap().tree_size, ENTRIES);
}

#[test]
fn among_a_million_entries_each_that_was_changed_removed_inserted_or_moved_is_named() {
    let mut held_back = String::new();
    let report = verified(|position, line| match position {
        // One byte.
        250_123 => line.replacen("shop", "shoq", 1),
        // Together with its hash.
        350_123 => ended(rewritten(position)),
        450_123 => String::new(),
        550_123 => line + &ended(rewritten(position)),
        650_123 => {
            held_back = line;
            String::new()
        }
        650_124 => line + &std::mem::take(&mut held_back),
        _ => line,
    });
    let faults: Vec<_> = report
        .findings
        .iter()
        .map(|one| one.fault.clone())
        .collect();
    assert_eq!(
        faults,
        [
            Fault::Changed { position: 250_123 },
            Fault::Between {
                from: 300_000,
                last: 399_999
            },
            Fault::Missing {
                expected: 450_123,
                found: 450_124
            },
            Fault::OutOfOrder {
                expected: 550_124,
                found: 550_123
            },
            Fault::Missing {
                expected: 650_123,
                found: 650_124
            },
            Fault::OutOfOrder {
                expected: 650_125,
                found: 650_123
            },
        ]
    );
    assert_eq!((report.entries, report.findings_count), (ENTRIES, 6));
    // What stands before the first entry whose hash was changed, too, is as it was signed.
    assert_eq!((report.checkpoints, report.unjudged), (3, 6));
    assert_eq!(report.last.unwrap().tree_size, 300_000);
}
