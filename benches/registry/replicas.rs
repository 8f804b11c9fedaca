//! What several replicas bring.

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use crate::{
    Bench, crowd,
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{self, Client, Questions, count},
    people,
    process::Server,
};

/// People who are asked about.
const PEOPLE: usize = 1_000;
const CONNECTIONS: usize = 4;
const CALLERS: usize = 16;
const MICROS: f64 = 1e6;

/// Checks at two replicas and at one, each kept on a core.
pub async fn two(bench: &Bench) -> Result<Vec<Figure>> {
    let deployment = Deployment::new(bench).await?;
    let servers = [deployment.serve()?, deployment.serve()?];
    let mut clients = Vec::new();
    let token = Some(deployment.token.as_str());
    for (core, server) in servers.iter().enumerate() {
        server.pin(core)?;
        clients.extend(Client::connect_all(server.address(), token, CONNECTIONS).await?);
    }
    people::register(&clients[0], PEOPLE).await?;
    crowd::rest(&deployment.connect().await?).await?;
    let questions: Questions = Arc::new((0..PEOPLE).map(people::check).collect());
    let one = (&servers[..1], &clients[..CONNECTIONS], CALLERS);
    let all = (&servers[..], &clients[..], CALLERS / 2);
    let (mut by_two, mut by_one) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let two = check_at(all, &questions, bench.round()).await?;
        let single = check_at(one, &questions, bench.round()).await?;
        if round > 0 {
            by_two.push(two);
            by_one.push(single);
        }
    }
    let figure = |what: &str, unit, of: fn(&Checked) -> f64| Figure {
        name: format!("checks at 2 replicas, each on its core: {what}"),
        unit,
        ours: by_two.iter().map(of).collect(),
        against: "1 replica on one core",
        theirs: by_one.iter().map(of).collect(),
        aim: Aim::Reported,
    };
    Ok(vec![
        figure("throughput", "/s", |checked| checked.rate),
        // The load runs on the same cores, and takes what a replica leaves.
        figure("servers' CPU per check", "µs", |checked| {
            checked.cpu_micros
        }),
    ])
}

struct Checked {
    rate: f64,
    cpu_micros: f64,
}

async fn check_at(
    (servers, clients, callers): (&[Server], &[Client], usize),
    questions: &Questions,
    round: Duration,
) -> Result<Checked> {
    let used = || servers.iter().map(Server::cpu_seconds).sum::<Result<f64>>();
    let before = used()?;
    let load = load::unary(clients, callers, questions, round).await?;
    Ok(Checked {
        rate: load.rate(),
        cpu_micros: (used()? - before) * MICROS / count(load.decisions),
    })
}
