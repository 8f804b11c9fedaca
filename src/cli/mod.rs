//! The command line, one file per command. `anyhow` lives here and nowhere else: below, errors say
//! what they are.

mod arguments;
mod audit;
mod check;
pub mod client;
pub mod compose;
mod config;
mod connectors;
mod consent;
mod decision;
mod demo;
mod deployment;
pub mod development;
mod disclosure;
mod doctor;
mod exit;
mod healthcheck;
mod holds;
mod import;
mod keys;
mod migrate;
pub mod output;
mod paint;
mod person;
mod policy;
mod recollection;
mod records;
mod register;
mod report;
mod request;
mod restore;
mod serve;
mod subject;
mod tasks;
mod token;
mod tree;
mod watch;

use std::{io, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// The registry of personal data: what is collected from whom, for what, shared with whom.
#[derive(Debug, Parser)]
#[command(name = "pdr", version, about, long_about = None, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Three lives, from the first visit to the last, against a server of the demo's own.
    Demo(demo::Args),
    /// Run the server.
    Serve(serve::Args),
    /// Bring the databases up to this program's schema.
    Migrate(migrate::Args),
    /// Policy files before they are published, and the versions that are.
    Policy(policy::Args),
    /// Mint a token for a development server.
    Token(token::Args),
    /// Register what was collected of a person.
    Register(register::Args),
    /// Register a file of collections, one on a line.
    Import(import::Args),
    /// Ask whether a use of data is lawful. Exit code 0: yes, 3: no.
    Check(check::Args),
    /// What people said yes and no to, and taking it back.
    Consent(consent::Args),
    /// Fetch, correct and delete the collected values.
    Records(records::Args),
    /// Who a person is: identifiers and roles.
    Subject(subject::Args),
    /// What went to whom, and when.
    Disclosure(disclosure::Args),
    /// What people ask for (Chapter III GDPR), and what becomes of it.
    Request(request::Args),
    /// Hold items back from erasure, retention and deletion.
    Holds(holds::Args),
    /// What processors and internal holders must do, and how far they are.
    Tasks(tasks::Args),
    /// The processors that the registry can call itself, and what is missing for it.
    Connectors(connectors::Args),
    /// Follow what happens.
    Watch(watch::Args),
    /// Who did what, and why a decision was as it was.
    Audit(audit::Args),
    /// The record of processing activities (Art. 30).
    Report(report::Args),
    /// After a backup was restored: what the journal has and the database lacks.
    Restore(restore::Args),
    /// Change the key-encryption keys.
    Keys(keys::Args),
    /// Check a configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at everything that a server needs, and say what to do about what is wrong.
    Doctor(doctor::Args),
    /// Ask a server whether it takes calls; for probes.
    Healthcheck(healthcheck::Args),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            // Help and version are shown in the same way, and are no error.
            drop(shown.print());
            return if shown.use_stderr() {
                ExitCode::from(exit::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(cli) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pdr: {error:#}");
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn run(cli: Cli) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(dispatch(cli.command));
    // A thread that still reads a file or a terminal is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Policy(args) => policy::run(args).await,
        Command::Token(args) => token::run(&args),
        Command::Register(args) => register::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Consent(args) => consent::run(args).await,
        Command::Records(args) => records::run(args).await,
        Command::Subject(args) => subject::run(args).await,
        Command::Disclosure(args) => disclosure::run(args).await,
        Command::Request(args) => request::run(args).await,
        Command::Holds(args) => holds::run(args).await,
        Command::Tasks(args) => tasks::run(args).await,
        Command::Connectors(args) => connectors::run(args),
        Command::Watch(args) => watch::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Config(command) => config::run(&command),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(args).await,
    }
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
