//! The stream of an import: records are gathered into batches, batches are settled one by one, and
//! only then more is read. That bounds the memory, and slows the sender down to what the store takes.

use std::{sync::Arc, time::Duration};

use async_stream::try_stream;
use futures::{Stream, stream::BoxStream};
use prost::Message;
use tokio::time::sleep;
use tonic::{Status, Streaming};

use super::render;
use crate::{
    app::{
        Error, Registry,
        collection::{
            Registration,
            import::{
                BATCH_BYTES_MAX, BATCH_IDENTIFIERS_MAX, BATCH_RECORDS_MAX, ImportOutcome,
                ImportRecord, ImportedBatch, ImportedRecord,
            },
        },
    },
    domain::{caller::Caller, id::ImportId, violation::Violations},
    grpc::{parse::Parse, status::Failure},
    proto::v1::{self, import_collections_response::Result as Outcome},
};

/// How long the first record of a batch waits for company.
const GATHER: Duration = Duration::from_millis(5);

/// The answers of an import.
pub(super) type Answers = BoxStream<'static, Result<v1::ImportCollectionsResponse, Status>>;

/// Settles the records of `sent`, in their order.
pub(super) fn answers(
    registry: Registry,
    caller: Arc<Caller>,
    sent: Streaming<v1::ImportCollectionsRequest>,
) -> impl Stream<Item = Result<v1::ImportCollectionsResponse, Status>> + Send {
    try_stream! {
        let mut import = Import { sent, id: None, last: 0, over: false };
        while !import.over {
            let gathered = import.gather().await?;
            let Some(id) = import.id else { break };
            if !gathered.records.is_empty() {
                let settled = registry.import_batch(&caller, id, gathered.records).await?;
                for answer in render_batch(settled) {
                    yield answer;
                }
            }
            if gathered.asks_for_checkpoint {
                let checkpoint = registry.import_checkpoint(&caller, id).await?;
                yield v1::ImportCollectionsResponse { checkpoint, ..Default::default() };
            }
        }
    }
}

struct Import {
    sent: Streaming<v1::ImportCollectionsRequest>,
    id: Option<ImportId>,
    last: i64,
    over: bool,
}

#[derive(Default)]
struct Gathered {
    records: Vec<ImportRecord>,
    bytes: usize,
    identifiers: usize,
    asks_for_checkpoint: bool,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.records.len() >= BATCH_RECORDS_MAX
            || self.bytes >= BATCH_BYTES_MAX
            || self.identifiers >= BATCH_IDENTIFIERS_MAX
            || self.asks_for_checkpoint
    }
}

impl Import {
    /// Waits for a record, and shortly for more.
    async fn gather(&mut self) -> Result<Gathered, Status> {
        let mut gathered = Gathered::default();
        match self.sent.message().await? {
            Some(message) => self.take(message, &mut gathered)?,
            None => self.over = true,
        }
        let patience = sleep(GATHER);
        tokio::pin!(patience);
        while !self.over && !gathered.is_full() {
            let message = tokio::select! {
                biased;
                message = self.sent.message() => message?,
                () = &mut patience => break,
            };
            match message {
                Some(message) => self.take(message, &mut gathered)?,
                None => self.over = true,
            }
        }
        Ok(gathered)
    }

    fn take(
        &mut self,
        message: v1::ImportCollectionsRequest,
        gathered: &mut Gathered,
    ) -> Result<(), Error> {
        let mut parse = Parse::new();
        let id: Result<ImportId, _> = parse.id("import_id", &message.import_id);
        if let (Ok(id), Some(known)) = (&id, self.id)
            && *id != known
        {
            parse.refuse("import_id", "must be the same in every message of a stream");
        }
        let asks_for_checkpoint = message.sequence == 0 && message.registration.is_none();
        if !asks_for_checkpoint && message.sequence <= self.last {
            parse.refuse(
                "sequence",
                "must be positive and rise from message to message",
            );
        }
        self.id = Some(parse.finish(|| id)?);
        if asks_for_checkpoint {
            gathered.asks_for_checkpoint = true;
            return Ok(());
        }
        self.last = message.sequence;
        let record = record(message.sequence, message.registration);
        gathered.bytes += record.canonical.len();
        if let Ok(registration) = &record.registration {
            gathered.identifiers += 1 + registration.identifiers.len();
        }
        gathered.records.push(record);
        Ok(())
    }
}

fn record(sequence: i64, message: Option<v1::RegisterCollectionRequest>) -> ImportRecord {
    let canonical = message
        .as_ref()
        .map(Message::encode_to_vec)
        .unwrap_or_default();
    let registration = registration(message).map_err(Error::Invalid);
    ImportRecord {
        sequence,
        canonical,
        registration,
    }
}

/// What a record says. Its fields are named as they stand in the registration.
fn registration(
    message: Option<v1::RegisterCollectionRequest>,
) -> Result<Registration, Violations> {
    let Some(message) = message else {
        return Err(Violations::one("registration", "is required"));
    };
    let mut parse = Parse::new();
    if !message.request_id.is_empty() {
        parse.refuse(
            "request_id",
            "must be empty: a record's place in the import is its key",
        );
    }
    if message.validate_only {
        parse.refuse("validate_only", "must not be set: an import writes");
    }
    let registration = parse.registration(message);
    parse.finish(|| registration)
}

fn render_batch(batch: ImportedBatch) -> impl Iterator<Item = v1::ImportCollectionsResponse> {
    let ImportedBatch {
        records,
        checkpoint,
    } = batch;
    records
        .into_iter()
        .map(move |ImportedRecord { sequence, outcome }| {
            let result = match outcome {
                ImportOutcome::Registered(written) => Some(Outcome::Registered(
                    render::registered(written.value, Some(written.revision)),
                )),
                ImportOutcome::Refused(error) => {
                    Some(Outcome::Error(Failure::from(error).into_entry()))
                }
                ImportOutcome::Settled => None,
            };
            v1::ImportCollectionsResponse {
                sequence,
                result,
                checkpoint,
            }
        })
}
