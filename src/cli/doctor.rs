//! `pdr doctor`: looks at everything that a server needs, and says what to do about what is wrong.

mod certificate;
mod files;
mod journal;

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    compose,
    deployment::Deployment,
    development, exit,
    output::{Output, print, print_value, printable},
    paint::Paint,
};
use crate::{
    auth::TokenVerifier,
    config::{Config, Tls},
    connectors::loading,
    crypto::keyring::KeyRing,
    runtime::clock::Clock,
    store::{Store, TimeSource},
};

/// More than this between our clock and the database's is worth a look.
const SKEW_WARN: SignedDuration = SignedDuration::from_secs(2);
/// Callers' instants further ahead than this are refused: with such a skew all would be.
const SKEW_FAIL: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It changes nothing. Exit code 1: something fails.

Examples:
    pdr doctor
    pdr doctor --config /etc/registry/registry.toml --output json")]
pub(super) struct Args {
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
    let mut report = Report::default();
    let config = args.deployment.load();
    match &config {
        Ok(config) => {
            report.ok("configuration", "reads, and makes sense");
            examine(&mut report, &args.deployment, config).await;
        }
        Err(error) => report.fail("configuration", format!("{error:#}")),
    }
    report.show(args.output)?;
    Ok(if report.has_failed() {
        ExitCode::from(exit::FAILURE)
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(report: &mut Report, deployment: &Deployment, config: &Config) {
    let clock = compose::system_clock();
    examine_keys(report, config);
    examine_connectors(report, config);
    files::examine(report, config);
    examine_database(report, config, &*clock).await;
    match TokenVerifier::open(&config.auth, clock.clone()).await {
        Ok(_) => report.ok("issuer's keys", "can be read"),
        Err(error) => report.fail(
            "issuer's keys",
            format!("{error}; every caller would be refused: see [auth] of the configuration"),
        ),
    }
    examine_tls(report, config, clock.now());
    if deployment.is_development() {
        match std::fs::read_to_string(development::address_file(&deployment.data_dir)) {
            Ok(address) => report.ok("server", format!("said that it listens on {address}")),
            Err(_) => report.warn("server", "does not run; start it with `pdr serve --dev`"),
        }
    }
}

fn examine_keys(report: &mut Report, config: &Config) {
    match KeyRing::load(&compose::key_files(&config.keys)) {
        Ok(ring) => report.ok(
            "key files",
            format!(
                "read, private; key {} wraps, key {} signs",
                ring.encryption_key_id(),
                ring.signing().key_id()
            ),
        ),
        Err(error) => error
            .problems
            .iter()
            .for_each(|problem| report.fail("key files", problem)),
    }
}

fn examine_connectors(report: &mut Report, config: &Config) {
    match loading::load(&config.connectors) {
        Ok(loaded) if loaded.is_empty() => report.ok("connectors", "none is switched on"),
        Ok(loaded) => report.ok(
            "connectors",
            format!("{} switched on, with all that they need", loaded.len()),
        ),
        Err(error) => error
            .problems
            .iter()
            .for_each(|problem| report.fail("connectors", problem.to_string())),
    }
}

async fn examine_database(report: &mut Report, config: &Config, clock: &dyn Clock) {
    if !files::are_there(report, config) {
        return;
    }
    let store = match compose::open_store(config, TimeSource::Database).await {
        Ok(store) => store,
        Err(error) => {
            return report.fail(
                "database",
                format!("{error:#}; see [database] and [keys] of the configuration"),
            );
        }
    };
    report.ok("database", "answers");
    match store.check_schema().await {
        Ok(()) => report.ok("schema", "is this program's"),
        Err(error) => return report.fail("schema", error.to_string()),
    }
    if let Err(error) = examine_state(report, &store, clock).await {
        report.fail("database", format!("{error:#}"));
    }
    journal::examine(report, config, store).await;
}

async fn examine_state(report: &mut Report, store: &Store, clock: &dyn Clock) -> Result<()> {
    let before = clock.now();
    let snapshot = store.snapshot(before).await?;
    let database = snapshot.now();
    // Between asking and being told the clock went on: what lies between is no skew.
    let skew = skew(database, before, clock.now());
    let words = format!("{skew:#} between ours and the database's");
    match skew {
        skew if skew > SKEW_FAIL => report.fail("clock", format!("{words}; set them (NTP)")),
        skew if skew > SKEW_WARN => report.warn("clock", format!("{words}; set them (NTP)")),
        _ => report.ok("clock", words),
    }
    let policies = store.policies(&snapshot).await?;
    match policies.in_force(database) {
        Some(policy) => report.ok(
            "policy",
            format!("version {} is in force", policy.policy().version),
        ),
        None => report.warn(
            "policy",
            "none is in force: everything is denied until `pdr policy publish FILE`",
        ),
    }
    Ok(())
}

fn skew(database: Timestamp, before: Timestamp, after: Timestamp) -> SignedDuration {
    if database < before {
        database.duration_until(before)
    } else if database > after {
        after.duration_until(database)
    } else {
        SignedDuration::ZERO
    }
}

fn examine_tls(report: &mut Report, config: &Config, now: Timestamp) {
    match &config.server.tls {
        Tls::Development => report.ok("TLS", "none: a development server listens on loopback"),
        Tls::EndsInFront => report.ok("TLS", "ends in front of the listener, as configured"),
        Tls::Files {
            certificate: file,
            key,
        } => {
            if let Err(error) = std::fs::read(key) {
                report.fail("TLS", format!("{}: {error}", key.display()));
            }
            let expiry = std::fs::read(file)
                .with_context(|| file.display().to_string())
                .and_then(|pem| {
                    certificate::expiry(&pem)
                        .with_context(|| format!("{} holds no certificate", file.display()))
                });
            match expiry {
                Ok(expiry) => certificate::judge(report, expiry, now),
                Err(error) => report.fail("TLS", format!("{error:#}")),
            }
        }
    }
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Line {
    level: Level,
    what: &'static str,
    text: String,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
struct Report(Vec<Line>);

impl Report {
    fn ok(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Level::Ok, what, text.into());
    }

    fn warn(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Level::Warn, what, text.into());
    }

    fn fail(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Level::Fail, what, text.into());
    }

    fn add(&mut self, level: Level, what: &'static str, text: String) {
        self.0.push(Line { level, what, text });
    }

    fn has_failed(&self) -> bool {
        self.0.iter().any(|line| line.level == Level::Fail)
    }

    fn show(&self, output: Output) -> Result<()> {
        let paint = Paint::for_stdout();
        self.0.iter().try_for_each(|line| match output {
            Output::Json => print_value(line),
            Output::Table => {
                let mark = match line.level {
                    Level::Ok => paint.good("ok  "),
                    Level::Warn => paint.warn("warn"),
                    Level::Fail => paint.bad("fail"),
                };
                // A configuration's problems stand on lines of their own.
                let text: Vec<_> = line.text.lines().map(printable).collect();
                let text = text.join("\n                      ");
                print(&format!("{mark}  {:<14}  {text}\n", line.what))
            }
        })
    }
}
