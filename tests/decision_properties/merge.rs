//! Two histories that become one: of two answers the denial wins, and no other is made.

use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use registry::domain::{
    consent::{
        ConsentFact,
        fold::{bearing_on, fold},
        merge::merge_denials,
    },
    id::ConsentId,
    name::{Processor, Purpose},
};
use uuid::Uuid;

use crate::world::any_consents;

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
