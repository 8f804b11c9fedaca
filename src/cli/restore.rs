//! `pdr restore`: after a backup was restored, what the journal has and the database lacks.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use tokio_util::sync::CancellationToken;

use super::{
    compose,
    deployment::Deployment,
    exit,
    output::{Output, print, print_value},
};
use crate::{
    app::{
        Error, Registry,
        restore::{LostKeys, RestorePreview, Restored},
    },
    config::Journal,
    store::TimeSource,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
`pdr serve` applies it by itself before it answers anybody; docs/restore.md says how to back up
and to restore.

Examples:
    pdr restore check --config registry.toml
    pdr restore apply --config registry.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what would be applied; change nothing. Exit code 1: something is missing.
    Check(Options),
    /// Apply it. No server may run on a journal that is a file.
    Apply(Apply),
}

#[derive(Debug, clap::Args)]
struct Apply {
    #[command(flatten)]
    options: Options,
    /// Erase the subjects whose keys are lost, since the keys are older than the data and no newer ones
    /// exist: nobody can read these people any more. What is erased does not come back.
    #[arg(long)]
    give_up_lost_keys: bool,
}

#[derive(Debug, clap::Args)]
struct Options {
    #[command(flatten)]
    deployment: Deployment,
    /// Lines for people, or JSON for machines.
    #[arg(
        long,
        value_enum,
        value_name = "table|json",
        default_value_t,
        hide_possible_values = true
    )]
    output: Output,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Check(options) => check(&options).await,
        Command::Apply(options) => apply(&options).await,
    }
}

async fn check(options: &Options) -> Result<ExitCode> {
    let preview = open(options).await?.preview_restore().await.map_err(told)?;
    match options.output {
        Output::Json => print_value(&preview)?,
        Output::Table => print(&describe(&preview))?,
    }
    Ok(if preview.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILURE)
    })
}

async fn apply(apply: &Apply) -> Result<ExitCode> {
    let Apply {
        options,
        give_up_lost_keys,
    } = apply;
    let registry = open(options).await?;
    let lost = if *give_up_lost_keys {
        LostKeys::GiveUp
    } else {
        LostKeys::Refuse
    };
    let restored = registry.restore_with(lost).await.map_err(told)?;
    match options.output {
        Output::Json => print_value(&restored)?,
        Output::Table => print(&report(restored))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(options: &Options) -> Result<Registry> {
    let config = options.deployment.load()?;
    if config.journal == Journal::Nowhere {
        print("no journal is configured: what was taken back after a backup is not known\n")?;
    }
    let store = compose::open_store(&config, TimeSource::Database).await?;
    store.check_schema().await?;
    let clock = compose::system_clock();
    Ok(Registry::new(store.into(), clock, CancellationToken::new()))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn told(error: Error) -> anyhow::Error {
    anyhow!(error.for_operators())
}

fn describe(preview: &RestorePreview) -> String {
    if preview.is_empty() {
        return "the database has everything that the journal has\n".to_owned();
    }
    let mut text = String::new();
    for (kind, count) in &preview.to_apply {
        text += &format!("{count:>8}  {kind} in the journal and not in the database\n");
    }
    if preview.to_erase > 0 {
        text += &format!(
            "{:>8}  subjects live although their key is destroyed\n",
            preview.to_erase
        );
    }
    if preview.revived > 0 {
        text += &format!(
            "{:>8}  keys live although their destruction is on record\n",
            preview.revived
        );
    }
    if preview.to_refill > 0 {
        text += &format!(
            "{:>8}  entries that the journal has lost\n",
            preview.to_refill
        );
    }
    if preview.lost_keys > 0 {
        // Nothing else is applied before this is settled.
        return text
            + &format!(
                "{:>8}  subjects whose key is lost: the keys are older than the data\n\
                 put the newer keys back; nothing starts without them, unless \
                 `pdr restore apply --give-up-lost-keys` erases these subjects\n",
                preview.lost_keys
            );
    }
    text + "`pdr restore apply`, or the next `pdr serve`, applies it\n"
}

fn report(restored: Restored) -> String {
    let Restored {
        applied,
        unknown,
        erased,
        revived,
        given_up,
        refilled,
    } = restored;
    format!(
        "applied {applied} entries; {unknown} more are about subjects that the database does not \
         know: what holds for those people waits until they register again\n\
         erased {erased} subjects whose key is destroyed\n\
         destroyed {revived} keys again that a backup had brought back\n\
         erased {given_up} subjects whose key is lost\n\
         gave the journal {refilled} entries that it had lost\n"
    )
}
