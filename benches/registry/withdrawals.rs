//! What it costs the caller that every replica has forgotten what is taken back before the call returns: with
//! healthy replicas, and with one that is dead.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use registry::proto::v1::{WithdrawConsentRequest, withdraw_consent_request::Who};
use sea_orm::DatabaseConnection;

use crate::{
    Bench, crowd,
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{Client, Load},
    people, postgres,
    process::Server,
};

/// People who take something back.
const PEOPLE: usize = 1_000;
/// A withdrawal that takes this long, in seconds, has waited for the lease of a replica that does not answer. It
/// is half of one.
const WAITED: f64 = 0.5;
/// With how many healthy replicas.
const HEALTHY: [usize; 2] = [3, 10];
/// Withdrawals with a dead replica: enough to see it removed, and what they take after that.
const AFTER_A_DEATH: usize = 100;
const MILLIS: f64 = 1e3;

/// Replicas on one database.
struct Replicas {
    client: Client,
    withdrawn: usize,
    servers: Vec<Server>,
    database: DatabaseConnection,
    deployment: Deployment,
}

impl Replicas {
    async fn start(bench: &Bench, count: usize) -> Result<Self> {
        let deployment = Deployment::new(bench).await?;
        let servers = (0..count).map(|_| deployment.serve_small());
        let servers = servers.collect::<Result<Vec<_>>>()?;
        let first = servers.first().context("a replica")?;
        let client = Client::connect(first.address(), Some(&deployment.token)).await?;
        people::register(&client, PEOPLE).await?;
        let replicas = Self {
            client,
            withdrawn: 0,
            servers,
            database: deployment.connect().await?,
            deployment,
        };
        replicas.settle().await?;
        Ok(replicas)
    }

    /// Waits until each is in its place, no dead one is left, and nobody has anything to do.
    async fn settle(&self) -> Result<()> {
        while self.places().await? != self.servers.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        crowd::rest(&self.database).await
    }

    async fn places(&self) -> Result<usize> {
        let places = postgres::rows(&self.database, "SELECT 1 FROM replicas").await?;
        Ok(places.len())
    }

    /// How long withdrawals at the first replica take, one after the other.
    async fn withdraw(&mut self, times: usize) -> Result<Load> {
        let mut load = Load::default();
        let mut consent = self.client.consent();
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

    /// Kills the last one, and withdraws until nobody waits for it any more; then has another in its stead.
    async fn withdraw_after_a_death(&mut self) -> Result<Load> {
        drop(self.servers.pop());
        let load = self.withdraw(AFTER_A_DEATH).await?;
        self.servers.push(self.deployment.serve_small()?);
        self.settle().await?;
        Ok(load)
    }
}

/// Withdrawals with several replicas and with one, and when one of several has died.
pub async fn withdrawals(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for count in HEALTHY {
        figures.extend(healthy(bench, count).await?);
    }
    figures.extend(one_dead(bench).await?);
    Ok(figures)
}

async fn healthy(bench: &Bench, count: usize) -> Result<[Figure; 2]> {
    let times = bench.size(500, 100);
    let (mut several, mut one) = (
        Replicas::start(bench, count).await?,
        Replicas::start(bench, 1).await?,
    );
    let mut loads = [Vec::new(), Vec::new()];
    for round in 0..=bench.rounds {
        for (replicas, loads) in [&mut several, &mut one].into_iter().zip(&mut loads) {
            let load = replicas.withdraw(times).await?;
            if round > 0 {
                loads.push(load);
            }
        }
    }
    let figure = |name: &str, of: fn(&Load) -> f64, aim| Figure {
        name: format!("withdrawal with {count} healthy replicas, {name} of {times}"),
        unit: "ms",
        ours: loads[0].iter().map(|load| of(load) * MILLIS).collect(),
        against: "with 1",
        theirs: loads[1].iter().map(|load| of(load) * MILLIS).collect(),
        aim,
    };
    let most = match count {
        3 => Aim::AtMost(3.0),
        // More processes than cores: what they cost each other is not the registry's.
        _ => Aim::Reported,
    };
    Ok([
        figure("p99", Load::p99, most),
        figure("median", Load::p50, Aim::Reported),
    ])
}

async fn one_dead(bench: &Bench) -> Result<[Figure; 3]> {
    let mut replicas = Replicas::start(bench, 3).await?;
    let mut deaths = Vec::new();
    for _ in 0..bench.rounds {
        deaths.push(Death::of(&replicas.withdraw_after_a_death().await?)?);
    }
    let figure = |name: &str, unit, of: fn(&Death) -> f64| Figure {
        name: format!("withdrawal with 3 replicas, one of them killed: {name}"),
        unit,
        ours: deaths.iter().map(of).collect(),
        against: "–",
        theirs: Vec::new(),
        aim: Aim::Reported,
    };
    Ok([
        figure("the longest", "ms", |death| death.longest * MILLIS),
        figure("that waited for it, one by one", "calls", |death| {
            death.waited
        }),
        figure("median of those after", "ms", |death| {
            death.after.p50() * MILLIS
        }),
    ])
}

/// What a dead replica cost the withdrawals that followed its death.
struct Death {
    longest: f64,
    waited: f64,
    after: Load,
}

impl Death {
    fn of(load: &Load) -> Result<Self> {
        let took = &load.latencies;
        let last = took.iter().rposition(|seconds| *seconds > WAITED);
        let last = last.context("nobody waited for the dead replica")?;
        ensure!(last + 1 < took.len(), "the dead replica was not removed");
        let waited = took[..=last].iter().filter(|seconds| **seconds > WAITED);
        Ok(Self {
            longest: load.longest(),
            waited: f64::from(u32::try_from(waited.count())?),
            after: Load {
                latencies: took[last + 1..].to_vec(),
                ..Load::default()
            },
        })
    }
}
