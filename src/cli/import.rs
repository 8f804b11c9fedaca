//! `pdr import`: a file of registrations, one on a line. A bad line is reported by its number and
//! does not hold up the rest; an import that broke off goes on behind what the server has settled.

mod lines;
mod tally;

use std::{
    collections::VecDeque,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use uuid::Uuid;

use self::{
    lines::{Line, read_lines},
    tally::Tally,
};
use super::{client::Connection, exit, output::refusal};
use crate::proto::v1::{
    ImportCollectionsRequest, ImportCollectionsResponse,
    collection_service_client::CollectionServiceClient,
};

/// Records that are on their way and not answered yet.
const WINDOW: usize = 1_024;
/// Bytes that are hashed at a time.
const HASH_BYTES: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line holds one RegisterCollectionRequest in the JSON of protobuf, without request_id:
  {\"subject\":{\"identifier\":{\"type\":\"email\",\"value\":\"ada@example.com\"}},
   \"subject_category\":\"visitor\",
   \"items\":[{\"data_category\":\"email_address\",\"text\":\"ada@example.com\"}],
   \"collected_at\":\"2026-05-01T10:00:00Z\"}
(on one line; empty lines are skipped).

An import that broke off goes on with the same command: its id is made from the file's content.
Refused lines are refused for good; put them, mended, into a file of their own.

Exit code 2: the import went through, and some lines were refused.

Examples:
    pdr import customers.jsonl
    pdr import customers.jsonl --output json > refused.jsonl")]
pub(super) struct Args {
    /// The file.
    file: PathBuf,
    /// Names the import, a UUID. Default: made from the file's content.
    #[arg(long, value_name = "UUID")]
    import_id: Option<Uuid>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let way = args.connection.connect().await?;
    let import_id = match args.import_id {
        Some(id) => id,
        None => id_of(&args.file).await?,
    };
    let (requests, outgoing) = channel(WINDOW + 1);
    let mut import = Import {
        id: import_id.to_string(),
        requests: Some(requests),
        on_their_way: VecDeque::new(),
        tally: Tally::new(args.connection.output, size_of(&args.file)?),
    };
    import.ask_for_the_checkpoint().await?;
    let mut client = CollectionServiceClient::new(way);
    let answers = client
        .import_collections(ReceiverStream::new(outgoing))
        .await;
    let mut answers = answers.map_err(|status| refusal(&status))?.into_inner();
    let checkpoint = import.first_answer(&mut answers).await?;
    let lines = read_lines(args.file.clone(), checkpoint)?;
    let outcome = import.go(lines, &mut answers).await;
    import.tally.finish(&import.id)?;
    outcome.context("the import broke off; give the same command again and it goes on")?;
    Ok(if import.tally.refused() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::REFUSED)
    })
}

struct Import {
    id: String,
    requests: Option<Sender<ImportCollectionsRequest>>,
    /// Sequence and the place in the file behind it, of every record that is not answered.
    on_their_way: VecDeque<(u64, u64)>,
    tally: Tally,
}

impl Import {
    /// Sequence 0 without a record asks how far the import has come.
    async fn ask_for_the_checkpoint(&mut self) -> Result<()> {
        self.send(ImportCollectionsRequest {
            import_id: self.id.clone(),
            ..ImportCollectionsRequest::default()
        })
        .await
    }

    async fn first_answer(
        &mut self,
        answers: &mut Streaming<ImportCollectionsResponse>,
    ) -> Result<u64> {
        let first = answers.message().await.map_err(|status| refusal(&status))?;
        let first = first.context("the server did not say how far the import has come")?;
        let checkpoint = u64::try_from(first.checkpoint).context("a checkpoint is positive")?;
        self.tally.begin(checkpoint);
        Ok(checkpoint)
    }

    /// Sends lines while there is room and takes answers as they come.
    async fn go(
        &mut self,
        mut lines: Receiver<Line>,
        answers: &mut Streaming<ImportCollectionsResponse>,
    ) -> Result<()> {
        loop {
            let has_room = self.on_their_way.len() < WINDOW && self.requests.is_some();
            tokio::select! {
                line = lines.recv(), if has_room => match line {
                    Some(line) => self.take(line).await?,
                    // The end of the file: the server answers the rest and ends the stream.
                    None => self.requests = None,
                },
                answer = answers.message() => match answer.map_err(|status| refusal(&status))? {
                    Some(answer) => self.settle(answer)?,
                    None => return self.end(),
                },
            }
        }
    }

    async fn take(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Skipped { end } => self.tally.skip(end),
            Line::Unreadable { number, problem } => self.tally.refuse_line(number, &problem)?,
            Line::Broken(error) => return Err(error),
            Line::Record {
                number,
                end,
                registration,
            } => {
                self.on_their_way.push_back((number, end));
                self.send(ImportCollectionsRequest {
                    import_id: self.id.clone(),
                    sequence: i64::try_from(number).context("the file has too many lines")?,
                    registration: Some(*registration),
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, request: ImportCollectionsRequest) -> Result<()> {
        let Some(requests) = &self.requests else {
            bail!("the file has ended");
        };
        // The channel has room for the window: this waits only when the connection is gone.
        let sent = requests.send(request).await;
        sent.ok().context("the connection to the server is gone")
    }

    fn settle(&mut self, answer: ImportCollectionsResponse) -> Result<()> {
        let (number, end) = self
            .on_their_way
            .pop_front()
            .context("the server answered what was not asked")?;
        if u64::try_from(answer.sequence) != Ok(number) {
            bail!(
                "the server answered line {} out of its turn",
                answer.sequence
            );
        }
        self.tally.settle(number, end, answer.result)
    }

    fn end(&self) -> Result<()> {
        if self.requests.is_some() || !self.on_their_way.is_empty() {
            bail!("the server ended the stream");
        }
        Ok(())
    }
}

fn size_of(file: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(file).with_context(|| file.display().to_string())?;
    Ok(metadata.len())
}

/// An id that belongs to the content of the file.
async fn id_of(file: &Path) -> Result<Uuid> {
    let file = file.to_owned();
    spawn_blocking(move || hash(&file)).await?
}

fn hash(path: &Path) -> Result<Uuid> {
    let name = || path.display().to_string();
    let mut file = File::open(path).with_context(name)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; HASH_BYTES];
    loop {
        match file.read(&mut buffer).with_context(name)? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    let digest = context.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
