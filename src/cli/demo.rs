//! `pdr demo`: three lives, and the end of one, against a server that the demo starts itself, in its own process and in a
//! directory that it removes at the end. Every call is a real one, with a token as narrow as the
//! service's work. An answer that is not the expected one is a failure: the demo is a test, too.

mod affiliate;
mod cast;
mod client;
mod farewell;
mod own_server;
mod registration;
mod stage;
mod visitor;

use std::process::ExitCode;

use anyhow::Result;

use self::{cast::Cast, own_server::OwnServer, stage::Stage};
use super::{exit, output::Output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs nothing and leaves nothing behind. Exit code 1: an answer was not the expected one.

Examples:
    pdr demo
    pdr demo --verbose | less -R
    pdr demo --output json")]
pub(super) struct Args {
    /// Show whole messages, too.
    #[arg(long)]
    verbose: bool,
    /// Do not pause between the calls.
    #[arg(long)]
    fast: bool,
    /// The story for people, or what was asked and answered as JSON.
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
    let server = OwnServer::start().await?;
    let mut stage = Stage::new(args.output, args.verbose, args.fast);
    let played = server.while_it_runs(play(&server, &mut stage)).await;
    let stopped = server.stop().await;
    played?;
    stopped?;
    stage.close()?;
    Ok(if stage.was_as_expected() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILURE)
    })
}

async fn play(server: &OwnServer, stage: &mut Stage) -> Result<()> {
    let cast = Cast::call_up(server).await?;
    stage.open(&server.address())?;
    visitor::play(stage, &cast).await?;
    client::play(stage, &cast).await?;
    affiliate::play(stage, &cast).await?;
    farewell::play(stage, &cast).await
}
