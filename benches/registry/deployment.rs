//! A deployment as an operator makes one: databases on the PostgreSQL of `scripts/postgres`, key files, a
//! configuration, and `pdr serve` on it in processes of their own.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result};
use registry::{
    app::{Call, Registry},
    cli::compose,
    config::Config,
    crypto::entropy::SystemEntropy,
    domain::{
        audit::Action,
        caller::{Bound, Caller, Scope},
        policy::model::Policy,
    },
    store::TimeSource,
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Bench, documents,
    issuer::{self, AUDIENCE, ISSUER},
    process::Server,
};

/// The real program, built with this one.
const PDR: &str = env!("CARGO_BIN_EXE_pdr");

/// Databases, keys and a configuration.
pub struct Deployment {
    /// Its files, which go with it.
    pub dir: TempDir,
    /// Where its data lies.
    pub url: String,
    /// A token that permits everything.
    pub token: String,
    shows_log: bool,
}

impl Deployment {
    /// Makes one, with the example policy and nobody in it.
    pub async fn new(bench: &Bench) -> Result<Self> {
        Self::with_policy(bench, documents::example()?).await
    }

    /// Makes one, with this policy and nobody in it.
    pub async fn with_policy(bench: &Bench, policy: Policy) -> Result<Self> {
        let dir = TempDir::new()?;
        let (url, journal) = (create_database().await?, create_database().await?);
        let token = issuer::issue(&dir.path().join("jwks.json"))?;
        let deployment = Self {
            dir,
            url,
            token,
            shows_log: bench.show_log,
        };
        let configuration = deployment.configuration(&journal, &bench.log);
        std::fs::write(deployment.config_file(), configuration)?;
        deployment.prepare(policy).await?;
        Ok(deployment)
    }

    /// The file with its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    fn configuration(&self, journal: &str, log: &str) -> String {
        let (dir, url) = (self.dir.path().display(), &self.url);
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
tls_terminates_in_front = "a proxy in front of this listener terminates TLS"
[database]
url = "{url}"
[keys]
encryption_file = "{dir}/encryption.keys"
index_file = "{dir}/index.keys"
secret_file = "{dir}/secret.keys"
signing_file = "{dir}/signing.keys"
[journal]
url = "{journal}"
[auth]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_file = "{dir}/jwks.json"
[log]
level = "{log}"
"#
        )
    }

    /// Makes the keys and the schema, and publishes the policy.
    async fn prepare(&self, policy: Policy) -> Result<()> {
        let config = Config::load(Some(&self.config_file()))?;
        compose::key_files(&config.keys).create_missing(&SystemEntropy)?;
        let store = compose::open_store(&config, TimeSource::Database).await?;
        store.migrate().await?;
        let stop = CancellationToken::new();
        let registry = Registry::new(Arc::new(store), compose::system_clock(), stop);
        let call = Call::new(Arc::new(publisher()?), Action::PublishPolicy);
        registry.publish_policy(call, policy, true).await?;
        Ok(())
    }

    /// Starts a replica.
    pub fn serve(&self) -> Result<Server> {
        self.start(&mut pdr())
    }

    /// Starts a replica that has few connections, so that many fit on one server.
    pub fn serve_small(&self) -> Result<Server> {
        self.start(pdr().env("PDR_DATABASE_MAX_CONNECTIONS", "4"))
    }

    /// Starts a replica that remembers nobody: every check asks the database.
    pub fn serve_without_memory(&self) -> Result<Server> {
        self.start(pdr().env("PDR_MEMORY_BUDGET_MIB", "0"))
    }

    fn start(&self, command: &mut Command) -> Result<Server> {
        command.arg("serve").arg("--config").arg(self.config_file());
        command.stderr(if self.shows_log {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
        Server::start(command)
    }

    /// A connection to its data.
    pub async fn connect(&self) -> Result<DatabaseConnection> {
        Ok(Database::connect(&self.url).await?)
    }
}

fn publisher() -> Result<Caller> {
    Ok(Caller {
        service: "bench".parse()?,
        scopes: [Scope::PolicyRead, Scope::PolicyWrite].into(),
        sources: Bound::Nothing,
        purposes: Bound::Nothing,
        processors: Bound::Nothing,
        expires_at: None,
    })
}

/// The program, before it is told what to do.
pub fn pdr() -> Command {
    Command::new(PDR)
}

/// The cluster that `scripts/postgres` started.
pub fn cluster() -> Result<String> {
    env::var("PDR_TEST_POSTGRES_URL").context("no PostgreSQL is there: run scripts/bench")
}

/// Makes an empty database. It goes with the cluster.
async fn create_database() -> Result<String> {
    let server = cluster()?;
    let name = format!("pdr_bench_{}", Uuid::new_v4().simple());
    let admin = Database::connect(&server).await?;
    let create = format!("CREATE DATABASE {name}");
    admin.execute_unprepared(&create).await?;
    admin.close().await?;
    let (address, _) = server.rsplit_once('/').context("a URL with a path")?;
    Ok(format!("{address}/{name}"))
}
