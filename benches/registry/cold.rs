//! Checks of people who are not in memory, against the select of one row.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use registry::proto::v1::{CheckPurposeRequest, Effect, SubjectRef, subject_ref::Ref};

use crate::{
    Bench,
    crowd::{self, Rows},
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{Client, count},
    people, postgres,
};

/// Callers of either, as many as the registry has connections.
const CALLERS: usize = 16;
const CONNECTIONS: usize = 4;

/// Each person is asked about once, so nobody is in memory.
pub async fn cold(bench: &Bench) -> Result<Vec<Figure>> {
    let crowd = bench.size(1_000_000, 50_000);
    let deployment = Deployment::new(bench).await?;
    let server = deployment.serve()?;
    let token = Some(deployment.token.as_str());
    let clients = Client::connect_all(server.address(), token, CONNECTIONS).await?;
    people::register(&clients[0], 1).await?;
    let database = deployment.connect().await?;
    crowd::rest(&database).await?;
    crowd::fill(&database, crowd, Rows::All).await?;
    let script = deployment.dir.path().join("select.sql");
    let member = crowd::MEMBER.replace("NUMBER", ":number::bigint");
    let select = format!(
        "\\set number random(0, {})\nSELECT * FROM subjects WHERE subject_id = {member};\n",
        crowd - 1
    );
    fs::write(&script, select)?;
    let asked = Arc::new(AtomicUsize::new(0));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let checks = ask(&clients, &asked, crowd, bench.round()).await?;
        let selects = postgres::pgbench(&deployment.url, &script, CALLERS, bench.round())?;
        if round > 0 {
            ours.push(checks);
            theirs.push(selects);
        }
    }
    Ok(vec![Figure {
        name: format!(
            "cold check by id, {crowd} subjects of 8 items and 4 consents, {CALLERS} callers"
        ),
        unit: "/s",
        ours,
        against: "pgbench, prepared point select",
        theirs,
        aim: Aim::AtLeast(0.6),
    }])
}

/// Checks in a second, each of somebody who was not asked about before.
async fn ask(
    clients: &[Client],
    asked: &Arc<AtomicUsize>,
    crowd: usize,
    round: Duration,
) -> Result<f64> {
    let begun = Instant::now();
    let callers = clients.iter().cycle().take(CALLERS).map(|client| {
        let (client, asked) = (client.clone(), asked.clone());
        tokio::spawn(async move {
            let mut answered = 0_u64;
            while begun.elapsed() < round {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                ensure!(number < crowd, "everybody has been asked about");
                // Neighbours in time are no neighbours in the tables.
                let decision = client.ask(check(number * 7_919 % crowd)).await?;
                ensure!(decision.effect() == Effect::Allow, "the crowd is allowed");
                answered += 1;
            }
            Ok(answered)
        })
    });
    let answered = try_join_all(callers.collect::<Vec<_>>()).await?;
    let answered: u64 = answered
        .into_iter()
        .sum::<Result<u64>>()
        .context("a check")?;
    Ok(count(answered) / begun.elapsed().as_secs_f64())
}

fn check(number: usize) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(SubjectRef {
            r#ref: Some(Ref::SubjectId(crowd::member(number))),
        }),
        ..people::check(number)
    }
}
