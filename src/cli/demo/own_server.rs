//! A server of the demo's own: a free port on loopback, a directory that goes with it.

use std::{
    env, fs,
    future::Future,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, Result, bail};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    auth::dev_issuer::{DevIssuer, Grant},
    cli::{
        compose::{assemble, open_store, system_clock},
        development,
    },
    runtime::lifecycle::Lifecycle,
    store::TimeSource,
};

/// Any free port on loopback.
const LISTEN: &str = "127.0.0.1:0";

/// A running server.
pub(super) struct OwnServer {
    address: SocketAddr,
    issuer: DevIssuer,
    lifecycle: Lifecycle,
    running: Mutex<Option<JoinHandle<Result<()>>>>,
    _directory: Scratch,
}

impl OwnServer {
    /// Starts it, with the example policy.
    pub(super) async fn start() -> Result<Self> {
        let directory = Scratch::make()?;
        let clock = system_clock();
        let config = development::prepare(&directory.0, LISTEN.parse()?, &*clock)?;
        let store = open_store(&config, TimeSource::Database).await?;
        store.migrate().await?;
        let assembled = assemble(&config, store, clock).await?;
        development::publish_example(&assembled.registry).await?;
        let issuer = DevIssuer::open(&config.auth)?;
        Ok(Self {
            address: assembled.address,
            issuer,
            lifecycle: assembled.lifecycle.clone(),
            running: Mutex::new(Some(tokio::spawn(assembled.run()))),
            _directory: directory,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token.
    pub(super) fn token(&self, grant: &Grant) -> Result<String> {
        Ok(self.issuer.mint(grant, system_clock().now())?)
    }

    /// Does something unless the server is asked to stop meanwhile.
    pub(super) async fn while_it_runs<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stopped = self.lifecycle.soft();
        tokio::select! {
            done = work => done,
            () = stopped.cancelled() => bail!("the demo was stopped"),
        }
    }

    /// Stops it.
    pub(super) async fn stop(&self) -> Result<()> {
        self.lifecycle.stop();
        let running = self
            .running
            .lock()
            .ok()
            .and_then(|mut running| running.take());
        match running {
            Some(running) => running.await.context("the demo's server")?,
            None => Ok(()),
        }
    }
}

/// A directory for its owner alone, which is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let path = env::temp_dir().join(format!("pdr-demo-{}", Uuid::new_v4()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    // What the demo leaves behind holds made-up people only; there is nobody to tell.
    drop(fs::remove_dir_all(path));
}
