//! The command line, one file per command. `anyhow` lives here and nowhere else: below, errors say
//! what they are.

mod check;
pub mod client;
pub mod compose;
mod config;
pub mod development;
mod migrate;
pub mod output;
mod serve;
mod token;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// The registry of personal data: what is collected from whom, for what, shared with whom.
#[derive(Debug, Parser)]
#[command(name = "pdr", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Ask whether a use of data is lawful. Exit code 0: yes, 3: no.
    Check(check::Args),
    /// Bring the databases up to this program's schema.
    Migrate(migrate::Args),
    /// Mint a token for a development server.
    Token(token::Args),
    /// Check a configuration.
    #[command(subcommand)]
    Config(config::Command),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pdr: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Check(args) => check::run(args).await,
            Command::Migrate(args) => migrate::run(args).await,
            Command::Token(args) => token::run(&args),
            Command::Config(command) => config::run(&command),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_and_their_options_fit_together() {
        Cli::command().debug_assert();
    }
}
