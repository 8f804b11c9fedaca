//! What a decision costs in process, and what a person takes of memory.

use std::{collections::HashMap, env, hint::black_box, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Bench, documents,
    figure::{Aim, Figure},
    known::{Known, subject_id},
    process::resident_bytes,
};

/// Look-ups of a round.
const LOOKUPS: u32 = 1_000_000;
/// A prime far from any power of two: steps of it visit people out of any order.
const STEP: usize = 1_000_003 * 7_919;
/// What says that this process is to weigh people, and how many.
const WEIGH: &str = "PDR_BENCH_WEIGH";
const NANOS: f64 = 1e9;

/// Decisions about random people against look-ups of their ids and three names in a hash map.
pub fn decision(bench: &Bench) -> Result<Vec<Figure>> {
    let people = bench.size(1_000_000, 20_000);
    let known = Known::new(people, documents::example()?)?;
    known.learn(people)?;
    ensure!(known.len() == people, "somebody was pushed out of memory");
    let ids: Vec<String> = (0..people)
        .map(|number| subject_id(number).to_string())
        .collect();
    let allowed: HashMap<[&str; 4], bool> = ids.iter().map(|id| (key(id), true)).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let decided = nanos(people, |number| known.decide(subject_id(number)));
        let looked_up = nanos(people, |number| {
            let mut text = [0; 36];
            let id = subject_id(number).0.hyphenated().encode_lower(&mut text);
            allowed.get(&key(id)).copied()
        });
        if round > 0 {
            ours.push(decided?);
            theirs.push(looked_up?);
        }
    }
    Ok(vec![Figure {
        name: format!("decision in process, {people} subjects, random"),
        unit: "ns",
        ours,
        against: "hash map, four string keys",
        theirs,
        aim: Aim::AtMost(2.0),
    }])
}

fn key(id: &str) -> [&str; 4] {
    [id, "email_address", "newsletter", "aweber"]
}

/// Nanoseconds of the processor for each of many look-ups, all of which have to find a yes.
pub fn nanos(people: usize, look_up: impl Fn(usize) -> Option<bool>) -> Result<f64> {
    let begun = thread_cpu()?;
    let (mut number, mut yes) = (0, 0);
    for _ in 0..LOOKUPS {
        number = (number + STEP) % people;
        yes += u32::from(black_box(look_up(black_box(number))) == Some(true));
    }
    ensure!(yes == LOOKUPS, "only {yes} of {LOOKUPS} were a yes");
    let took = thread_cpu()?.saturating_sub(begun);
    Ok(took.as_secs_f64() * NANOS / f64::from(LOOKUPS))
}

/// What this thread has used of the processor, whoever else is on it.
fn thread_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ThreadCPUTime).try_into()?)
}

/// Bytes that a person takes, in processes that hold nothing else.
pub fn memory(bench: &Bench) -> Result<Vec<Figure>> {
    let people: u32 = bench.size(1_000_000, 50_000);
    let mut command = Command::new(env::current_exe()?);
    let done = command.env(WEIGH, people.to_string()).output()?;
    ensure!(done.status.success(), "nobody was weighed");
    let said = String::from_utf8(done.stdout)?;
    let mut weights = said.lines().map(str::parse::<f64>);
    let mut figure = |name: &str, aim| {
        anyhow::Ok(Figure {
            name: format!("{name} (8 items, 4 consents), of {people}"),
            unit: "bytes",
            ours: vec![weights.next().context("a weight")??],
            against: "–",
            theirs: Vec::new(),
            aim,
        })
    };
    Ok(vec![
        figure("memory per hot subject", Aim::OursAtMost(160.0))?,
        figure("memory per hot subject with one identifier", Aim::Reported)?,
    ])
}

/// How many people this process is to weigh, if that is what it was started for.
pub fn to_weigh() -> Option<usize> {
    env::var(WEIGH).ok()?.parse().ok()
}

/// Says what people weigh: without identifiers, and with one each.
pub fn weigh(people: usize) -> Result<()> {
    // What the policies and the program take is there before.
    let known = Known::new(people, documents::example()?)?;
    known.learn(1)?;
    let empty = resident_bytes()?;
    known.learn(people)?;
    ensure!(known.len() == people, "somebody was pushed out of memory");
    println!("{}", per_person(resident_bytes()? - empty, people)?);
    known.learn_identifiers(people);
    println!("{}", per_person(resident_bytes()? - empty, people)?);
    Ok(())
}

fn per_person(bytes: u64, people: usize) -> Result<f64> {
    let kib = f64::from(u32::try_from(bytes / 1_024)?);
    Ok(kib * 1_024.0 / f64::from(u32::try_from(people)?))
}
