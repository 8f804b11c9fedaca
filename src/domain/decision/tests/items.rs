//! Restrictions, what an item may be used for, how long, and objections.

use super::{
    life::{Life, NOW, at, in_words, name, names, query},
    policy::{FIRST, later},
};
use crate::domain::consent::ConsentChoice;

fn client() -> Life {
    client_under(&[FIRST])
}

fn client_under(versions: &[&str]) -> Life {
    let mut life = Life::under(versions);
    life.joined("client", "2024-01-01");
    for data in ["payment_details", "email_address", "health", "navigation"] {
        life.collected("client", data, "2024-02-01");
    }
    life
}

fn visitor() -> Life {
    let mut life = Life::under(&[FIRST]);
    life.joined("visitor", "2024-01-01");
    life.collected("visitor", "email_address", "2024-02-01");
    life.collected("visitor", "navigation", "2024-02-01");
    life
}

fn keeping(rule: &str) -> String {
    format!("{FIRST}retention: [{{ {rule} }}]\n")
}

// ---- restriction ----------------------------------------------------------------------------

#[test]
fn a_restriction_covers_everything_or_what_it_names() {
    let mut life = client();
    life.restricted(&["email_address"], "2024-03-01");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
    assert_eq!(
        life.ask("email_address", "offers"),
        "DENY PROCESSING_RESTRICTED"
    );
    life.restricted(&[], "2024-03-01");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY PROCESSING_RESTRICTED"
    );
}

#[test]
fn a_lifted_restriction_no_longer_restricts() {
    let mut life = client();
    life.restricted(&[], "2024-03-01").lifted_at = Some(at("2024-04-01"));
    let on = |now| life.ask_on(now, "payment_details", "ordering");
    assert_eq!(on("2024-03-31"), "DENY PROCESSING_RESTRICTED");
    assert_eq!(on("2024-04-01"), "ALLOW LAWFUL contract");
}

#[test]
fn legal_claims_are_pursued_under_a_restriction() {
    let mut life = client();
    life.restricted(&[], "2024-03-01");
    assert_eq!(
        life.ask("payment_details", "litigation"),
        "ALLOW LAWFUL legitimate interests"
    );
}

#[test]
fn a_consent_given_after_the_restriction_began_passes_it_and_one_before_does_not() {
    let mut life = client();
    life.gave("research", "2024-02-15");
    life.restricted(&[], "2024-03-01");
    assert_eq!(
        life.ask("navigation", "research"),
        "DENY PROCESSING_RESTRICTED"
    );
    life.gave("research", "2024-03-02");
    assert_eq!(life.ask("navigation", "research"), "ALLOW LAWFUL consent");
}

#[test]
fn a_consent_passes_no_restriction_of_what_does_not_rest_on_it() {
    let mut life = client();
    life.restricted(&[], "2024-03-01");
    life.gave("ordering", "2024-03-02");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY PROCESSING_RESTRICTED"
    );
}

#[test]
fn a_restriction_dated_ahead_of_the_clock_restricts_at_once() {
    let mut life = client();
    life.restricted(&[], "2024-06-01T12:04:00Z");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY PROCESSING_RESTRICTED"
    );
}

// ---- items ----------------------------------------------------------------------------------

#[test]
fn an_item_collected_for_other_purposes_is_excluded_and_the_other_item_counts() {
    let mut life = client();
    life.subject.items[0].purposes = names(&["screening", "litigation"]);
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY PURPOSE_EXCLUDED"
    );
    assert_eq!(
        life.ask("payment_details", "screening"),
        "ALLOW LAWFUL legitimate interests"
    );
    let other = life
        .collected("client", "payment_details", "2024-03-01")
        .item_id;
    let decision = life.decision(&query(&["payment_details"], "ordering", None), NOW);
    assert_eq!(decision.per_category[0].item_ids, [other]);
}

#[test]
fn retention_runs_from_collection_by_the_calendar() {
    let life = client_under(&[&keeping("kind: maximum, after: collection, period: P1M")]);
    let on = |now| life.ask_on(now, "payment_details", "ordering");
    assert_eq!(on("2024-02-29T23:59:59Z"), "ALLOW LAWFUL contract");
    assert_eq!(on("2024-03-01"), "DENY RETENTION_EXPIRED");
}

#[test]
fn a_calendar_month_is_counted_where_the_controller_is() {
    let text = keeping("kind: maximum, after: collection, period: P1M");
    let text = text.replace("time_zone: UTC", "time_zone: America/New_York");
    let mut life = client_under(&[&text]);
    // The evening of 31 January over there; a month later it is the evening of 29 February.
    life.subject.items[0].collected_at = at("2024-02-01T04:00:00Z");
    let on = |now| life.ask_on(now, "payment_details", "ordering");
    assert_eq!(on("2024-03-01T03:59:59Z"), "ALLOW LAWFUL contract");
    assert_eq!(on("2024-03-01T04:00:00Z"), "DENY RETENTION_EXPIRED");
}

#[test]
fn the_shortest_maximum_decides_and_a_legal_minimum_permits_nothing() {
    let text = format!(
        "{FIRST}retention:\n  \
         - {{ kind: maximum, after: collection, period: P2Y }}\n  \
         - {{ data: [payment_details], kind: maximum, after: collection, period: P1M }}\n  \
         - {{ kind: legal_minimum, after: collection, period: P10Y, ground: tax law }}\n"
    );
    let life = client_under(&[&text]);
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY RETENTION_EXPIRED"
    );
    assert_eq!(life.ask("email_address", "offers"), "ALLOW LAWFUL contract");
}

#[test]
fn a_processors_retention_counts_only_for_that_processor() {
    let rule = "processor: bank, kind: maximum, after: collection, period: P1M";
    let life = client_under(&[&keeping(rule)]);
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
    assert_eq!(
        life.ask_for("payment_details", "ordering", "bank"),
        "DENY RETENTION_EXPIRED"
    );
}

#[test]
fn last_activity_is_that_of_the_rules_sources_or_the_latest_collection() {
    let rule = "kind: maximum, after: last_activity, activity_sources: [web], period: P1M";
    let mut life = client_under(&[&keeping(rule)]);
    life.subject.last_activity.insert(name("shop"), at(NOW));
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY RETENTION_EXPIRED"
    );
    life.collected("client", "email_address", "2024-05-20");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY RETENTION_EXPIRED"
    );
    life.collected("client", "payment_details", "2024-05-20");
    let decision = life.decision(&query(&["payment_details"], "ordering", None), NOW);
    assert_eq!(decision.per_category[0].item_ids.len(), 2);
    life.subject.items.pop();
    life.subject
        .last_activity
        .insert(name("web"), at("2024-05-20"));
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
}

#[test]
fn retention_after_the_end_of_a_category_starts_when_the_person_leaves() {
    let rule = "kind: maximum, after: category_end, period: P1M";
    let mut life = Life::under(&[&keeping(rule)]);
    life.joined("partner", "2024-01-01");
    life.collected("partner", "email_address", "2024-01-10");
    assert_eq!(
        life.ask("email_address", "ordering"),
        "ALLOW LAWFUL contract"
    );
    life.subject.memberships[0].ended_at = Some(at("2024-05-01"));
    let on = |life: &Life, now| life.ask_on(now, "email_address", "ordering");
    assert_eq!(on(&life, "2024-05-31"), "ALLOW LAWFUL contract");
    assert_eq!(on(&life, "2024-06-01"), "DENY RETENTION_EXPIRED");
}

#[test]
fn who_comes_back_in_time_stays_and_who_comes_back_late_starts_anew() {
    let rule = "kind: maximum, after: category_end, period: P1M";
    let mut life = Life::under(&[&keeping(rule)]);
    life.joined("partner", "2024-01-01").ended_at = Some(at("2024-02-01"));
    life.collected("partner", "email_address", "2024-01-10");
    life.joined("partner", "2024-02-20");
    assert_eq!(
        life.ask("email_address", "ordering"),
        "ALLOW LAWFUL contract"
    );
    life.subject.memberships[1].started_at = at("2024-04-20");
    assert_eq!(
        life.ask("email_address", "ordering"),
        "DENY RETENTION_EXPIRED"
    );
    life.collected("partner", "email_address", "2024-04-20");
    let decision = life.decision(&query(&["email_address"], "ordering", None), NOW);
    assert_eq!(in_words(&decision), "ALLOW LAWFUL contract");
    assert_eq!(
        decision.per_category[0].item_ids,
        [life.subject.items[1].item_id]
    );
}

#[test]
fn retention_after_a_withdrawal_counts_for_what_rests_on_the_consent() {
    let rule = "kind: maximum, after: consent_withdrawal, period: P1M";
    let mut life = client_under(&[&keeping(rule)]);
    life.gave("research", "2024-02-01");
    life.withdrew("research", "2024-03-01");
    life.withdrew("ordering", "2024-03-01");
    let on = |life: &Life, now| life.ask_on(now, "navigation", "research");
    assert_eq!(on(&life, "2024-03-31"), "DENY CONSENT_WITHDRAWN");
    assert_eq!(on(&life, "2024-04-01"), "DENY RETENTION_EXPIRED");
    life.refused("research", "2024-03-20");
    assert_eq!(on(&life, "2024-04-01"), "DENY RETENTION_EXPIRED");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
}

// ---- objection ------------------------------------------------------------------------------

#[test]
fn an_objection_stops_legitimate_interests_and_public_task_until_it_is_rejected() {
    let mut life = client();
    life.objected("screening", "2024-03-01").rejected_at = Some(at("2024-04-01"));
    let on = |now| life.ask_on(now, "payment_details", "screening");
    assert_eq!(on("2024-03-31"), "DENY OBJECTED");
    assert_eq!(on("2024-04-01"), "ALLOW LAWFUL legitimate interests");
    let mut life = visitor();
    life.objected("statistics", "2024-03-01");
    assert_eq!(life.ask("navigation", "statistics"), "DENY OBJECTED");
}

#[test]
fn an_objection_does_not_stop_a_contract_or_another_purpose() {
    let mut life = client();
    life.objected("ordering", "2024-03-01");
    life.objected("research", "2024-03-01");
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "ALLOW LAWFUL contract"
    );
    assert_eq!(
        life.ask("payment_details", "screening"),
        "ALLOW LAWFUL legitimate interests"
    );
}

#[test]
fn an_objection_to_direct_marketing_stands_on_whatever_basis_and_is_not_rejected() {
    let mut life = client();
    life.objected("offers", "2024-03-01").rejected_at = Some(at("2024-04-01"));
    assert_eq!(life.ask("email_address", "offers"), "DENY OBJECTED");
}

#[test]
fn only_an_affirmative_yes_that_still_runs_answers_an_objection_to_direct_marketing() {
    let mut life = client();
    life.gave("offers", "2024-02-15");
    life.objected("offers", "2024-03-01");
    assert_eq!(life.ask("email_address", "offers"), "DENY OBJECTED");
    let by_use = life.gave("offers", "2024-03-02");
    by_use.method = crate::domain::consent::EvidenceMethod::ImpliedByUse;
    assert_eq!(life.ask("email_address", "offers"), "DENY OBJECTED");
    life.gave("offers", "2024-03-03").expires_at = Some(at("2024-05-01"));
    let on = |now| life.ask_on(now, "email_address", "offers");
    assert_eq!(on("2024-04-30"), "ALLOW LAWFUL contract");
    assert_eq!(on("2024-05-01"), "DENY OBJECTED");
}

#[test]
fn a_yes_of_the_same_instant_does_not_answer_an_objection() {
    let mut life = visitor();
    life.gave("newsletter", "2024-03-01");
    life.objected("newsletter", "2024-03-01");
    assert_eq!(life.ask("email_address", "newsletter"), "DENY OBJECTED");
}

#[test]
fn an_objection_stands_before_a_refusal_in_the_table() {
    let mut life = client();
    life.said(ConsentChoice::Refused, "screening", "2024-03-01");
    life.objected("screening", "2024-03-01");
    assert_eq!(life.ask("payment_details", "screening"), "DENY OBJECTED");
}

#[test]
fn marketing_that_stops_being_marketing_under_a_later_policy_falls_back_to_its_basis() {
    let plain = [("Offers by post, direct_marketing: true", "Offers by post")];
    let second = later("2025", "2024-05-01", &plain);
    let mut life = client_under(&[FIRST, &second]);
    life.objected("offers", "2024-03-01");
    let on = |now| life.ask_on(now, "email_address", "offers");
    assert_eq!(on("2024-04-30"), "DENY OBJECTED");
    assert_eq!(on("2024-05-01"), "ALLOW LAWFUL contract");
}
