//! The lines of a file, read as far ahead as there is room and never whole.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use anyhow::{Context, Result};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
};

use crate::{cli::output::read_json, proto::v1::RegisterCollectionRequest};

/// Longest line, in bytes: what a message may have, as JSON.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Lines that are read ahead.
const READ_AHEAD: usize = 64;

/// One line of the file. Lines are counted from one.
pub(super) enum Line {
    /// It has been settled before, or is empty.
    Skipped {
        /// The place in the file behind it.
        end: u64,
    },
    /// It is no record.
    Unreadable {
        /// Its number.
        number: u64,
        /// Why, without its content.
        problem: String,
    },
    /// The file cannot be read any further.
    Broken(anyhow::Error),
    /// It is one.
    Record {
        /// Its number.
        number: u64,
        /// The place in the file behind it.
        end: u64,
        /// The record.
        registration: Box<RegisterCollectionRequest>,
    },
}

/// Reads a file line by line, in a thread of its own; what is settled is passed over.
pub(super) fn read_lines(file: PathBuf, settled: u64) -> Result<Receiver<Line>> {
    let opened = File::open(&file).with_context(|| file.display().to_string())?;
    let (lines, read) = channel(READ_AHEAD);
    spawn_blocking(move || {
        if let Err(error) = send_lines(&mut BufReader::new(opened), settled, &lines) {
            let error = anyhow::Error::new(error).context(file.display().to_string());
            // If nobody listens any more, the import has ended for another reason.
            drop(lines.blocking_send(Line::Broken(error)));
        }
    });
    Ok(read)
}

fn send_lines(file: &mut impl BufRead, settled: u64, lines: &Sender<Line>) -> io::Result<()> {
    let mut end = 0;
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = read_line(file, &mut bytes)?;
        if read == 0 {
            break;
        }
        end += read;
        let line = if number <= settled {
            Line::Skipped { end }
        } else {
            parse(number, end, &bytes)
        };
        if lines.blocking_send(line).is_err() {
            break;
        }
    }
    Ok(())
}

/// Reads to the end of the line and returns how many bytes that were; keeps one more than a line may
/// have, and no further one.
fn read_line(file: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let mut read = file.take(LINE_BYTES_MAX + 1).read_until(b'\n', bytes)? as u64;
    let is_cut = read > LINE_BYTES_MAX && bytes.last() != Some(&b'\n');
    if is_cut {
        read += skip_line(file)?;
    }
    Ok(read)
}

fn skip_line(file: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let mut part = Vec::new();
        let read = file.take(LINE_BYTES_MAX).read_until(b'\n', &mut part)? as u64;
        skipped += read;
        if read == 0 || part.last() == Some(&b'\n') {
            return Ok(skipped);
        }
    }
}

fn parse(number: u64, end: u64, bytes: &[u8]) -> Line {
    let unreadable = |problem: String| Line::Unreadable { number, problem };
    if bytes.len() as u64 > LINE_BYTES_MAX {
        return unreadable(format!("has more than {LINE_BYTES_MAX} bytes"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return unreadable("is not UTF-8".to_owned());
    };
    if text.trim().is_empty() {
        return Line::Skipped { end };
    }
    match read_json::<RegisterCollectionRequest>("RegisterCollectionRequest", text.trim()) {
        Ok(registration) => Line::Record {
            number,
            end,
            registration: Box::new(registration),
        },
        Err(error) => unreadable(problem(&error, text)),
    }
}

/// What is wrong and where, without what stands there: it may be personal data.
fn problem(error: &anyhow::Error, text: &str) -> String {
    let column = error
        .downcast_ref::<serde_json::Error>()
        .map(serde_json::Error::column);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let what = if is_json {
        "is no RegisterCollectionRequest: a field has another name or form"
    } else {
        "is not JSON"
    };
    match column {
        Some(column) => format!("{what} (column {column})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], settled: u64) -> Vec<String> {
        let (lines, mut read) = channel(100);
        send_lines(&mut BufReader::new(text), settled, &lines).unwrap();
        drop(lines);
        let mut shown = Vec::new();
        while let Ok(line) = read.try_recv() {
            shown.push(match line {
                Line::Skipped { end } => format!("skipped to {end}"),
                Line::Unreadable { number, problem } => format!("{number} {problem}"),
                Line::Broken(error) => error.to_string(),
                Line::Record { number, end, .. } => format!("{number} to {end}"),
            });
        }
        shown
    }

    #[test]
    fn each_line_keeps_its_number_whatever_the_others_are() {
        let text = b"{}\n\nnot json\n{\"subject_category\":\"visitor\"}\n{\"colour\":1}\n\xff\n{}";
        assert_eq!(
            read(text, 0),
            [
                "1 to 3",
                "skipped to 4",
                "3 is not JSON (column 2)",
                "4 to 44",
                "5 is no RegisterCollectionRequest: a field has another name or form (column 9)",
                "6 is not UTF-8",
                "7 to 61",
            ]
        );
    }

    #[test]
    fn what_is_settled_is_passed_over_unread() {
        assert_eq!(
            read(b"not json\n{}\n{}\n", 2),
            ["skipped to 9", "skipped to 12", "3 to 15"]
        );
    }

    #[test]
    fn a_line_that_never_ends_is_not_kept_and_the_next_one_is_read() {
        let mut text = vec![b'x'; usize::try_from(LINE_BYTES_MAX).unwrap() + 1];
        text.extend(vec![b'y'; 100]);
        text.extend(b"\n{}\n");
        let shown = read(&text, 0);
        assert_eq!(shown.len(), 2);
        assert!(shown[0].contains("has more than"), "{}", shown[0]);
        assert!(shown[1].starts_with("2 to "), "{}", shown[1]);
    }
}
