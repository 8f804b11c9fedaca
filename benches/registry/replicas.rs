//! What several replicas cost, and what they bring.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use registry::proto::v1::{WithdrawConsentRequest, withdraw_consent_request::Who};

use crate::{
    Bench, crowd,
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{self, Client, Load, Questions, count},
    people,
    process::Server,
};

/// People who take something back, or are asked about.
const PEOPLE: usize = 1_000;
const CONNECTIONS: usize = 4;
const CALLERS: usize = 16;
const MILLIS: f64 = 1e3;
const MICROS: f64 = 1e6;

/// Replicas on one database.
struct Replicas {
    clients: Vec<Client>,
    withdrawn: usize,
    _servers: Vec<Server>,
    _deployment: Deployment,
}

impl Replicas {
    async fn start(bench: &Bench, count: usize) -> Result<Self> {
        let deployment = Deployment::new(bench).await?;
        let servers = (0..count).map(|_| deployment.serve());
        let servers = servers.collect::<Result<Vec<_>>>()?;
        let mut clients = Vec::new();
        for server in &servers {
            clients.push(Client::connect(server.address(), Some(&deployment.token)).await?);
        }
        people::register(&clients[0], PEOPLE).await?;
        crowd::rest(&deployment.connect().await?).await?;
        Ok(Self {
            clients,
            withdrawn: 0,
            _servers: servers,
            _deployment: deployment,
        })
    }

    /// How long withdrawals at the first replica take, one after the other.
    async fn withdraw(&mut self, times: usize) -> Result<Load> {
        let mut load = Load::default();
        let mut consent = self.clients[0].consent();
        for _ in 0..times {
            let withdrawal = WithdrawConsentRequest {
                who: Some(Who::Subject(people::subject(self.withdrawn % PEOPLE))),
                purposes: vec!["newsletter".to_owned()],
                ..WithdrawConsentRequest::default()
            };
            let sent = Instant::now();
            consent.withdraw_consent(withdrawal).await?;
            load.latencies.push(sent.elapsed().as_secs_f64());
            self.withdrawn += 1;
        }
        Ok(load)
    }
}

/// Withdrawals with three replicas and with one.
pub async fn withdrawals(bench: &Bench) -> Result<Vec<Figure>> {
    let times = bench.size(500, 100);
    let (mut three, mut one) = (
        Replicas::start(bench, 3).await?,
        Replicas::start(bench, 1).await?,
    );
    let mut loads = [Vec::new(), Vec::new()];
    for round in 0..=bench.rounds {
        for (replicas, loads) in [&mut three, &mut one].into_iter().zip(&mut loads) {
            let load = replicas.withdraw(times).await?;
            if round > 0 {
                loads.push(load);
            }
        }
    }
    let figure = |name: &str, of: fn(&Load) -> f64, aim| Figure {
        name: format!("withdrawal with 3 healthy replicas, {name} of {times}"),
        unit: "ms",
        ours: loads[0].iter().map(|load| of(load) * MILLIS).collect(),
        against: "with 1",
        theirs: loads[1].iter().map(|load| of(load) * MILLIS).collect(),
        aim,
    };
    Ok(vec![
        figure("p99", Load::p99, Aim::AtMost(3.0)),
        figure("median", Load::p50, Aim::Reported),
    ])
}

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
