//! Whether hot checks feel how many others are in the store.

use std::sync::Arc;

use anyhow::Result;

use crate::{
    Bench,
    crowd::{self, Rows},
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{self, Client, Load, Questions},
    people,
    process::Server,
};

/// People who are asked about, in either store.
const PEOPLE: usize = 1_000;
const CONNECTIONS: usize = 2;
/// Few, so that the latency is the server's and not that of a queue.
const CALLERS: usize = 2;
const MILLIS: f64 = 1e3;

struct Store {
    clients: Vec<Client>,
    _server: Server,
    _deployment: Deployment,
}

impl Store {
    async fn fill(bench: &Bench, crowd: usize) -> Result<Self> {
        let deployment = Deployment::new(bench).await?;
        let server = deployment.serve()?;
        let token = Some(deployment.token.as_str());
        let clients = Client::connect_all(server.address(), token, CONNECTIONS).await?;
        people::register(&clients[0], PEOPLE).await?;
        let database = deployment.connect().await?;
        crowd::rest(&database).await?;
        crowd::fill(&database, crowd, Rows::OneOfEach).await?;
        Ok(Self {
            clients,
            _server: server,
            _deployment: deployment,
        })
    }
}

/// Hot checks with many others in the store, and with few.
pub async fn store_size(bench: &Bench) -> Result<Vec<Figure>> {
    let (many, few) = (bench.size(bench.store_people, 100_000), 10_000);
    let stores = [
        Store::fill(bench, many).await?,
        Store::fill(bench, few).await?,
    ];
    let questions: Questions = Arc::new((0..PEOPLE).map(people::check).collect());
    let mut loads = [Vec::new(), Vec::new()];
    for round in 0..=bench.rounds {
        for (store, loads) in stores.iter().zip(&mut loads) {
            let load = load::unary(&store.clients, CALLERS, &questions, bench.round()).await?;
            if round > 0 {
                loads.push(load);
            }
        }
    }
    let figure = |name: &str, of: fn(&Load) -> f64, aim| Figure {
        name: format!("hot check {name} with {many} subjects in the store"),
        unit: "ms",
        ours: loads[0].iter().map(|load| of(load) * MILLIS).collect(),
        against: "with 10,000",
        theirs: loads[1].iter().map(|load| of(load) * MILLIS).collect(),
        aim,
    };
    Ok(vec![
        figure("p99", Load::p99, Aim::AtMost(1.2)),
        figure("median", Load::p50, Aim::Reported),
    ])
}
