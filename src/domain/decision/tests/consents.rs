//! What the person said, and what of it stands.

use super::{
    life::{Life, NOW, at, name, names, query},
    policy::{FIRST, later},
};
use crate::domain::consent::{ConsentChoice, EvidenceMethod};

const LAWFUL: &str = "ALLOW LAWFUL consent";
const REFUSED: &str = "DENY CONSENT_REFUSED";
const WITHDRAWN: &str = "DENY CONSENT_WITHDRAWN";
const MISSING: &str = "DENY CONSENT_MISSING";
const INSUFFICIENT: &str = "DENY CONSENT_EVIDENCE_INSUFFICIENT";
const OUTDATED: &str = "DENY CONSENT_OUTDATED";

fn person_under(versions: &[&str]) -> Life {
    let mut life = Life::under(versions);
    for category in ["visitor", "client"] {
        life.joined(category, "2024-01-01");
        for data in ["email_address", "navigation", "payment_details", "health"] {
            life.collected(category, data, "2024-02-01");
        }
    }
    life
}

fn person() -> Life {
    person_under(&[FIRST])
}

fn newsletter(life: &Life) -> String {
    life.ask("email_address", "newsletter")
}

fn newsletter_by_mailer(life: &Life) -> String {
    life.ask_for("email_address", "newsletter", "mailer")
}

// ---- folding --------------------------------------------------------------------------------

#[test]
fn the_latest_answer_stands() {
    let mut life = person();
    assert_eq!(newsletter(&life), MISSING);
    life.gave("newsletter", "2024-02-01");
    assert_eq!(newsletter(&life), LAWFUL);
    life.withdrew("newsletter", "2024-02-02");
    assert_eq!(newsletter(&life), WITHDRAWN);
    life.gave("newsletter", "2024-02-03");
    assert_eq!(newsletter(&life), LAWFUL);
    life.refused("newsletter", "2024-02-04");
    assert_eq!(newsletter(&life), REFUSED);
}

#[test]
fn on_a_tie_the_denial_stands_whichever_was_recorded_first() {
    let mut life = person();
    life.withdrew("newsletter", "2024-02-01");
    life.gave("newsletter", "2024-02-01").recorded_at = at("2024-02-02");
    assert_eq!(newsletter(&life), WITHDRAWN);
    life.subject.consents.reverse();
    assert_eq!(newsletter(&life), WITHDRAWN);
}

#[test]
fn a_yes_recorded_late_takes_its_place_before_the_withdrawal() {
    let mut life = person();
    life.withdrew("newsletter", "2024-06-01T10:00:00Z");
    life.gave("newsletter", "2024-06-01T09:00:00Z").recorded_at = at("2024-06-01T11:00:00Z");
    assert_eq!(newsletter(&life), WITHDRAWN);
}

#[test]
fn what_a_site_notes_by_itself_overrides_no_refusal_and_no_withdrawal() {
    for method in [EvidenceMethod::ImpliedByUse, EvidenceMethod::PreTicked] {
        let mut life = person();
        life.withdrew("newsletter", "2024-02-01");
        life.gave("newsletter", "2024-02-02").method = method;
        assert_eq!(newsletter(&life), WITHDRAWN);
    }
    let mut life = person();
    life.refused("newsletter", "2024-02-01");
    life.said(ConsentChoice::Pending, "newsletter", "2024-02-02");
    assert_eq!(newsletter(&life), REFUSED);
}

#[test]
fn a_later_entry_by_use_takes_the_place_of_a_yes_and_permits_nothing() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01");
    life.gave("newsletter", "2024-02-02").method = EvidenceMethod::ImpliedByUse;
    assert_eq!(newsletter(&life), INSUFFICIENT);
    life.gave("newsletter", "2024-02-03");
    assert_eq!(newsletter(&life), LAWFUL);
}

#[test]
fn a_question_that_waits_for_its_answer_counts_as_missing() {
    let mut life = person();
    life.said(ConsentChoice::Pending, "newsletter", "2024-02-01");
    assert_eq!(newsletter(&life), MISSING);
    let confirmed = life.gave("newsletter", "2024-02-01");
    confirmed.method = EvidenceMethod::DoubleOptIn;
    assert_eq!(newsletter(&life), LAWFUL);
}

#[test]
fn a_yes_dated_ahead_counts_from_its_time_and_a_no_at_once() {
    let mut life = person();
    life.gave("newsletter", "2024-06-01T12:04:00Z");
    assert_eq!(newsletter(&life), MISSING);
    let mut life = person();
    life.gave("newsletter", "2024-02-01");
    life.withdrew("newsletter", "2024-06-01T12:04:00Z");
    assert_eq!(newsletter(&life), WITHDRAWN);
}

#[test]
fn a_yes_to_one_purpose_is_no_yes_to_another() {
    let mut life = person();
    life.gave("research", "2024-02-01");
    assert_eq!(newsletter(&life), MISSING);
}

// ---- processors -----------------------------------------------------------------------------

#[test]
fn a_yes_limited_to_one_processor_serves_it_and_the_controller_and_no_other() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01").processors = names(&["mailer"]);
    assert_eq!(newsletter_by_mailer(&life), LAWFUL);
    assert_eq!(newsletter(&life), LAWFUL);
    life.subject.consents[0].processors = names(&["bank"]);
    assert_eq!(newsletter_by_mailer(&life), MISSING);
}

#[test]
fn a_no_limited_to_one_processor_leaves_the_controller_its_yes() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01");
    life.withdrew("newsletter", "2024-02-02").processors = names(&["mailer"]);
    assert_eq!(newsletter_by_mailer(&life), WITHDRAWN);
    assert_eq!(newsletter(&life), LAWFUL);
}

#[test]
fn a_no_that_names_nobody_reaches_every_processor() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01").processors = names(&["mailer"]);
    life.withdrew("newsletter", "2024-02-02");
    assert_eq!(newsletter_by_mailer(&life), WITHDRAWN);
    assert_eq!(newsletter(&life), WITHDRAWN);
}

// ---- where a no counts ----------------------------------------------------------------------

#[test]
fn a_no_counts_against_legitimate_interests_and_direct_marketing_but_not_a_contract() {
    let mut life = person();
    for purpose in ["screening", "offers", "ordering", "statistics"] {
        life.refused(purpose, "2024-02-01");
    }
    assert_eq!(life.ask("payment_details", "screening"), REFUSED);
    assert_eq!(life.ask("email_address", "offers"), REFUSED);
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
    assert_eq!(
        life.ask("navigation", "statistics"),
        "ALLOW LAWFUL public task"
    );
}

#[test]
fn a_no_counts_in_every_subject_category() {
    let mut life = person();
    life.subject.memberships[0].ended_at = Some(at("2024-03-01"));
    life.withdrew("research", "2024-02-15");
    assert_eq!(life.ask("navigation", "research"), WITHDRAWN);
}

#[test]
fn a_later_policy_that_claims_legitimate_interests_does_not_undo_a_no() {
    let rebased = [(
        "purpose: research, lawful_basis: consent",
        "purpose: research, lawful_basis: legitimate_interests",
    )];
    let second = later("2025", "2024-05-01", &rebased);
    let mut life = person_under(&[FIRST, &second]);
    life.withdrew("research", "2024-02-01");
    assert_eq!(life.ask("navigation", "research"), WITHDRAWN);
    life.subject.consents.clear();
    assert_eq!(
        life.ask("navigation", "research"),
        "ALLOW LAWFUL legitimate interests"
    );
}

#[test]
fn a_yes_that_has_run_out_no_longer_lifts_the_no_before_it() {
    let mut life = person();
    life.refused("screening", "2024-02-01");
    life.gave("screening", "2024-03-01").expires_at = Some(at("2024-04-01"));
    let on = |now| life.ask_on(now, "payment_details", "screening");
    assert_eq!(on("2024-03-31"), "ALLOW LAWFUL legitimate interests");
    assert_eq!(on("2024-04-01"), REFUSED);
}

#[test]
fn a_second_condition_of_consent_is_needed_beside_the_contract() {
    let mut life = person();
    assert_eq!(life.ask("health", "advice"), MISSING);
    life.gave("advice", "2024-02-01");
    assert_eq!(life.ask("health", "advice"), "ALLOW LAWFUL contract");
    life.withdrew("advice", "2024-02-02");
    assert_eq!(life.ask("health", "advice"), WITHDRAWN);
}

// ---- how long and how -----------------------------------------------------------------------

#[test]
fn a_consent_ends_at_its_own_time_or_at_the_policys_whichever_is_earlier() {
    let text = FIRST.replace("consent:\n", "consent:\n  expires_after: P3M\n");
    let mut life = person_under(&[&text]);
    life.gave("newsletter", "2024-01-31");
    let on = |life: &Life, now| life.ask_on(now, "email_address", "newsletter");
    assert_eq!(on(&life, "2024-04-29"), LAWFUL);
    assert_eq!(on(&life, "2024-04-30"), "DENY CONSENT_EXPIRED");
    life.subject.consents[0].expires_at = Some(at("2024-03-01"));
    assert_eq!(on(&life, "2024-02-29"), LAWFUL);
    assert_eq!(on(&life, "2024-03-01"), "DENY CONSENT_EXPIRED");
}

#[test]
fn a_refusal_does_not_run_out() {
    let text = FIRST.replace("consent:\n", "consent:\n  expires_after: P3M\n");
    let mut life = person_under(&[&text]);
    life.refused("newsletter", "2024-01-31").expires_at = Some(at("2024-02-15"));
    assert_eq!(newsletter(&life), REFUSED);
}

#[test]
fn a_yes_must_be_an_affirmative_act_in_a_way_that_the_purpose_accepts() {
    let answer = |purpose, data, method, has_reference| {
        let mut life = person();
        let fact = life.gave(purpose, "2024-02-01");
        fact.method = method;
        fact.has_reference = has_reference;
        life.ask(data, purpose)
    };
    let newsletter = |method, reference| answer("newsletter", "email_address", method, reference);
    assert_eq!(newsletter(EvidenceMethod::ImpliedByUse, true), INSUFFICIENT);
    assert_eq!(newsletter(EvidenceMethod::PreTicked, true), INSUFFICIENT);
    assert_eq!(newsletter(EvidenceMethod::Imported, false), INSUFFICIENT);
    assert_eq!(newsletter(EvidenceMethod::Imported, true), LAWFUL);
    assert_eq!(newsletter(EvidenceMethod::Oral, false), LAWFUL);
    let research = |method| answer("research", "navigation", method, true);
    assert_eq!(research(EvidenceMethod::Oral), INSUFFICIENT);
    assert_eq!(research(EvidenceMethod::DoubleOptIn), LAWFUL);
}

// ---- later versions -------------------------------------------------------------------------

#[test]
fn a_consent_outlives_versions_that_leave_its_use_alone() {
    let second = later(
        "2025",
        "2024-05-01",
        &[("title: Ordering", "title: Orders")],
    );
    let mut life = person_under(&[FIRST, &second]);
    life.gave("newsletter", "2024-02-01");
    assert_eq!(newsletter_by_mailer(&life), LAWFUL);
}

#[test]
fn a_consent_is_outdated_when_its_use_was_added_or_rebased_on_the_way() {
    let as_contract = (
        "purpose: newsletter, lawful_basis: consent",
        "purpose: newsletter, lawful_basis: contract",
    );
    let second = later("2025", "2024-03-01", &[as_contract]);
    let third = later("2026", "2024-05-01", &[]);
    let mut life = person_under(&[FIRST, &second, &third]);
    life.gave("newsletter", "2024-02-01");
    assert_eq!(newsletter(&life), OUTDATED);
    life.gave("newsletter", "2024-05-02");
    assert_eq!(newsletter(&life), LAWFUL);
}

#[test]
fn a_new_processor_outdates_nothing_and_a_new_controller_what_goes_to_it() {
    let not_yet = (
        "  - { subjects: [visitor], data: [navigation], purpose: research, processor: analyst }\n",
        "",
    );
    let first = later("2023", "2023-01-01", &[not_yet]);
    let mut life = person_under(&[&first, FIRST]);
    life.gave("research", "2023-06-01");
    assert_eq!(life.ask("navigation", "research"), LAWFUL);
    assert_eq!(life.ask_for("navigation", "research", "analyst"), OUTDATED);
    let processor = ("Analyst, role: controller", "Analyst, role: processor");
    let first = later("2023", "2023-01-01", &[not_yet, processor]);
    let second = later("2024-b", "2024-01-01", &[processor]);
    let mut life = person_under(&[&first, &second]);
    life.gave("research", "2023-06-01");
    assert_eq!(life.ask_for("navigation", "research", "analyst"), LAWFUL);
}

#[test]
fn a_consent_to_a_version_that_nobody_published_is_outdated() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01").policy_version = name("1999");
    assert_eq!(newsletter(&life), OUTDATED);
}

#[test]
fn the_answer_names_the_fact_that_decided() {
    let mut life = person();
    life.gave("newsletter", "2024-02-01");
    let consented = life.subject.consents[0].consent_id;
    let asked = query(&["email_address"], "newsletter", None);
    assert_eq!(life.decision(&asked, NOW).consent_id, Some(consented));
    let denied = life.withdrew("newsletter", "2024-02-02").consent_id;
    assert_eq!(life.decision(&asked, NOW).consent_id, Some(denied));
    let asked = query(&["payment_details"], "ordering", None);
    assert_eq!(life.decision(&asked, NOW).consent_id, None);
}
