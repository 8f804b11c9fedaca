//! A server of a test's own: real gRPC on a loopback port, real tokens, a real database, and a clock
//! that the test moves. Dropping it stops it.

pub mod apart;
pub mod backup;
pub mod client;
pub mod dice;
pub mod process;
pub mod proxy;
pub mod sample;
pub mod status;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use registry::{
    app::Registry,
    auth::dev_issuer::{DevIssuer, Grant},
    cli::{
        compose::{self, Assembled},
        development,
    },
    config::{Config, DatabaseUrl, Journal},
    domain::caller::Scope,
    runtime::{
        clock::{Clock, TestClock},
        lifecycle::Lifecycle,
    },
    store::TimeSource,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use self::apart::Apart;
pub use client::Clients;

/// Where the clock of every test stands at first.
pub const START: &str = "2026-06-01T12:00:00Z";

/// Runs a test on SQLite and on PostgreSQL: `on_both! { async fn a_sentence(server: TestServer) {…} }`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident: TestServer) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($server: $crate::harness::TestServer) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                run($crate::harness::TestServer::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                run($crate::harness::TestServer::on_postgres().await).await;
            }
        }
    )*};
}

/// A running server.
pub struct TestServer {
    /// Its clock: stands until the test moves it.
    pub clock: Arc<TestClock>,
    /// Its files: keys, tokens, and the databases of SQLite.
    pub dir: Arc<TempDir>,
    /// What it was configured with.
    pub config: Config,
    /// Where its metrics are fetched, if they are.
    pub metrics: Option<SocketAddr>,
    registry: Option<Registry>,
    address: String,
    issuer: Arc<DevIssuer>,
    lifecycle: Lifecycle,
    running: Option<JoinHandle<()>>,
    /// The process in which it runs, if that is not the test's.
    apart: Option<Apart>,
}

impl TestServer {
    /// A server on an SQLite file of its own, with the example policy.
    pub async fn on_sqlite() -> Self {
        Self::start(new_dir(), None, clock()).await
    }

    /// A server on a PostgreSQL database of its own, with the example policy.
    pub async fn on_postgres() -> Self {
        let url = crate::postgres::create_database().await;
        Self::start(new_dir(), Some(url), clock()).await
    }

    /// Another replica on the same database, with the same keys and the same clock.
    pub async fn replica(&self) -> Self {
        let url = self.config.database.url.expose().to_owned();
        assert!(url.starts_with("postgres"), "SQLite has one process");
        Self::start(self.dir.clone(), Some(url), self.clock.clone()).await
    }

    /// A server whose configuration the test completes, on PostgreSQL or else on an SQLite file.
    pub async fn configured(
        dir: Arc<TempDir>,
        is_postgres: bool,
        clock: Arc<TestClock>,
        complete: impl FnOnce(&mut Config),
    ) -> Self {
        let mut url = None;
        if is_postgres {
            url = Some(crate::postgres::create_database().await);
        }
        let mut config = Self::configuration(dir.path(), url, &clock);
        complete(&mut config);
        Self::begin(config, dir, clock).await
    }

    async fn start(dir: Arc<TempDir>, postgres: Option<String>, clock: Arc<TestClock>) -> Self {
        let config = Self::configuration(dir.path(), postgres, &clock);
        Self::begin(config, dir, clock).await
    }

    fn configuration(dir: &Path, postgres: Option<String>, clock: &TestClock) -> Config {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let mut config =
            development::prepare(dir, listen, clock).expect("a development configuration");
        if let Some(url) = postgres {
            config.database.url = DatabaseUrl::of_postgres(&url).expect("a URL");
            config.keys.url = None;
            // Its table stands beside the registry's; only what restores a database needs another.
            config.journal = Journal::Database(config.database.url.clone());
        }
        config
    }

    /// A server with this configuration, whose files lie in `dir`.
    pub async fn begin(config: Config, dir: Arc<TempDir>, clock: Arc<TestClock>) -> Self {
        let store = compose::open_store(&config, TimeSource::Caller)
            .await
            .expect("the store opens");
        store.migrate().await.expect("the schema is made");
        let assembled = compose::assemble(&config, store, clock.clone() as Arc<dyn Clock>)
            .await
            .expect("the server is put together");
        development::publish_example(&assembled.registry)
            .await
            .expect("the example is published");
        let issuer = DevIssuer::open(&config.auth).expect("the issuer was made");
        Self::run(assembled, config, dir, clock, issuer)
    }

    fn run(
        assembled: Assembled,
        config: Config,
        dir: Arc<TempDir>,
        clock: Arc<TestClock>,
        issuer: DevIssuer,
    ) -> Self {
        let (address, lifecycle) = (assembled.address, assembled.lifecycle.clone());
        let metrics = assembled.metrics_address;
        let registry = assembled.registry.clone();
        let running =
            tokio::spawn(async move { assembled.run().await.expect("the server ends when asked") });
        Self {
            clock,
            dir,
            config,
            metrics,
            registry: Some(registry),
            address: format!("http://{address}"),
            issuer: Arc::new(issuer),
            lifecycle,
            running: Some(running),
            apart: None,
        }
    }

    /// As [`Self::begin`], in a process of its own; all that there is of it here is its address. The
    /// connectors of the configuration are switched on, everything else is as if it had no configuration.
    pub async fn begin_apart(config: Config, dir: Arc<TempDir>, clock: Arc<TestClock>) -> Self {
        let (apart, address) = Apart::start(&config, dir.path().to_owned(), clock.clone()).await;
        Self {
            issuer: Arc::new(DevIssuer::open(&config.auth).expect("the issuer was made")),
            clock,
            dir,
            config,
            metrics: None,
            registry: None,
            address,
            lifecycle: Lifecycle::new(Duration::ZERO),
            running: None,
            apart: Some(apart),
        }
    }

    /// Drops what it does where it stands, as a process that is killed does; a process of its own is killed.
    /// Clients of it have to be gone.
    pub async fn kill(mut self) {
        drop(self.apart.take());
        self.lifecycle.hard().cancel();
        self.end().await;
    }

    /// Stops it and waits until it has let go of its databases and of its journal. Clients of it have
    /// to be gone.
    pub async fn end(mut self) {
        self.stop();
        // It holds the store, and with it the journal.
        self.registry = None;
        if let Some(running) = self.running.take() {
            running.await.expect("it ends");
        }
        if let Journal::File(path) = &self.config.journal {
            let journal = std::fs::File::open(path).expect("the journal is there");
            while journal.try_lock().is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// How many checks were answered from there: `memory`, `glance` or `store`.
    pub fn answered(&self, from: &str) -> u64 {
        let text = self.registry().metrics().text().expect("figures");
        let figure = format!("pdr_checks_total{{from=\"{from}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&figure));
        line.map_or(0, |figure| figure.parse().expect("a number"))
    }

    /// Its use cases, for what it does of its own accord: a test need not wait for it.
    pub fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("it runs")
    }

    /// Now, by its clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Clients whose token permits everything.
    pub async fn admin(&self) -> Clients {
        self.clients(&self.token(&Grant::everything("admin", Duration::from_hours(24))))
            .await
    }

    /// Clients of a service whose token has these scopes and every claim.
    pub async fn service(&self, name: &str, scopes: &[Scope]) -> Clients {
        let grant = Grant {
            scopes: scopes.to_vec(),
            ..Grant::everything(name, Duration::from_hours(24))
        };
        self.clients(&self.token(&grant)).await
    }

    /// Clients with this token.
    pub async fn clients(&self, token: &str) -> Clients {
        if let Some(apart) = &self.apart {
            apart.catch_up(self.now()).await;
        }
        Clients::connect(&self.address, token).await
    }

    /// A token that counts from now on.
    pub fn token(&self, grant: &Grant) -> String {
        self.issuer
            .mint(grant, self.now())
            .expect("the grant is good")
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.lifecycle.stop();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An empty directory for a server's files.
pub fn new_dir() -> Arc<TempDir> {
    Arc::new(TempDir::new().expect("a temporary directory"))
}

/// A clock that stands at the start.
pub fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(START.parse().expect("an instant")))
}

/// Every file below the server's directory, for searches.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).expect("the directory is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}
