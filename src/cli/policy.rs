//! `pdr policy`: policy files before they are published, and the versions that are.

mod diff;
mod lint;
mod publish;
mod show;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};

use super::{client::Connection, output::printable};
use crate::domain::policy::{
    compile::CompiledPolicy,
    finding::Finding,
    format::{Positions, parse_yaml},
    model::Policy,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  What is wrong with this file? (needs no server)
    pdr policy lint policies/alidropship/2018-05-24.yaml
  What would the new version make possible, and what would it stop? (needs no server)
    pdr policy diff policies/old.yaml policies/new.yaml
  The same with the people that it touches counted, and then in earnest:
    pdr policy publish policies/new.yaml --validate-only
    pdr policy publish policies/new.yaml --accept-findings")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check a policy file. Exit code 1: it has errors.
    Lint(lint::Args),
    /// Compare two policy files.
    Diff(diff::Args),
    /// Publish a policy file as a new version.
    Publish(publish::Args),
    /// Show a version.
    Show(show::ShowArgs),
    /// List the published versions.
    List,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Lint(lint) => lint::run(&lint, args.connection.output),
        Command::Diff(diff) => diff::run(&diff, args.connection.output),
        Command::Publish(publish) => publish::run(publish, &args.connection).await,
        Command::Show(version) => show::show(version, &args.connection).await,
        Command::List => show::list(&args.connection).await,
    }
}

/// A policy file: the policy and where its fields stand, or every mistake with its place.
fn read(file: &Path) -> Result<Result<(Policy, Positions), Vec<Finding>>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(parse_yaml(&text))
}

/// A policy file that makes sense; every mistake with its place otherwise.
fn compile(file: &Path) -> Result<Result<(CompiledPolicy, Positions), Vec<Finding>>> {
    Ok(read(file)?.and_then(
        |(policy, positions)| match CompiledPolicy::compile(policy) {
            Ok(compiled) => Ok((compiled, positions)),
            Err(mut findings) => {
                positions.locate(&mut findings);
                Err(findings)
            }
        },
    ))
}

/// A finding on one line: `file:line:col: SEVERITY CODE message (article)`.
fn line(file: &Path, finding: &Finding) -> String {
    let place = match finding.position {
        Some(position) => format!(":{}:{}", position.line, position.column),
        None => String::new(),
    };
    let article = match finding.article.as_str() {
        "" => String::new(),
        article => format!(" ({article})"),
    };
    let Finding {
        severity,
        code,
        message,
        ..
    } = finding;
    let text = format!(
        "{}{place}: {severity} {code}: {message}{article}",
        file.display()
    );
    format!("{}\n", printable(&text))
}
