//! `pdr migrate`: the schema, forwards only. Safe to run from several places at once.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::compose;
use crate::{config::Config, store::TimeSource};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; PDR_… variables win over it.
    #[arg(long, value_name = "FILE", env = "PDR_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    let store = compose::open_store(&config, TimeSource::Database).await?;
    store.migrate().await?;
    store.check_schema().await?;
    println!("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}
