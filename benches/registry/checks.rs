//! Hot checks over gRPC against a bare service of the same messages.

use std::sync::Arc;

use anyhow::{Result, ensure};
use registry::proto::v1::Effect;

use crate::{
    Bench, bare,
    deployment::Deployment,
    figure::{Aim, Figure},
    load::{self, Client, Load, Questions, count},
    people,
    process::Server,
};

/// People who are asked about; as many as a batch takes.
const PEOPLE: usize = 1_000;
/// Connections of the load: enough that each core of a server gets its part of them.
pub const CONNECTIONS: usize = 8;
/// Callers on each connection who have a single check under way.
pub const CALLERS: usize = 8;
/// Unanswered checks of a stream whose checks go one by one.
const AHEAD: usize = 256;
/// Checks that a stream sends at once.
const GROUP: usize = 100;

const MICROS: f64 = 1e6;

/// The registry and the bare service, each with connections to it.
struct Both {
    ours: Side,
    bare: Side,
    questions: Questions,
    /// Holds the files of the registry.
    _deployment: Deployment,
}

/// A server with connections to it.
pub struct Side {
    server: Server,
    pub clients: Vec<Client>,
}

/// What one side used in one round.
pub struct Spent {
    pub cpu_micros: f64,
    pub rate: f64,
}

impl Both {
    async fn start(bench: &Bench) -> Result<Self> {
        let deployment = Deployment::new(bench).await?;
        let questions = questions();
        let ours = Side::of(&deployment, &questions, bench).await?;
        let answer = ours.clients[0].ask(people::check(0)).await?;
        ensure!(answer.effect() == Effect::Allow, "the checks are allowed");
        let server = bare::start(bench.runtime, &answer)?;
        let clients = Client::connect_all(server.address(), None, CONNECTIONS).await?;
        Ok(Self {
            ours,
            bare: Side { server, clients },
            questions,
            _deployment: deployment,
        })
    }

    /// Loads both sides by turns.
    async fn alternate<F>(&self, bench: &Bench, load: F) -> Result<[Vec<Spent>; 2]>
    where
        F: AsyncFn(&[Client], &Questions) -> Result<Load>,
    {
        let mut spent = [Vec::new(), Vec::new()];
        // The first round warms both up.
        for round in 0..=bench.rounds {
            for (side, spent) in [&self.ours, &self.bare].into_iter().zip(&mut spent) {
                let one = side.spend(&self.questions, &load).await?;
                if round > 0 {
                    spent.push(one);
                }
            }
        }
        Ok(spent)
    }
}

/// What is asked: the same of each person.
pub fn questions() -> Questions {
    Arc::new((0..PEOPLE).map(people::check).collect())
}

impl Side {
    /// A registry that has in memory what is asked about.
    pub async fn of(deployment: &Deployment, questions: &Questions, bench: &Bench) -> Result<Self> {
        let server = deployment.serve()?;
        let token = Some(deployment.token.as_str());
        let clients = Client::connect_all(server.address(), token, CONNECTIONS).await?;
        people::register(&clients[0], PEOPLE).await?;
        // What is asked twice is in memory.
        for _ in 0..2 {
            load::batches(&clients[..1], questions, bench.round() / 10).await?;
        }
        Ok(Self { server, clients })
    }

    /// Loads it.
    pub async fn spend<F>(&self, questions: &Questions, load: &F) -> Result<Spent>
    where
        F: AsyncFn(&[Client], &Questions) -> Result<Load>,
    {
        let before = self.server.cpu_seconds()?;
        let done = load(&self.clients, questions).await?;
        let cpu = self.server.cpu_seconds()? - before;
        Ok(Spent {
            cpu_micros: cpu * MICROS / count(done.decisions),
            rate: done.rate(),
        })
    }
}

/// The processor time of the server.
pub fn cpu(name: &str, against: &'static str, [ours, bare]: &[Vec<Spent>; 2], most: f64) -> Figure {
    let micros = |spent: &[Spent]| spent.iter().map(|one| one.cpu_micros).collect();
    Figure {
        name: format!("{name}: server CPU"),
        unit: "µs",
        ours: micros(ours),
        against,
        theirs: micros(bare),
        aim: Aim::AtMost(most),
    }
}

/// How much gets done.
pub fn throughput(
    name: &str,
    against: &'static str,
    [ours, bare]: &[Vec<Spent>; 2],
    aim: Aim,
) -> Figure {
    let rates = |spent: &[Spent]| spent.iter().map(|one| one.rate).collect();
    Figure {
        name: format!("{name}: throughput"),
        unit: "/s",
        ours: rates(ours),
        against,
        theirs: rates(bare),
        aim,
    }
}

/// Single checks.
pub async fn unary(bench: &Bench) -> Result<Vec<Figure>> {
    let both = Both::start(bench).await?;
    let spent = both
        .alternate(bench, async |clients, questions| {
            load::unary(clients, CALLERS, questions, bench.round()).await
        })
        .await?;
    let (name, bare) = ("unary check, hot, ES256 token", "bare tonic, no token");
    Ok(vec![
        cpu(name, bare, &spent, 1.5),
        throughput(name, bare, &spent, Aim::AtLeast(0.75)),
    ])
}

/// Batches of 1,000 checks.
pub async fn batch(bench: &Bench) -> Result<Vec<Figure>> {
    let both = Both::start(bench).await?;
    let spent = both
        .alternate(bench, async |clients, questions| {
            load::batches(clients, questions, bench.round()).await
        })
        .await?;
    let (name, echo) = ("batch of 1,000 checks, per decision", "echo of the same");
    Ok(vec![
        cpu(name, echo, &spent, 2.0),
        throughput(name, echo, &spent, Aim::Reported),
    ])
}

/// Streams of checks.
pub async fn stream(bench: &Bench) -> Result<Vec<Figure>> {
    let both = Both::start(bench).await?;
    let mut figures = Vec::new();
    for (name, group, ahead) in [
        ("stream of single checks, per decision", 1, AHEAD),
        ("stream of checks, 100 at once, per decision", GROUP, GROUP),
    ] {
        let spent = both
            .alternate(bench, async |clients, questions| {
                load::streams(clients, (group, ahead), questions, bench.round()).await
            })
            .await?;
        let echo = "echo of the same";
        figures.push(cpu(name, echo, &spent, 2.0));
        figures.push(throughput(name, echo, &spent, Aim::Reported));
    }
    Ok(figures)
}
