//! A journal in a file: lines that are only ever appended, each with a checksum, on the disk before
//! an append returns.
//!
//! A line is the checksum, the offset at which its append began, the entry's id, its instant in
//! microseconds, and the entry. Appends follow each other, each after the one before is on the disk.
//! So what is unreadable and reaches to the end of the file, or is followed by lines of its own
//! append alone, is what a crash left of an append that never returned, and is cut off. Anything else
//! that is unreadable is damage, and nobody goes on.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{
    super::error::StoreError,
    sink::{Kept, Written},
};

/// Bytes of the checksum, twice as many digits.
const SUM_BYTES: usize = 8;

/// A file and who writes to it.
pub(super) struct FileSink {
    path: PathBuf,
    /// The file while it is open for appending, with its length on the disk.
    writer: Arc<Mutex<Option<Writer>>>,
}

impl FileSink {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            writer: Arc::default(),
        }
    }

    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        self.writing(|_| Ok(())).await
    }

    pub(super) async fn append(&self, entries: &[Written]) -> Result<(), StoreError> {
        let entries = entries.to_vec();
        self.writing(move |writer| writer.append(&entries)).await
    }

    pub(super) async fn size(&self) -> Result<(u64, Option<Uuid>), StoreError> {
        let mut kept = self.list().await?;
        kept.sort_unstable_by_key(|one| one.entry_id);
        kept.dedup_by_key(|one| one.entry_id);
        Ok((kept.len() as u64, kept.last().map(|one| one.entry_id)))
    }

    pub(super) async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        let path = self.path.clone();
        blocking(move || {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                opened => opened.map_err(|error| failed(&path, &error))?,
            };
            Ok(scan(&path, &file)?.kept)
        })
        .await
    }

    pub(super) async fn read(&self, kept: &[Kept]) -> Result<Vec<Written>, StoreError> {
        let (path, kept) = (self.path.clone(), kept.to_vec());
        blocking(move || read(&path, &kept).map_err(|error| failed(&path, &error))?).await
    }

    /// Runs `work` on the open file. After a failure nobody knows what is on the disk: the file is
    /// closed, and cut to what is certain before it is used again.
    async fn writing<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Writer) -> io::Result<T> + Send + 'static,
    {
        let (path, shared) = (self.path.clone(), self.writer.clone());
        blocking(move || {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let mut writer = match shared.take().filter(|writer| writer.is_current(&path)) {
                Some(writer) => writer,
                None => Writer::open(&path)?,
            };
            match work(&mut writer).or_else(|error| writer.undo().and(Err(error))) {
                Ok(done) => {
                    *shared = Some(writer);
                    Ok(done)
                }
                Err(error) => Err(failed(&path, &error)),
            }
        })
        .await
    }
}

struct Writer {
    file: File,
    /// What is on the disk, in bytes.
    durable: u64,
}

impl Writer {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path);
        let file = opened.map_err(|error| failed(path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Unavailable(format!(
                    "another process writes to the journal {}",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(path, &error)),
        }
        let durable = scan(path, &file)?.end;
        let mut writer = Self { file, durable };
        let mended = writer.mend(path);
        mended.map_err(|error| failed(path, &error))?;
        Ok(writer)
    }

    /// Whether the path still leads to this very file, and nobody else has changed its length.
    fn is_current(&self, path: &Path) -> bool {
        let (Ok(ours), Ok(there)) = (self.file.metadata(), fs::metadata(path)) else {
            return false;
        };
        (ours.dev(), ours.ino(), self.durable) == (there.dev(), there.ino(), there.len())
    }

    /// Cuts off what a crash left, and makes sure that the rest, and the file itself, are on the disk.
    fn mend(&mut self, path: &Path) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length > self.durable {
            let bytes = length - self.durable;
            tracing::warn!(
                bytes,
                "the journal ends in what a crash left; it is cut off"
            );
        }
        self.undo()?;
        let directory = path.parent().filter(|parent| *parent != Path::new(""));
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn append(&mut self, entries: &[Written]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            write_line(&mut lines, self.durable, entry);
        }
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.durable += lines.len() as u64;
        Ok(())
    }

    /// Leaves what is certain.
    fn undo(&mut self) -> io::Result<()> {
        self.file.set_len(self.durable)?;
        self.file.sync_all()
    }
}

fn write_line(lines: &mut Vec<u8>, begun: u64, entry: &Written) {
    let text = format!(
        "{begun} {} {} {}",
        entry.entry_id,
        entry.at.as_microsecond(),
        entry.document
    );
    lines.extend_from_slice(sum(text.as_bytes()).as_bytes());
    lines.push(b' ');
    lines.extend_from_slice(text.as_bytes());
    lines.push(b'\n');
}

fn sum(text: &[u8]) -> String {
    let digest = digest(&SHA256, text);
    let bytes = digest.as_ref().iter().take(SUM_BYTES);
    bytes.fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What a file holds.
struct Scanned {
    kept: Vec<Kept>,
    /// Where what is certain ends.
    end: u64,
}

/// Reads every line. An error names the place of the damage.
fn scan(path: &Path, file: &File) -> Result<Scanned, StoreError> {
    let mut reader = BufReader::new(file);
    let mut kept = Vec::new();
    let (mut line, mut offset, mut damaged) = (Vec::new(), 0, None);
    reader
        .seek(SeekFrom::Start(0))
        .map_err(|error| failed(path, &error))?;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line);
        let length = length.map_err(|error| failed(path, &error))? as u64;
        if length == 0 {
            let end = damaged.unwrap_or(offset);
            return Ok(Scanned { kept, end });
        }
        match (parse(&line), damaged) {
            (Some(read), None) => kept.push(Kept {
                entry_id: read.written.entry_id,
                at: read.written.at,
                offset,
            }),
            // Its append began after the damaged line was on the disk.
            (Some(read), Some(place)) if read.begun > place => {
                return Err(StoreError::Corrupt {
                    table: "journal",
                    column: "line",
                    row: format!("{} at byte {place}", path.display()),
                    reason: "what follows is whole, so this was; put the file back as it was"
                        .into(),
                });
            }
            (Some(_), Some(_)) => {}
            (None, _) => damaged = damaged.or(Some(offset)),
        }
        offset += length;
    }
}

struct Line {
    begun: u64,
    written: Written,
}

fn parse(line: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (written_sum, text) = text.split_once(' ')?;
    if written_sum != sum(text.as_bytes()) {
        return None;
    }
    let mut fields = text.splitn(4, ' ');
    let begun = fields.next()?.parse().ok()?;
    let entry_id = fields.next()?.parse().ok()?;
    let at = Timestamp::from_microsecond(fields.next()?.parse().ok()?).ok()?;
    let document = fields.next()?.to_owned();
    Some(Line {
        begun,
        written: Written {
            entry_id,
            at,
            document,
        },
    })
}

fn read(path: &Path, kept: &[Kept]) -> io::Result<Result<Vec<Written>, StoreError>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut written = Vec::with_capacity(kept.len());
    for one in kept {
        let mut line = Vec::new();
        file.seek(SeekFrom::Start(one.offset))?;
        file.read_until(b'\n', &mut line)?;
        match parse(&line) {
            Some(read) if read.written.entry_id == one.entry_id => written.push(read.written),
            _ => {
                return Ok(Err(StoreError::Unavailable(
                    "the journal changed while it was read".into(),
                )));
            }
        }
    }
    Ok(Ok(written))
}

async fn blocking<T, W>(work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Internal(format!("the journal's thread: {error}")))?
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("the journal {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
