//! Durable registrations of eight items against `pgbench`, which inserts the same rows.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use sea_orm::DatabaseConnection;

use crate::{
    Bench, crowd,
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{Client, count},
    people,
    postgres::{self, rows, tables_of_people, text},
};

const CALLERS: usize = 16;
const CONNECTIONS: usize = 4;
/// A new person of the script.
const PERSON: &str = "lpad(to_hex(:person::bigint), 32, '0')::uuid";

/// People whom nobody knew, with eight items each.
pub async fn registrations(bench: &Bench) -> Result<Vec<Figure>> {
    let (deployment, plain) = (Deployment::new(bench).await?, Deployment::new(bench).await?);
    let server = deployment.serve()?;
    let token = Some(deployment.token.as_str());
    let clients = Client::connect_all(server.address(), token, CONNECTIONS).await?;
    let mut collection = clients[0].collection();
    collection.register_collection(people::items_of(0)).await?;
    let database = deployment.connect().await?;
    crowd::rest(&database).await?;
    let script = deployment.dir.path().join("insert.sql");
    fs::write(&script, same_rows(&database).await?)?;
    let next = Arc::new(AtomicUsize::new(1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let registered = register(&clients, &next, bench.round()).await?;
        // What the registry does afterwards is not to be in the way of the other.
        crowd::rest(&database).await?;
        let inserted = postgres::pgbench(&plain.url, &script, CALLERS, bench.round())?;
        if round > 0 {
            ours.push(registered);
            theirs.push(inserted);
        }
    }
    Ok(vec![Figure {
        name: format!("durable registrations of 8 items, {CALLERS} callers"),
        unit: "/s",
        ours,
        against: "pgbench inserting the same rows",
        theirs,
        aim: Aim::AtLeast(1.5),
    }])
}

async fn register(clients: &[Client], next: &Arc<AtomicUsize>, round: Duration) -> Result<f64> {
    let begun = Instant::now();
    let callers = clients.iter().cycle().take(CALLERS).map(|client| {
        let (mut collection, next) = (client.collection(), next.clone());
        tokio::spawn(async move {
            let mut registered = 0_u64;
            while begun.elapsed() < round {
                let number = next.fetch_add(1, Ordering::Relaxed);
                collection
                    .register_collection(people::items_of(number))
                    .await?;
                registered += 1;
            }
            anyhow::Ok(registered)
        })
    });
    let registered = try_join_all(callers.collect::<Vec<_>>()).await?;
    let registered = registered.into_iter().sum::<Result<u64>>();
    Ok(count(registered.context("a registration")?) / begun.elapsed().as_secs_f64())
}

/// A script that inserts what the one registration there is wrote, for a person of its own each time.
async fn same_rows(database: &DatabaseConnection) -> Result<String> {
    let person = text(database, "SELECT subject_id::text FROM subjects").await?;
    let mut script = "\\set person random(1, 9223372036854775807)\nBEGIN;\n".to_owned();
    for (table, columns) in tables_of_people(database).await? {
        let of_person = format!("WHERE subject_id = '{person}'");
        script += &insertion(database, &table, &columns, &of_person, &person).await?;
    }
    let audit: Vec<_> = rows(
        database,
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_name = 'audit' AND is_identity = 'NO' ORDER BY ordinal_position",
    )
    .await?;
    let columns = audit.iter().map(|row| row.try_get_by_index(0));
    let columns: Vec<String> = columns.collect::<Result<_, _>>()?;
    let last = "WHERE seq = (SELECT max(seq) FROM audit)";
    script += &insertion(database, "audit", &columns, last, &person).await?;
    Ok(script + "COMMIT;\n")
}

/// One statement with all rows of a table; none where there are none.
async fn insertion(
    database: &DatabaseConnection,
    table: &str,
    columns: &[String],
    which: &str,
    person: &str,
) -> Result<String> {
    let values = columns.iter().map(|column| value(column, person));
    let values = values.collect::<Vec<_>>().join(" || ', ' || ");
    let found = rows(database, &format!("SELECT {values} FROM {table} {which}")).await?;
    if found.is_empty() {
        return Ok(String::new());
    }
    let tuples = found.iter().map(|row| {
        let tuple: String = row.try_get_by_index(0)?;
        Ok(format!("({tuple})"))
    });
    let tuples = tuples.collect::<Result<Vec<_>>>()?.join(", ");
    Ok(format!(
        "INSERT INTO {table} ({}) VALUES {tuples};\n",
        columns.join(", ")
    ))
}

/// An expression that spells a column's value for the script: of a new person and new ids, otherwise as it is.
fn value(column: &str, person: &str) -> String {
    let spelled = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match column {
        "subject_id" => spelled(PERSON),
        "slot" => format!(
            "CASE WHEN slot = '{person}' THEN {} ELSE {} END",
            spelled(PERSON),
            spelled("'00000000-0000-0000-0000-000000000000'")
        ),
        "hash" => spelled("sha256(int8send(:person::bigint))"),
        "event_id" | "audit_id" => spelled("gen_random_uuid()"),
        // What is given afterwards.
        "position" => spelled("NULL"),
        // The script takes a colon for the beginning of a variable.
        other => {
            let escaped = [(r"\", r"\\"), ("''", "''''"), (":", r"\x3a")];
            let escaped = escaped
                .iter()
                .fold(format!("{other}::text"), |text, (from, to)| {
                    format!("replace({text}, '{from}', '{to}')")
                });
            format!("coalesce('E''' || {escaped} || '''', 'NULL')")
        }
    }
}
