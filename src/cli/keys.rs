//! `pdr keys`: the key-encryption keys, which wrap the subjects' keys; the first key of the file
//! wraps, every key opens. And the public halves of the keys that sign.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::{compose, deployment::Deployment, development, output::print};
use crate::{
    app::Registry,
    config::Config,
    crypto::{
        entropy::SystemEntropy,
        key::KeyId,
        key_file::{append, promote, retire},
        keyring::KeyRing,
    },
    store::TimeSource,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  A development server, while it is stopped; all steps at once:
    pdr keys rotate
  A deployment without downtime, step by step:
    1. pdr keys append --config registry.toml
       then restart every replica: each opens the new key
    2. pdr keys promote k2 --config registry.toml
       then restart every replica: each wraps with it
    3. pdr keys rewrap --config registry.toml
       what the old key wrapped is wrapped anew
    4. pdr keys retire k1 --config registry.toml --irreversible
       once no backup needs the old key
  The public keys, for whoever verifies what the registry signed:
    pdr keys public --config registry.toml > public.keys")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a new key, let it wrap from now on, and wrap everything anew. No server may run.
    Rotate {
        #[command(flatten)]
        deployment: Deployment,
        /// Every server of the configured deployment is stopped: one that runs does not know the new
        /// key, and could not open what it wraps.
        #[arg(long)]
        servers_are_stopped: bool,
    },
    /// Add a new key that opens and does not wrap yet.
    Append {
        #[command(flatten)]
        deployment: Deployment,
    },
    /// Let a key wrap from the next start on.
    Promote {
        /// The key.
        key: KeyId,
        #[command(flatten)]
        deployment: Deployment,
    },
    /// Wrap anew what another than the first key wrapped.
    Rewrap {
        #[command(flatten)]
        deployment: Deployment,
    },
    /// Print the public halves of the keys that sign, one `id:base64` per line.
    Public {
        #[command(flatten)]
        deployment: Deployment,
    },
    /// Remove a key, after everything it wrapped has been wrapped anew.
    Retire {
        /// The key.
        key: KeyId,
        #[command(flatten)]
        deployment: Deployment,
        /// Backups that were made under this key can no longer be opened.
        #[arg(long, required = true)]
        irreversible: bool,
    },
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Rotate {
            deployment,
            servers_are_stopped,
        } => rotate(&deployment, servers_are_stopped).await?,
        Command::Append { deployment } => {
            let id = add(&deployment.load()?)?;
            print(&format!(
                "{id} opens; restart the servers, then `pdr keys promote {id}`\n"
            ))?;
        }
        Command::Promote { key, deployment } => {
            let config = deployment.load()?;
            said(promote(file(&config), &key))?;
            print(&format!(
                "{key} wraps once the servers are restarted; then `pdr keys rewrap`\n"
            ))?;
        }
        Command::Rewrap { deployment } => {
            let count = rewrap(&deployment.load()?).await?;
            print(&format!("wrapped {count} keys of subjects anew\n"))?;
        }
        Command::Public { deployment } => {
            let ring = KeyRing::load(&compose::key_files(&deployment.load()?.keys))?;
            print(&ring.signing().verifying().to_lines())?;
        }
        Command::Retire {
            key, deployment, ..
        } => {
            let config = deployment.load()?;
            let count = rewrap(&config).await?;
            said(retire(file(&config), &key))?;
            print(&format!(
                "wrapped {count} keys of subjects anew; {key} is gone\n"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(deployment: &Deployment, servers_are_stopped: bool) -> Result<()> {
    let config = deployment.load()?;
    let _lock = if deployment.is_development() {
        Some(development::lock(&deployment.data_dir).context("stop the server first")?)
    } else if servers_are_stopped {
        None
    } else {
        bail!(
            "a server that runs could not open what the new key wraps: stop every server and say \
             --servers-are-stopped, or go step by step (`pdr keys --help`)"
        )
    };
    let id = add(&config)?;
    said(promote(file(&config), &id))?;
    let count = rewrap(&config).await?;
    print(&format!(
        "{id} wraps now; wrapped {count} keys of subjects anew. The old key stays in {} for backups\n",
        file(&config).display()
    ))
}

fn file(config: &Config) -> &Path {
    &config.keys.encryption_file
}

fn add(config: &Config) -> Result<KeyId> {
    said(append(file(config), &SystemEntropy))
}

async fn rewrap(config: &Config) -> Result<u64> {
    let store = compose::open_store(config, TimeSource::Database).await?;
    store.check_schema().await?;
    let clock = compose::system_clock();
    let registry = Registry::new(store.into(), clock, CancellationToken::new());
    Ok(registry.rewrap_keys().await?)
}

fn said<T>(outcome: Result<T, String>) -> Result<T> {
    outcome.map_err(anyhow::Error::msg)
}
