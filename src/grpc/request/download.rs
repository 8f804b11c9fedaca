//! Packages, handed out in pieces.

use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use crate::{app::Registry, proto::v1};

/// The pieces of a package, in order.
pub(super) type Pieces = BoxStream<'static, Result<v1::DownloadExportResponse, Status>>;

/// Not served yet.
#[expect(
    clippy::unused_async,
    reason = "the use case that it is to call is asynchronous"
)]
pub(super) async fn download(
    _registry: &Registry,
    _request: Request<v1::DownloadExportRequest>,
) -> Result<Response<Pieces>, Status> {
    Err(Status::unimplemented("packages are not handed out yet"))
}
