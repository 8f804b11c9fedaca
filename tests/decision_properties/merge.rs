//! Two histories that become one: of two answers the denial wins, and no other is made.

use std::sync::LazyLock;

use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use registry::domain::{
    consent::{
        ConsentChoice, ConsentFact, EvidenceMethod,
        fold::{bearing_on, fold},
        merge::{merge_denials, outweighed},
    },
    id::{ConsentId, ObjectionId, RestrictionId, SubjectId},
    name::{Processor, Purpose},
    policy::{compile::CompiledPolicy, example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    subject::{Objection, Restriction, SubjectState},
};
use uuid::Uuid;

use crate::world::{PURPOSES, any_consents, any_day, one_of};

const CASES: u32 = 2_000;
/// After every fact.
const LATER: &str = "2025-01-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant of this file")
}

fn is_denied(facts: &[ConsentFact], purpose: &Purpose, processor: Option<&Processor>) -> bool {
    let answer = fold(bearing_on(facts, purpose, processor, at(LATER)));
    answer.is_some_and(|answer| answer.fact.choice.is_denial())
}

/// Both histories, and what merging them appends.
fn merged(
    one: &[ConsentFact],
    other: &[ConsentFact],
    known: &[Processor],
    merged_at: Timestamp,
) -> Vec<ConsentFact> {
    let mut facts: Vec<ConsentFact> = one.iter().chain(other).cloned().collect();
    for denial in merge_denials(one, other, known, merged_at) {
        facts.push(ConsentFact {
            consent_id: ConsentId(Uuid::from_u128(1_000 + facts.len() as u128)),
            processors: denial.processors,
            occurred_at: denial.occurred_at,
            recorded_at: merged_at,
            ..denial.fact.clone()
        });
    }
    facts
}

fn check(one: &[ConsentFact], other: &[ConsentFact], at: Timestamp) -> Result<(), TestCaseError> {
    let known: Vec<Processor> = ["mailer", "analyst", "bank"]
        .map(|name| name.parse().expect("a name"))
        .into();
    let both: Vec<_> = one.iter().chain(other).cloned().collect();
    let facts = merged(one, other, &known, at);
    for purpose in ["newsletter", "research"].map(|name| name.parse().expect("a name")) {
        for processor in known.iter().map(Some).chain([None]) {
            let expected = is_denied(one, &purpose, processor)
                || is_denied(other, &purpose, processor)
                || is_denied(&both, &purpose, processor);
            prop_assert_eq!(
                is_denied(&facts, &purpose, processor),
                expected,
                "{} for {:?}",
                purpose,
                processor
            );
        }
    }
    Ok(())
}

#[test]
fn a_merged_history_is_denied_where_either_was_and_nowhere_else() {
    let other = any_consents().prop_map(|mut facts| {
        for fact in &mut facts {
            fact.consent_id = ConsentId(Uuid::from_u128(fact.consent_id.0.as_u128() + 100));
        }
        facts
    });
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(any_consents(), other), |(one, other)| {
        check(&one, &other, at("2024-03-20T00:00:00Z"))?;
        check(&other, &one, at(LATER))
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

fn objection(id: u128, purpose: &Purpose, occurred_at: Timestamp) -> Objection {
    Objection {
        objection_id: ObjectionId(Uuid::from_u128(id)),
        purpose: purpose.clone(),
        occurred_at,
        rejected_at: None,
    }
}

fn restriction(id: u128, started_at: Timestamp) -> Restriction {
    Restriction {
        restriction_id: RestrictionId(Uuid::from_u128(id)),
        data_categories: Vec::new(),
        started_at,
        lifted_at: None,
    }
}

/// Whether an objection of these stands: no yes by an affirmative act, of a method that counts here,
/// was said later.
fn is_objected(state: &SubjectState, purpose: &Purpose, processor: Option<&Processor>) -> bool {
    let yeses: Vec<_> = bearing_on(&state.consents, purpose, processor, at(LATER))
        .into_iter()
        .filter(|fact| {
            let implied = [EvidenceMethod::ImpliedByUse, EvidenceMethod::PreTicked];
            let unproven = fact.method == EvidenceMethod::Imported && !fact.has_reference;
            fact.choice == ConsentChoice::Given && !implied.contains(&fact.method) && !unproven
        })
        .collect();
    state.objections.iter().any(|objection| {
        let is_later = |yes: &&ConsentFact| yes.occurred_at > objection.occurred_at;
        objection.purpose == *purpose && !yeses.iter().any(is_later)
    })
}

/// Whether what rests on consent is stopped by a restriction of these.
fn is_restricted(state: &SubjectState, purpose: &Purpose, processor: Option<&Processor>) -> bool {
    let answer = fold(bearing_on(&state.consents, purpose, processor, at(LATER)));
    state.restrictions.iter().any(|restriction| {
        !answer.is_some_and(|answer| {
            answer.fact.choice == ConsentChoice::Given
                && answer.fact.occurred_at > restriction.started_at
        })
    })
}

fn check_states(
    one: &SubjectState,
    other: &SubjectState,
    merged_at: Timestamp,
) -> Result<(), TestCaseError> {
    static POLICY: LazyLock<CompiledPolicy> = LazyLock::new(|| {
        let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        policy.consent.methods.clear();
        CompiledPolicy::compile(policy).expect("no errors")
    });
    let known: Vec<Processor> = ["mailer", "analyst", "bank"]
        .map(|name| name.parse().expect("a name"))
        .into();
    let renewed = outweighed(&POLICY, one, other, &known, merged_at);
    let mut both = one.clone();
    both.consents = merged(&one.consents, &other.consents, &known, merged_at);
    both.objections.extend(other.objections.clone());
    both.restrictions.extend(other.restrictions.clone());
    for objection in &mut both.objections {
        if renewed.objections.contains(&objection.objection_id) {
            objection.occurred_at = renewed.from;
        }
    }
    for restriction in &mut both.restrictions {
        if renewed.restrictions.contains(&restriction.restriction_id) {
            restriction.started_at = renewed.from;
        }
    }
    for purpose in ["newsletter", "research"].map(|name| name.parse().expect("a name")) {
        for processor in known.iter().map(Some).chain([None]) {
            let objected = |state| is_objected(state, &purpose, processor);
            if objected(one) || objected(other) {
                prop_assert!(objected(&both), "{} for {:?}", purpose, processor);
            } else if renewed.objections.is_empty() {
                prop_assert!(!objected(&both), "{} for {:?}", purpose, processor);
            }
            let restricted = |state| is_restricted(state, &purpose, processor);
            if restricted(one) || restricted(other) {
                prop_assert!(restricted(&both), "{} for {:?}", purpose, processor);
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_that_was_said_against_a_use_is_outweighed_by_what_the_other_had_said() {
    let state = |base: u128| {
        let said = (
            any_consents(),
            proptest::collection::vec((one_of::<Purpose>(&PURPOSES), any_day()), 0..3),
            proptest::collection::vec(any_day(), 0..2),
        );
        said.prop_map(move |(mut facts, objections, restrictions)| {
            for fact in &mut facts {
                fact.consent_id = ConsentId(Uuid::from_u128(fact.consent_id.0.as_u128() + base));
            }
            let mut state = SubjectState::new(SubjectId(Uuid::from_u128(base)));
            state.consents = facts;
            for (id, (purpose, day)) in (base..).zip(&objections) {
                state.objections.push(objection(id, purpose, *day));
            }
            for (id, day) in (base..).zip(restrictions) {
                state.restrictions.push(restriction(id, day));
            }
            state
        })
    };
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(state(100), state(200)), |(one, other)| {
        check_states(&one, &other, at("2024-03-20T00:00:00Z"))?;
        check_states(&other, &one, at(LATER))
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
