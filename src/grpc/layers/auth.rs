//! The token, before anything of the body is read: who calls, and whether this RPC is theirs to call.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::{
    app::Error,
    domain::{
        caller::{Caller, Scope},
        name::Source,
    },
    grpc::{
        scopes::{Target, target},
        status::Failure,
    },
    proto::v1::ErrorReason,
};

/// Turns the value of `authorization` into a caller.
pub type Authenticate =
    Arc<dyn Fn(Option<String>) -> BoxFuture<'static, Result<Arc<Caller>, Failure>> + Send + Sync>;

/// Stands in an answer's extensions and says whose call it answers.
#[derive(Clone, Debug)]
pub struct CalledBy(pub Source);

/// Puts the check of tokens before a service.
#[derive(Clone)]
pub struct AuthLayer {
    authenticate: Authenticate,
}

impl AuthLayer {
    /// Checks tokens with `authenticate`.
    pub fn new(authenticate: Authenticate) -> Self {
        Self { authenticate }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            authenticate: self.authenticate.clone(),
        }
    }
}

/// A service behind the check of tokens.
#[derive(Clone)]
pub struct Auth<S> {
    inner: S,
    authenticate: Authenticate,
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
                let authenticate = self.authenticate.clone();
                Box::pin(guarded(inner, authenticate, action.scope(), request))
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
    authenticate: Authenticate,
    scope: Scope,
    mut request: Request<Body>,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let caller = match token(request.headers()) {
        Ok(token) => authenticate(token).await,
        Err(failure) => Err(failure),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(failure) => return Ok(failure.into_status().into_http()),
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

fn token(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let text = first.map(|value| value.to_str().map(str::to_owned));
    match (text, second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        (Some(_), _) => Err(Failure::new(
            ErrorReason::TokenInvalid,
            "the metadata `authorization` must be one bearer token",
        )),
    }
}

fn unknown() -> Status {
    Failure::new(ErrorReason::MethodUnknown, "no such service or method").into_status()
}
