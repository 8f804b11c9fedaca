//! Three replicas as they run in production: the real binary, a process each, one PostgreSQL that each reaches on
//! a way of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use registry::{
    cli::{compose, development},
    config::{Config, DatabaseUrl, Journal, JwksSource},
    store::TimeSource,
};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::{sync::watch, task::block_in_place};

use super::{cluster::Cluster, traffic::Door};
use crate::{
    harness::{Clients, new_dir, process::Process, proxy::Proxy},
    metrics,
};

pub const REPLICAS: usize = 3;
/// How long a lease of a replica lasts.
pub const LEASE: Duration = Duration::from_millis(500);
const DATABASE: &str = "registry";
const JOURNAL: &str = "journal";
/// How often is asked whether a replica answers from memory again.
const LOOK: Duration = Duration::from_millis(50);

/// The replicas, their ways to the database, and the database.
pub struct Fleet {
    pub cluster: Cluster,
    pub replicas: Vec<OneOfThem>,
    dir: Arc<TempDir>,
}

/// A replica.
pub struct OneOfThem {
    pub proxy: Proxy,
    config: PathBuf,
    log: String,
    metrics: SocketAddr,
    door: watch::Sender<Clients>,
    process: Option<Process>,
}

impl Fleet {
    /// Starts everything.
    pub async fn start() -> Self {
        let (dir, cluster) = (new_dir(), block_in_place(Cluster::start));
        cluster.create(&[DATABASE, JOURNAL]).await;
        let made = prepare(dir.path(), &cluster).await;
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            replicas.push(OneOfThem::start(number, dir.path(), &cluster, &made).await);
        }
        Self {
            cluster,
            replicas,
            dir,
        }
    }

    /// Where each is found.
    pub fn doors(&self) -> Vec<Door> {
        let doors = self.replicas.iter().map(|it| it.door.subscribe());
        doors.collect()
    }

    /// Runs a statement on the data's database.
    pub async fn run(&self, sql: &str) {
        let url = self.cluster.url(self.cluster.address(), DATABASE);
        let database = Database::connect(url).await.expect("it runs");
        database.execute_unprepared(sql).await.expect("it is done");
        database.close().await.expect("nothing is pending");
    }

    /// Kills a replica.
    pub fn kill(&mut self, replica: usize) {
        let killed = self.replicas[replica].process.take();
        block_in_place(|| killed.expect("it runs").kill());
    }

    /// Starts a replica that was killed.
    pub async fn start_again(&mut self, replica: usize) {
        let dir = self.dir.clone();
        let replica = &mut self.replicas[replica];
        let process =
            block_in_place(|| Process::configured(dir.path(), &replica.config, &replica.log));
        replica.door.send_replace(process.admin().await);
        replica.process = Some(process);
    }

    /// Sends a replica a signal.
    pub fn signal(&self, replica: usize, name: &str) {
        let process = self.replicas[replica].process.as_ref();
        process.expect("it runs").signal(name);
    }

    /// Waits until each replica answers from memory, while it is asked.
    pub async fn wait_for_memory(&self) {
        for replica in &self.replicas {
            let before = recalled(replica.metrics).await;
            while recalled(replica.metrics).await <= before {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// How many checks a replica has answered from memory.
async fn recalled(address: SocketAddr) -> u64 {
    let text = metrics::ask(address, "GET /metrics").await;
    let figure = "pdr_checks_total{from=\"memory\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(figure));
    line.map_or(0, |figure| figure.parse().expect("a number"))
}

/// Makes keys, an issuer, the schema and the first policy, as a deployment does before its replicas start.
async fn prepare(dir: &Path, cluster: &Cluster) -> Config {
    let clock = compose::system_clock();
    let listen = "127.0.0.1:0".parse().expect("an address");
    let mut config = development::prepare(dir, listen, &*clock).expect("a configuration");
    let url = |database| {
        let url = cluster.url(cluster.address(), database);
        DatabaseUrl::of_postgres(&url).expect("a URL")
    };
    config.database.url = url(DATABASE);
    config.keys.url = None;
    config.journal = Journal::Database(url(JOURNAL));
    let store = compose::open_store(&config, TimeSource::Database).await;
    let store = store.expect("the store opens");
    store.migrate().await.expect("the schema is made");
    let assembled = compose::assemble(&config, store, clock).await;
    let assembled = assembled.expect("the server is put together");
    development::publish_example(&assembled.registry)
        .await
        .expect("the example is published");
    assembled.lifecycle.stop();
    assembled.run().await.expect("it ends when asked");
    config
}

impl OneOfThem {
    async fn start(number: usize, dir: &Path, cluster: &Cluster, made: &Config) -> Self {
        let proxy = Proxy::to(cluster.address()).await;
        // Nobody listens there any more, and somebody does soon.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let metrics = free.expect("a free port");
        let url = |database| cluster.url(proxy.address(), database);
        let text = configuration(made, &url(DATABASE), &url(JOURNAL), metrics);
        let config = dir.join(format!("replica{number}.toml"));
        fs::write(&config, text).expect("the directory is writable");
        let log = format!("replica{number}.log");
        let process = block_in_place(|| Process::configured(dir, &config, &log));
        Self {
            door: watch::Sender::new(process.admin().await),
            process: Some(process),
            proxy,
            config,
            log,
            metrics,
        }
    }
}

fn configuration(made: &Config, database: &str, journal: &str, metrics: SocketAddr) -> String {
    let JwksSource::File(jwks) = &made.auth.jwks else {
        panic!("a development issuer has a file")
    };
    let keys = &made.keys;
    format!(
        "[server]
listen = '127.0.0.1:0'
tls_terminates_in_front = 'a proxy in front of this listener terminates TLS'
[database]
url = '{database}'
max_connections = 8
[keys]
encryption_file = '{}'
index_file = '{}'
secret_file = '{}'
signing_file = '{}'
[journal]
url = '{journal}'
[memory]
lease = '{}ms'
[auth]
issuer = '{}'
audience = '{}'
jwks_file = '{}'
[metrics]
listen = '{metrics}'
",
        keys.encryption_file.display(),
        keys.index_file.display(),
        keys.secret_file.display(),
        keys.signing_file.display(),
        LEASE.as_millis(),
        made.auth.issuer,
        made.auth.audience,
        jwks.display(),
    )
}
