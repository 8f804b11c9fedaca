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

/// People whom the check by address is about.
const PEOPLE: usize = 1_000;

/// The registry, twice: each person is asked about once, so nobody is in memory; and by address, where there is
/// no memory.
pub async fn cold(bench: &Bench) -> Result<Vec<Figure>> {
    let crowd = bench.size(1_000_000, 50_000);
    let deployment = Deployment::new(bench).await?;
    let (server, forgetful) = (deployment.serve()?, deployment.serve_without_memory()?);
    let token = Some(deployment.token.as_str());
    let clients = Client::connect_all(server.address(), token, CONNECTIONS).await?;
    people::register(&clients[0], PEOPLE).await?;
    let database = deployment.connect().await?;
    crowd::rest(&database).await?;
    crowd::fill(&database, crowd, Rows::All).await?;
    let script = deployment.dir.path().join("select.sql");
    fs::write(&script, select(crowd))?;
    // Neighbours in time are no neighbours in the tables.
    let by_id = Questions::of(clients, move |number| check(number * 7_919 % crowd), crowd);
    let clients = Client::connect_all(forgetful.address(), token, CONNECTIONS).await?;
    let by_email = Questions::of(clients, |number| people::check(number % PEOPLE), usize::MAX);
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=bench.rounds {
        let one = [
            by_id.ask(bench.round()).await?,
            by_email.ask(bench.round()).await?,
            postgres::pgbench(&deployment.url, &script, CALLERS, bench.round())?,
        ];
        if round > 0 {
            rates
                .iter_mut()
                .zip(one)
                .for_each(|(rates, rate)| rates.push(rate));
        }
    }
    let [by_id, by_email, selects] = rates;
    let figure = |how: &str, ours, aim| Figure {
        name: format!(
            "cold check {how}, {crowd} subjects of 8 items and 4 consents, {CALLERS} callers"
        ),
        unit: "/s",
        ours,
        against: "pgbench, prepared point select",
        theirs: selects.clone(),
        aim,
    };
    Ok(vec![
        figure("by id", by_id, Aim::AtLeast(0.6)),
        figure("by address", by_email, Aim::Reported),
    ])
}

fn select(crowd: usize) -> String {
    let member = crowd::MEMBER.replace("NUMBER", ":number::bigint");
    format!(
        "\\set number random(0, {})\nSELECT * FROM subjects WHERE subject_id = {member};\n",
        crowd - 1
    )
}

type Question = dyn Fn(usize) -> CheckPurposeRequest + Send + Sync;

/// Checks that are asked one after the other.
struct Questions {
    clients: Vec<Client>,
    question: Arc<Question>,
    asked: Arc<AtomicUsize>,
    /// How many there are.
    most: usize,
}

impl Questions {
    fn of(
        clients: Vec<Client>,
        question: impl Fn(usize) -> CheckPurposeRequest + Send + Sync + 'static,
        most: usize,
    ) -> Self {
        Self {
            clients,
            question: Arc::new(question),
            asked: Arc::default(),
            most,
        }
    }

    /// Answers in a second.
    async fn ask(&self, round: Duration) -> Result<f64> {
        let begun = Instant::now();
        let callers = self.clients.iter().cycle().take(CALLERS).map(|client| {
            let (client, asked, most) = (client.clone(), self.asked.clone(), self.most);
            let question = self.question.clone();
            tokio::spawn(async move {
                let mut answered = 0_u64;
                while begun.elapsed() < round {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    ensure!(number < most, "everybody has been asked about");
                    let decision = client.ask(question(number)).await?;
                    ensure!(decision.effect() == Effect::Allow, "all are allowed");
                    answered += 1;
                }
                Ok(answered)
            })
        });
        let answered = try_join_all(callers.collect::<Vec<_>>()).await?;
        let answered = answered.into_iter().sum::<Result<u64>>();
        Ok(count(answered.context("a check")?) / begun.elapsed().as_secs_f64())
    }
}

/// A check of somebody of the crowd.
fn check(number: usize) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(SubjectRef {
            r#ref: Some(Ref::SubjectId(crowd::member(number))),
        }),
        ..people::check(number)
    }
}
