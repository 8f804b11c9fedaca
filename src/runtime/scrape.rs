//! Where Prometheus fetches the metrics: plain HTTP/1.1, one page, on a listener of its own. It knows
//! neither tokens nor people, and belongs on an address that only the monitoring reaches.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    lifecycle::WorkerError,
    metrics::{CONTENT_TYPE, Metrics},
};

/// Connections that are answered at once; more wait.
const CONNECTIONS_MAX: usize = 8;
/// Longest time for a connection's one question and its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the head of the question.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause when the system gives out no connection.
const PAUSE: Duration = Duration::from_millis(100);
/// Where the page is.
const PATH: &str = "/metrics";

/// A listener that is bound.
#[derive(Debug)]
pub struct Scrape {
    listener: TcpListener,
    address: SocketAddr,
}

impl Scrape {
    /// Binds the port; 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    pub async fn serve(self, metrics: Metrics, stop: CancellationToken) -> Result<(), WorkerError> {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&room) => accepted,
                () = stop.cancelled() => return Ok(()),
            };
            let Some((stream, permit)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let metrics = metrics.clone();
            tokio::spawn(async move {
                // A scrape that fails is the scraper's to report.
                drop(timeout(CONNECTION_TIMEOUT, answer(stream, metrics)).await);
                drop(permit);
            });
        }
    }

    async fn accept(
        &self,
        room: &Arc<Semaphore>,
    ) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = room.clone().acquire_owned().await.ok()?;
        let (stream, _) = self.listener.accept().await.ok()?;
        Some((stream, permit))
    }
}

async fn answer(stream: TcpStream, metrics: Metrics) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let response = page(&request, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn page(request: &Request<Incoming>, metrics: &Metrics) -> Response<String> {
    let (status, text) = match (request.uri().path(), request.method()) {
        (PATH, &Method::GET | &Method::HEAD) => match metrics.text() {
            Ok(text) => (StatusCode::OK, text),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        },
        (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (
            StatusCode::NOT_FOUND,
            format!("the metrics are at {PATH}\n"),
        ),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
