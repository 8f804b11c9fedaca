//! Three replicas in processes of their own on one PostgreSQL, callers that grant, take back and check at all of
//! them, and everything that befalls processes, networks and databases, one after the other. What was asked and
//! answered is noted, and is searched for an answer that must not have been given.

mod cluster;
mod fleet;
mod frames;
mod history;
mod proxy;
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
/// How long everything may take to be as before, after a fault.
const RECOVERY: Duration = Duration::from_secs(30);
/// Withdrawals that return between two faults.
const BETWEEN: u64 = 10;
/// How often replicas that do not wait are given the time to give themselves away.
const UNGUARDED_ROUNDS_MAX: usize = 50;

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
    /// The database crashes and starts again.
    DatabaseCrashed,
}

const FAULTS: [Fault; 7] = [
    Fault::NoticesLost,
    Fault::Stalled,
    Fault::CutOff,
    Fault::ConnectionsCut,
    Fault::Stopped,
    Fault::Killed,
    Fault::DatabaseCrashed,
];

/// Brings one fault about, lets it last, and ends it. Returns when `replica` was without its database, if it was.
async fn befall(fleet: &mut Fleet, callers: &Callers, fault: Fault, replica: usize) -> Option<Cut> {
    let proxy = &fleet.replicas[replica].proxy;
    match fault {
        Fault::NoticesLost => {
            fleet.replicas.iter().for_each(|it| it.proxy.drop_notices());
            let before = dropped(fleet);
            callers.pass(BETWEEN).await;
            assert!(dropped(fleet) > before, "no notification was lost");
            fleet.replicas.iter().for_each(|it| it.proxy.heal());
        }
        Fault::Stalled | Fault::CutOff => {
            match fault {
                Fault::Stalled => proxy.stall(),
                _ => proxy.refuse(),
            }
            let from = callers.now();
            sleep(HOLD + LEASE).await;
            let until = callers.now();
            proxy.heal();
            return Some(Cut {
                replica,
                from,
                until,
            });
        }
        Fault::ConnectionsCut => proxy.cut(),
        Fault::Stopped => {
            fleet.signal(replica, "STOP");
            sleep(HOLD).await;
            fleet.signal(replica, "CONT");
        }
        Fault::Killed => {
            fleet.kill(replica);
            sleep(HOLD).await;
            fleet.start_again(replica).await;
        }
        Fault::DatabaseCrashed => block_in_place(|| fleet.cluster.crash()),
    }
    None
}

fn dropped(fleet: &Fleet) -> u64 {
    fleet.replicas.iter().map(|it| it.proxy.dropped()).sum()
}

async fn go_through_faults(fleet: &mut Fleet, callers: &Callers, dice: &mut Dice) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for fault in FAULTS {
        callers.pass(BETWEEN).await;
        let replica = dice.roll(REPLICAS);
        let from = callers.now();
        cuts.extend(befall(fleet, callers, fault, replica).await);
        let until = callers.now();
        println!("{fault:?} of replica {replica} from {from:?} until {until:?}");
        let recovered = timeout(RECOVERY, async {
            callers.pass(BETWEEN).await;
            fleet.wait_for_memory().await;
        });
        let recovered = recovered.await;
        recovered.unwrap_or_else(|_| panic!("after {fault:?} it is not as before"));
        println!("as before after {:?}", callers.now() - until);
    }
    cuts
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
    for cut in &history.cuts {
        let during = history.checks.iter().filter(|it| {
            it.replica == cut.replica && cut.from + LEASE <= it.start && it.end <= cut.until
        });
        println!(
            "{cut:?}: {:?}",
            during.clone().map(|it| it.answer).collect::<Vec<_>>()
        );
    }
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
    let callers = Callers::start(doors, &everywhere, &everywhere, &mut dice);
    let cuts = go_through_faults(&mut fleet, &callers, &mut dice).await;
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
    for _ in 0..UNGUARDED_ROUNDS_MAX {
        // At the replica that takes back, memory forgets what it has changed by itself.
        let callers = Callers::start(replicas.doors(), &[0], &[1, 2], &mut dice);
        callers.pass(BETWEEN).await;
        let violations = callers.end().await.violations(LEASE);
        // What was granted in an earlier round is not in this one's history.
        let is_stale = |it: &Violation| matches!(it, Violation::StaleAllow { withdrawal, .. } if withdrawal.is_some());
        if violations.iter().any(is_stale) {
            return;
        }
    }
    panic!("no stale ALLOW was found (seed {seed})");
}
