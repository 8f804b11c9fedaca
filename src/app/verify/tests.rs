//! Logs of all kinds, tampered with in all ways.

mod long;

use std::io::{Cursor, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::{
    crypto::{
        merkle::{Frontier, consistency_steps, inclusion_steps, leaf_hash, prove},
        signature::SigningKeys,
    },
    domain::{
        audit_log::{CanonicalEntry, checkpoint_line, entry_line, origin, start_line},
        id::AuditId,
    },
};

/// A log with a checkpoint behind each of `sizes`, as it is exported.
struct Log {
    signing: SigningKeys,
    lines: Vec<String>,
    checkpoints: Vec<Envelope>,
    entries: Vec<String>,
}

fn signing(id: &str) -> SigningKeys {
    SigningKeys::generated(id)
}

fn entry(position: u64) -> String {
    CanonicalEntry {
        audit_id: AuditId(uuid::Uuid::from_u128(0x100 + u128::from(position))),
        at: "2026-06-01T12:00:00Z".parse().unwrap(),
        caller: "shop",
        action: "FetchRecords",
        subject: "AQI",
        detail: &format!(r#"{{"data_categories":["email_address"],"n":{position}}}"#),
    }
    .encode()
}

fn encoded(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

impl Log {
    fn of(sizes: &[u64]) -> Self {
        let mut log = Self {
            signing: signing("k1"),
            lines: vec![start_line(0, &[])],
            checkpoints: Vec::new(),
            entries: Vec::new(),
        };
        let mut tree = Frontier::empty();
        for size in sizes {
            while tree.size() < *size {
                let entry = entry(tree.size());
                let leaf = leaf_hash(entry.as_bytes());
                log.lines
                    .push(entry_line(tree.size(), &encoded(&leaf), &entry));
                log.entries.push(entry);
                tree.append(leaf, |_, _| ());
            }
            let envelope = Self::sign(&log.signing, *size, &tree.root());
            log.lines.push(checkpoint_line(&envelope.to_json()));
            log.checkpoints.push(envelope);
        }
        log
    }

    fn sign(keys: &SigningKeys, tree_size: u64, root: &Hash) -> Envelope {
        let checkpoint = Checkpoint {
            origin: origin(AuditId(uuid::Uuid::from_u128(0x100))),
            tree_size,
            root_hash: encoded(root),
            sealed_at: "2026-06-01T12:00:00Z".parse().unwrap(),
        };
        keys.sign(CHECKPOINT_TYPE, checkpoint.to_json().as_bytes())
    }

    fn keys(&self) -> VerifyingKeys {
        self.signing.verifying()
    }

    fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    fn older(&self, index: usize) -> Trusted {
        Trusted::read(&self.checkpoints[index], &self.keys()).unwrap()
    }

    fn verify(&self, files: &[&[u8]], older: Option<Trusted>) -> LogReport {
        let keys = self.keys();
        let mut verifier = LogVerifier::new(&keys, older);
        for file in files {
            verifier.read_file(&mut Cursor::new(file)).unwrap();
        }
        verifier.finish()
    }

    fn faults(&self, text: &str) -> Vec<Fault> {
        let report = self.verify(&[text.as_bytes()], None);
        report.findings.into_iter().map(|one| one.fault).collect()
    }

    /// The line of an entry, among the log's lines.
    fn line_of(&self, position: u64) -> usize {
        let prefix = format!(r#"{{"position":{position},"#);
        let lines = self.lines.iter();
        lines
            .clone()
            .position(|line| line.starts_with(&prefix))
            .unwrap()
    }

    /// The lines behind the first with every place counted anew, as a careful forger would leave them.
    fn renumber(&mut self) {
        let mut next = 0_u64;
        for line in &mut self.lines {
            if let Some((_, rest)) = line.split_once(r#","leaf":"#)
                && line.starts_with(r#"{"position":"#)
            {
                *line = format!(r#"{{"position":{next},"leaf":{rest}"#);
                next += 1;
            }
        }
    }
}

/// The line of an entry that was rewritten together with its hash.
fn rewritten(position: u64) -> String {
    let entry = entry(position).replace("shop", "spy");
    entry_line(position, &encoded(&leaf_hash(entry.as_bytes())), &entry)
}

#[test]
fn an_untouched_log_is_good_and_says_what_it_covers() {
    let log = Log::of(&[3, 4, 10]);
    let report = log.verify(&[log.text().as_bytes()], Some(log.older(1)));
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!(
        (report.from, report.entries, report.checkpoints),
        (0, 10, 3)
    );
    assert_eq!(report.last.unwrap().tree_size, 10);
    assert_eq!(report.agrees_with, Some(4));
}

#[test]
fn a_changed_entry_is_named_by_its_place() {
    let mut log = Log::of(&[3, 10]);
    let at = log.line_of(5);
    log.lines[at] = log.lines[at].replace("shop", "spy");
    let report = log.verify(&[log.text().as_bytes()], None);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].fault, Fault::Changed { position: 5 });
    assert_eq!(report.findings[0].line, at as u64 + 1);
    assert_eq!(
        report.checkpoints, 2,
        "the hashes still lead to the signed root"
    );
}

#[test]
fn an_entry_changed_together_with_its_hash_is_found_between_two_checkpoints() {
    let mut log = Log::of(&[3, 7, 10]);
    let at = log.line_of(5);
    log.lines[at] = rewritten(5);
    assert_eq!(
        log.faults(&log.text()),
        [Fault::Between { from: 3, last: 6 }]
    );
}

#[test]
fn a_removed_entry_is_named_by_its_place_and_behind_a_forger_by_where_it_must_have_been() {
    let mut log = Log::of(&[3, 7, 10]);
    let at = log.line_of(5);
    log.lines.remove(at);
    let missing = Fault::Missing {
        expected: 5,
        found: 6,
    };
    assert_eq!(log.faults(&log.text()), [missing]);
    log.renumber();
    let between = Fault::AnotherSize {
        from: 3,
        signed: 7,
        found: 6,
    };
    assert_eq!(log.faults(&log.text()), [between]);
}

#[test]
fn an_inserted_entry_is_named_by_its_place_and_behind_a_forger_by_where_it_must_be() {
    let mut log = Log::of(&[3, 7, 10]);
    let at = log.line_of(5);
    log.lines.insert(at, rewritten(4));
    let inserted = Fault::OutOfOrder {
        expected: 5,
        found: 4,
    };
    assert_eq!(log.faults(&log.text()), [inserted]);
    log.renumber();
    let between = Fault::AnotherSize {
        from: 3,
        signed: 7,
        found: 8,
    };
    assert_eq!(log.faults(&log.text()), [between]);
}

#[test]
fn entries_in_another_order_are_found() {
    let mut log = Log::of(&[3, 7, 10]);
    let at = log.line_of(4);
    log.lines.swap(at, at + 1);
    assert_eq!(
        log.faults(&log.text()),
        [
            Fault::Missing {
                expected: 4,
                found: 5
            },
            Fault::OutOfOrder {
                expected: 6,
                found: 4
            }
        ]
    );
    log.renumber();
    assert_eq!(
        log.faults(&log.text()),
        [Fault::Between { from: 3, last: 6 }]
    );
}

#[test]
fn a_lost_entry_is_named_by_its_place() {
    let mut log = Log::of(&[3, 7]);
    let at = log.line_of(5);
    log.lines[at] = entry_line(5, &encoded(&leaf_hash(entry(5).as_bytes())), "");
    assert_eq!(log.faults(&log.text()), [Fault::Lost { position: 5 }]);
}

#[test]
fn a_log_that_was_cut_off_is_found_also_between_lines() {
    let log = Log::of(&[3, 7, 10]);
    let text = log.text();
    let entry_8 = text.find(r#"{"position":8,"#).unwrap();
    assert_eq!(log.faults(&text[..entry_8]), [Fault::Uncovered { from: 7 }]);
    let in_a_line = log.faults(&text[..entry_8 + 40]);
    assert_eq!(in_a_line, [Fault::Unreadable, Fault::NotEnded]);
    assert_eq!(log.faults(&text[..text.len() - 1]), [Fault::NotEnded]);
    assert_eq!(log.faults(""), [Fault::NoStart, Fault::NoCheckpoint]);
    // Cut off at a checkpoint it is a shorter log, which only who kept a later checkpoint can know.
    let entry_7 = text.find(r#"{"position":7,"#).unwrap();
    assert_eq!(log.faults(&text[..entry_7]), []);
    let report = log.verify(&[&text.as_bytes()[..entry_7]], Some(log.older(2)));
    assert_eq!(
        report.findings[0].fault,
        Fault::Shorter { size: 10, found: 7 }
    );
}

#[test]
fn a_checkpoint_of_another_key_or_with_a_byte_changed_is_not_believed() {
    let mut log = Log::of(&[3, 7]);
    let at = log.lines.len() - 1;
    let genuine = log.lines[at].clone();
    let tree = log.older(1);
    let strange = Log::sign(&signing("k2"), 7, &tree.root);
    log.lines[at] = checkpoint_line(&strange.to_json());
    let unknown = Fault::Checkpoint(SignatureError::KeyUnknown.into());
    assert_eq!(
        log.faults(&log.text()),
        [unknown, Fault::Uncovered { from: 3 }]
    );
    let same_name = Log::sign(&signing("k1"), 7, &tree.root);
    log.lines[at] = checkpoint_line(&same_name.to_json());
    let forged = Fault::Checkpoint(SignatureError::NotGenuine.into());
    assert_eq!(
        log.faults(&log.text()),
        [forged, Fault::Uncovered { from: 3 }]
    );
    // An older one in its place is genuine, and says something else.
    log.lines[at] = log.lines[log.line_of(2) + 1].clone();
    let other_size = Fault::AnotherSize {
        from: 3,
        signed: 3,
        found: 7,
    };
    assert_eq!(log.faults(&log.text()), [other_size]);
    log.lines[at] = genuine;
    assert_eq!(log.faults(&log.text()), []);
}

#[test]
fn a_log_written_anew_agrees_with_itself_and_not_with_an_older_checkpoint() {
    let log = Log::of(&[3, 7]);
    let mut forged = Log::of(&[]);
    forged.signing = signing("k1");
    let mut tree = Frontier::empty();
    for position in 0..7 {
        let line = rewritten(position);
        let entry = entry(position).replace("shop", "spy");
        tree.append(leaf_hash(entry.as_bytes()), |_, _| ());
        forged.lines.push(line);
    }
    // Whoever has the registry's own key signs it as well.
    let envelope = Log::sign(&log.signing, 7, &tree.root());
    forged.lines.push(checkpoint_line(&envelope.to_json()));
    assert_eq!(log.faults(&forged.text()), []);
    let report = log.verify(&[forged.text().as_bytes()], Some(log.older(0)));
    assert_eq!(report.findings[0].fault, Fault::Rewritten { size: 3 });
}

#[test]
fn files_that_follow_each_other_are_one_log() {
    let log = Log::of(&[3, 7]);
    let text = log.text();
    let entry_3 = text.find(r#"{"position":3,"#).unwrap();
    let mut tree = Frontier::empty();
    for position in 0..3 {
        tree.append(leaf_hash(entry(position).as_bytes()), |_, _| ());
    }
    let edge: Vec<_> = tree.edge().iter().map(encoded).collect();
    let second = format!("{}\n{}", start_line(3, &edge), &text[entry_3..]);
    let (first, second) = (&text.as_bytes()[..entry_3], second.as_bytes());
    let report = log.verify(&[first, second], None);
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.entries, report.checkpoints), (7, 2));
    let alone = log.verify(&[second], Some(log.older(0)));
    assert!(alone.is_good() && alone.agrees_with == Some(3));
    let again = log.verify(&[first, second, second], None);
    let twice = Fault::NotContinued { size: 7, from: 3 };
    assert_eq!(
        (again.findings[0].file, &again.findings[0].fault),
        (2, &twice)
    );
    let mut strange = edge.clone();
    strange[0] = encoded(&leaf_hash(b"another"));
    let strange = format!("{}\n{}", start_line(3, &strange), &text[entry_3..]);
    let report = log.verify(&[first, strange.as_bytes()], None);
    assert_eq!(report.findings[0].fault, Fault::AnotherEdge { from: 3 });
    let report = log.verify(&[strange.as_bytes()], None);
    assert_eq!(
        report.findings[0].fault,
        Fault::Between { from: 3, last: 6 }
    );
}

#[test]
fn a_report_holds_no_more_findings_than_are_read_and_counts_the_rest() {
    let mut log = Log::of(&[300]);
    for line in &mut log.lines {
        *line = line.replace("shop", "spy");
    }
    let report = log.verify(&[log.text().as_bytes()], None);
    assert_eq!(
        (report.findings.len(), report.findings_count),
        (FINDINGS_MAX, 300)
    );
}

#[test]
fn a_proof_of_an_entry_is_believed_with_its_checkpoint_and_not_with_anything_changed() {
    let log = Log::of(&[3, 7]);
    let mut nodes = std::collections::HashMap::new();
    let mut tree = Frontier::empty();
    for entry in &log.entries {
        tree.append(leaf_hash(entry.as_bytes()), |at, hash| {
            nodes.insert(at, hash);
        });
    }
    let known = |at| nodes.get(&at).copied();
    let path = prove(&inclusion_steps(4, 7), known).unwrap();
    let path: Vec<_> = path.iter().map(encoded).collect();
    let proof = serde_json::json!({
        "position": "4",
        "entry": log.entries[4],
        "leaf_hash": encoded(&leaf_hash(log.entries[4].as_bytes())),
        "tree_size": "7",
        "path": path,
        "checkpoint": {"envelope": log.checkpoints[1].to_json()},
    });
    let keys = log.keys();
    let verify = |proof: &serde_json::Value| verify_document(&proof.to_string(), &keys, None);
    assert!(matches!(
        verify(&proof),
        Ok(Document::Inclusion { position: 4, .. })
    ));
    let mut changed = proof.clone();
    changed["entry"] = log.entries[4].replace("shop", "spy").into();
    assert_eq!(verify(&changed), Err(DocumentError::EntryChanged(4)));
    changed["leaf_hash"] =
        encoded(&leaf_hash(log.entries[4].replace("shop", "spy").as_bytes())).into();
    assert_eq!(verify(&changed), Err(DocumentError::NotIncluded(4)));
    let mut bare = proof.clone();
    bare["checkpoint"] = serde_json::Value::Null;
    assert_eq!(verify(&bare), Err(DocumentError::NoCheckpoint(7)));
    let trusted = log.older(1);
    assert!(verify_document(&bare.to_string(), &keys, Some(&trusted)).is_ok());

    let path = prove(&consistency_steps(3, 7), known).unwrap();
    let path: Vec<_> = path.iter().map(encoded).collect();
    let proof = serde_json::json!({
        "from_tree_size": 3, "to_tree_size": 7, "to_root_hash": "", "path": path,
        "from_checkpoint": {"envelope": log.checkpoints[0].to_json()},
        "to_checkpoint": {"envelope": log.checkpoints[1].to_json()},
    });
    assert!(matches!(verify(&proof), Ok(Document::Consistency { .. })));
    let mut changed = proof.clone();
    changed["path"] = serde_json::json!([]);
    let refused = DocumentError::NotConsistent { from: 3, to: 7 };
    assert_eq!(verify(&changed), Err(refused));
}

#[test]
fn a_signed_document_is_believed_whatever_it_is_and_does_not_print() {
    let log = Log::of(&[1]);
    let keys = log.keys();
    let kind = "application/vnd.personal-data-registry.erasure-certificate.v1+json";
    let envelope = log.signing.sign(kind, br#"{"erased":2}"#);
    let document = verify_document(&envelope.to_json(), &keys, None).unwrap();
    assert_eq!(format!("{document:?}"), "Signed(…)");
    let Document::Signed { payload, .. } = document else {
        panic!("another kind")
    };
    assert_eq!(payload["erased"], 2);
    let carried = serde_json::json!({"receipt": {}, "envelope": envelope.to_json()});
    assert!(verify_document(&carried.to_string(), &keys, None).is_ok());
    let mut changed = envelope.clone();
    changed.payload = br#"{"erased":3}"#.to_vec();
    let refused = verify_document(&changed.to_json(), &keys, None);
    assert_eq!(refused, Err(SignatureError::NotGenuine.into()));
    let others = log.signing.sign("application/vnd.others+json", b"{}");
    let refused = verify_document(&others.to_json(), &keys, None);
    assert_eq!(refused, Err(DocumentError::PayloadType));
    let checkpoint = log.checkpoints[0].to_json();
    assert!(matches!(
        verify_document(&checkpoint, &keys, None),
        Ok(Document::Checkpoint(_))
    ));
    for strange in ["", "[]", "{}", "7", r#"{"checkpoint":{"checkpoint":1}}"#] {
        let refused = verify_document(strange, &keys, None);
        assert_eq!(refused, Err(DocumentError::Unknown), "{strange}");
    }
}

/// Entries of the long log, unless `PDR_TEST_AUDIT_ENTRIES` says another number.
const LONG: u64 = 5_000;

// `PDR_TEST_AUDIT_DIR` keeps the log and the keys, to be verified by `pdr audit verify` by hand.
#[test]
fn a_long_log_is_verified_line_by_line() {
    let setting = |name: &str| std::env::var(name).ok();
    let count = setting("PDR_TEST_AUDIT_ENTRIES").map_or(LONG, |count| count.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let dir = setting("PDR_TEST_AUDIT_DIR");
    let dir = dir.map_or(temporary.path().to_owned(), std::path::PathBuf::from);
    let log = Log::of(&[]);
    std::fs::write(dir.join("public.keys"), log.keys().to_lines()).unwrap();
    let path = dir.join("audit.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "{}", start_line(0, &[])).unwrap();
    let mut tree = Frontier::empty();
    while tree.size() < count {
        let (position, entry) = (tree.size(), entry(tree.size()));
        let leaf = leaf_hash(entry.as_bytes());
        tree.append(leaf, |_, _| ());
        writeln!(file, "{}", entry_line(position, &encoded(&leaf), &entry)).unwrap();
        if tree.size().is_multiple_of(1_000) || tree.size() == count {
            let envelope = Log::sign(&log.signing, tree.size(), &tree.root());
            writeln!(file, "{}", checkpoint_line(&envelope.to_json())).unwrap();
        }
    }
    file.flush().unwrap();
    let keys = log.keys();
    let mut verifier = LogVerifier::new(&keys, None);
    let mut file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    verifier.read_file(&mut file).unwrap();
    let report = verifier.finish();
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!(
        (report.entries, report.checkpoints),
        (count, count.div_ceil(1_000))
    );
}

/// A way to tamper with a log.
#[derive(Clone, Debug)]
enum Tampering {
    Byte { at: usize, with: u8 },
    Remove { line: usize },
    Insert { line: usize, of: usize },
    Swap { line: usize, with: usize },
    Truncate { at: usize },
    Checkpoint { at: usize, of: usize },
    Rewrite { position: u64 },
}

fn tamperings() -> impl Strategy<Value = Tampering> {
    let place = any::<usize>;
    prop_oneof![
        4 => (place(), 1..=255_u8).prop_map(|(at, with)| Tampering::Byte { at, with }),
        1 => place().prop_map(|line| Tampering::Remove { line }),
        1 => (place(), place()).prop_map(|(line, of)| Tampering::Insert { line, of }),
        1 => (place(), place()).prop_map(|(line, with)| Tampering::Swap { line, with }),
        1 => place().prop_map(|at| Tampering::Truncate { at }),
        1 => (place(), place()).prop_map(|(at, of)| Tampering::Checkpoint { at, of }),
        1 => any::<u64>().prop_map(|position| Tampering::Rewrite { position }),
    ]
}

/// The log after it was tampered with, with every place counted anew or not.
fn tampered(log: &mut Log, tampering: &Tampering, is_careful: bool) -> Vec<u8> {
    let lines = log.lines.len();
    match *tampering {
        Tampering::Byte { at, with } => {
            let mut bytes = log.text().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= with;
            return bytes;
        }
        Tampering::Truncate { at } => {
            let bytes = log.text().into_bytes();
            return bytes[..at % bytes.len()].to_vec();
        }
        Tampering::Remove { line } => {
            log.lines.remove(line % lines);
        }
        Tampering::Insert { line, of } => {
            let inserted = log.lines[of % lines].clone();
            log.lines.insert(line % (lines + 1), inserted);
        }
        Tampering::Swap { line, with } => log.lines.swap(line % lines, with % lines),
        Tampering::Checkpoint { at, of } => {
            let count = log.checkpoints.len();
            let (at, of) = (at % count, of % count);
            let old = checkpoint_line(&log.checkpoints[at].to_json());
            let new = checkpoint_line(&log.checkpoints[of].to_json());
            let line = log.lines.iter().position(|line| *line == old).unwrap();
            log.lines[line] = new;
        }
        Tampering::Rewrite { position } => {
            let position = position % log.entries.len() as u64;
            let line = log.line_of(position);
            log.lines[line] = rewritten(position);
        }
    }
    if is_careful {
        log.renumber();
    }
    log.text().into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // Whoever kept the last checkpoint finds everything. A checkpoint that is left out, or stands twice,
    // hides nothing: every entry is still covered by one behind it.
    #[test]
    fn nothing_that_is_done_to_a_log_stays_hidden(
        steps in prop::collection::vec(1..12_u64, 1..6),
        tampering in tamperings(),
        is_careful: bool,
    ) {
        let sizes: Vec<_> = steps.iter().scan(0, |size, step| { *size += step; Some(*size) }).collect();
        let mut log = Log::of(&sizes);
        let last = Some(log.older(sizes.len() - 1));
        let untouched = log.text().into_bytes();
        let report = log.verify(&[&untouched], last.clone());
        prop_assert!(report.is_good(), "{:?}", report.findings);
        let without_checkpoints = |bytes: &[u8]| {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let is_entry = |line: &&[u8]| !line.starts_with(br#"{"checkpoint":"#);
            lines.filter(is_entry).flatten().copied().collect::<Vec<u8>>()
        };
        let touched = tampered(&mut log, &tampering, is_careful);
        let report = log.verify(&[&touched], last);
        let is_tampered = match tampering {
            Tampering::Remove { .. } | Tampering::Insert { .. } | Tampering::Swap { .. } => {
                without_checkpoints(&touched) != without_checkpoints(&untouched)
            }
            Tampering::Byte { .. }
            | Tampering::Truncate { .. }
            | Tampering::Checkpoint { .. }
            | Tampering::Rewrite { .. } => touched != untouched,
        };
        prop_assert!(!is_tampered || !report.is_good(), "{:?} was not found", tampering);
        prop_assert!(touched != untouched || report.is_good(), "{:?}", report.findings);
    }
}
