//! `RecordService`.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream::BoxStream};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    decision::decision,
    parse::{Parse, Parsed},
    purpose::{asked_data, data_categories, revision},
    render::{item, item_state, texts},
};
use crate::{
    app::{
        Call, Error, Registry,
        record::{Correct, Delete, FETCH_PAGE, Fetch, Fetched},
    },
    domain::{audit::Action, caller::Caller},
    proto::v1::{
        self, fetch_records_response, record_service_server,
        record_service_server::RecordServiceServer,
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> RecordServiceServer<RecordService> {
    RecordServiceServer::new(RecordService { registry })
}

/// The collected values themselves.
#[derive(Clone)]
pub struct RecordService {
    registry: Registry,
}

#[tonic::async_trait]
impl record_service_server::RecordService for RecordService {
    type FetchRecordsStream = BoxStream<'static, Result<v1::FetchRecordsResponse, Status>>;

    async fn fetch_records(
        &self,
        request: Request<v1::FetchRecordsRequest>,
    ) -> Result<Response<Self::FetchRecordsStream>, Status> {
        let caller = caller(&request)?;
        let fetch = read_fetch(request.into_inner())?;
        let fetched = self.registry.fetch_records(caller.clone(), fetch).await?;
        let items = handed_out(self.registry.clone(), caller, fetched);
        Ok(Response::new(items.boxed()))
    }

    async fn correct_record(
        &self,
        request: Request<v1::CorrectRecordRequest>,
    ) -> Result<Response<v1::CorrectRecordResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let correct = read_correct(&mut parse, message);
        let (correct, request_id) = parse
            .finish(|| Ok((correct?, request_id?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::CorrectRecord).idempotent(request_id, canonical);
        let written = self.registry.correct_record(call, correct).await?;
        Ok(Response::new(v1::CorrectRecordResponse {
            item: Some(item_state(&written.value.item)),
            revision: written.revision.to_string(),
        }))
    }

    async fn delete_records(
        &self,
        request: Request<v1::DeleteRecordsRequest>,
    ) -> Result<Response<v1::DeleteRecordsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let validate_only = message.validate_only;
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let delete = read_delete(&mut parse, message);
        let (delete, request_id) = parse
            .finish(|| Ok((delete?, request_id?)))
            .map_err(Error::from)?;
        if validate_only {
            let doomed = self.registry.preview_deletion(&caller, &delete).await?;
            return Ok(Response::new(v1::DeleteRecordsResponse {
                deleted_item_ids: texts(&doomed),
                revision: String::new(),
            }));
        }
        let call = Call::new(caller, Action::DeleteRecords).idempotent(request_id, canonical);
        let written = self.registry.delete_records(call, delete).await?;
        Ok(Response::new(v1::DeleteRecordsResponse {
            deleted_item_ids: texts(&written.value),
            revision: written.revision.to_string(),
        }))
    }
}

fn read_fetch(message: v1::FetchRecordsRequest) -> Result<Fetch, Error> {
    let mut parse = Parse::new();
    let subject = parse.subject("subject", message.subject);
    let purpose = parse.name("purpose", &message.purpose);
    let processor = parse.optional_name("processor", &message.processor);
    let data = data_categories(&mut parse, message.data_categories);
    let (subject, purpose, processor, data_categories) =
        parse.finish(|| Ok((subject?, purpose?, processor?, data?)))?;
    Ok(Fetch {
        subject,
        purpose,
        processor,
        data_categories,
        at_least_as_fresh: revision(&message.at_least_as_fresh)?,
    })
}

/// The items, a page read when the one before was taken, and the decision at the end.
fn handed_out(
    registry: Registry,
    caller: Arc<Caller>,
    fetched: Fetched,
) -> impl Stream<Item = Result<v1::FetchRecordsResponse, Status>> {
    use fetch_records_response::Result as Kind;
    async_stream::try_stream! {
        for page in fetched.item_ids.chunks(FETCH_PAGE) {
            for one in registry.read_fetched(&caller, &fetched, page).await? {
                yield v1::FetchRecordsResponse { result: Some(Kind::Item(item(one))) };
            }
        }
        let decision = decision(&fetched.answer, 0);
        yield v1::FetchRecordsResponse { result: Some(Kind::Decision(decision)) };
    }
}

fn read_correct(parse: &mut Parse, message: v1::CorrectRecordRequest) -> Parsed<Correct> {
    let subject = parse.subject("subject", message.subject);
    let item_id = parse.id("item_id", &message.item_id);
    let content = match message.content {
        Some(content) => parse.content(content.into()),
        None => Err(parse.refuse("content", "is required")),
    };
    let corrected_at = parse.instant("corrected_at", message.corrected_at);
    Ok(Correct {
        subject: subject?,
        item_id: item_id?,
        content: content?,
        corrected_at: corrected_at?,
    })
}

fn read_delete(parse: &mut Parse, message: v1::DeleteRecordsRequest) -> Parsed<Delete> {
    let subject = parse.subject("subject", message.subject);
    let asked = asked_data(parse, message.data_categories, message.item_ids);
    let (data_categories, item_ids) = asked?;
    Ok(Delete {
        subject: subject?,
        item_ids,
        data_categories,
    })
}
