//! `pdr audit verify`: files against public keys. It calls nobody and reads no configuration.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::verify::{
        DOCUMENT_BYTES_MAX, Document, Finding, LogReport, LogVerifier, Trusted, begins_like_a_log,
        older_checkpoint, verify_document,
    },
    cli::{
        exit,
        output::{Output, print, print_value, printable},
    },
    crypto::signature::VerifyingKeys,
};

/// What of a file says whether it is a log.
const BEGINNING_BYTES: usize = 64;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Exported logs, in their order; checkpoints, proofs, certificates, receipts.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The public keys, as `pdr keys public` prints them: not from whoever gave you the files.
    #[arg(long, value_name = "PUBLIC_KEYS")]
    keys: PathBuf,
    /// A checkpoint that you kept: the log must begin with what it covers.
    #[arg(long, value_name = "CHECKPOINT_FILE")]
    since: Option<PathBuf>,
}

pub(super) fn verify(output: Output, asked: &Verify) -> Result<ExitCode> {
    let keys = read_keys(&asked.keys)?;
    let since = match &asked.since {
        Some(file) => Some(read_since(file, &keys)?),
        None => None,
    };
    let (logs, documents) = sort(&asked.files)?;
    let mut is_good = true;
    for file in documents {
        is_good &= one_document(output, file, &keys, since.as_ref())?;
    }
    if !logs.is_empty() {
        is_good &= one_log(output, &logs, &keys, since)?;
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILURE)
    })
}

fn read_keys(file: &Path) -> Result<VerifyingKeys> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| name.to_string())?;
    VerifyingKeys::parse(&text)
        .map_err(|problems| anyhow::anyhow!("{name}: {}", problems.join("; ")))
}

fn read_since(file: &Path, keys: &VerifyingKeys) -> Result<Trusted> {
    let text = read_document(file)?;
    let read = older_checkpoint(&text, keys);
    read.with_context(|| format!("--since {}", file.display()))
}

/// Logs and documents apart.
fn sort(files: &[PathBuf]) -> Result<(Vec<&Path>, Vec<&Path>)> {
    let (mut logs, mut documents) = (Vec::new(), Vec::new());
    for path in files {
        let name = || path.display().to_string();
        let mut start = Vec::new();
        let file = File::open(path).with_context(name)?;
        file.take(BEGINNING_BYTES as u64)
            .read_to_end(&mut start)
            .with_context(name)?;
        if begins_like_a_log(&start) {
            logs.push(path.as_path());
        } else {
            documents.push(path.as_path());
        }
    }
    Ok((logs, documents))
}

fn read_document(path: &Path) -> Result<String> {
    let name = || path.display().to_string();
    let file = File::open(path).with_context(name)?;
    let mut text = String::new();
    let read = file.take(DOCUMENT_BYTES_MAX + 1).read_to_string(&mut text);
    if read.with_context(name)? as u64 > DOCUMENT_BYTES_MAX {
        bail!("{}: longer than any document of the registry", name());
    }
    Ok(text)
}

fn one_document(
    output: Output,
    path: &Path,
    keys: &VerifyingKeys,
    since: Option<&Trusted>,
) -> Result<bool> {
    let name = path.display().to_string();
    let verified = verify_document(&read_document(path)?, keys, since);
    match output {
        Output::Json => print_value(&match &verified {
            Ok(document) => {
                serde_json::json!({"file": name, "verified": true, "document": value(document)})
            }
            Err(error) => {
                serde_json::json!({"file": name, "verified": false, "problem": error.to_string()})
            }
        })?,
        Output::Table => print(&match &verified {
            Ok(document) => format!("{}: genuine\n{}", printable(&name), render(document)?),
            Err(error) => format!("{}: {error}\n", printable(&name)),
        })?,
    }
    Ok(verified.is_ok())
}

fn value(document: &Document) -> serde_json::Value {
    match document {
        Document::Checkpoint(checkpoint) => serde_json::json!({"checkpoint": checkpoint}),
        Document::Signed {
            payload_type,
            key_id,
            payload,
        } => serde_json::json!({
            "payload_type": payload_type, "key_id": key_id, "payload": payload,
        }),
        Document::Inclusion {
            position,
            entry,
            checkpoint,
        } => serde_json::json!({
            "position": position, "entry": entry, "checkpoint": checkpoint,
        }),
        Document::Consistency { from, to } => serde_json::json!({"from": from, "to": to}),
    }
}

fn render(document: &Document) -> Result<String> {
    Ok(match document {
        Document::Checkpoint(checkpoint) => format!(
            "  a checkpoint over {} entries, sealed at {}, of {}\n",
            checkpoint.tree_size,
            checkpoint.sealed_at,
            printable(&checkpoint.origin)
        ),
        Document::Signed {
            payload_type,
            key_id,
            payload,
        } => {
            let payload = serde_json::to_string_pretty(payload)?;
            let lines = payload
                .lines()
                .map(|line| format!("  {}\n", printable(line)));
            let (kind, key) = (printable(payload_type), printable(key_id));
            format!("  {kind}, signed by {key}\n{}", lines.collect::<String>())
        }
        Document::Inclusion {
            position,
            entry,
            checkpoint,
        } => format!(
            "  stands at position {position} of the {} entries sealed at {}\n  {}\n",
            checkpoint.tree_size,
            checkpoint.sealed_at,
            printable(entry)
        ),
        Document::Consistency { from, to } => format!(
            "  the log of {} entries (sealed at {}) begins with that of {} (sealed at {})\n",
            to.tree_size, to.sealed_at, from.tree_size, from.sealed_at
        ),
    })
}

fn one_log(
    output: Output,
    paths: &[&Path],
    keys: &VerifyingKeys,
    since: Option<Trusted>,
) -> Result<bool> {
    let older = since.as_ref().map(|older| older.checkpoint.tree_size);
    let mut verifier = LogVerifier::new(keys, since);
    for path in paths {
        let name = || path.display().to_string();
        let file = File::open(path).with_context(name)?;
        let bar = bar(file.metadata().with_context(name)?.len());
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, bar.wrap_read(file));
        verifier.read_file(&mut reader).with_context(name)?;
        bar.finish_and_clear();
    }
    let report = verifier.finish();
    match output {
        Output::Json => print_value(&report_value(paths, &report))?,
        Output::Table => print(&report_text(paths, &report, older))?,
    }
    Ok(report.is_good())
}

fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = "{bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn report_value(paths: &[&Path], report: &LogReport) -> serde_json::Value {
    let findings = report.findings.iter().map(|finding| {
        let positions = finding.fault.positions();
        serde_json::json!({
            "file": paths[finding.file],
            "line": finding.line,
            "code": finding.fault.code(),
            "first_position": positions.map(|(first, _)| first),
            "last_position": positions.map(|(_, last)| last).filter(|last| *last < u64::MAX),
            "text": finding.fault.to_string(),
        })
    });
    serde_json::json!({
        "verified": report.is_good(),
        "from": report.from,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "checkpoints_not_judged": report.unjudged,
        "last_checkpoint": report.last,
        "agrees_with": report.agrees_with,
        "findings_count": report.findings_count,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn report_text(paths: &[&Path], report: &LogReport, older: Option<u64>) -> String {
    let mut text = String::new();
    for Finding { file, line, fault } in &report.findings {
        let place = printable(&paths[*file].display().to_string()).into_owned();
        let line = match line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        text.push_str(&format!("{place}{line}: {fault}\n"));
    }
    let more = report.findings_count - report.findings.len() as u64;
    if more > 0 {
        text.push_str(&format!("… and {more} more findings\n"));
    }
    let verdict = if report.is_good() {
        "the log is as it was signed"
    } else {
        "THE LOG IS NOT AS IT WAS SIGNED"
    };
    text.push_str(&format!(
        "{verdict}: {} entries from position {}, {} checkpoints that are right",
        report.entries, report.from, report.checkpoints
    ));
    if report.unjudged > 0 {
        let unjudged = report.unjudged;
        text.push_str(&format!(", {unjudged} that could not be held against it"));
    }
    if let Some(last) = &report.last {
        let (size, at) = (last.tree_size, last.sealed_at);
        text.push_str(&format!(", the last over {size} entries, sealed at {at}"));
    }
    text.push_str(match (report.agrees_with, older) {
        (Some(_), _) => "; it agrees with the checkpoint that you kept\n",
        (None, Some(_)) => "\n",
        (None, None) if !report.is_good() => "\n",
        (None, None) => {
            "\nwhat was cut off behind the last checkpoint shows only against one that you kept (--since)\n"
        }
    });
    text
}
