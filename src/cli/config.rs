//! `pdr config check`: every problem of a configuration at once, before anything is started.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

use super::compose;
use crate::{
    config::{Config, SAMPLE},
    connectors::loading,
    crypto::keyring::KeyRing,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Report every problem of a configuration, its key files and its connectors included.
    Check {
        /// The configuration file; PDR_… variables win over it.
        #[arg(long, value_name = "FILE", env = "PDR_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print a configuration file that says what every key means.
    Sample,
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Check { config } => {
            let config = Config::load(config.as_deref())?;
            let keys = KeyRing::load(&compose::key_files(&config.keys));
            let connectors = loading::load(&config.connectors);
            match (keys, connectors) {
                (Ok(_), Ok(_)) => {}
                (Err(keys), Ok(_)) => return Err(keys.into()),
                (Ok(_), Err(connectors)) => return Err(connectors.into()),
                (Err(keys), Err(connectors)) => bail!("{keys}\n{connectors}"),
            }
            println!("the configuration is good");
        }
        Command::Sample => print!("{SAMPLE}"),
    }
    Ok(ExitCode::SUCCESS)
}
