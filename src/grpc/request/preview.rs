//! What an erasure would do.

use tonic::{Request, Response, Status};

use crate::{app::Registry, proto::v1};

/// Not served yet.
#[expect(
    clippy::unused_async,
    reason = "the use case that it is to call is asynchronous"
)]
pub(super) async fn preview(
    _registry: &Registry,
    _request: Request<v1::PreviewErasureRequest>,
) -> Result<Response<v1::PreviewErasureResponse>, Status> {
    Err(Status::unimplemented("erasures are not previewed yet"))
}
