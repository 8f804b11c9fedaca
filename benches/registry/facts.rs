//! The machine that the figures are of.

use std::{fs, process::Command, thread};

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use crate::{Bench, deployment::cluster};

/// What the machine and the programs are, as a Markdown list.
pub async fn facts(bench: &Bench) -> Result<String> {
    let cores = thread::available_parallelism()?;
    let processor = field("/proc/cpuinfo", "model name")?;
    let memory = field("/proc/meminfo", "MemTotal")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.context("rustc")?.stdout;
    let (sizes, rounds) = (bench.size("full", "small (--quick)"), bench.rounds);
    Ok(format!(
        "- {cores} cores of {processor}, {memory} of memory, Linux {}\n- {}, {}\n\
         - {sizes} sizes, {rounds} rounds of {} ms, bare service on runtime {:?}, log at {}\n",
        kernel.trim(),
        String::from_utf8_lossy(&rustc).trim(),
        postgres().await?,
        bench.round().as_millis(),
        bench.runtime,
        bench.log,
    ))
}

async fn postgres() -> Result<String> {
    let server = Database::connect(&cluster()?).await?;
    let ask = Statement::from_string(DbBackend::Postgres, "SHOW server_version");
    let row = server.query_one_raw(ask).await?.context("a version")?;
    let version: String = row.try_get("", "server_version")?;
    Ok(format!("PostgreSQL {version}"))
}

fn field(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.split_once(':'));
    let (_, value) = line.with_context(|| format!("{name} in {path}"))?;
    Ok(value.trim().to_owned())
}
