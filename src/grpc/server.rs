//! The server: TLS, limits of the transport, the layers, the standard services, and the way it stops.

mod threads;

use std::{
    convert::Infallible, fs, future::pending, io, net::SocketAddr, path::Path, time::Duration,
};

use futures::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{
        self, Identity, ServerTlsConfig,
        server::{Connected, TcpIncoming},
    },
};
use tonic_health::{ServingStatus, server::HealthReporter};

pub use self::threads::{ServeError, serve_on_threads};
use super::{
    layers::{
        auth::{AuthLayer, Gate},
        elsewhere::{Elsewhere, ElsewhereLayer},
        envelope::{CallLimits, EnvelopeLayer},
    },
    scopes::services,
};
use crate::{
    config::{self, Tls},
    proto::FILE_DESCRIPTOR_SET,
    runtime::metrics::Metrics,
};

// Room for a token with long claims; what is larger is refused by the transport.
const HEADER_BYTES_MAX: u32 = 32 * 1024;
// What a stream may send ahead of what is read: two batches of a thousand checks.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
// The transport closes a connection whose unread small messages cost more than half of this window, each
// counted as what it lacks of 256 bytes. Streams are read only as fast as they are answered, so the window
// has to be far wider than a stream's: a dozen that wait, full of messages of 100 bytes, fit.
const CONNECTION_WINDOW_BYTES: u32 = 64 * STREAM_WINDOW_BYTES;
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
// A load balancer that asks every second has noticed by then.
const DRAIN: Duration = Duration::from_secs(2);
const STREAM_GRACE: Duration = Duration::from_secs(2);
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be chosen about a server.
#[derive(Clone)]
pub struct ServerOptions {
    /// Certificate and key; without them the transport is plain.
    pub tls: Option<TlsIdentity>,
    /// How many calls at once, and how long each.
    pub limits: CallLimits,
    /// How many calls one connection may have open; more wait on the client's side.
    pub connection_streams_max: u32,
    /// How long, once asked to stop, the server answers `NOT_SERVING` and still takes calls, so that
    /// load balancers notice.
    pub drain: Duration,
    /// How long streams may go on after that.
    pub stream_grace: Duration,
    /// Where calls are counted.
    pub metrics: Metrics,
}

impl ServerOptions {
    /// As the configuration says. Reads the certificate and its key.
    pub fn read(config: &config::Server) -> io::Result<Self> {
        let tls = match &config.tls {
            Tls::Files { certificate, key } => Some(TlsIdentity {
                certificates: read(certificate)?,
                key: read(key)?,
            }),
            Tls::EndsInFront | Tls::Development => None,
        };
        let drain = match config.tls {
            Tls::Development => Duration::ZERO,
            Tls::Files { .. } | Tls::EndsInFront => DRAIN.min(config.stop_deadline / 4),
        };
        let calls_max = usize::try_from(config.concurrent_requests_max).unwrap_or(usize::MAX);
        Ok(Self {
            tls,
            limits: CallLimits {
                calls_max,
                streams_max: calls_max,
                call_timeout: config.request_timeout,
            },
            connection_streams_max: config.concurrent_streams_max,
            drain,
            stream_grace: STREAM_GRACE.min(config.stop_deadline / 4),
            metrics: Metrics::default(),
        })
    }
}

/// A certificate chain and its key, in PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The chain, own certificate first.
    pub certificates: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

/// Binds the port; 0 takes a free one. The connections answer at once (`TCP_NODELAY`).
pub fn listen(address: SocketAddr) -> io::Result<TcpIncoming> {
    let incoming = TcpIncoming::bind(address)?;
    Ok(incoming
        .with_nodelay(Some(true))
        .with_keepalive(Some(KEEPALIVE_INTERVAL)))
}

/// Serves until `stop` is cancelled and every call has ended: health says `NOT_SERVING` first, then no
/// new connections and calls are taken, then streams are ended with STOPPING.
pub async fn serve<I, IO, E>(
    incoming: I,
    routes: Routes,
    gate: Gate,
    options: ServerOptions,
    stop: CancellationToken,
) -> Result<(), transport::Error>
where
    I: Stream<Item = Result<IO, E>>,
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<tonic::codegen::StdError>,
{
    let front = Front::new(routes, gate, options);
    tokio::select! {
        served = front.serve(incoming) => served,
        never = front.wind_down(stop) => match never {},
    }
}

/// What everything that serves connections of one server has in common.
#[derive(Clone)]
struct Front {
    options: ServerOptions,
    health: HealthReporter,
    envelope: EnvelopeLayer,
    gate: Gate,
    elsewhere: Elsewhere,
    routes: Routes,
    drained: CancellationToken,
    end_of_streams: CancellationToken,
}

impl Front {
    fn new(routes: Routes, gate: Gate, options: ServerOptions) -> Self {
        let (health, end_of_streams) = (HealthReporter::new(), CancellationToken::new());
        let metrics = options.metrics.clone();
        Self {
            routes: with_standard_services(routes, health.clone()),
            envelope: EnvelopeLayer::new(options.limits, end_of_streams.clone(), metrics),
            elsewhere: Elsewhere::here(),
            drained: CancellationToken::new(),
            health,
            end_of_streams,
            gate,
            options,
        }
    }

    /// Serves these connections until the drain is over and their calls have ended.
    async fn serve<I, IO, E>(&self, incoming: I) -> Result<(), transport::Error>
    where
        I: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<tonic::codegen::StdError>,
    {
        transport(&self.options)?
            .layer(self.envelope.clone())
            .layer(AuthLayer::new(self.gate.clone()))
            .layer(ElsewhereLayer(self.elsewhere.clone()))
            .add_routes(self.routes.clone())
            .serve_with_incoming_shutdown(incoming, self.drained.cancelled())
            .await
    }

    async fn wind_down(&self, stop: CancellationToken) -> Infallible {
        report(&self.health, ServingStatus::Serving).await;
        stop.cancelled().await;
        report(&self.health, ServingStatus::NotServing).await;
        sleep(self.options.drain).await;
        self.drained.cancel();
        sleep(self.options.stream_grace).await;
        self.end_of_streams.cancel();
        pending().await
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    fs::read(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

fn transport(options: &ServerOptions) -> Result<transport::Server, transport::Error> {
    let server = transport::Server::builder()
        .max_concurrent_streams(options.connection_streams_max)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    match &options.tls {
        None => Ok(server),
        Some(tls) => server.tls_config(
            ServerTlsConfig::new()
                .identity(Identity::from_pem(&tls.certificates, &tls.key))
                .timeout(TLS_HANDSHAKE_TIMEOUT),
        ),
    }
}

fn with_standard_services(routes: Routes, health: HealthReporter) -> Routes {
    let health = tonic_health::server::HealthService::from_health_reporter(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    routes
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(
            reflection()
                .build_v1()
                .expect("the descriptors were made by the build"),
        )
        .add_service(
            reflection()
                .build_v1alpha()
                .expect("the descriptors were made by the build"),
        )
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    for service in services() {
        health.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests;
