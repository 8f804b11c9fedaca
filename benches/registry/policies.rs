//! What a check costs under a long policy, and while one is published.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use prost_types::Timestamp;
use registry::{
    cli::compose::system_clock,
    proto::v1::{Activity, Effect, GetPolicyRequest, LawfulBasis, Policy, PublishPolicyRequest},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Bench,
    checks::{self, CALLERS, Side, Spent},
    crowd,
    deployment::Deployment,
    documents,
    figure::{Aim, Figure},
    inside,
    known::{Known, subject_id},
    load::{self, Client, Load, Questions},
    people,
};

/// How many activities a short policy and a long one have.
const ACTIVITIES: [usize; 2] = [5, 5_000];
/// How much more a check may take under the long one.
const GROWTH: f64 = 1.2;
/// Between two publications.
const EVERY: Duration = Duration::from_secs(1);
/// How long after its publication a policy comes into force.
const AHEAD: Duration = Duration::from_secs(1);
const MILLIS: f64 = 1e3;

/// Checks under a long policy and under a short one.
pub async fn size(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = vec![decision(bench)?];
    figures.extend(unary(bench).await?);
    Ok(figures)
}

fn decision(bench: &Bench) -> Result<Figure> {
    let people = bench.size(100_000, 20_000);
    let [short, long] = ACTIVITIES.map(|count| known(people, count));
    let (short, long) = (short?, long?);
    let (mut under_long, mut under_short) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        for (known, spent) in [(&long, &mut under_long), (&short, &mut under_short)] {
            let nanos = inside::nanos(people, |number| known.decide(subject_id(number)))?;
            if round > 0 {
                spent.push(nanos);
            }
        }
    }
    Ok(Figure {
        name: format!("decision in process under {} activities", ACTIVITIES[1]),
        unit: "ns",
        ours: under_long,
        against: "under 5",
        theirs: under_short,
        aim: Aim::AtMost(GROWTH),
    })
}

fn known(people: usize, activities: usize) -> Result<Known> {
    let known = Known::new(people, documents::of_activities(activities)?)?;
    known.learn(people)?;
    ensure!(known.len() == people, "somebody was pushed out of memory");
    Ok(known)
}

async fn unary(bench: &Bench) -> Result<[Figure; 2]> {
    let [short, long] = ACTIVITIES;
    let (short, long) = (
        Checked::under(bench, short).await?,
        Checked::under(bench, long).await?,
    );
    let mut spent = [Vec::new(), Vec::new()];
    for round in 0..=bench.rounds {
        for (checked, spent) in [&long, &short].into_iter().zip(&mut spent) {
            let one = checked.spend(bench).await?;
            if round > 0 {
                spent.push(one);
            }
        }
    }
    let name = format!("unary check, hot, under {} activities", ACTIVITIES[1]);
    Ok([
        checks::cpu(&name, "under 5", &spent, GROWTH),
        checks::throughput(&name, "under 5", &spent, Aim::Reported),
    ])
}

/// A registry under a policy, and what it is asked.
struct Checked {
    side: Side,
    questions: Questions,
    _deployment: Deployment,
}

impl Checked {
    async fn under(bench: &Bench, activities: usize) -> Result<Self> {
        let policy = documents::of_activities(activities)?;
        let deployment = Deployment::with_policy(bench, policy).await?;
        let questions = checks::questions();
        let side = Side::of(&deployment, &questions, bench).await?;
        // What is left to do for those who were registered is not measured.
        crowd::rest(&deployment.connect().await?).await?;
        let checked = Self {
            side,
            questions,
            _deployment: deployment,
        };
        checked.ensure_allowed().await?;
        Ok(checked)
    }

    async fn ensure_allowed(&self) -> Result<()> {
        let answer = self.client().ask(people::check(0)).await?;
        ensure!(answer.effect() == Effect::Allow, "the checks are allowed");
        Ok(())
    }

    fn client(&self) -> &Client {
        &self.side.clients[0]
    }

    async fn spend(&self, bench: &Bench) -> Result<Spent> {
        let load = async |clients: &[Client], questions: &Questions| {
            load::unary(clients, CALLERS, questions, bench.round()).await
        };
        self.side.spend(&self.questions, &load).await
    }

    /// Single checks at full load.
    async fn load(&self, round: Duration) -> Result<Load> {
        load::unary(&self.side.clients, CALLERS, &self.questions, round).await
    }
}

/// Checks while policies are published and while none is. A check that fails ends it.
pub async fn publishing(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for activities in ACTIVITIES {
        figures.extend(publishing_of(bench, activities).await?);
    }
    Ok(figures)
}

async fn publishing_of(bench: &Bench, activities: usize) -> Result<[Figure; 3]> {
    let checked = Checked::under(bench, activities).await?;
    let mut office = Publisher::new(checked.client()).await?;
    let round = bench.round() * 2;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for turn in 0..=bench.rounds {
        let (loaded, published) = tokio::join!(checked.load(round), office.publish(round));
        published?;
        // What was published last comes into force.
        tokio::time::sleep(AHEAD).await;
        checked.ensure_allowed().await?;
        let quiet = checked.load(round).await?;
        if turn > 0 {
            with.push(loaded?);
            without.push(quiet);
        }
    }
    let name =
        format!("a policy of {activities} activities published every second under full load");
    let figure = |what: &str, of: fn(&Load) -> f64| Figure {
        name: format!("unary check, {name}: {what}"),
        unit: "ms",
        ours: with.iter().map(|load| of(load) * MILLIS).collect(),
        against: "none published",
        theirs: without.iter().map(|load| of(load) * MILLIS).collect(),
        aim: Aim::Reported,
    };
    Ok([
        figure("p99", Load::p99),
        figure("the longest", Load::longest),
        Figure {
            name: format!("{name}: the publication"),
            unit: "ms",
            ours: office.took,
            against: "–",
            theirs: Vec::new(),
            aim: Aim::Reported,
        },
    ])
}

/// Publishes two documents by turns, each time as a new version.
struct Publisher {
    client: Client,
    documents: [Policy; 2],
    /// How long each publication took, in milliseconds.
    took: Vec<f64>,
}

impl Publisher {
    /// What is in force, and the same with an activity more.
    async fn new(client: &Client) -> Result<Self> {
        let mut policies = client.policy();
        let in_force = policies.get_policy(GetPolicyRequest::default()).await?;
        let policy = in_force.into_inner().policy.context("a policy")?;
        let mut longer = policy.clone();
        longer.activities.push(Activity {
            id: "one-more".to_owned(),
            subjects: vec![people::CATEGORY.to_owned()],
            data: vec!["forum_member_name".to_owned()],
            purpose: "newsletter".to_owned(),
            lawful_basis: LawfulBasis::Consent.into(),
            ..Activity::default()
        });
        Ok(Self {
            client: client.clone(),
            documents: [longer, policy],
            took: Vec::new(),
        })
    }

    /// Publishes for as long as a round lasts.
    async fn publish(&mut self, round: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        every.tick().await;
        while begun.elapsed() < round {
            self.publish_one().await?;
            every.tick().await;
        }
        Ok(())
    }

    async fn publish_one(&mut self) -> Result<()> {
        let number = self.took.len();
        let policy = Policy {
            version: format!("published-{number}"),
            effective_from: Some(ahead()),
            ..self.documents[number % 2].clone()
        };
        let request = PublishPolicyRequest {
            policy: Some(policy),
            accept_findings: true,
            ..PublishPolicyRequest::default()
        };
        let sent = Instant::now();
        self.client.policy().publish_policy(request).await?;
        self.took.push(sent.elapsed().as_secs_f64() * MILLIS);
        Ok(())
    }
}

/// When what is published now comes into force, to the microsecond.
fn ahead() -> Timestamp {
    let then = system_clock().now() + AHEAD;
    Timestamp {
        seconds: then.as_second(),
        nanos: then.subsec_nanosecond() / 1_000 * 1_000,
    }
}
