//! The programs beside the PostgreSQL server, and rows that are made without the registry.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};

/// A program of the newest PostgreSQL, whose server `scripts/postgres` runs.
pub fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = versions.flatten().filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let path = version.path().join("bin").join(name);
        path.exists().then_some((number, path))
    });
    let newest: PathBuf = found.max().map_or_else(|| name.into(), |(_, path)| path);
    Command::new(newest)
}

/// Transactions in a second that `pgbench` gets through a script, with prepared statements.
pub fn pgbench(url: &str, script: &Path, callers: usize, round: Duration) -> Result<f64> {
    let callers = callers.to_string();
    let seconds = round.as_secs().max(1).to_string();
    let done = program("pgbench")
        .args(["--no-vacuum", "--protocol", "prepared", "--file"])
        .arg(script)
        .args([
            "--client", &callers, "--jobs", &callers, "--time", &seconds, url,
        ])
        .output()
        .context("pgbench")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let failed = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "pgbench: {failed}");
    let mut lines = said.lines();
    let Some(tps) = lines.find_map(|line| line.strip_prefix("tps = ")) else {
        bail!("pgbench said no figure: {said}{failed}");
    };
    let (tps, _) = tps.split_once(' ').unwrap_or((tps, ""));
    Ok(tps.parse()?)
}

/// Runs a file of commands through `psql`, in one transaction.
pub fn psql(url: &str, commands: &Path) -> Result<()> {
    let done = program("psql")
        .args(["--no-psqlrc", "--quiet", "--single-transaction"])
        .args(["--set", "ON_ERROR_STOP=1", "--file"])
        .arg(commands)
        .arg(url)
        .output()
        .context("psql")?;
    let failed = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "psql: {failed}");
    Ok(())
}

/// Rows of a query.
pub async fn rows(database: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>> {
    let ask = Statement::from_string(DbBackend::Postgres, sql);
    Ok(database.query_all_raw(ask).await?)
}

/// The one text that a query finds.
pub async fn text(database: &DatabaseConnection, sql: &str) -> Result<String> {
    let rows = rows(database, sql).await?;
    let row = rows.first().context("a row")?;
    Ok(row.try_get_by_index(0)?)
}

/// The tables whose rows belong to people, and their columns in order; those that the database numbers itself
/// are left out.
pub async fn tables_of_people(database: &DatabaseConnection) -> Result<Vec<(String, Vec<String>)>> {
    let sql = "SELECT table_name::text, string_agg(column_name, ',' ORDER BY ordinal_position)
        FILTER (WHERE is_identity = 'NO')
        FROM information_schema.columns WHERE table_schema = 'public'
        GROUP BY table_name HAVING bool_or(column_name = 'subject_id') ORDER BY table_name";
    let found = rows(database, sql).await?.into_iter();
    let tables = found.map(|row| {
        let columns: String = row.try_get_by_index(1)?;
        let columns = columns.split(',').map(str::to_owned).collect();
        Ok((row.try_get_by_index(0)?, columns))
    });
    tables.collect()
}
