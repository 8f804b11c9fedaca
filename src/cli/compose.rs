//! The composition root: the one place that knows every floor and puts the parts together.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, thread};

use anyhow::{Context, Result, anyhow};
use tonic::{service::Routes, transport::server::TcpIncoming};

use super::recollection::{AmongReplicas, remember};
use crate::{
    app::{Registry, event::EventLimits},
    auth::TokenVerifier,
    config::{Config, DatabaseUrl, Journal, Keys, LogFormat},
    connectors::{engine::Connector, loading},
    crypto::{
        entropy::SystemEntropy,
        keyring::{KeyFiles, KeyRing},
    },
    grpc::{
        self,
        layers::auth::Gate,
        server::{ServerOptions, listen, serve_on_threads},
    },
    runtime::{
        clock::{Clock, SystemClock},
        ids::SystemIds,
        lifecycle::Lifecycle,
        scrape::Scrape,
        telemetry,
    },
    store::{JournalPlace, Secrets, Store, StoreOptions, TimeSource},
    workers,
};

/// The name that the keys' own SQLite file gets beside the data's, when none is configured.
const KEYS_FILE_SUFFIX: &str = "-keys";

/// A server whose port is bound and whose parts are in place.
pub struct Assembled {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its metrics are fetched, if they are.
    pub metrics_address: Option<SocketAddr>,
    /// Its use cases.
    pub registry: Registry,
    /// Its life.
    pub lifecycle: Lifecycle,
    among: Option<AmongReplicas>,
    incoming: TcpIncoming,
    gate: Gate,
    options: ServerOptions,
    message_bytes_max: usize,
    threads: NonZeroUsize,
}

/// Starts logging as configured.
pub fn start_logging(config: &Config) -> Result<()> {
    let format = match config.log.format {
        LogFormat::Json => telemetry::LogFormat::Json,
        LogFormat::Human => telemetry::LogFormat::Human,
    };
    Ok(telemetry::start(format, config.log.level.as_str())?)
}

/// Where the key files lie.
pub fn key_files(keys: &Keys) -> KeyFiles {
    KeyFiles {
        encryption: keys.encryption_file.clone(),
        index: keys.index_file.clone(),
        secret: keys.secret_file.clone(),
        signing: keys.signing_file.clone(),
    }
}

/// Opens the store with the configured keys. The schema is neither changed nor checked.
pub async fn open_store(config: &Config, time_source: TimeSource) -> Result<Store> {
    let key_ring = KeyRing::load(&key_files(&config.keys)).context("the key ring")?;
    let url = config.database.url.expose().to_owned();
    let options = StoreOptions {
        keys_url: keys_url(config),
        journal: journal_place(&config.journal),
        url,
        connections_max: config.database.max_connections,
        time_source,
        secrets: Secrets {
            key_ring,
            entropy: Arc::new(SystemEntropy),
            ids: Arc::new(SystemIds),
        },
    };
    Store::open(options).await.context("the database")
}

fn journal_place(journal: &Journal) -> JournalPlace {
    match journal {
        Journal::File(path) => JournalPlace::File(path.clone()),
        Journal::Database(url) => JournalPlace::Postgres(url.expose().to_owned()),
        Journal::Nowhere => JournalPlace::Nowhere,
    }
}

/// The configured database of the keys; else the data's own server, or a file beside the data's file
/// (one SQLite file has one writer, and a key is durable before the data's commit).
pub(super) fn keys_url(config: &Config) -> String {
    if let Some(url) = &config.keys.url {
        return url.expose().to_owned();
    }
    let url = config.database.url.expose();
    if !url.starts_with("sqlite:") {
        return url.to_owned();
    }
    match url.split_once('?') {
        Some((path, query)) => format!("{path}{KEYS_FILE_SUFFIX}?{query}"),
        None => format!("{url}{KEYS_FILE_SUFFIX}"),
    }
}

/// Puts a server together and binds its port: what cannot work fails here, before anyone calls.
pub async fn assemble(config: &Config, store: Store, clock: Arc<dyn Clock>) -> Result<Assembled> {
    let lifecycle = Lifecycle::new(config.server.stop_deadline);
    let connectors = open_connectors(config, &clock)?;
    let verifier = TokenVerifier::open(&config.auth, clock.clone()).await;
    let verifier = Arc::new(verifier.context("the issuer's keys")?);
    lifecycle.spawn("jwks", verifier.jwks().keep_fresh(lifecycle.soft()));
    let store = Arc::new(store);
    let registry = Registry::new(store.clone(), clock.clone(), lifecycle.soft())
        .with_holidays(config.requests.public_holidays.clone())
        .with_export_lifetime(config.exports.lifetime)
        .with_event_limits(EventLimits {
            keep: config.events.keep,
            reader_patience: config.events.reader_patience,
        });
    let (registry, among) = remember(config, &store, clock.clone(), registry, &lifecycle);
    // Before anybody is answered.
    let restored = registry.restore().await;
    restored.map_err(|error| anyhow!(error.for_operators()))?;
    workers::start(&lifecycle, &registry, config, connectors);
    let metrics_address = serve_metrics(config, &lifecycle, &registry).await?;
    let mut options = ServerOptions::read(&config.server)?;
    options.metrics = registry.metrics().clone();
    let address = config.server.listen;
    let incoming = listen(address).with_context(|| format!("listening on {address}"))?;
    Ok(Assembled {
        address: incoming.local_addr()?,
        metrics_address,
        registry,
        lifecycle,
        among,
        incoming,
        gate: Gate { verifier, clock },
        options,
        message_bytes_max: usize::try_from(config.server.message_bytes_max)?,
        threads: threads(config.server.threads),
    })
}

/// As many threads as are configured, or else as the process may use cores.
fn threads(configured: Option<u32>) -> NonZeroUsize {
    let configured = configured.and_then(|it| NonZeroUsize::new(usize::try_from(it).ok()?));
    configured.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// Where the metrics are fetched, when they are to be.
async fn serve_metrics(
    config: &Config,
    lifecycle: &Lifecycle,
    registry: &Registry,
) -> Result<Option<SocketAddr>> {
    let Some(address) = config.metrics.listen else {
        return Ok(None);
    };
    let scrape = Scrape::bind(address).await;
    let scrape = scrape.with_context(|| format!("[metrics] listening on {address}"))?;
    let address = scrape.address();
    let sampling = workers::metrics::run(registry.clone(), lifecycle.soft());
    lifecycle.spawn("metrics", sampling);
    let serving = scrape.serve(registry.metrics().clone(), lifecycle.soft());
    lifecycle.spawn("scrape", serving);
    Ok(Some(address))
}

fn open_connectors(config: &Config, clock: &Arc<dyn Clock>) -> Result<Vec<Connector>> {
    let loaded = loading::load(&config.connectors)?.into_iter();
    let opened = loaded.map(|one| one.open(clock.clone(), Arc::new(SystemIds)));
    opened
        .collect::<Result<_, _>>()
        .context("the TLS of the connectors")
}

impl Assembled {
    /// Serves until a signal, [`Lifecycle::stop`], or the death of a worker.
    pub async fn run(self) -> Result<()> {
        let stop = self.lifecycle.soft();
        let routes = routes(&self.registry, self.message_bytes_max);
        let (incoming, gate, options) = (self.incoming, self.gate, self.options);
        let threads = self.threads;
        self.lifecycle.spawn("server", async move {
            serve_on_threads(incoming, threads, routes, gate, options, stop)
                .await
                .map_err(|error| Arc::new(error) as _)
        });
        let stopped = self.lifecycle.run_until_stopped().await;
        if let Some(among) = self.among {
            among.leave().await;
        }
        Ok(stopped?)
    }
}

/// Every service of the registry, none of which takes or gives a longer message.
fn routes(registry: &Registry, message_bytes_max: usize) -> Routes {
    let mut routes = Routes::builder();
    macro_rules! add {
        ($($noun:ident)*) => {$(
            let service = grpc::$noun::service(registry.clone())
                .max_decoding_message_size(message_bytes_max)
                .max_encoding_message_size(message_bytes_max);
            routes.add_service(service);
        )*};
    }
    add! {
        audit collection consent disclosure event hold policy purpose record request retention
        subject task
    }
    routes.routes()
}

/// The clock of the deployment.
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Whether the data lies in an embedded file.
pub fn is_embedded(url: &DatabaseUrl) -> bool {
    url.expose().starts_with("sqlite:")
}
