//! Which deployment a command works on: a configured one, or a development server's directory.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::development;
use crate::config::Config;

/// Which deployment.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Deployment {
    /// The configuration file; PDR_… variables win over it.
    #[arg(long, value_name = "FILE", env = "PDR_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data directory of a development server, when there is no configuration.
    #[arg(long, value_name = "DIR", default_value = development::DATA_DIR)]
    pub data_dir: PathBuf,
}

impl Deployment {
    /// Whether it is a development server's.
    pub(super) fn is_development(&self) -> bool {
        self.config.is_none()
    }

    /// Its configuration, with every problem if it has some.
    pub(super) fn load(&self) -> Result<Config> {
        if let Some(file) = &self.config {
            return Ok(Config::load(Some(file))?);
        }
        if !development::admin_token_file(&self.data_dir).exists() {
            bail!(
                "no development server has run in {}; start one with `pdr serve --dev --data-dir {}`, \
                 or name a configuration with --config",
                self.data_dir.display(),
                self.data_dir.display()
            );
        }
        Ok(Config::development(
            &self.data_dir,
            development::LISTEN.parse()?,
        )?)
    }
}
