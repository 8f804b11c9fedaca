//! The decision, held against a second implementation that is as plain as it can be, over
//! generated policies and histories.

mod dense;
mod merge;
mod naive;
mod naive_purge;
mod purge;
mod world;

use std::{cell::RefCell, collections::BTreeMap};

use jiff::{Timestamp, ToSpan};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use registry::domain::{
    consent::ConsentChoice,
    decision::{Decision, DecisionReason, Effect, decide},
};
use world::{World, any_world};

/// Worlds for each property.
const CASES: u32 = 2_000;
/// Worlds for the comparison with the twin, which is to meet rare coincidences too.
const CASES_FOR_THE_TWIN: u32 = 10_000;
/// Worlds that must show every reason between them.
const CASES_FOR_REASONS: u32 = 6_000;
/// How far ahead an answer without `valid_until` is looked at again, in half days.
const HALF_DAYS_AHEAD: i64 = 300;

fn answer(world: &World, now: Timestamp) -> Decision {
    decide(
        &world.history,
        world.subject.as_ref(),
        &world.query,
        now,
        false,
    )
}

fn holds(property: impl Fn(World) -> Result<(), TestCaseError>) {
    holds_in(CASES, property);
}

fn holds_in(cases: u32, property: impl Fn(World) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any_world(), property);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn the_decision_agrees_with_its_naive_twin() {
    holds_in(CASES_FOR_THE_TWIN, |world| {
        let expected = naive::decide(&world, world.now);
        prop_assert_eq!(naive::outline(&answer(&world, world.now)), expected);
        Ok(())
    });
}

#[test]
fn the_generated_worlds_show_every_reason() {
    let seen = RefCell::new(BTreeMap::<DecisionReason, u32>::new());
    let config = Config {
        cases: CASES_FOR_REASONS,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let outcome = runner.run(&any_world(), |world| {
        let reason = answer(&world, world.now).reason;
        *seen.borrow_mut().entry(reason).or_default() += 1;
        Ok(())
    });
    assert!(outcome.is_ok());
    let seen = seen.into_inner();
    let missing: Vec<_> = DecisionReason::ALL
        .into_iter()
        .filter(|reason| !seen.contains_key(reason))
        .collect();
    assert!(
        missing.is_empty(),
        "never seen: {missing:?}; seen: {seen:?}"
    );
}

#[test]
fn an_answer_holds_until_its_valid_until() {
    holds(|world| {
        let first = answer(&world, world.now);
        prop_assert!(first.valid_until.is_none_or(|until| until > world.now));
        for ahead in 1..HALF_DAYS_AHEAD {
            let later = world.now + (12 * ahead).hours();
            if first.valid_until.is_some_and(|until| later >= until) {
                break;
            }
            let again = answer(&world, later);
            prop_assert_eq!(naive::outline(&again), naive::outline(&first));
        }
        Ok(())
    });
}

#[test]
fn explaining_changes_nothing_and_ends_every_candidate_in_the_reason_it_reached() {
    holds(|world| {
        let plain = answer(&world, world.now);
        let subject = world.subject.as_ref();
        let mut told = decide(&world.history, subject, &world.query, world.now, true);
        for category in &mut told.per_category {
            let trace = std::mem::take(&mut category.trace);
            let best = trace
                .iter()
                .filter(|step| step.applies)
                .map(|it| it.rule)
                .max();
            let best = best.unwrap_or(DecisionReason::NoActivity);
            prop_assert_eq!(best, category.reason);
        }
        prop_assert_eq!(told, plain);
        Ok(())
    });
}

/// Nothing that takes a permission away ever grants one.
fn never_allows(change: impl Fn(&mut World) -> bool) {
    holds(|mut world| {
        let before = answer(&world, world.now).effect;
        if before == Effect::Deny && change(&mut world) {
            prop_assert_eq!(answer(&world, world.now).effect, Effect::Deny);
        }
        Ok(())
    });
}

#[test]
fn a_withdrawal_at_whatever_time_never_turns_a_no_into_a_yes() {
    never_allows(|world| world.say_of_query(ConsentChoice::Withdrawn));
}

#[test]
fn a_refusal_at_whatever_time_never_turns_a_no_into_a_yes() {
    never_allows(|world| world.say_of_query(ConsentChoice::Refused));
}

#[test]
fn a_question_without_answer_never_turns_a_no_into_a_yes() {
    never_allows(|world| world.say_of_query(ConsentChoice::Pending));
}

#[test]
fn an_objection_never_turns_a_no_into_a_yes() {
    never_allows(World::object_to_query);
}

#[test]
fn a_restriction_never_turns_a_no_into_a_yes() {
    never_allows(World::restrict_everything);
}

#[test]
fn ending_every_membership_never_turns_a_no_into_a_yes() {
    never_allows(World::end_memberships);
}

#[test]
fn erasure_denies_whatever_was_allowed() {
    holds(|mut world| {
        let now = world.now;
        let Some(subject) = &mut world.subject else {
            return Ok(());
        };
        subject.erased_at = Some(now);
        for item in subject.items.iter_mut() {
            item.retained_for = None;
        }
        prop_assert_eq!(answer(&world, now).reason, DecisionReason::SubjectErased);
        Ok(())
    });
}

#[test]
fn an_erasure_never_turns_a_no_into_a_yes_whatever_it_leaves() {
    never_allows(|world| {
        let (now, purpose) = (world.now, world.query.purpose.clone());
        let living = world.subject.as_mut().filter(|it| it.erased_at.is_none());
        living.is_some_and(|subject| {
            subject.erased_at = Some(now);
            let ordinary = subject.items.iter_mut().filter(|it| !it.is_retained());
            for item in ordinary {
                item.retained_for = Some(vec![purpose.clone()]);
            }
            true
        })
    });
}

#[test]
fn what_should_be_erased_is_answered_for_its_grounds_alone() {
    holds(|mut world| {
        let now = world.now;
        let Some(subject) = &mut world.subject else {
            return Ok(());
        };
        for item in subject.items.iter_mut() {
            item.retained_for = Some(Vec::new());
        }
        prop_assert_eq!(answer(&world, now).effect, Effect::Deny);
        Ok(())
    });
}

#[test]
fn the_order_in_which_facts_are_stored_is_of_no_account() {
    holds(|mut world| {
        let before = answer(&world, world.now);
        if let Some(subject) = &mut world.subject {
            subject.consents.reverse();
            subject.items.reverse();
            subject.memberships.reverse();
            subject.objections.reverse();
            subject.restrictions.reverse();
        }
        prop_assert_eq!(answer(&world, world.now), before);
        Ok(())
    });
}
