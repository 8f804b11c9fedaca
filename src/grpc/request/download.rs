//! `DownloadExport`: a package, a piece at a time, from any byte on.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use tonic::{Request, Response, Status};

use crate::{
    app::{
        Error, Registry,
        export::{Download, OpenedExport},
    },
    domain::{
        caller::Caller,
        export::{ExportFormat, ExportKind},
    },
    grpc::{
        caller::caller,
        parse::{Parse, Parsed},
    },
    proto::v1,
};

/// The pieces of a package; the next one is read when the one before was taken.
pub type Pieces = BoxStream<'static, Result<v1::DownloadExportResponse, Status>>;

/// Opens a package and streams it.
pub async fn download(
    registry: &Registry,
    request: Request<v1::DownloadExportRequest>,
) -> Result<Response<Pieces>, Status> {
    let caller = caller(&request)?;
    let mut parse = Parse::new();
    let asked = read(&mut parse, request.get_ref());
    let asked = parse.finish(|| asked).map_err(Error::from)?;
    let opened = registry.open_export(&caller, asked).await?;
    Ok(Response::new(pieces(
        registry.clone(),
        caller,
        opened,
        asked.offset,
    )))
}

/// At least one message: who begins at the end learns that it is the end.
fn pieces(registry: Registry, caller: Arc<Caller>, opened: OpenedExport, from: u64) -> Pieces {
    async_stream::try_stream! {
        let mut offset = from;
        loop {
            let data = registry.read_export(&caller, &opened, offset).await?;
            let next = offset + data.len() as u64;
            yield v1::DownloadExportResponse {
                offset: count(offset)?,
                data,
                total_bytes: count(opened.total_bytes)?,
            };
            if next >= opened.total_bytes {
                break;
            }
            offset = next;
        }
    }
    .boxed()
}

fn count(bytes: u64) -> Result<i64, Error> {
    i64::try_from(bytes).map_err(|_| Error::Internal("a package is too long for its field".into()))
}

fn read(parse: &mut Parse, message: &v1::DownloadExportRequest) -> Parsed<Download> {
    let subject_request_id = parse.id("subject_request_id", &message.subject_request_id);
    let kind = match v1::RequestKind::try_from(message.kind) {
        Ok(v1::RequestKind::Unspecified) => Ok(None),
        Ok(v1::RequestKind::Access) => Ok(Some(ExportKind::Access)),
        Ok(v1::RequestKind::Portability) => Ok(Some(ExportKind::Portability)),
        _ => Err(parse.refuse("kind", "must be access or portability, or unspecified")),
    };
    let format = match v1::ExportFormat::try_from(message.format) {
        Ok(v1::ExportFormat::Unspecified | v1::ExportFormat::Json) => Ok(ExportFormat::Json),
        Ok(v1::ExportFormat::Html) => Ok(ExportFormat::Html),
        Err(_) => Err(parse.refuse("format", "is not a known value")),
    };
    let offset =
        u64::try_from(message.offset).map_err(|_| parse.refuse("offset", "must not be negative"));
    Ok(Download {
        subject_request_id: subject_request_id?,
        kind: kind?,
        format: format?,
        offset: offset?,
    })
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::{
        app::{
            export::tests::long_copy,
            testing::{TestRegistry, registry},
        },
        domain::{export::PIECE_BYTES_MAX, violation::Violation},
    };

    async fn stream(
        test: &TestRegistry,
        asked: v1::DownloadExportRequest,
    ) -> Result<Vec<v1::DownloadExportResponse>, Status> {
        let mut request = Request::new(asked);
        request.extensions_mut().insert(test.caller.clone());
        let pieces = download(&test.registry, request).await?.into_inner();
        let pieces: Vec<_> = pieces.collect().await;
        pieces.into_iter().collect()
    }

    #[tokio::test]
    async fn a_package_comes_in_pieces_that_say_where_they_stand_and_goes_on_from_any_byte() {
        let test = registry().await;
        let asked = v1::DownloadExportRequest {
            subject_request_id: long_copy(&test).await.to_string(),
            ..v1::DownloadExportRequest::default()
        };
        let pieces = stream(&test, asked.clone()).await.expect("a package");
        assert!(pieces.len() > 4);
        let mut whole = Vec::new();
        for piece in &pieces {
            assert_eq!(
                piece.offset,
                i64::try_from(whole.len()).expect("it is short")
            );
            assert!(!piece.data.is_empty() && piece.data.len() <= PIECE_BYTES_MAX);
            whole.extend_from_slice(&piece.data);
        }
        let total = i64::try_from(whole.len()).expect("it is short");
        assert!(pieces.iter().all(|piece| piece.total_bytes == total));
        let from = |offset| v1::DownloadExportRequest {
            offset,
            ..asked.clone()
        };
        let rest = stream(&test, from(300_001)).await.expect("a package");
        let rest: Vec<_> = rest.into_iter().flat_map(|piece| piece.data).collect();
        assert_eq!(rest, whole[300_001..]);
        let end = stream(&test, from(total)).await.expect("the end");
        assert_eq!((end.len(), end[0].data.len()), (1, 0));
        let beyond = stream(&test, from(total + 1)).await.expect_err("beyond");
        assert_eq!(beyond.code(), Code::InvalidArgument);
    }

    #[test]
    fn everything_that_is_wrong_with_a_download_is_said_at_once() {
        let mut parse = Parse::new();
        let asked = read(
            &mut parse,
            &v1::DownloadExportRequest {
                subject_request_id: "7".into(),
                kind: v1::RequestKind::Erasure.into(),
                format: 9,
                offset: -1,
            },
        );
        let violations = parse.finish(|| asked).expect_err("all of it is wrong");
        let fields = violations.iter().map(|one: &Violation| one.field.as_str());
        assert_eq!(
            fields.collect::<Vec<_>>(),
            ["subject_request_id", "kind", "format", "offset"]
        );
    }

    #[test]
    fn what_is_not_said_is_the_first_package_as_json_from_its_first_byte() {
        let mut parse = Parse::new();
        let asked = read(
            &mut parse,
            &v1::DownloadExportRequest {
                subject_request_id: "0190b6f4-0000-7000-8000-000000000001".into(),
                ..v1::DownloadExportRequest::default()
            },
        );
        let asked = parse.finish(|| asked).expect("it is right");
        assert_eq!(
            (asked.kind, asked.format, asked.offset),
            (None, ExportFormat::Json, 0)
        );
    }
}
