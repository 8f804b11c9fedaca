//! Calls run elsewhere than on the thread that serves their connection: that thread is for what is answered at once.
//! Checks stay on it, and go elsewhere only when they have to read the database.

use std::{
    convert::Infallible,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::{BoxFuture, pending};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use prost::bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc, task::JoinError};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::{
    domain::audit::Action,
    grpc::scopes::{Target, is_stream, target},
};

/// Frames of a stream that wait to be sent; then no more are made.
const FRAMES_MAX: usize = 2;

/// The runtime on which calls do what takes its time.
#[derive(Clone, Debug)]
pub struct Elsewhere(Handle);

impl Elsewhere {
    /// The runtime that this is called on.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Runs a future there, until it ends or nobody waits for it any more. A panic of it goes on here.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.spawn(work).await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // That runtime is at its end, and so is this.
                Err(_) => pending().await,
            },
        }
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.0.spawn(work.in_current_span()))
    }
}

/// Sends calls elsewhere.
#[derive(Clone, Debug)]
pub struct ElsewhereLayer(pub Elsewhere);

impl<S> Layer<S> for ElsewhereLayer {
    type Service = Sent<S>;

    fn layer(&self, inner: S) -> Sent<S> {
        Sent {
            inner,
            elsewhere: self.0.clone(),
        }
    }
}

/// A service whose calls run elsewhere.
#[derive(Clone, Debug)]
pub struct Sent<S> {
    inner: S,
    elsewhere: Elsewhere,
}

impl<S> Service<Request<Body>> for Sent<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Target::Rpc(action) = target(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        if is_answered_here(action) {
            return Box::pin(self.inner.call(request));
        }
        let (called, elsewhere) = (self.inner.call(request), self.elsewhere.clone());
        Box::pin(async move {
            let response = elsewhere.run(called).await?;
            Ok(if is_stream(action) {
                response.map(|body| Body::new(Fetched::from(&elsewhere, body)))
            } else {
                response
            })
        })
    }
}

fn is_answered_here(action: Action) -> bool {
    matches!(
        action,
        Action::CheckPurpose | Action::BatchCheckPurpose | Action::StreamCheckPurpose
    )
}

/// A body that is made elsewhere, frame by frame.
struct Fetched {
    frames: mpsc::Receiver<Result<Frame<Bytes>, Status>>,
    making: AbortOnDropHandle<()>,
}

impl Fetched {
    fn from(elsewhere: &Elsewhere, mut body: Body) -> Self {
        let (sender, frames) = mpsc::channel(FRAMES_MAX);
        let making = elsewhere.spawn(async move {
            while let Some(frame) = body.frame().await {
                if sender.send(frame).await.is_err() {
                    break;
                }
            }
        });
        Self { frames, making }
    }
}

impl HttpBody for Fetched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(frame) = ready!(self.frames.poll_recv(cx)) {
            return Poll::Ready(Some(frame));
        }
        match ready!(Pin::new(&mut self.making).poll(cx)).map_err(JoinError::try_into_panic) {
            Err(Ok(panic)) => resume_unwind(panic),
            Ok(()) | Err(Err(_)) => Poll::Ready(None),
        }
    }
}
