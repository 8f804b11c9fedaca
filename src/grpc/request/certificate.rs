//! The certificate of an erasure.

use tonic::{Request, Response, Status};

use crate::{
    app::{Error, Registry, erasure::Certificate},
    grpc::{caller::caller, parse::Parse},
    proto::v1,
};

/// Issues it, as of now.
pub(super) async fn certificate(
    registry: &Registry,
    request: Request<v1::GetErasureCertificateRequest>,
) -> Result<Response<v1::GetErasureCertificateResponse>, Status> {
    let caller = caller(&request)?;
    let mut parse = Parse::new();
    let id = parse.id("subject_request_id", &request.get_ref().subject_request_id);
    let id = parse.finish(|| id).map_err(Error::from)?;
    let Certificate { envelope, is_final } = registry.erasure_certificate(&caller, id).await?;
    Ok(Response::new(v1::GetErasureCertificateResponse {
        envelope,
        r#final: is_final,
    }))
}
