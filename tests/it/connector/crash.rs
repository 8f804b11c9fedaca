//! A server that is killed or stopped in the middle of a task: whoever goes on repeats nothing that must
//! not be repeated. Most of them drop what they do within the test; some are processes, and are killed.

use std::time::Duration;

use futures::{StreamExt, stream};
use registry::proto::v1::{TaskOutcome, TaskState};

use super::world::{ADA, Place, World, stripe_of};
use crate::{
    on_each,
    vendors::{Fault, aweber::Aweber},
};

const DAY: Duration = Duration::from_hours(24);

/// The calls of an erasure at AWeber with one list: accounts, lists, find, delete.
const AWEBER_CALLS: usize = 4;
/// Those at Stripe of one customer: find, charges, create, four looks at it, run, two looks at it.
const STRIPE_CALLS: usize = 10;
/// Processes that are on their way at once.
const PROCESSES_AT_ONCE: usize = 4;

on_each! {
    async fn killed_at_any_call_to_aweber_nothing_is_lost(place: Place) {
        for nth in 0..AWEBER_CALLS {
            let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
            world.vendor.plan(nth, Fault::DoneButSilent);
            world.erase(ADA, "visitor", "email_address", &[]).await;
            world.called(nth + 1).await;
            let world = world.killed().await;
            let task = world.becomes(TaskState::Completed).await;
            let ends = [TaskOutcome::Done, TaskOutcome::AlreadyGone];
            assert!(ends.contains(&task.outcome()), "call {nth}: {task:?}");
            assert_eq!(world.vendor.with(|aweber| aweber.deleted.clone()), [100], "call {nth}");
            // What was found out before is not asked again.
            assert_eq!(world.vendor.count(), AWEBER_CALLS + 1, "call {nth}");
        }
    }

    async fn killed_at_any_call_to_stripe_there_is_one_job_and_it_runs_once(place: Place) {
        for nth in 0..STRIPE_CALLS {
            let world = stripe_of(place, &[("cus_1", ADA)]).await;
            world.vendor.plan(nth, Fault::DoneButSilent);
            world.erase(ADA, "client", "payment_details", &[]).await;
            reach(&world, nth + 1).await;
            let world = world.killed().await;
            let task = world.becomes(TaskState::Completed).await;
            assert_eq!(task.outcome(), TaskOutcome::Partial, "call {nth}: {task:?}");
            let done = world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs));
            assert_eq!(done, (1, 1), "call {nth}");
        }
    }

    async fn a_process_killed_before_or_after_any_call_to_stripe_leaves_one_job_that_runs_once(place: Place) {
        let faults = [Fault::Silent, Fault::DoneButSilent];
        let kills = (0..STRIPE_CALLS).flat_map(|nth| faults.clone().map(|fault| (nth, fault)));
        let kills = kills.map(|(nth, fault)| kill_process(place, nth, fault));
        // They mostly wait.
        stream::iter(kills).buffer_unordered(PROCESSES_AT_ONCE).collect::<()>().await;
    }

    async fn a_job_whose_key_stripe_has_forgotten_is_found_before_another_one_is_made(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        // find, charges, create
        world.vendor.plan(2, Fault::DoneButSilent);
        world.erase(ADA, "client", "payment_details", &[]).await;
        world.called(3).await;
        // Others have made jobs meanwhile: the one sought is not on the first page.
        world.vendor.with(|stripe| stripe.add_jobs_of_others(5));
        let (config, dir, clock) = (world.server.config.clone(), world.server.dir.clone(), world.clock.clone());
        world.server.kill().await;
        clock.advance(2 * DAY);
        let server = crate::harness::TestServer::begin(config, dir, clock).await;
        let world = World { server, ..world };
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::Partial);
        assert!(task.evidence.contains("prj_1") && !task.evidence.contains("prj_7"), "{task:?}");
        assert_eq!(world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs)), (6, 1));
    }

    async fn a_job_that_was_never_made_is_made_when_the_look_finds_none(place: Place) {
        let world = stripe_of(place, &[("cus_1", ADA)]).await;
        world.vendor.plan(2, Fault::Silent);
        world.erase(ADA, "client", "payment_details", &[]).await;
        world.called(3).await;
        let (config, dir, clock) = (world.server.config.clone(), world.server.dir.clone(), world.clock.clone());
        world.server.kill().await;
        clock.advance(2 * DAY);
        let server = crate::harness::TestServer::begin(config, dir, clock).await;
        let world = World { server, ..world };
        let task = world.becomes(TaskState::Completed).await;
        assert_eq!(task.outcome(), TaskOutcome::Partial);
        assert_eq!(world.vendor.with(|stripe| (stripe.jobs.len(), stripe.runs)), (1, 1));
    }

    async fn stopped_in_the_middle_a_task_is_given_back_with_what_was_found_out(place: Place) {
        let world = World::open(place, "aweber", Aweber::new(1, &[(1, ADA)])).await;
        world.vendor.plan(2, Fault::Late(Duration::from_millis(400)));
        world.erase(ADA, "visitor", "email_address", &[]).await;
        world.called(3).await;
        let world = world.restarted().await;
        let task = world.until(|task| task.state() == TaskState::Completed).await;
        assert_eq!((task.outcome(), task.attempts), (TaskOutcome::Done, 0));
        assert_eq!(world.vendor.count(), AWEBER_CALLS, "no call is made twice");
    }
}

/// A process is killed while it waits for the answer to its n-th call, which the fault lets be done or not.
async fn kill_process(place: Place, nth: usize, fault: Fault) {
    let at = format!("call {nth}, {fault:?}");
    let world = stripe_of(place, &[("cus_1", ADA)]).await.apart().await;
    world.vendor.plan(nth, fault);
    world.erase(ADA, "client", "payment_details", &[]).await;
    reach(&world, nth + 1).await;
    // Kills the process, and takes its place.
    let world = world.killed().await;
    let task = world.becomes(TaskState::Completed).await;
    assert_eq!(task.outcome(), TaskOutcome::Partial, "{at}: {task:?}");
    let done = world.vendor.with(|stripe| {
        let customers = stripe.customers.values().cloned();
        (
            stripe.jobs.len(),
            stripe.runs,
            customers.collect::<Vec<_>>(),
        )
    });
    assert_eq!(done, (1, 1, vec!["[redacted]".to_owned()]), "{at}");
    // What was found out before is not asked again: but for the call that was cut short, and for looks at
    // a job that went on while nobody looked.
    assert!(world.vendor.count() <= STRIPE_CALLS + 1, "{at}");
}

/// Lets time go on until the vendor was called so often.
async fn reach<V: crate::vendors::Vendor>(world: &World<V>, times: usize) {
    for _ in 0..600 {
        if world.vendor.count() >= times {
            return;
        }
        let task = world.task().await;
        let not_before = task.not_before.map(|at| at.seconds);
        match not_before.and_then(|at| jiff::Timestamp::from_second(at + 1).ok()) {
            Some(at) if at > world.server.now() => world.clock.set(at),
            _ => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
    panic!("it was called {} times only", world.vendor.count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_with_the_same_connector_share_the_tasks_and_repeat_none() {
    let people: Vec<String> = (0..8).map(|n| format!("p{n}@example.org")).collect();
    let on_list: Vec<_> = people.iter().map(|email| (1, email.as_str())).collect();
    let world = World::open(Place::Postgres, "aweber", Aweber::new(1, &on_list)).await;
    let other = crate::harness::TestServer::begin(
        world.server.config.clone(),
        world.server.dir.clone(),
        world.clock.clone(),
    )
    .await;
    for email in &people {
        world.erase(email, "visitor", "email_address", &[]).await;
    }
    for _ in 0..400 {
        let tasks = world.tasks().await;
        if tasks
            .iter()
            .all(|task| task.state() == TaskState::Completed)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tasks = world.tasks().await;
    assert!(
        tasks.iter().all(|task| task.outcome() == TaskOutcome::Done),
        "{tasks:?}"
    );
    let mut deleted = world.vendor.with(|aweber| aweber.deleted.clone());
    deleted.sort_unstable();
    assert_eq!(deleted, (100..108).collect::<Vec<_>>());
    assert_eq!(
        world.vendor.count(),
        people.len() * AWEBER_CALLS,
        "each call once"
    );
    drop(other);
}
