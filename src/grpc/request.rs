//! `RequestService`.

mod certificate;
mod download;
mod preview;
mod read;
mod render;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{caller::caller, parse::Parse};
use crate::{
    app::{
        Call, Error, Registry, Written,
        request::{ListRequests, RequestView},
    },
    domain::{audit::Action, id::SubjectRequestId, request::RequestState},
    proto::v1::{self, request_service_server, request_service_server::RequestServiceServer},
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> RequestServiceServer<RequestService> {
    RequestServiceServer::new(RequestService { registry })
}

/// What people ask for, and what becomes of it.
#[derive(Clone)]
pub struct RequestService {
    registry: Registry,
}

/// A step of one request: the parts that every such message has. The key is taken out of it, so that a
/// repeat under another one has the same canonical encoding.
macro_rules! step {
    ($service:ident, $request:ident, $action:ident, $response:ident, |$parse:ident, $message:ident| $read:expr,
        |$call:ident, $id:ident, $value:ident| $use_case:expr) => {{
        let caller = caller(&$request)?;
        let mut $message = $request.into_inner();
        let mut $parse = Parse::new();
        let request_id = $parse.request_id(&std::mem::take(&mut $message.request_id));
        let canonical = $message.encode_to_vec();
        let id = $parse.id("subject_request_id", &$message.subject_request_id);
        let value = $read;
        let (($id, $value), request_id) = $parse
            .finish_judged(&$service.registry, (&caller, Action::$action), || {
                Ok(((id?, value?), request_id?))
            })
            .await?;
        let $call = Call::new(caller, Action::$action).idempotent(request_id, canonical);
        let (request, revision) = rendered($use_case.await?);
        Ok(Response::new(v1::$response { request, revision }))
    }};
}

#[tonic::async_trait]
impl request_service_server::RequestService for RequestService {
    type DownloadExportStream = download::Pieces;

    async fn create_request(
        &self,
        request: Request<v1::CreateRequestRequest>,
    ) -> Result<Response<v1::CreateRequestResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let create = read::create(&mut parse, message);
        let (create, request_id) = parse
            .finish_judged(&self.registry, (&caller, Action::CreateRequest), || {
                Ok((create?, request_id?))
            })
            .await?;
        let call = Call::new(caller, Action::CreateRequest).idempotent(request_id, canonical);
        let written = self.registry.create_request(call, create).await?;
        let (request, revision) = rendered(written);
        Ok(Response::new(v1::CreateRequestResponse {
            request,
            revision,
        }))
    }

    async fn verify_identity(
        &self,
        request: Request<v1::VerifyIdentityRequest>,
    ) -> Result<Response<v1::VerifyIdentityResponse>, Status> {
        step!(
            self,
            request,
            VerifyIdentity,
            VerifyIdentityResponse,
            |parse, message| parse.chosen("method", message.method),
            |call, id, method| self.registry.verify_identity(call, id, method)
        )
    }

    async fn doubt_identity(
        &self,
        request: Request<v1::DoubtIdentityRequest>,
    ) -> Result<Response<v1::DoubtIdentityResponse>, Status> {
        step!(
            self,
            request,
            DoubtIdentity,
            DoubtIdentityResponse,
            |parse, message| Ok(()),
            |call, id, _nothing| self.registry.doubt_identity(call, id)
        )
    }

    async fn get_request(
        &self,
        request: Request<v1::GetRequestRequest>,
    ) -> Result<Response<v1::GetRequestResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let id = parse.id(
            "subject_request_id",
            &request.into_inner().subject_request_id,
        );
        let id: SubjectRequestId = parse.finish(|| id).map_err(Error::from)?;
        let found = self.registry.get_request(&caller, id).await?;
        Ok(Response::new(v1::GetRequestResponse {
            request: Some(render::request(found)),
        }))
    }

    async fn list_requests(
        &self,
        request: Request<v1::ListRequestsRequest>,
    ) -> Result<Response<v1::ListRequestsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let state = parse.optionally_chosen::<RequestState>("state", message.state);
        let due_before = parse.instant("due_before", message.due_before);
        let subject = match message.subject {
            None => Ok(None),
            subject => parse.known_subject("subject", subject).map(Some),
        };
        let page = parse.page(message.page_size, message.page_token);
        let (list, page) = parse
            .finish_judged(&self.registry, (&caller, Action::ListRequests), || {
                let list = ListRequests {
                    state: state?,
                    due_before: due_before?,
                    subject: subject?,
                };
                Ok((list, page?))
            })
            .await?;
        let token = page.token.as_deref();
        let listed = self
            .registry
            .list_requests(&caller, &list, page.size, token)
            .await?;
        Ok(Response::new(v1::ListRequestsResponse {
            requests: listed.entries.into_iter().map(render::request).collect(),
            next_page_token: listed.next.unwrap_or_default(),
        }))
    }

    async fn extend_request(
        &self,
        request: Request<v1::ExtendRequestRequest>,
    ) -> Result<Response<v1::ExtendRequestResponse>, Status> {
        step!(
            self,
            request,
            ExtendRequest,
            ExtendRequestResponse,
            |parse, message| read::told(&mut parse, "reason", message.reason),
            |call, id, reason| self.registry.extend_request(call, id, reason)
        )
    }

    async fn reject_request(
        &self,
        request: Request<v1::RejectRequestRequest>,
    ) -> Result<Response<v1::RejectRequestResponse>, Status> {
        step!(
            self,
            request,
            RejectRequest,
            RejectRequestResponse,
            |parse, message| read::told(&mut parse, "reason", message.reason),
            |call, id, reason| self.registry.reject_request(call, id, reason)
        )
    }

    async fn cancel_request(
        &self,
        request: Request<v1::CancelRequestRequest>,
    ) -> Result<Response<v1::CancelRequestResponse>, Status> {
        step!(
            self,
            request,
            CancelRequest,
            CancelRequestResponse,
            |parse, message| Ok(()),
            |call, id, _nothing| self.registry.cancel_request(call, id)
        )
    }

    async fn answer_request(
        &self,
        request: Request<v1::AnswerRequestRequest>,
    ) -> Result<Response<v1::AnswerRequestResponse>, Status> {
        step!(
            self,
            request,
            AnswerRequest,
            AnswerRequestResponse,
            |parse, message| parse.past("answered_at", message.answered_at),
            |call, id, answered_at| self.registry.answer_request(call, id, answered_at)
        )
    }

    async fn decide_objection(
        &self,
        request: Request<v1::DecideObjectionRequest>,
    ) -> Result<Response<v1::DecideObjectionResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let decide = read::decide(&mut parse, message);
        let (decide, request_id) = parse
            .finish(|| Ok((decide?, request_id?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::DecideObjection).idempotent(request_id, canonical);
        let written = self.registry.decide_objection(call, decide).await?;
        let (request, revision) = rendered(written);
        Ok(Response::new(v1::DecideObjectionResponse {
            request,
            revision,
        }))
    }

    async fn lift_restriction(
        &self,
        request: Request<v1::LiftRestrictionRequest>,
    ) -> Result<Response<v1::LiftRestrictionResponse>, Status> {
        step!(
            self,
            request,
            LiftRestriction,
            LiftRestrictionResponse,
            |parse, message| read::required_past(&mut parse, "informed_at", message.informed_at),
            |call, id, informed_at| self.registry.lift_restriction(call, id, informed_at)
        )
    }

    async fn preview_erasure(
        &self,
        request: Request<v1::PreviewErasureRequest>,
    ) -> Result<Response<v1::PreviewErasureResponse>, Status> {
        preview::preview(&self.registry, request).await
    }

    async fn get_erasure_certificate(
        &self,
        request: Request<v1::GetErasureCertificateRequest>,
    ) -> Result<Response<v1::GetErasureCertificateResponse>, Status> {
        certificate::certificate(&self.registry, request).await
    }

    async fn download_export(
        &self,
        request: Request<v1::DownloadExportRequest>,
    ) -> Result<Response<Self::DownloadExportStream>, Status> {
        download::download(&self.registry, request).await
    }
}

/// What every answer to a write has: the request, and the committed state.
fn rendered(written: Written<RequestView>) -> (Option<v1::SubjectRequest>, String) {
    let request = render::request(written.value);
    (Some(request), written.revision.to_string())
}
