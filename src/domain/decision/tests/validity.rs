//! Until when an answer holds.

use jiff::Timestamp;

use super::{
    life::{Life, NOW, at, query},
    policy::{FIRST, later},
};
use crate::domain::{
    consent::{ConsentChoice, EvidenceMethod},
    decision::decide,
};

fn person_under(versions: &[&str]) -> Life {
    let mut life = Life::under(versions);
    life.joined("visitor", "2024-01-01");
    life.joined("client", "2024-01-01");
    life.collected("visitor", "email_address", "2024-02-01");
    life.collected("client", "payment_details", "2024-02-01");
    life
}

fn valid_until(life: &Life, data: &str, purpose: &str) -> Option<Timestamp> {
    life.decision(&query(&[data], purpose, None), NOW)
        .valid_until
}

#[test]
fn an_answer_that_nothing_ends_has_no_end() {
    let life = person_under(&[FIRST]);
    assert_eq!(valid_until(&life, "payment_details", "ordering"), None);
}

#[test]
fn a_yes_ends_with_the_consent_and_only_with_the_one_that_stands() {
    let mut life = person_under(&[FIRST]);
    life.gave("newsletter", "2024-02-01").expires_at = Some(at("2024-07-01"));
    let ends = valid_until(&life, "email_address", "newsletter");
    assert_eq!(ends, Some(at("2024-07-01")));
    life.gave("newsletter", "2024-02-02").expires_at = Some(at("2024-09-01"));
    let ends = valid_until(&life, "email_address", "newsletter");
    assert_eq!(ends, Some(at("2024-09-01")));
}

#[test]
fn a_no_ends_when_a_yes_dated_ahead_begins() {
    let mut life = person_under(&[FIRST]);
    life.gave("newsletter", "2024-06-01T12:04:00Z");
    let ends = valid_until(&life, "email_address", "newsletter");
    assert_eq!(ends, Some(at("2024-06-01T12:04:00Z")));
}

#[test]
fn an_answer_ends_with_the_policy_that_gave_it() {
    let second = later("2025", "2024-08-01", &[]);
    let life = person_under(&[FIRST, &second]);
    let ends = valid_until(&life, "payment_details", "gambling");
    assert_eq!(ends, Some(at("2024-08-01")));
}

#[test]
fn an_unknown_or_erased_subject_is_not_changed_by_a_policy() {
    let second = later("2025", "2024-08-01", &[]);
    let mut life = person_under(&[FIRST, &second]);
    let asked = query(&["payment_details"], "ordering", None);
    let unknown = decide(&life.policies, None, &asked, at(NOW), false);
    assert_eq!(unknown.valid_until, None);
    life.subject.erased_at = Some(at("2024-05-01"));
    assert_eq!(valid_until(&life, "payment_details", "ordering"), None);
}

#[test]
fn a_yes_ends_with_the_membership_or_the_period_after_it() {
    let mut life = person_under(&[FIRST]);
    life.subject.memberships[1].ended_at = Some(at("2024-07-01"));
    let ends = valid_until(&life, "payment_details", "ordering");
    assert_eq!(ends, Some(at("2024-07-01")));
    life.joined("partner", "2024-01-01").ended_at = Some(at("2024-05-01"));
    life.subject.memberships.remove(1);
    life.collected("partner", "payment_details", "2024-02-01");
    let ends = valid_until(&life, "payment_details", "ordering");
    assert_eq!(ends, Some(at("2025-05-01")));
}

#[test]
fn a_no_ends_when_a_membership_begins() {
    let mut life = person_under(&[FIRST]);
    life.subject.memberships[1].started_at = at("2024-06-10");
    let ends = valid_until(&life, "payment_details", "ordering");
    assert_eq!(ends, Some(at("2024-06-10")));
}

#[test]
fn a_yes_ends_with_the_retention() {
    let text = format!("{FIRST}retention: [{{ kind: maximum, after: collection, period: P6M }}]\n");
    let life = person_under(&[&text]);
    let ends = valid_until(&life, "payment_details", "ordering");
    assert_eq!(ends, Some(at("2024-08-01")));
}

#[test]
fn the_whole_ends_with_the_first_of_its_parts() {
    let text = format!(
        "{FIRST}retention: [{{ data: [payment_details], kind: maximum, after: collection, period: P6M }}]\n"
    );
    let mut life = person_under(&[&text]);
    life.joined("partner", "2024-01-01");
    life.collected("partner", "payment_details", "2024-02-01");
    life.collected("partner", "email_address", "2024-02-01");
    let asked = query(&["email_address", "payment_details"], "ordering", None);
    let decision = life.decision(&asked, NOW);
    assert_eq!(decision.per_category[0].valid_until, None);
    assert_eq!(decision.valid_until, Some(at("2024-08-01")));
}

#[test]
fn a_yes_on_other_grounds_ends_with_the_consent_that_lifts_a_no() {
    let mut life = person_under(&[FIRST]);
    life.refused("screening", "2024-02-01");
    life.gave("screening", "2024-03-01").expires_at = Some(at("2024-07-01"));
    life.gave("screening", "2024-04-01").method = EvidenceMethod::ImpliedByUse;
    let ends = valid_until(&life, "payment_details", "screening");
    assert_eq!(ends, Some(at("2024-07-01")));
    let on = |now| life.ask_on(now, "payment_details", "screening");
    assert_eq!(on("2024-06-30"), "ALLOW LAWFUL legitimate interests");
    assert_eq!(on("2024-07-01"), "DENY CONSENT_REFUSED");
}

#[test]
fn a_yes_to_marketing_ends_with_the_consent_that_answers_an_objection() {
    let mut life = person_under(&[FIRST]);
    life.collected("client", "email_address", "2024-02-01");
    life.objected("offers", "2024-02-01");
    life.gave("offers", "2024-03-01").expires_at = Some(at("2024-07-01"));
    life.said(ConsentChoice::Pending, "offers", "2024-04-01");
    let ends = valid_until(&life, "email_address", "offers");
    assert_eq!(ends, Some(at("2024-07-01")));
}
