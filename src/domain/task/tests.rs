use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const LEASE: LeaseId = LeaseId(Uuid::from_u128(7));
const OTHER: LeaseId = LeaseId(Uuid::from_u128(8));

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

fn worker() -> Source {
    "connector".parse().unwrap()
}

fn task(kind: TaskKind) -> Task {
    Task {
        task_id: TaskId(Uuid::from_u128(1)),
        subject_id: SubjectId(Uuid::from_u128(2)),
        subject_request_id: None,
        export_id: None,
        recipient: Recipient::Processor("aweber".parse().unwrap()),
        kind,
        cause: TaskCause::Request,
        data_categories: Vec::new(),
        item_ids: Vec::new(),
        purposes: Vec::new(),
        created_at: noon(),
        begun_at: noon(),
        attempts: 0,
        failure: String::new(),
        suppression: None,
        state: TaskState::Waiting { not_before: noon() },
    }
}

fn leased() -> Task {
    let task = task(TaskKind::Erase);
    task.leased(LEASE, worker(), LEASE_DEFAULT, noon()).unwrap()
}

fn done() -> Report {
    Report::Ended(settled(Outcome::Done))
}

fn settled(outcome: Outcome) -> Settled {
    Settled {
        outcome,
        evidence: "job 7".into(),
    }
}

fn suppressed_until(expected: Timestamp) -> Report {
    Report::Suppressed {
        expected,
        evidence: String::new(),
    }
}

fn dead() -> Task {
    leased()
        .failed(LEASE, false, "refused".into(), None, after(1))
        .unwrap()
}

#[test]
fn a_task_is_leased_once_it_is_due_and_by_one_at_a_time() {
    let mut early = task(TaskKind::Erase);
    early.state = TaskState::Waiting {
        not_before: after(1),
    };
    let lease = |task: Task, now| task.leased(LEASE, worker(), LEASE_DEFAULT, now);
    assert_eq!(lease(early.clone(), noon()), Err(Refused::NotDue));
    let held = lease(early, after(1)).unwrap();
    assert_eq!(held.lease().unwrap().until, after(61));
    assert_eq!(lease(held, after(2)), Err(Refused::NotDue));
}

#[test]
fn a_lease_is_good_until_its_last_instant_and_for_its_holder_only() {
    assert!(leased().completed(LEASE, done(), after(59)).is_ok());
    for (lease, now) in [(LEASE, after(60)), (OTHER, after(1))] {
        let lost = Err(Refused::LeaseLost);
        assert_eq!(leased().completed(lease, done(), now), lost);
        assert_eq!(leased().renewed(lease, LEASE_MAX, now), lost);
        assert_eq!(leased().parked(lease, now, now), lost);
        let failed = leased().failed(lease, true, "no".into(), None, now);
        assert_eq!(failed, lost);
    }
}

#[test]
fn a_lease_is_prolonged_for_a_day_at_most_and_never_shortened() {
    let renewed = leased().renewed(LEASE, LEASE_MIN, after(30)).unwrap();
    assert_eq!(renewed.lease().unwrap().until, after(60));
    let (mut task, mut now) = (leased(), noon());
    while let Ok(renewed) = task.clone().renewed(LEASE, LEASE_MAX, now) {
        task = renewed;
        now += SignedDuration::from_mins(59);
    }
    assert_eq!(task.lease().unwrap().until, noon() + LEASE_HELD_MAX);
}

#[test]
fn each_pause_is_twice_the_one_before_up_to_half_a_day() {
    let (mut task, mut now, mut pauses) = (task(TaskKind::Stop), noon(), Vec::new());
    while let TaskState::Waiting { not_before } = task.state {
        now = now.max(not_before);
        task = task.leased(LEASE, worker(), LEASE_DEFAULT, now).unwrap();
        task = task.failed(LEASE, true, "500".into(), None, now).unwrap();
        let pause = task.not_before().map(|at| at.duration_since(now).as_mins());
        pauses.extend(pause);
    }
    assert_eq!(
        pauses,
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720, 720, 720]
    );
    assert_eq!(
        (task.state_name(), task.attempts),
        (StateName::DeadLetter, ATTEMPTS_MAX)
    );
    assert_eq!(task.failure, "500");
}

#[test]
fn the_recipient_can_put_the_next_attempt_off_but_not_forward() {
    let failed = |not_before| {
        let task = leased().failed(LEASE, true, "429".into(), Some(not_before), after(1));
        task.unwrap().not_before()
    };
    assert_eq!(failed(after(3_600)), Some(after(3_600)));
    assert_eq!(failed(after(2)), Some(after(61)));
}

#[test]
fn a_failure_that_no_repeat_mends_waits_for_a_person() {
    assert_eq!(dead().state_name(), StateName::DeadLetter);
    let retried = dead().retried(after(9)).unwrap();
    assert_eq!(
        (retried.not_before(), retried.attempts),
        (Some(after(9)), 0)
    );
    let partial = settled(Outcome::Partial("tax law".into()));
    let resolved = dead().resolved(partial, after(9)).unwrap();
    assert_eq!(resolved.ended_at(), Some(after(9)));
    assert_eq!(resolved.outcome().unwrap().ground(), Some("tax law"));
}

#[test]
fn what_is_hidden_is_looked_after_when_the_purge_is_expected() {
    let expected = after(60 * 24 * 3_600);
    let hidden = leased().completed(LEASE, suppressed_until(expected), after(1));
    let hidden = hidden.unwrap();
    assert_eq!(hidden.state_name(), StateName::Suppressed);
    assert_eq!(hidden.not_before(), Some(expected));
    assert_eq!(hidden.ended_at(), None);
    let again = hidden
        .leased(LEASE, worker(), LEASE_DEFAULT, expected)
        .unwrap();
    let later = expected + SignedDuration::from_hours(1);
    let report = suppressed_until(later);
    let again = again.completed(LEASE, report, expected).unwrap();
    assert_eq!(
        again.suppression.as_ref().unwrap().at,
        after(1),
        "since the first time"
    );
    let purged = again.leased(LEASE, worker(), LEASE_DEFAULT, later).unwrap();
    let purged = purged.completed(LEASE, done(), later).unwrap();
    assert_eq!(purged.state_name(), StateName::Completed);
}

#[test]
fn only_an_erasure_has_a_first_stage() {
    for kind in TaskKind::ALL {
        let leased = task(kind).leased(LEASE, worker(), LEASE_DEFAULT, noon());
        let hidden = leased
            .unwrap()
            .completed(LEASE, suppressed_until(after(9)), noon());
        assert_eq!(hidden.is_ok(), kind == TaskKind::Erase, "{kind:?}");
    }
}

#[test]
fn a_step_further_forgives_the_failures_before_it() {
    let failed = leased()
        .failed(LEASE, true, "500".into(), None, noon())
        .unwrap();
    let due = failed.not_before().unwrap();
    let leased = failed.leased(LEASE, worker(), LEASE_DEFAULT, due).unwrap();
    let parked = leased.parked(LEASE, due, due).unwrap();
    assert_eq!((parked.attempts, parked.failure.as_str()), (0, ""));
}

#[test]
fn what_is_put_off_again_and_again_ends_in_the_dead_letters() {
    let (mut task, mut now) = (task(TaskKind::Erase), noon());
    for _ in 0..10 {
        let Some(not_before) = task.not_before() else {
            break;
        };
        now = now.max(not_before);
        task = task.leased(LEASE, worker(), LEASE_DEFAULT, now).unwrap();
        task = task.parked(LEASE, now + WAIT_MAX, now).unwrap();
    }
    assert_eq!(task.state_name(), StateName::DeadLetter);
    assert_eq!(now, noon() + LIFE_MAX);
}

#[test]
fn a_lease_that_ran_out_is_a_failed_attempt() {
    assert!(leased().aged(after(59)).is_err());
    let aged = leased().aged(after(61)).unwrap();
    assert_eq!((aged.attempts, aged.not_before()), (1, Some(after(120))));
    let late = leased().aged(after(9_999)).unwrap();
    assert_eq!(late.not_before(), Some(after(9_999)));
}

#[test]
fn what_nobody_takes_and_nobody_settles_ends_unconfirmed_after_two_months() {
    let waiting = task(TaskKind::Erase);
    let due = noon() + PENDING_AGE_MAX;
    let dead = waiting.aged(due).unwrap();
    assert_eq!(dead.state_name(), StateName::DeadLetter);
    let end = due + DEAD_LETTER_AGE_MAX;
    assert!(
        dead.clone()
            .aged(end - SignedDuration::from_secs(1))
            .is_err()
    );
    let unconfirmed = dead.aged(end).unwrap();
    assert_eq!(unconfirmed.state_name(), StateName::Unconfirmed);
    assert_eq!(unconfirmed.ended_at(), Some(end));
}

#[test]
fn a_copy_that_nobody_hands_over_is_given_up_within_the_month_in_which_it_is_owed() {
    let waiting = task(TaskKind::ProvideCopy);
    let due = noon() + COPY_AGE_MAX;
    let dead = waiting.aged(due).unwrap();
    assert_eq!(dead.state_name(), StateName::DeadLetter);
    let end = due + COPY_AGE_MAX;
    assert!(end < noon() + SignedDuration::from_hours(28 * 24));
    let unconfirmed = dead.aged(end).unwrap();
    assert_eq!(unconfirmed.state_name(), StateName::Unconfirmed);
}

#[test]
fn an_end_is_an_end() {
    let settled = || settled(Outcome::Done);
    let ends = [
        leased().completed(LEASE, done(), after(1)).unwrap(),
        leased().cancelled(after(1)).unwrap(),
        dead().aged(after(0) + DEAD_LETTER_AGE_MAX * 2).unwrap(),
    ];
    for end in ends {
        assert!(end.is_ended());
        assert_eq!(end.ages_at(), None);
        let refused = [
            end.clone().leased(LEASE, worker(), LEASE_DEFAULT, after(2)),
            end.clone().completed(LEASE, done(), after(2)),
            end.clone().retried(after(2)),
            end.clone().resolved(settled(), after(2)),
            end.cancelled(after(2)),
        ];
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
    }
    assert!(
        leased().resolved(settled(), after(1)).is_err(),
        "somebody works on it"
    );
    assert!(leased().retried(after(1)).is_err());
}

#[test]
fn a_task_reads_back_from_its_document() {
    for task in [task(TaskKind::Stop), leased(), dead()] {
        let document = serde_json::to_string(&task).unwrap();
        assert_eq!(serde_json::from_str::<Task>(&document).unwrap(), task);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Lease,
    Renew,
    Complete,
    Suppress(i64),
    Fail(bool),
    Park(i64),
    Retry,
    Cancel,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let long = 0..4 * 366 * 24 * 3_600_i64;
    prop_oneof![
        4 => Just(Step::Lease),
        1 => Just(Step::Renew),
        1 => Just(Step::Complete),
        1 => long.clone().prop_map(Step::Suppress),
        2 => any::<bool>().prop_map(Step::Fail),
        2 => long.clone().prop_map(Step::Park),
        1 => Just(Step::Retry),
        1 => Just(Step::Cancel),
        4 => (0..200_000_i64).prop_map(Step::Pass),
        1 => long.prop_map(Step::Pass),
    ]
}

fn take(task: Task, step: Step, now: Timestamp) -> Result<Task, Refused> {
    let then = |seconds| now + SignedDuration::from_secs(seconds);
    match step {
        Step::Lease => task.leased(LEASE, worker(), LEASE_DEFAULT, now),
        Step::Renew => task.renewed(LEASE, LEASE_MAX, now),
        Step::Complete => task.completed(LEASE, done(), now),
        Step::Suppress(wait) => task.completed(LEASE, suppressed_until(then(wait)), now),
        Step::Fail(again) => task.failed(LEASE, again, "no".into(), None, now),
        Step::Park(wait) => task.parked(LEASE, then(wait), now),
        Step::Retry => task.retried(now),
        Step::Cancel => task.cancelled(now),
        Step::Pass(_) => Ok(task),
    }
}

proptest! {
    #[test]
    fn whatever_happens_time_alone_brings_every_task_to_an_end(
        steps in prop::collection::vec(step(), 0..40)
    ) {
        let (mut task, mut now) = (task(TaskKind::Erase), noon());
        for step in steps {
            if let Step::Pass(seconds) = step {
                now += SignedDuration::from_secs(seconds);
            }
            let was_ended = task.is_ended();
            task = match task.clone().aged(now) {
                Ok(aged) => aged,
                Err(same) => *same,
            };
            if let Ok(further) = take(task.clone(), step, now) {
                prop_assert!(!was_ended || matches!(step, Step::Pass(_)));
                task = further;
            }
        }
        // From here on nobody does anything. A wait ends within a life, and a few steps later it is over.
        let end = now.max(task.begun_at) + LIFE_MAX + PENDING_AGE_MAX + DEAD_LETTER_AGE_MAX * 2;
        let mut rounds = 0;
        while let Some(at) = task.ages_at() {
            prop_assert!(at <= end, "{at} is later than {end}");
            rounds += 1;
            prop_assert!(rounds <= 4, "{task:?}");
            task = task.aged(at.max(now)).expect("it is time");
        }
        prop_assert!(task.is_ended());
    }
}
