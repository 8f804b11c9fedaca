//! Replicas whose calls wait for no other replica: what the checker has to find.

use std::sync::Arc;

use futures::future::BoxFuture;
use registry::{
    auth::dev_issuer::{DevIssuer, Grant},
    cli::{compose, development},
    config::{Config, DatabaseUrl, Journal},
    runtime::lifecycle::Lifecycle,
    store::{Changes, TimeSource, Witness},
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{fleet::LEASE, traffic::Door};
use crate::harness::{Clients, new_dir, proxy::Proxy};

/// How long the token of the callers counts.
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

/// Is told of every change, and neither waits for anybody nor tells anybody.
struct NoBarrier;

impl Witness for NoBarrier {
    fn forget(&self, _: &Changes) {}

    fn settle<'w>(&'w self, _: Option<&'w Changes>) -> BoxFuture<'w, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Replicas in this process. Dropping them stops them.
pub struct Unguarded {
    /// On which they hear of changes.
    pub proxy: Proxy,
    lives: Vec<Lifecycle>,
    doors: Vec<watch::Sender<Clients>>,
    _dir: Arc<TempDir>,
}

impl Unguarded {
    /// So many of them, on a database of their own.
    pub async fn start(replicas: usize) -> Self {
        let dir = new_dir();
        let url = crate::postgres::create_database().await;
        let (proxy, heard) = Proxy::before(&url).await;
        let config = configuration(&dir, &url, &heard);
        let mut all = Self {
            proxy,
            lives: Vec::new(),
            doors: Vec::new(),
            _dir: dir,
        };
        for _ in 0..replicas {
            all.add(&config).await;
        }
        all
    }

    /// Where each is found.
    pub fn doors(&self) -> Vec<Door> {
        let doors = self.doors.iter().map(watch::Sender::subscribe);
        doors.collect()
    }

    async fn add(&mut self, config: &Config) {
        let clock = compose::system_clock();
        let store = compose::open_store(config, TimeSource::Database).await;
        let store = store.expect("the store opens");
        store.migrate().await.expect("the schema is made");
        // There is one for the life of the store, and so it is not the replica's.
        store.tell(Arc::new(NoBarrier));
        let assembled = compose::assemble(config, store, clock.clone()).await;
        let assembled = assembled.expect("the server is put together");
        development::publish_example(&assembled.registry)
            .await
            .expect("the example is published");
        let issuer = DevIssuer::open(&config.auth).expect("the issuer was made");
        let token = issuer.mint(&Grant::everything("admin", HOUR), clock.now());
        let address = format!("http://{}", assembled.address);
        self.lives.push(assembled.lifecycle.clone());
        tokio::spawn(assembled.run());
        let clients = Clients::connect(&address, &token.expect("the grant is good")).await;
        self.doors.push(watch::Sender::new(clients));
    }
}

impl Drop for Unguarded {
    fn drop(&mut self) {
        self.lives.iter().for_each(Lifecycle::stop);
    }
}

fn configuration(dir: &TempDir, url: &str, heard: &str) -> Config {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let prepared = development::prepare(dir.path(), listen, &*compose::system_clock());
    let mut config = prepared.expect("a development configuration");
    config.database.url = DatabaseUrl::of_postgres(url).expect("a URL");
    config.database.direct_url = Some(DatabaseUrl::of_postgres(heard).expect("a URL"));
    config.keys.url = None;
    config.journal = Journal::Database(config.database.url.clone());
    config.memory.lease = LEASE;
    config
}
