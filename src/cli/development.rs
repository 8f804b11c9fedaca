//! What a development server has of its own: keys, an issuer, a token with every scope, the example
//! policy. All of it lies in the data directory.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use super::compose;
use crate::{
    app::{Call, Error, Registry},
    auth::dev_issuer::{DevIssuer, Grant},
    config::Config,
    crypto::entropy::SystemEntropy,
    domain::{
        audit::Action,
        caller::{Bound, Caller, Scope},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    },
    runtime::clock::Clock,
};

/// Where a development server keeps its data when nothing else is said.
pub const DATA_DIR: &str = "./data";
/// Where it listens when nothing else is said.
pub const LISTEN: &str = "127.0.0.1:50051";
/// How long the token with every scope counts.
const ADMIN_TOKEN_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// The service that the token with every scope names.
const ADMIN: &str = "admin";

/// The file with the token that has every scope.
pub fn admin_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("dev").join("admin.token")
}

/// The file that says where the running server listens.
pub fn address_file(data_dir: &Path) -> PathBuf {
    data_dir.join("dev").join("address")
}

/// Makes what is missing in the data directory, writes a fresh token with every scope, and returns
/// the configuration to serve with.
pub fn prepare(data_dir: &Path, listen: SocketAddr, clock: &dyn Clock) -> Result<Config> {
    let config = Config::development(data_dir, listen)?;
    let dev = data_dir.join("dev");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dev)
        .with_context(|| dev.display().to_string())?;
    compose::key_files(&config.keys).create_missing(&SystemEntropy)?;
    let issuer = DevIssuer::create_or_open(&config.auth)?;
    let token = issuer.mint(&Grant::everything(ADMIN, ADMIN_TOKEN_LIFETIME), clock.now())?;
    write_private(&admin_token_file(data_dir), &token)?;
    Ok(config)
}

/// Publishes the example policy where none is published yet.
pub async fn publish_example(registry: &Registry) -> Result<()> {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML)
        .map_err(|findings| anyhow!("the example policy has {} errors", findings.len()))?;
    let caller = Arc::new(Caller {
        service: ADMIN.parse()?,
        scopes: [Scope::PolicyRead, Scope::PolicyWrite].into(),
        sources: Bound::Nothing,
        purposes: Bound::Nothing,
        processors: Bound::Nothing,
        expires_at: None,
    });
    match registry.get_policy(&caller, Action::GetPolicy, None).await {
        Ok(_) => Ok(()),
        Err(Error::NotFound(_)) => {
            let call = Call::new(caller, Action::PublishPolicy);
            registry.publish_policy(call, policy, true).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a file that only its owner reads.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let write = || {
        // A file that is there keeps its mode: it goes first.
        if path.exists() {
            fs::remove_file(path)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| path.display().to_string())
}

/// One process per data directory: an embedded file has one writer.
pub fn lock(data_dir: &Path) -> Result<fs::File> {
    let path = data_dir.join("dev").join("lock");
    let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("another server runs in {}", data_dir.display())
        }
        Err(fs::TryLockError::Error(error)) => Err(error).context("locking the data directory"),
    }
}
