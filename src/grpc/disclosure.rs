//! `DisclosureService`.

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    batch::part,
    caller::caller,
    decision::decision,
    parse::{Parse, limits::EXTERNAL_REFERENCE_BYTES_MAX},
    purpose::{asked_data, batch_size},
    render::instant,
    status::Failure,
};
use crate::{
    app::{
        Call, Error, Registry,
        disclosure::{Disclose, Disclosed},
    },
    domain::{
        audit::Action,
        disclosure::{Disclosure, ExternalReference},
        revision::Revision,
    },
    proto::v1::{
        self, disclosure_service_server, disclosure_service_server::DisclosureServiceServer,
        record_disclosure_result,
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> DisclosureServiceServer<DisclosureService> {
    DisclosureServiceServer::new(DisclosureService { registry })
}

/// What went to whom.
#[derive(Clone)]
pub struct DisclosureService {
    registry: Registry,
}

#[tonic::async_trait]
impl disclosure_service_server::DisclosureService for DisclosureService {
    async fn record_disclosure(
        &self,
        request: Request<v1::RecordDisclosureRequest>,
    ) -> Result<Response<v1::RecordDisclosureResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let read = read_disclose(&mut parse, message);
        let (disclose, request_id) = parse
            .finish(|| Ok((read?, request_id?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::RecordDisclosure).idempotent(request_id, canonical);
        let written = self.registry.record_disclosure(call, disclose).await?;
        Ok(Response::new(recorded(written.value, written.revision)))
    }

    async fn batch_record_disclosure(
        &self,
        request: Request<v1::BatchRecordDisclosureRequest>,
    ) -> Result<Response<v1::BatchRecordDisclosureResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        batch_size(message.entries.len())?;
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let request_id = parse.finish(|| request_id).map_err(Error::from)?;
        let canonical = message.encode_to_vec();
        let read = message.entries.into_iter().map(read_entry);
        let (entries, places) = part(read.collect());
        let call =
            Call::new(caller, Action::BatchRecordDisclosure).idempotent(request_id, canonical);
        let written = self.registry.record_disclosures(call, entries).await?;
        let (results, revision) = (places.fill(written.value), written.revision);
        let any = results.iter().any(Result::is_ok);
        let results = results.into_iter().map(|one| result(one, revision));
        Ok(Response::new(v1::BatchRecordDisclosureResponse {
            results: results.collect(),
            revision: if any {
                revision.to_string()
            } else {
                String::new()
            },
        }))
    }

    async fn list_disclosures(
        &self,
        request: Request<v1::ListDisclosuresRequest>,
    ) -> Result<Response<v1::ListDisclosuresResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let subject = parse.subject("subject", message.subject);
        let processor = parse.optional_name("processor", &message.processor);
        let page = parse.page(message.page_size, message.page_token);
        let (subject, processor, page) = parse
            .finish(|| Ok((subject?, processor?, page?)))
            .map_err(Error::from)?;
        let token = page.token.as_deref();
        let listed = self
            .registry
            .list_disclosures(&caller, &subject, processor.as_ref(), page.size, token)
            .await?;
        Ok(Response::new(v1::ListDisclosuresResponse {
            disclosures: listed.entries.into_iter().map(disclosure).collect(),
            next_page_token: listed.next.unwrap_or_default(),
        }))
    }
}

fn read_entry(message: v1::RecordDisclosureRequest) -> Result<Disclose, Error> {
    let mut parse = Parse::new();
    if !message.request_id.is_empty() {
        parse.refuse(
            "request_id",
            "must be empty: the batch has one for the whole",
        );
    }
    let read = read_disclose(&mut parse, message);
    Ok(parse.finish(|| read)?)
}

fn read_disclose(
    parse: &mut Parse,
    message: v1::RecordDisclosureRequest,
) -> super::parse::Parsed<Disclose> {
    let subject = parse.subject("subject", message.subject);
    let asked = asked_data(parse, message.data_categories, message.item_ids);
    let purpose = parse.name("purpose", &message.purpose);
    let processor = parse.name("processor", &message.processor);
    let reference = parse.text(
        "external_reference",
        message.external_reference,
        EXTERNAL_REFERENCE_BYTES_MAX,
    );
    let occurred_at = parse.instant("occurred_at", message.occurred_at);
    let (data_categories, item_ids) = asked?;
    Ok(Disclose {
        subject: subject?,
        data_categories,
        item_ids,
        purpose: purpose?,
        processor: processor?,
        external_reference: ExternalReference::new(reference?),
        occurred_at: occurred_at?,
    })
}

fn result(result: Result<Disclosed, Error>, revision: Revision) -> v1::RecordDisclosureResult {
    use record_disclosure_result::Result as Kind;
    v1::RecordDisclosureResult {
        result: Some(match result {
            Ok(disclosed) => Kind::Recorded(recorded(disclosed, revision)),
            Err(error) => Kind::Error(Failure::from(error).into_entry()),
        }),
    }
}

fn recorded(disclosed: Disclosed, revision: Revision) -> v1::RecordDisclosureResponse {
    v1::RecordDisclosureResponse {
        decision: Some(decision(&disclosed.answer, 0)),
        disclosure: Some(disclosure(disclosed.disclosure)),
        revision: revision.to_string(),
    }
}

fn disclosure(disclosure: Disclosure) -> v1::Disclosure {
    let mut data: Vec<_> = disclosure
        .items
        .iter()
        .map(|(_, data)| data.to_string())
        .collect();
    data.sort_unstable();
    data.dedup();
    v1::Disclosure {
        disclosure_id: disclosure.disclosure_id.to_string(),
        subject_id: disclosure.subject_id.to_string(),
        data_categories: data,
        item_ids: disclosure
            .items
            .iter()
            .map(|(id, _)| id.to_string())
            .collect(),
        purpose: disclosure.purpose.to_string(),
        processor: disclosure.processor.to_string(),
        external_reference: disclosure
            .external_reference
            .map(|reference| reference.expose().to_owned())
            .unwrap_or_default(),
        occurred_at: Some(instant(disclosure.occurred_at)),
        recorded_at: Some(instant(disclosure.recorded_at)),
        decision_id: disclosure.decision_id.to_string(),
        recorded_by: disclosure.recorded_by,
    }
}
