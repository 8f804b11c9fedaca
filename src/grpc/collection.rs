//! `CollectionService`.

mod import;
mod read;
mod render;

use std::mem::take;

use futures::StreamExt;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{caller::caller, parse::Parse, render::instant};
use crate::{
    app::{Call, Error, Registry},
    domain::audit::Action,
    proto::v1::{
        self,
        collection_service_server::{CollectionService, CollectionServiceServer},
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> CollectionServiceServer<Collections> {
    CollectionServiceServer::new(Collections { registry })
}

/// What services say they collected.
#[derive(Clone)]
pub struct Collections {
    registry: Registry,
}

#[tonic::async_trait]
impl CollectionService for Collections {
    async fn register_collection(
        &self,
        request: Request<v1::RegisterCollectionRequest>,
    ) -> Result<Response<v1::RegisterCollectionResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let (request_id, validate_only) = (take(&mut message.request_id), message.validate_only);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let registration = parse.registration(message);
        let (request_id, registration) = parse
            .finish(|| Ok((request_id?, registration?)))
            .map_err(Error::from)?;
        if validate_only {
            let preview = self
                .registry
                .preview_collection(&caller, &registration)
                .await?;
            return Ok(Response::new(render::registered(preview, None)));
        }
        let call = Call::new(caller, Action::RegisterCollection).idempotent(request_id, canonical);
        let written = self
            .registry
            .register_collection(call, registration)
            .await?;
        Ok(Response::new(render::registered(
            written.value,
            Some(written.revision),
        )))
    }

    type ImportCollectionsStream = import::Answers;

    async fn import_collections(
        &self,
        request: Request<Streaming<v1::ImportCollectionsRequest>>,
    ) -> Result<Response<Self::ImportCollectionsStream>, Status> {
        let caller = caller(&request)?;
        let answers = import::answers(self.registry.clone(), caller, request.into_inner());
        Ok(Response::new(answers.boxed()))
    }

    async fn record_activity(
        &self,
        request: Request<v1::RecordActivityRequest>,
    ) -> Result<Response<v1::RecordActivityResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let subject = parse.subject("subject", message.subject);
        let source = parse.optional_name("source", &message.source);
        let at = parse.instant("at", message.at);
        let (request_id, subject, source, at) = parse
            .finish(|| Ok((request_id?, subject?, source?, at?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::RecordActivity).idempotent(request_id, canonical);
        let written = self
            .registry
            .record_activity(call, subject, source, at)
            .await?;
        Ok(Response::new(v1::RecordActivityResponse {
            subject_id: written.value.subject_id.to_string(),
            last_activity_at: Some(instant(written.value.at)),
            revision: written.revision.to_string(),
        }))
    }
}
