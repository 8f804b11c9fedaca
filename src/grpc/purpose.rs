//! `PurposeService`: checks in their four forms, and the audience.

mod checks;
mod express;

use std::sync::Arc;

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, Streaming};

use self::checks::{Asked, Checks};
use super::{
    caller::caller,
    decision::{TRACE_STEPS_MAX, category},
    parse::{
        Parse, Parsed,
        limits::{BATCH_ENTRIES_MAX, CORRELATION_ID_BYTES_MAX, DATA_CATEGORIES_MAX, ITEM_IDS_MAX},
    },
    render::{instant, text, texts},
    status::Failure,
};
use crate::{
    app::{Error, Registry, audience::AudiencePart, purpose::LawfulUse},
    domain::{
        audit::Action, caller::Caller, decision::Query, id::ItemId, name::DataCategory,
        revision::Revision,
    },
    proto::v1::{
        self, check_purpose_result, purpose_service_server,
        purpose_service_server::PurposeServiceServer, stream_check_purpose_response,
    },
};

/// Steps that the traces of one batch have together.
const BATCH_TRACE_STEPS_MAX: usize = 20_000;
/// Checks of a stream that are answered from one state.
const STREAM_GROUP_MAX: usize = 100;
/// Groups of one stream that are answered at once; then nothing more is read from it.
const STREAM_GROUPS_AT_ONCE: usize = 4;

/// The service, over the registry's use cases. What is not answered at once is read on the runtime that this is
/// called on.
pub fn service(registry: Registry) -> PurposeServiceServer<PurposeService> {
    let checks = Checks::new(registry.clone());
    PurposeServiceServer::new(PurposeService { registry, checks })
}

/// May this be done, and for whom?
#[derive(Clone)]
pub struct PurposeService {
    registry: Registry,
    checks: Checks,
}

#[tonic::async_trait]
impl purpose_service_server::PurposeService for PurposeService {
    async fn check_purpose(
        &self,
        request: Request<v1::CheckPurposeRequest>,
    ) -> Result<Response<v1::CheckPurposeResponse>, Status> {
        let caller = caller(&request)?;
        let decision = self.checks.answer(caller, request.into_inner()).await?;
        Ok(Response::new(v1::CheckPurposeResponse {
            decision: Some(decision),
        }))
    }

    async fn batch_check_purpose(
        &self,
        request: Request<v1::BatchCheckPurposeRequest>,
    ) -> Result<Response<v1::BatchCheckPurposeResponse>, Status> {
        let caller = caller(&request)?;
        let v1::BatchCheckPurposeRequest {
            entries,
            at_least_as_fresh,
        } = request.into_inner();
        batch_size(entries.len())?;
        let steps_max = (BATCH_TRACE_STEPS_MAX / entries.len()).min(TRACE_STEPS_MAX);
        let fresh = revision(&at_least_as_fresh)?;
        let action = Action::BatchCheckPurpose;
        let checks = entries.into_iter().map(Ok).collect();
        let asked = Asked {
            caller,
            action,
            fresh,
            steps_max,
        };
        let answers = self.checks.answer_all(&asked, checks).await?;
        Ok(Response::new(v1::BatchCheckPurposeResponse {
            results: answers.into_iter().map(batch_result).collect(),
        }))
    }

    type StreamCheckPurposeStream =
        BoxStream<'static, Result<v1::StreamCheckPurposeResponse, Status>>;

    async fn stream_check_purpose(
        &self,
        request: Request<Streaming<v1::StreamCheckPurposeRequest>>,
    ) -> Result<Response<Self::StreamCheckPurposeStream>, Status> {
        let caller = caller(&request)?;
        let answers = answers(self.checks.clone(), caller, request.into_inner());
        Ok(Response::new(answers.boxed()))
    }

    async fn list_lawful_purposes(
        &self,
        request: Request<v1::ListLawfulPurposesRequest>,
    ) -> Result<Response<v1::ListLawfulPurposesResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let subject = parse.subject("subject", message.subject);
        let data = data_categories(&mut parse, message.data_categories);
        let (subject, data) = parse
            .finish(|| Ok((subject?, data?)))
            .map_err(Error::from)?;
        let fresh = revision(&message.at_least_as_fresh)?;
        let lawful = self
            .registry
            .list_lawful_purposes(&caller, &subject, &data, fresh)
            .await?;
        Ok(Response::new(v1::ListLawfulPurposesResponse {
            purposes: lawful.uses.iter().map(lawful_purpose).collect(),
            policy_version: lawful.policy_version.to_string(),
            revision: lawful.revision.to_string(),
        }))
    }

    type ListLawfulSubjectsStream =
        BoxStream<'static, Result<v1::ListLawfulSubjectsResponse, Status>>;

    async fn list_lawful_subjects(
        &self,
        request: Request<v1::ListLawfulSubjectsRequest>,
    ) -> Result<Response<Self::ListLawfulSubjectsStream>, Status> {
        let caller = caller(&request)?;
        let audience = Audience::read(self.registry.clone(), caller, request.into_inner())?;
        // The first part is found before the call is answered, so that a refusal is the answer.
        let first = audience.part(audience.cursor.as_deref()).await?;
        Ok(Response::new(audience.parts(first).boxed()))
    }
}

/// A revision that an answer must include; `None`: none was named.
pub(super) fn revision(text: &str) -> Result<Option<Revision>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let revision = text.parse();
    revision.map(Some).map_err(|_| Error::RevisionUnknown)
}

/// How many entries a batch may have.
pub(super) fn batch_size(entries: usize) -> Result<(), Error> {
    let mut parse = Parse::new();
    let counted = parse.count("entries", entries, BATCH_ENTRIES_MAX);
    let some = match entries {
        0 => Err(parse.refuse("entries", "must not be empty")),
        _ => Ok(()),
    };
    Ok(parse.finish(|| counted.and(some))?)
}

/// What a question is about: data categories and single items, at least one of either.
pub(super) fn asked_data(
    parse: &mut Parse,
    data: Vec<String>,
    items: Vec<String>,
) -> Parsed<(Vec<DataCategory>, Vec<ItemId>)> {
    let nothing = data.is_empty() && items.is_empty();
    let data = data_categories(parse, data);
    let items = parse.ids("item_ids", items, ITEM_IDS_MAX);
    if nothing {
        return Err(parse.refuse("data_categories", "or item_ids must not be empty"));
    }
    Ok((data?, items?))
}

/// Names of data categories, as many as one question may have.
pub(super) fn data_categories(parse: &mut Parse, data: Vec<String>) -> Parsed<Vec<DataCategory>> {
    parse.names("data_categories", data, DATA_CATEGORIES_MAX)
}

fn batch_result(result: Result<v1::Decision, Error>) -> v1::CheckPurposeResult {
    use check_purpose_result::Result as Kind;
    v1::CheckPurposeResult {
        result: Some(match result {
            Ok(decision) => Kind::Decision(decision),
            Err(error) => Kind::Error(Failure::from(error).into_entry()),
        }),
    }
}

/// Answers checks as they come. Those that have come are answered together, from a state that is
/// younger than the last of them; while too many are unanswered, nothing more is read.
fn answers(
    checks: Checks,
    caller: Arc<Caller>,
    incoming: Streaming<v1::StreamCheckPurposeRequest>,
) -> impl Stream<Item = Result<v1::StreamCheckPurposeResponse, Status>> {
    incoming
        .ready_chunks(STREAM_GROUP_MAX)
        .map(move |group| answer_group(checks.clone(), caller.clone(), group))
        .buffer_unordered(STREAM_GROUPS_AT_ONCE)
        .flat_map(stream::iter)
}

async fn answer_group(
    checks: Checks,
    caller: Arc<Caller>,
    group: Vec<Result<v1::StreamCheckPurposeRequest, Status>>,
) -> Vec<Result<v1::StreamCheckPurposeResponse, Status>> {
    let (mut ids, mut read, mut broken) = (Vec::new(), Vec::new(), None);
    for message in group {
        match message {
            Ok(message) => {
                let (id, check) = read_stream_check(message);
                ids.push(id);
                read.push(check);
            }
            Err(status) => broken = Some(status),
        }
    }
    let asked = Asked {
        caller,
        action: Action::StreamCheckPurpose,
        fresh: None,
        steps_max: BATCH_TRACE_STEPS_MAX / STREAM_GROUP_MAX,
    };
    let mut results = match checks.answer_all(&asked, read).await {
        Ok(answers) => {
            let answered = ids.into_iter().zip(answers);
            answered
                .map(|(id, one)| Ok(stream_result(id, one)))
                .collect()
        }
        Err(error) => vec![Err(error.into())],
    };
    results.extend(broken.map(Err));
    results
}

fn read_stream_check(
    message: v1::StreamCheckPurposeRequest,
) -> (String, Result<v1::CheckPurposeRequest, Error>) {
    let mut parse = Parse::new();
    let id = message.correlation_id;
    let read = parse.text("correlation_id", id.clone(), CORRELATION_ID_BYTES_MAX);
    let check = parse.required("check", message.check, |_, check| Ok(check));
    let check = parse.finish(|| {
        read?;
        check
    });
    let check = check.map_err(Error::from);
    // A longer one is not sent back; the refusal says that it was too long.
    let id = if id.len() > CORRELATION_ID_BYTES_MAX {
        String::new()
    } else {
        id
    };
    (id, check)
}

fn stream_result(
    correlation_id: String,
    result: Result<v1::Decision, Error>,
) -> v1::StreamCheckPurposeResponse {
    use stream_check_purpose_response::Result as Kind;
    v1::StreamCheckPurposeResponse {
        correlation_id,
        result: Some(match result {
            Ok(decision) => Kind::Decision(decision),
            Err(error) => Kind::Error(Failure::from(error).into_entry()),
        }),
    }
}

fn lawful_purpose(lawful: &LawfulUse) -> v1::LawfulPurpose {
    let valid_until: Option<Timestamp> = lawful.valid_until.map(instant);
    v1::LawfulPurpose {
        purpose: lawful.purpose.to_string(),
        processor: text(lawful.processor.as_ref()),
        per_category: lawful.allowed.iter().map(category).collect(),
        valid_until,
    }
}

/// A search for an audience.
struct Audience {
    registry: Registry,
    caller: Arc<Caller>,
    query: Query,
    fresh: Option<Revision>,
    cursor: Option<String>,
}

impl Audience {
    fn read(
        registry: Registry,
        caller: Arc<Caller>,
        message: v1::ListLawfulSubjectsRequest,
    ) -> Result<Self, Error> {
        let mut parse = Parse::new();
        let purpose = parse.name("purpose", &message.purpose);
        let data = data_categories(&mut parse, message.data_categories);
        let data = parse.some("data_categories", data);
        let processor = parse.optional_name("processor", &message.processor);
        let cursor = parse.opaque("cursor", message.cursor);
        let (query, cursor) = parse.finish(|| {
            let query = Query {
                data_categories: data?,
                item_ids: Vec::new(),
                purpose: purpose?,
                processor: processor?,
            };
            Ok((query, cursor?))
        })?;
        Ok(Self {
            registry,
            caller,
            query,
            fresh: revision(&message.at_least_as_fresh)?,
            cursor,
        })
    }

    async fn part(&self, cursor: Option<&str>) -> Result<AudiencePart, Error> {
        self.registry
            .list_lawful_subjects(&self.caller, &self.query, self.fresh, cursor)
            .await
    }

    /// The parts one after the other; the next is looked for when the one before was taken.
    fn parts(
        self,
        first: AudiencePart,
    ) -> impl Stream<Item = Result<v1::ListLawfulSubjectsResponse, Status>> {
        async_stream::try_stream! {
            let mut part = first;
            loop {
                let (is_last, cursor) = (part.is_last, part.cursor.clone());
                yield audience_part(part);
                if is_last {
                    break;
                }
                part = self.part(Some(&cursor)).await?;
            }
        }
    }
}

fn audience_part(part: AudiencePart) -> v1::ListLawfulSubjectsResponse {
    let subjects = part.subjects.iter();
    v1::ListLawfulSubjectsResponse {
        subjects: subjects
            .map(|(id, items)| v1::LawfulSubject {
                subject_id: id.to_string(),
                item_ids: texts(items),
            })
            .collect(),
        cursor: part.cursor,
        revision: part.revision.to_string(),
    }
}
