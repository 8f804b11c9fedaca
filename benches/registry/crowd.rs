//! A crowd: copies of one person's rows, made by the database itself, so that millions of people are there in
//! minutes. They are found by id; nobody can read what their rows hold.

use std::time::Duration;

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::postgres::{rows, tables_of_people, text};

/// Copies of a person that are made in one statement.
const AT_ONCE: usize = 500_000;
/// What a check, a start of the server and its workers read. Events are not copied, nor what else is history.
const COPIED: [&str; 8] = [
    "consents",
    "expiries",
    "identifier_index",
    "identifiers",
    "items",
    "membership_facts",
    "subject_keys",
    "subjects",
];

/// Which rows of the person are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// One of each table.
    OneOfEach,
}

/// The id of a member of the crowd. Ids grow, as those that the registry makes do.
pub fn member(number: usize) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

/// The same in SQL.
pub const MEMBER: &str = "('00000000-0000-7000-8000-' || lpad(to_hex(NUMBER), 12, '0'))::uuid";

/// Copies the youngest person there is, `count` times.
pub async fn fill(database: &DatabaseConnection, count: usize, which: Rows) -> Result<()> {
    let youngest = "SELECT subject_id::text FROM subjects ORDER BY created_at DESC LIMIT 1";
    let person = text(database, youngest).await?;
    let tables = tables_of_people(database).await?.into_iter();
    for (table, columns) in tables.filter(|(table, _)| COPIED.contains(&table.as_str())) {
        for first in (0..count).step_by(AT_ONCE) {
            let last = (first + AT_ONCE).min(count) - 1;
            let copy = copy(&table, &columns, &person, which, [first, last]);
            database
                .execute_unprepared(&copy)
                .await
                .with_context(|| table.clone())?;
        }
        let settle = format!("VACUUM (ANALYZE) {table}");
        database.execute_unprepared(&settle).await?;
    }
    database.execute_unprepared("CHECKPOINT").await?;
    Ok(())
}

fn copy(
    table: &str,
    columns: &[String],
    person: &str,
    which: Rows,
    [first, last]: [usize; 2],
) -> String {
    let member = MEMBER.replace("NUMBER", "number");
    let values = columns.iter().map(|column| match column.as_str() {
        "subject_id" => member.clone(),
        "slot" => format!("CASE WHEN slot = '{person}' THEN {member} ELSE slot END"),
        "hash" => "sha256(int8send(number))".to_owned(),
        other => other.to_owned(),
    });
    let (values, columns) = (values.collect::<Vec<_>>().join(", "), columns.join(", "));
    let limit = match which {
        Rows::All => "",
        Rows::OneOfEach => "LIMIT 1",
    };
    format!(
        "INSERT INTO {table} ({columns}) SELECT {values}
         FROM generate_series({first}::bigint, {last}) AS number,
         (SELECT * FROM {table} WHERE subject_id = '{person}' {limit}) AS one"
    )
}

/// Waits until nobody of the registry has anything left to do of its own accord.
pub async fn rest(database: &DatabaseConnection) -> Result<()> {
    let waiting = "SELECT 1 FROM events WHERE position IS NULL UNION ALL
        SELECT 1 FROM audit WHERE position IS NULL UNION ALL
        SELECT 1 FROM expiries WHERE due_at <= extract(epoch FROM clock_timestamp()) * 1000000 LIMIT 1";
    while !rows(database, waiting).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
