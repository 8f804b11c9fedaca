//! `pdr token`: tokens for a development server. A deployment has its own issuer.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use jiff::SignedDuration;

use super::{compose, development};
use crate::{
    auth::dev_issuer::{DevIssuer, Grant},
    config::Config,
    domain::caller::Scope,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory of the development server.
    #[arg(long, value_name = "DIR", default_value = development::DATA_DIR)]
    data_dir: PathBuf,
    /// The service that the token names.
    #[arg(long, value_name = "NAME")]
    service: String,
    /// The scopes, separated by spaces or commas: "check collect consent".
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    scope: Vec<String>,
    /// The sources that it may speak for; `*` for all. None: none.
    #[arg(long, value_name = "SOURCES", value_delimiter = ',')]
    sources: Vec<String>,
    /// The purposes that it may use; `*` for all. None: none.
    #[arg(long, value_name = "PURPOSES", value_delimiter = ',')]
    purposes: Vec<String>,
    /// The processors that it may name; `-` for the company itself, `*` for all. None: none.
    #[arg(
        long,
        value_name = "PROCESSORS",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    processors: Vec<String>,
    /// How long it counts: 90s, 15m, 1h, 7d.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires_in: SignedDuration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let listen = development::LISTEN.parse()?;
    let config = Config::development(&args.data_dir, listen)?;
    let issuer = DevIssuer::open(&config.auth).with_context(|| {
        format!(
            "no development server has run in {}",
            args.data_dir.display()
        )
    })?;
    let scopes = words(&args.scope)
        .map(|scope| {
            scope
                .parse::<Scope>()
                .with_context(|| format!("--scope {scope}"))
        })
        .collect::<Result<_>>()?;
    let grant = Grant {
        service: args.service.clone(),
        scopes,
        sources: words(&args.sources).collect(),
        purposes: words(&args.purposes).collect(),
        processors: words(&args.processors).collect(),
        lifetime: Duration::try_from(args.expires_in).context("--expires-in must be positive")?,
    };
    println!("{}", issuer.mint(&grant, compose::system_clock().now())?);
    Ok(ExitCode::SUCCESS)
}

fn words(list: &[String]) -> impl Iterator<Item = String> {
    list.iter()
        .flat_map(|words| words.split_whitespace())
        .map(str::to_owned)
}
