//! `pdr import` against `COPY` of the rows that it made, into the same tables.

use std::{fmt::Write, fs, path::Path, process::Stdio, time::Instant};

use anyhow::{Context, Result, ensure};
use sea_orm::DatabaseConnection;
use serde_json::json;

use crate::{
    Bench, crowd,
    deployment::{Deployment, pdr},
    figure::{Aim, Figure},
    people::{self, CATEGORY, ITEMS},
    postgres::{psql, tables_of_people, text},
    process::Server,
};

/// Files of people, one after the other.
pub async fn import(bench: &Bench) -> Result<Vec<Figure>> {
    let people: usize = bench.size(10_000, 1_000);
    let (deployment, plain) = (Deployment::new(bench).await?, Deployment::new(bench).await?);
    let server = deployment.serve()?;
    fs::write(deployment.dir.path().join("token"), &deployment.token)?;
    let database = deployment.connect().await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let registrations = f64::from(u32::try_from(people)?);
    for round in 0..=bench.rounds {
        let before = newest(&database).await?;
        let imported = run(&deployment, &server, round * people..(round + 1) * people)?;
        crowd::rest(&database).await?;
        let folder = deployment.dir.path().join("copies");
        take(&deployment, &database, before, &folder).await?;
        let begun = Instant::now();
        psql(&plain.url, &folder.join("in.sql"))?;
        let copied = begun.elapsed().as_secs_f64();
        if round > 0 {
            ours.push(registrations / imported);
            theirs.push(registrations / copied);
        }
    }
    Ok(vec![Figure {
        name: format!("import of registrations of 8 items, {people} in a file"),
        unit: "/s",
        ours,
        against: "COPY of the same rows",
        theirs,
        aim: Aim::AtLeast(0.25),
    }])
}

/// Imports a file of these people; says how many seconds that took.
fn run(deployment: &Deployment, server: &Server, numbers: std::ops::Range<usize>) -> Result<f64> {
    let dir = deployment.dir.path();
    let file = dir.join("people.jsonl");
    let mut lines = String::new();
    for number in numbers {
        writeln!(lines, "{}", line(number))?;
    }
    fs::write(&file, lines)?;
    let begun = Instant::now();
    let done = pdr()
        .arg("import")
        .arg(&file)
        .args(["--address", server.address(), "--token-file"])
        .arg(dir.join("token"))
        .stdin(Stdio::null())
        .output()
        .context("pdr import")?;
    let took = begun.elapsed().as_secs_f64();
    let failed = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "pdr import: {failed}");
    Ok(took)
}

fn line(number: usize) -> serde_json::Value {
    let items = ITEMS.iter().map(|(data, key)| {
        json!({"data_category": data, "item_key": key, "text": format!("a value of person {number}")})
    });
    json!({
        "subject": {"identifier": {"type": "email", "value": people::email(number)}},
        "subject_category": CATEGORY,
        "items": items.collect::<Vec<_>>(),
    })
}

/// The places of the last person and the last entry of the log.
async fn newest(database: &DatabaseConnection) -> Result<[String; 2]> {
    let place = "SELECT coalesce(max(created_at), 0)::text FROM subjects";
    let entry = "SELECT coalesce(max(seq), 0)::text FROM audit";
    Ok([text(database, place).await?, text(database, entry).await?])
}

/// Writes what was made since into files, and the commands that copy them into another database.
async fn take(
    deployment: &Deployment,
    database: &DatabaseConnection,
    [person, entry]: [String; 2],
    folder: &Path,
) -> Result<()> {
    fs::create_dir_all(folder)?;
    let (mut out, mut into) = (String::new(), String::new());
    let people = format!("(SELECT subject_id FROM subjects WHERE created_at > {person})");
    let mut tables = tables_of_people(database).await?;
    let columns = "audit_id,at,caller,action,subject_pseudonym,data_categories,document,position";
    tables.push((
        "audit".to_owned(),
        columns.split(',').map(str::to_owned).collect(),
    ));
    for (table, columns) in tables {
        let file = folder.join(&table);
        let (file, columns) = (file.display(), columns.join(", "));
        let which = match table.as_str() {
            "audit" => format!("seq > {entry}"),
            _ => format!("subject_id IN {people}"),
        };
        writeln!(
            out,
            "\\copy (SELECT {columns} FROM {table} WHERE {which}) TO '{file}'"
        )?;
        writeln!(into, "\\copy {table} ({columns}) FROM '{file}'")?;
    }
    fs::write(folder.join("out.sql"), out)?;
    fs::write(folder.join("in.sql"), into)?;
    psql(&deployment.url, &folder.join("out.sql"))
}
