//! The figures of the registry, each beside what it is measured against, in one run on one machine:
//! `scripts/bench`, or `scripts/bench unary batch --quick` for some of them on small sizes.
//!
//! The servers under test run in processes of their own: `pdr serve` for the registry, and this binary, started
//! again, for the bare service that it is compared with ([`bare`]).

mod bare;
mod checks;
mod cold;
mod crowd;
mod deployment;
mod documents;
mod facts;
mod figure;
mod import;
mod inside;
mod issuer;
mod known;
mod load;
mod people;
mod policies;
mod postgres;
mod process;
mod registrations;
mod replicas;
mod store_size;
mod withdrawals;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use tokio::runtime::Runtime;

use self::{
    bare::Flavour,
    figure::{Figure, table},
};

/// The rows, in the order in which they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Single checks over gRPC: server CPU and throughput.
    Unary,
    /// 1,000 checks in one message.
    Batch,
    /// Checks over one stream.
    Stream,
    /// Decisions in process.
    Decision,
    /// Checks under a policy of many activities and of few.
    PolicySize,
    /// Checks while new policies are published.
    Publishing,
    /// What a person takes of memory.
    Memory,
    /// Checks of people who are not in memory.
    Cold,
    /// Durable registrations.
    Registrations,
    /// Imports.
    Import,
    /// Withdrawals with several replicas, and with one of them dead.
    Withdrawals,
    /// Checks at two replicas.
    Replicas,
    /// Hot checks with many others in the store; filling it takes minutes.
    StoreSize,
}

/// What to measure, and how long.
#[derive(Clone, Debug, Parser)]
struct Bench {
    /// The rows; all when none is named.
    #[arg(value_enum)]
    rows: Vec<Row>,
    /// Small sizes and short rounds: to see that it runs, not what it costs.
    #[arg(long)]
    quick: bool,
    /// Rounds of each figure, ours and the other by turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round loads a server, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    round_ms: u64,
    /// On which runtime the bare service runs: as the registry does.
    #[arg(long, value_enum, default_value_t = Flavour::Multi)]
    runtime: Flavour,
    /// How many people the store of the row `store-size` has.
    #[arg(long, default_value_t = 10_000_000)]
    store_people: usize,
    /// The level of the registry's log, which goes nowhere.
    #[arg(long, default_value = "info")]
    log: String,
    /// Lets the registry's log go to standard error.
    #[arg(long)]
    show_log: bool,
    /// What `cargo bench` adds.
    #[arg(long = "bench", hide = true)]
    is_by_cargo: bool,
}

impl Bench {
    /// How long a round lasts.
    fn round(&self) -> Duration {
        let round = Duration::from_millis(self.round_ms);
        if self.quick { round / 4 } else { round }
    }

    /// The full size, or with `--quick` a small one.
    fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    async fn measure(&self, row: Row) -> Result<Vec<Figure>> {
        match row {
            Row::Unary => checks::unary(self).await,
            Row::Batch => checks::batch(self).await,
            Row::Stream => checks::stream(self).await,
            Row::Decision => inside::decision(self),
            Row::PolicySize => policies::size(self).await,
            Row::Publishing => policies::publishing(self).await,
            Row::Memory => inside::memory(self),
            Row::Cold => cold::cold(self).await,
            Row::Registrations => registrations::registrations(self).await,
            Row::Import => import::import(self).await,
            Row::Withdrawals => withdrawals::withdrawals(self).await,
            Row::Replicas => replicas::two(self).await,
            Row::StoreSize => store_size::store_size(self).await,
        }
    }

    async fn run(&self) -> Result<()> {
        if self.rounds == 0 {
            bail!("--rounds must not be 0");
        }
        println!("{}", facts::facts(self).await?);
        let rows = match &self.rows[..] {
            [] => Row::value_variants(),
            named => named,
        };
        let mut figures = Vec::new();
        for row in rows {
            eprintln!("measuring {row:?}");
            let measured = self.measure(*row).await?;
            eprintln!("{}", table(&measured));
            figures.extend(measured);
        }
        println!("{}", table(&figures));
        Ok(())
    }
}

fn main() -> ExitCode {
    let outcome = if let Some(order) = bare::ordered() {
        bare::serve(&order)
    } else if let Some(people) = inside::to_weigh() {
        inside::weigh(people)
    } else {
        measure()
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let bench = Bench::parse();
    Runtime::new()?.block_on(bench.run())
}
