//! The token, before anything of the body is read: who calls, and whether this RPC is theirs to call.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::{
    app::Error,
    auth::{AuthError, TokenVerifier},
    domain::{caller::Scope, name::Source},
    grpc::{
        scopes::{Target, target},
        status::Failure,
    },
    proto::v1::ErrorReason,
    runtime::clock::Clock,
};

/// Lets in who has a good token.
#[derive(Clone)]
pub struct Gate {
    /// Knows a good token.
    pub verifier: Arc<TokenVerifier>,
    /// Tells whether it has expired.
    pub clock: Arc<dyn Clock>,
}

/// Stands in an answer's extensions and says whose call it answers.
#[derive(Clone, Debug)]
pub struct CalledBy(pub Source);

/// Puts the check of tokens before a service.
#[derive(Clone)]
pub struct AuthLayer {
    gate: Gate,
}

impl AuthLayer {
    /// Checks tokens at `gate`.
    pub fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            gate: self.gate.clone(),
        }
    }
}

/// A service behind the check of tokens.
#[derive(Clone)]
pub struct Auth<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Auth<S>
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
        match target(request.uri().path()) {
            Target::Rpc(action) => {
                let gate = self.gate.clone();
                Box::pin(guarded(inner, gate, action.scope(), request))
            }
            Target::Open(_) => {
                let mut inner = inner;
                Box::pin(inner.call(request))
            }
            Target::Unknown => Box::pin(async { Ok(unknown().into_http()) }),
        }
    }
}

async fn guarded<S>(
    mut inner: S,
    gate: Gate,
    scope: Scope,
    mut request: Request<Body>,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let caller = match authorization(request.headers()) {
        Ok(token) => gate.verifier.verify(token, gate.clock.now()).await,
        Err(error) => Err(error),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return Ok(Status::from(Failure::from(error)).into_http()),
    };
    let called_by = CalledBy(caller.service.clone());
    let mut response = if caller.has(scope) {
        // Nothing behind this point needs the token.
        request.headers_mut().remove(AUTHORIZATION);
        request.extensions_mut().insert(caller);
        inner.call(request).await?
    } else {
        Status::from(Error::ScopeMissing(scope.as_str())).into_http()
    };
    response.extensions_mut().insert(called_by);
    Ok(response)
}

fn authorization(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        (Some(Ok(_)), Some(_)) => Err(AuthError::TokenInvalid("there is more than one")),
        (Some(Err(_)), _) => Err(AuthError::TokenInvalid("it is no text")),
    }
}

fn unknown() -> Status {
    Failure::new(ErrorReason::MethodUnknown, "no such service or method").into_status()
}
