//! The body of an answer, watched until its end: trailers get the shape of all errors, a panic
//! becomes one, and a stream ends when the server stops.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body as HttpBody, Frame, SizeHint};
use prost::bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body};

use super::{access_log::Call, framework};
use crate::{app::Error, grpc::status::Failure, proto::v1::ErrorReason};

/// The body of an answer.
pub struct AnswerBody {
    inner: Option<Body>,
    call: Call,
    /// Of a stream: others are over at once.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    // Given back when the answer is out.
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    /// Watches a body. `stopping` ends a stream before its own end.
    pub fn new(
        inner: Body,
        call: Call,
        stopping: Option<WaitForCancellationFutureOwned>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            inner: Some(inner),
            call,
            stopping: stopping.map(Box::pin),
            _permit: permit,
        }
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        self.call.ended(status.code());
        let mut trailers = http::HeaderMap::new();
        Poll::Ready(Some(match status.add_header(&mut trailers) {
            Ok(()) => Ok(Frame::trailers(trailers)),
            Err(status) => Err(status),
        }))
    }

    fn must_stop(&mut self, cx: &mut Context<'_>) -> bool {
        let stopping = self.stopping.as_mut();
        stopping.is_some_and(|it| it.as_mut().poll(cx).is_ready())
    }

    fn frame(&mut self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(trailers) = frame.trailers_mut()
            && let Some(code) = framework::normalise(trailers)
        {
            self.call.ended(code);
        }
        frame
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        // After a panic the body is dropped and never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx)));
        match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                let frame = self.frame(frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(Poll::Pending) if self.must_stop(cx) => self.end(&Error::Stopping.into()),
            Ok(polled) => polled,
            Err(_) => self.end(&panicked()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

/// The status of a call whose handler panicked. What the panic says may hold personal data and is
/// told to nobody; the panic hook logs where it happened.
pub fn panicked() -> Status {
    tracing::error!("a handler panicked");
    Failure::new(ErrorReason::Internal, "internal error").into_status()
}
