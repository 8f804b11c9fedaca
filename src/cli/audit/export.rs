//! `pdr audit export`: the sealed log to a file that goes on where it ended, or to a directory of files
//! that follow each other.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, IntoInnerError, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use indicatif::{ProgressBar, ProgressStyle};
use tonic::Code;

use crate::{
    app::verify::LINE_BYTES_MAX,
    cli::{
        client::Way,
        output::{Output, print, print_value, refusal},
    },
    domain::audit_log::{Line, checkpoint_line, entry_line, start_line},
    proto::v1::{
        ExportAuditLogRequest, GetCheckpointRequest, audit_service_client::AuditServiceClient,
        export_audit_log_response::Part,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// A file, which goes on where it ended; or a directory, which gets one more file each time.
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// The first entry's position, when the file is new.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Where an export goes to.
struct Place {
    path: PathBuf,
    /// The place of the next entry.
    next: u64,
    /// Bytes that are whole; 0: the file begins here.
    whole: u64,
}

pub(super) async fn export(way: Way, output: Output, export: &Export) -> Result<()> {
    let mut client = AuditServiceClient::new(way);
    let place = find_place(export)?;
    let latest = client.get_checkpoint(GetCheckpointRequest::default()).await;
    let latest = match latest {
        Ok(latest) => latest.into_inner().checkpoint,
        Err(status) if status.code() == Code::FailedPrecondition => None,
        Err(status) => return Err(refusal(&status)),
    };
    let size = latest.map_or(0, |latest| latest.tree_size);
    let size = u64::try_from(size).context("a size is positive")?;
    ensure!(
        place.next <= size,
        "{} goes up to position {}, and the log of this server has {size} entries: it is another log, \
         or it was cut off or rolled back",
        place.path.display(),
        place.next
    );
    if place.next == size {
        return tell(output, &place.path, place.next, place.next);
    }
    let request = ExportAuditLogRequest {
        from_position: i64::try_from(place.next).context("--from")?,
    };
    let parts = client.export_audit_log(request).await;
    let mut parts = parts.map_err(|status| refusal(&status))?.into_inner();
    let mut file = open(&place)?;
    let bar = bar(size - place.next);
    let mut next = place.next;
    let ended = loop {
        match parts.message().await {
            Ok(Some(part)) => {
                let Some(part) = part.part else { continue };
                if matches!(part, Part::Entry(_)) {
                    next += 1;
                    bar.inc(1);
                }
                if let Some(line) = line(&part, place.next, place.whole > 0)? {
                    file.write_all(line.as_bytes())?;
                }
            }
            Ok(None) => break Ok(()),
            Err(status) => break Err(refusal(&status)),
        }
    };
    bar.finish_and_clear();
    // What there is stays, and the next run goes on behind it.
    let file = file.into_inner().map_err(IntoInnerError::into_error)?;
    file.sync_all()?;
    ended.context("the export ended early; run it again, and it goes on where it ended")?;
    tell(output, &place.path, place.next, next)
}

/// The line of a part; none for the start of a file that has one.
fn line(part: &Part, next: u64, has_start: bool) -> Result<Option<String>> {
    let number = |number: i64| u64::try_from(number).context("a position is positive");
    let mut line = match part {
        Part::Start(start) => {
            let from = number(start.from_position)?;
            ensure!(from == next, "the server exports from {from}, not {next}");
            if has_start {
                return Ok(None);
            }
            let edge: Vec<_> = start
                .edge
                .iter()
                .map(|hash| STANDARD.encode(hash))
                .collect();
            start_line(from, &edge)
        }
        Part::Entry(entry) => {
            let leaf = STANDARD.encode(&entry.leaf_hash);
            entry_line(number(entry.position)?, &leaf, &entry.entry)
        }
        Part::Checkpoint(checkpoint) => checkpoint_line(&checkpoint.envelope),
    };
    line.push('\n');
    Ok(Some(line))
}

fn find_place(export: &Export) -> Result<Place> {
    let out = &export.out;
    if out.is_dir() {
        return match last_file(out)? {
            None => Ok(new_file(out, export.from)),
            Some(last) => {
                let last = read_place(&last)?;
                cut(&last)?;
                Ok(new_file(out, last.next))
            }
        };
    }
    match fs::metadata(out) {
        Ok(_) => read_place(out),
        Err(_) => Ok(Place {
            path: out.clone(),
            next: export.from,
            whole: 0,
        }),
    }
}

fn new_file(dir: &Path, next: u64) -> Place {
    Place {
        // As wide as the greatest place, so that the files sort.
        path: dir.join(format!("audit-{next:020}.jsonl")),
        next,
        whole: 0,
    }
}

/// The file of a directory that the others come before.
fn last_file(dir: &Path) -> Result<Option<PathBuf>> {
    let mut last = None;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_ours = stem.is_some_and(|stem| stem.starts_with("audit-"))
            && path
                .extension()
                .is_some_and(|extension| extension == "jsonl");
        if is_ours && last.as_ref().is_none_or(|last| *last < path) {
            last = Some(path);
        }
    }
    Ok(last)
}

/// How far a file has come. A last line that was cut off does not count.
fn read_place(path: &Path) -> Result<Place> {
    let name = || path.display().to_string();
    let mut reader = BufReader::new(File::open(path).with_context(name)?);
    let (mut line, mut whole, mut next) = (Vec::new(), 0, None);
    loop {
        line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        let text = str::from_utf8(text).with_context(name)?;
        match (Line::read(text), next) {
            (Some(Line::Start(start)), None) => {
                let start: crate::domain::audit_log::Start = serde_json::from_str(start)?;
                next = Some(start.from);
            }
            (Some(Line::Entry { position, .. }), Some(_)) => next = Some(position + 1),
            (Some(Line::Checkpoint(_)), Some(_)) => {}
            _ => bail!("{} is not an exported log; it is left as it is", name()),
        }
        whole += read as u64;
    }
    Ok(Place {
        path: path.to_owned(),
        next: next.with_context(|| format!("{} is not an exported log", name()))?,
        whole,
    })
}

fn cut(place: &Place) -> Result<()> {
    let file = OpenOptions::new().write(true).open(&place.path)?;
    Ok(file.set_len(place.whole)?)
}

fn open(place: &Place) -> Result<BufWriter<File>> {
    let name = || place.path.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&place.path).with_context(name)?;
    file.set_len(place.whole).with_context(name)?;
    file.seek(SeekFrom::End(0)).with_context(name)?;
    Ok(BufWriter::new(file))
}

/// Shows how far it has come; nothing where nobody looks.
fn bar(entries: u64) -> ProgressBar {
    let bar = ProgressBar::new(entries);
    let style = "{bar:40} {human_pos} of {human_len} entries, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn tell(output: Output, path: &Path, from: u64, until: u64) -> Result<()> {
    let path = path.display().to_string();
    match output {
        Output::Json => print_value(&serde_json::json!({
            "file": path, "from": from, "until": until, "entries": until - from,
        })),
        Output::Table if from == until => print(&format!(
            "nothing new: the log is sealed up to {until} entries\n"
        )),
        Output::Table => print(&format!(
            "{path}: {} entries, positions {from} to {}\n",
            until - from,
            until - 1
        )),
    }
}
