//! The certificate of an erasure.

use tonic::{Request, Response, Status};

use crate::{
    app::{Error, Registry},
    grpc::{caller::caller, parse::Parse},
    proto::v1,
};

/// Signs one, as of now.
pub(super) async fn certificate(
    registry: &Registry,
    request: Request<v1::GetErasureCertificateRequest>,
) -> Result<Response<v1::GetErasureCertificateResponse>, Status> {
    let caller = caller(&request)?;
    let mut parse = Parse::new();
    let id = parse.id("subject_request_id", &request.get_ref().subject_request_id);
    let id = parse.finish(|| id).map_err(Error::from)?;
    let certificate = registry.erasure_certificate(&caller, id).await?;
    Ok(Response::new(v1::GetErasureCertificateResponse {
        envelope: certificate.envelope,
        r#final: certificate.is_final,
    }))
}
