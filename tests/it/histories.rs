//! Three replicas in processes of their own on one PostgreSQL, callers that grant, take back and check at all of
//! them, and everything that befalls processes, networks and databases, one after the other. What was asked and
//! answered is noted, and is searched for an answer that must not have been given.

mod cluster;
mod fleet;
mod history;
mod traffic;
mod unguarded;

use std::time::Duration;

use tokio::{
    task::block_in_place,
    time::{sleep, timeout},
};
use tonic::Code;
use uuid::Uuid;

use self::{
    fleet::{Fleet, LEASE, REPLICAS},
    history::{Answer, Change, Cut, History, Violation},
    traffic::{Callers, register_people},
    unguarded::Unguarded,
};
use crate::harness::dice::Dice;

/// How long a fault lasts: longer than any lease, and than the wait for one.
const HOLD: Duration = Duration::from_millis(1_500);
/// How long it lasts at most, where somebody waits for its end.
const HOLD_MAX: Duration = Duration::from_secs(4);
/// How long a fault and the return to what was before it may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Withdrawals that return between two faults.
const BETWEEN: u64 = 3;
/// Checks after which a replica has everybody in memory.
const CHECKS_SEEN: u64 = 100;
/// How often everybody grants and takes back at replicas that do not wait.
const UNGUARDED_ROUNDS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No replica hears a notification.
    NoticesLost,
    /// Nothing passes between a replica and its database, and nothing is closed.
    Stalled,
    /// A replica's connections are cut, and it gets no new ones.
    CutOff,
    /// A replica's connections are cut once.
    ConnectionsCut,
    /// A replica stands still, and goes on.
    Stopped,
    /// A replica is killed, and another started in its place.
    Killed,
    /// The table of replicas is emptied.
    PlacesLost,
    /// The database crashes and starts again.
    DatabaseCrashed,
}

const FAULTS: [Fault; 8] = [
    Fault::NoticesLost,
    Fault::Stalled,
    Fault::CutOff,
    Fault::ConnectionsCut,
    Fault::Stopped,
    Fault::Killed,
    Fault::PlacesLost,
    Fault::DatabaseCrashed,
];

/// Brings one fault about, lets it last while everybody takes back at the other replicas, and ends it. Returns when
/// `replica` was without its database, if it was.
async fn befall(
    fleet: &mut Fleet,
    callers: &mut Callers,
    fault: Fault,
    replica: usize,
    dice: &mut Dice,
) -> Option<Cut> {
    let others: Vec<_> = (0..REPLICAS).filter(|it| *it != replica).collect();
    let before = dropped(fleet);
    let crashes = fault == Fault::DatabaseCrashed;
    if !crashes {
        strike(fleet, fault, replica).await;
    }
    let from = callers.now();
    let mut taking_back = callers.say(Change::Withdrawal, &others, dice);
    if crashes {
        strike(fleet, fault, replica).await;
    }
    let heard = async {
        callers.hear(&mut taking_back).await;
        let lasts = from + HOLD;
        sleep(lasts.saturating_sub(callers.now())).await;
    };
    // A replica that stands still in the middle of a change keeps everybody from changing the same person.
    let is_heard = timeout(HOLD_MAX, heard).await.is_ok();
    if fault == Fault::NoticesLost {
        assert!(dropped(fleet) > before, "no notification was lost");
    }
    let until = callers.now();
    heal(fleet, fault, replica).await;
    if !is_heard {
        callers.hear(&mut taking_back).await;
    }
    matches!(fault, Fault::Stalled | Fault::CutOff).then_some(Cut {
        replica,
        from,
        until,
    })
}

async fn strike(fleet: &mut Fleet, fault: Fault, replica: usize) {
    let proxy = &fleet.replicas[replica].proxy;
    match fault {
        Fault::NoticesLost => fleet.replicas.iter().for_each(|it| it.proxy.drop_notices()),
        Fault::Stalled => proxy.stall(),
        Fault::CutOff => proxy.refuse(),
        Fault::ConnectionsCut => proxy.cut(),
        Fault::Stopped => fleet.signal(replica, "STOP"),
        Fault::Killed => fleet.kill(replica),
        Fault::PlacesLost => fleet.run("DELETE FROM replicas").await,
        Fault::DatabaseCrashed => block_in_place(|| fleet.cluster.crash()),
    }
}

async fn heal(fleet: &mut Fleet, fault: Fault, replica: usize) {
    match fault {
        Fault::Stopped => fleet.signal(replica, "CONT"),
        Fault::Killed => fleet.start_again(replica).await,
        _ => fleet.replicas.iter().for_each(|it| it.proxy.heal()),
    }
}

fn dropped(fleet: &Fleet) -> u64 {
    fleet.replicas.iter().map(|it| it.proxy.dropped()).sum()
}

async fn go_through_faults(fleet: &mut Fleet, callers: &mut Callers, dice: &mut Dice) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for fault in FAULTS {
        let replica = dice.roll(REPLICAS);
        let gone_through = go_through(fleet, callers, fault, replica, dice);
        let cut = timeout(PATIENCE, gone_through).await;
        let stuck = |_| panic!("{fault:?} of replica {replica}: it is not as before");
        cuts.extend(cut.unwrap_or_else(stuck));
    }
    cuts
}

/// From everybody's grant to when everything is as before.
async fn go_through(
    fleet: &mut Fleet,
    callers: &mut Callers,
    fault: Fault,
    replica: usize,
    dice: &mut Dice,
) -> Option<Cut> {
    let mut granting = callers.say(Change::Grant, &[0, 1, 2], dice);
    callers.hear(&mut granting).await;
    // It remembers that they may be written to.
    callers.see(replica, CHECKS_SEEN).await;
    let from = callers.now();
    let cut = befall(fleet, callers, fault, replica, dice).await;
    let until = callers.now();
    callers.pass(BETWEEN).await;
    fleet.wait_for_memory().await;
    let after = callers.now().saturating_sub(until);
    println!(
        "{fault:?} of replica {replica} from {from:?} until {until:?}, mended after {after:?}"
    );
    cut
}

fn count(history: &History, answer: Answer) -> usize {
    let checks = history.checks.iter();
    checks.filter(|it| it.answer == answer).count()
}

fn returned(history: &History, change: Change) -> usize {
    let writes = history.writes.iter().filter(|it| it.change == change);
    writes.filter(|it| it.returned.is_some()).count()
}

/// That enough happened for the history to say something.
fn check_substance(history: &History, seed: u64) {
    let figures = [
        ("allowed", count(history, Answer::Allow), 500),
        ("denied", count(history, Answer::Deny), 500),
        ("granted", returned(history, Change::Grant), 50),
        ("withdrawn", returned(history, Change::Withdrawal), 50),
        (
            "allowed with a grant's revision",
            history
                .checks
                .iter()
                .filter(|it| it.names.is_some() && it.answer == Answer::Allow)
                .count(),
            50,
        ),
        (
            "answered by a repeat",
            history
                .writes
                .iter()
                .filter(|it| it.returned.is_some() && it.recorded_by.is_none())
                .count(),
            1,
        ),
    ];
    println!("{figures:?}");
    for (what, found, least) in figures {
        assert!(found >= least, "{what}: {found} (seed {seed})");
    }
    assert!(
        history.writes.iter().all(|it| it.returned.is_some()),
        "everything was answered in the end (seed {seed})"
    );
    let unavailable = count(history, Answer::Failed(Code::Unavailable));
    assert!(unavailable > 0, "nobody was told UNAVAILABLE (seed {seed})");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_three_replicas_no_check_after_a_withdrawal_allows() {
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut fleet = Fleet::start().await;
    let doors = fleet.doors();
    register_people(doors[0].borrow().clone()).await;
    let everywhere: Vec<_> = (0..REPLICAS).collect();
    let mut callers = Callers::start(doors, &everywhere, &everywhere, &mut dice);
    let cuts = go_through_faults(&mut fleet, &mut callers, &mut dice).await;
    let history = History {
        cuts,
        ..callers.end().await
    };
    let violations = history.violations(LEASE);
    assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
    check_substance(&history, seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_call_waits_for_the_other_replicas_the_checker_finds_what_it_is_to_find() {
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    let mut dice = Dice(seed);
    let replicas = Unguarded::start(REPLICAS).await;
    register_people(replicas.doors()[0].borrow().clone()).await;
    let mut callers = Callers::start(replicas.doors(), &[0], &[1, 2], &mut dice);
    for _ in 0..UNGUARDED_ROUNDS {
        let mut granting = callers.say(Change::Grant, &[0], &mut dice);
        callers.hear(&mut granting).await;
        callers.see(1, CHECKS_SEEN).await;
        // For less than a lease lasts nobody hears of anything: the callers would have to wait.
        replicas.proxy.stall();
        let mut taking_back = callers.say(Change::Withdrawal, &[0], &mut dice);
        callers.hear(&mut taking_back).await;
        callers.see(1, CHECKS_SEEN).await;
        replicas.proxy.heal();
    }
    let violations = callers.end().await.violations(LEASE);
    let is_stale = |it: &Violation| matches!(it, Violation::StaleAllow { .. });
    assert!(violations.iter().any(is_stale), "none found (seed {seed})");
}
