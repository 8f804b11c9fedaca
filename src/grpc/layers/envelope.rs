//! The envelope around every call: it is counted and limited, ends in time, survives a panic, is
//! logged, and whatever it ends with has the one shape of errors.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture, poll};
use http::{Request, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::{
    access_log::Call,
    auth::CalledBy,
    body::{AnswerBody, panicked},
    framework,
};
use crate::{
    app::Error,
    domain::audit::Action,
    grpc::{
        scopes::{Target, is_check, is_stream, target},
        status::Failure,
    },
    proto::v1::ErrorReason,
    runtime::metrics::Metrics,
};

/// How many times as long as any other a call may take that looks at every subject.
const LONG_LOOK: u32 = 30;

/// How many calls at once, and how long each.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Most single calls under way.
    pub calls_max: usize,
    /// Most streams open.
    pub streams_max: usize,
    /// Longest time until an answer begins.
    pub call_timeout: Duration,
}

/// Puts the envelope around a service.
#[derive(Clone, Debug)]
pub struct EnvelopeLayer {
    shared: Arc<Shared>,
}

impl EnvelopeLayer {
    /// An envelope with these limits, whose streams end when `stopping` is cancelled.
    pub fn new(limits: CallLimits, stopping: CancellationToken, metrics: Metrics) -> Self {
        let shared = Shared {
            metrics,
            calls: Arc::new(Semaphore::new(limits.calls_max)),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            call_timeout: limits.call_timeout,
            stopping,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Envelope<S>;

    fn layer(&self, inner: S) -> Envelope<S> {
        Envelope {
            inner,
            shared: self.shared.clone(),
        }
    }
}

/// A service in its envelope.
#[derive(Clone, Debug)]
pub struct Envelope<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    call_timeout: Duration,
    stopping: CancellationToken,
}

impl<S> Service<Request<Body>> for Envelope<S>
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
        // The service that was polled ready is the one to call.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let shared = self.shared.clone();
        let target = target(request.uri().path());
        // A span costs as much as a check; what a check has to log names its method itself.
        let span = match target {
            Target::Rpc(action) if is_check(action) => Span::none(),
            _ => tracing::info_span!("call", method = target.name()),
        };
        Box::pin(async move { Ok(shared.answer(inner, target, request).await) }.instrument(span))
    }
}

impl Shared {
    async fn answer<S>(&self, inner: S, target: Target, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let is_check = matches!(target, Target::Rpc(action) if is_check(action));
        let call = Call::begin(target.name(), is_check, self.metrics.clone());
        match self.admit(target) {
            Err(status) => self.send(call, target, status.into_http(), None),
            Ok(permit) => {
                let response = self.run(inner, request, self.time_for(target)).await;
                self.send(call, target, response, permit)
            }
        }
    }

    // The standard services are not counted: an overloaded server must be able to say that it lives.
    fn admit(&self, target: Target) -> Result<Option<OwnedSemaphorePermit>, Status> {
        let semaphore = match target {
            Target::Rpc(action) if is_stream(action) => &self.streams,
            Target::Rpc(_) => &self.calls,
            Target::Open(_) | Target::Unknown => return Ok(None),
        };
        match semaphore.clone().try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(_) => Err(Error::Overloaded.into()),
        }
    }

    fn time_for(&self, target: Target) -> Duration {
        match target {
            Target::Rpc(Action::PreviewPurge) => self.call_timeout.saturating_mul(LONG_LOOK),
            _ => self.call_timeout,
        }
    }

    async fn run<S>(&self, mut inner: S, request: Request<Body>, time: Duration) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        // The call itself may panic too, before there is a future.
        let call = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
        let mut call = pin!(call);
        // What is answered at once needs no timer.
        let answered = match poll!(call.as_mut()) {
            Poll::Ready(answered) => Ok(answered),
            Poll::Pending => timeout(time, call).await,
        };
        match answered {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => panicked().into_http(),
            Err(_) => too_long().into_http(),
        }
    }

    fn send(
        &self,
        mut call: Call,
        target: Target,
        response: Response<Body>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        if let Some(CalledBy(caller)) = parts.extensions.remove() {
            call.called_by(caller);
        }
        match framework::normalise(&mut parts.headers) {
            Some(code) => call.ended(code),
            None if !parts.status.is_success() => call.ended(Code::Unknown),
            None => {}
        }
        let is_stream = !matches!(target, Target::Rpc(action) if !is_stream(action));
        let stopping = is_stream.then(|| self.stopping.clone().cancelled_owned());
        let body = AnswerBody::new(body, call, stopping, permit);
        Response::from_parts(parts, Body::new(body))
    }
}

fn too_long() -> Status {
    Failure::new(ErrorReason::DeadlineExceeded, "the call took too long").into_status()
}
