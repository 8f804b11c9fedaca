//! The certificate of an erasure.

use tonic::{Request, Response, Status};

use crate::{app::Registry, proto::v1};

/// Not served yet.
#[expect(
    clippy::unused_async,
    reason = "the use case that it is to call is asynchronous"
)]
pub(super) async fn certificate(
    _registry: &Registry,
    _request: Request<v1::GetErasureCertificateRequest>,
) -> Result<Response<v1::GetErasureCertificateResponse>, Status> {
    Err(Status::unimplemented("erasures are not certified yet"))
}
