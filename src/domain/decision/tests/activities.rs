//! Who and what is asked about, and whether the policy foresees it.

use super::{
    life::{Life, NOW, at, in_words, name, query},
    policy::{FIRST, later},
};
use crate::domain::{
    decision::{DecisionReason, Query, decide},
    id::ItemId,
};

fn client() -> Life {
    let mut life = Life::under(&[FIRST]);
    life.joined("client", "2024-01-01");
    life.collected("client", "payment_details", "2024-02-01");
    life
}

#[test]
fn an_erased_subject_is_denied_even_while_items_are_left() {
    let mut life = client();
    life.subject.erased_at = Some(at("2024-05-01"));
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY SUBJECT_ERASED"
    );
}

#[test]
fn of_an_erased_subject_that_is_answered_for_which_an_item_is_retained() {
    let mut life = client();
    life.collected("client", "email_address", "2024-02-01");
    life.subject.items[0].retained_for = Some(vec![name("ordering")]);
    life.subject.erased_at = Some(at("2024-05-01"));
    let retained = life.subject.items[0].item_id;
    let decision = life.decision(&query(&["payment_details"], "ordering", None), NOW);
    assert_eq!(in_words(&decision), "ALLOW LAWFUL contract");
    assert_eq!(decision.per_category[0].item_ids, [retained]);
    assert_eq!(
        life.ask("payment_details", "screening"),
        "DENY SUBJECT_ERASED",
        "it stays on another ground"
    );
    assert_eq!(
        life.ask("email_address", "ordering"),
        "DENY SUBJECT_ERASED",
        "nothing of this category stays"
    );
}

#[test]
fn beside_what_is_retained_an_erased_subject_has_nothing_left() {
    let mut life = client();
    life.subject.items[0].retained_for = Some(vec![name("ordering")]);
    life.subject.erased_at = Some(at("2024-05-01"));
    let retained = life.subject.items[0].item_id;
    let unretained = life.collected("client", "payment_details", "2024-02-02");
    let named = unretained.item_id;
    let mut asked = query(&["payment_details"], "ordering", None);
    let decision = life.decision(&asked, NOW);
    assert_eq!(decision.per_category[0].item_ids, [retained]);
    asked.item_ids = vec![named];
    let answer = in_words(&life.decision(&asked, NOW));
    assert_eq!(answer, "DENY PURPOSE_EXCLUDED");
}

#[test]
fn an_item_that_should_be_erased_is_answered_for_its_grounds_alone() {
    let mut life = client();
    life.subject.items[0].retained_for = Some(vec![name("litigation")]);
    assert_eq!(
        life.ask("payment_details", "ordering"),
        "DENY PURPOSE_EXCLUDED"
    );
    assert_eq!(
        life.ask("payment_details", "litigation"),
        "ALLOW LAWFUL legitimate interests"
    );
    life.subject.items[0].retained_for = Some(Vec::new());
    assert_eq!(
        life.ask("payment_details", "litigation"),
        "DENY PURPOSE_EXCLUDED"
    );
}

#[test]
fn what_the_policy_does_not_know_is_denied_before_anything_else() {
    let life = client();
    assert_eq!(
        life.ask("payment_details", "gambling"),
        "DENY PURPOSE_UNKNOWN"
    );
    assert_eq!(
        life.ask("shoe_size", "ordering"),
        "DENY DATA_CATEGORY_UNKNOWN"
    );
    assert_eq!(
        life.ask_for("payment_details", "ordering", "stranger"),
        "DENY PROCESSOR_UNKNOWN"
    );
}

#[test]
fn before_the_first_policy_is_in_force_every_purpose_is_unknown() {
    let life = client();
    let answer = life.ask_on("2023-12-31", "payment_details", "ordering");
    assert_eq!(answer, "DENY PURPOSE_UNKNOWN");
}

#[test]
fn a_purpose_that_a_later_version_drops_is_unknown_from_then_on() {
    let dropped = [
        ("  statistics: { title: Statistics }\n", ""),
        (
            "  - { id: statistics, subjects: [visitor], data: [navigation], purpose: statistics, lawful_basis: public_task }\n",
            "",
        ),
    ];
    let second = later("2025", "2024-05-01", &dropped);
    let mut life = Life::under(&[FIRST, &second]);
    life.joined("visitor", "2024-01-01");
    life.collected("visitor", "navigation", "2024-02-01");
    assert_eq!(
        life.ask_on("2024-04-30", "navigation", "statistics"),
        "ALLOW LAWFUL public task"
    );
    assert_eq!(life.ask("navigation", "statistics"), "DENY PURPOSE_UNKNOWN");
}

#[test]
fn an_activity_without_a_lawful_basis_permits_nothing() {
    let mut life = Life::under(&[FIRST]);
    life.joined("visitor", "2024-01-01");
    life.collected("visitor", "email_address", "2024-02-01");
    assert_eq!(life.ask("email_address", "unfounded"), "DENY NO_ACTIVITY");
}

#[test]
fn a_membership_counts_from_its_start_until_just_before_its_end() {
    let mut life = client();
    life.subject.memberships[0].started_at = at("2024-03-01");
    life.subject.memberships[0].ended_at = Some(at("2024-04-01"));
    let on = |now| life.ask_on(now, "payment_details", "ordering");
    assert_eq!(on("2024-02-29"), "DENY NO_ACTIVITY");
    assert_eq!(on("2024-03-01"), "ALLOW LAWFUL contract");
    assert_eq!(on("2024-03-31"), "ALLOW LAWFUL contract");
    assert_eq!(on("2024-04-01"), "DENY NO_ACTIVITY");
}

#[test]
fn a_membership_that_starts_in_the_future_does_not_count() {
    let mut life = client();
    life.subject.memberships[0].started_at = at("2024-06-02");
    assert_eq!(life.ask("payment_details", "ordering"), "DENY NO_ACTIVITY");
}

#[test]
fn an_activity_may_outlast_the_membership_for_a_calendar_period() {
    let mut life = Life::under(&[FIRST]);
    life.joined("partner", "2024-01-01").ended_at = Some(at("2024-02-29"));
    life.collected("partner", "payment_details", "2024-02-01");
    let on = |now| life.ask_on(now, "payment_details", "ordering");
    assert_eq!(on("2025-02-27"), "ALLOW LAWFUL contract");
    assert_eq!(on("2025-02-28"), "DENY NO_ACTIVITY");
}

#[test]
fn an_activity_may_outlast_the_membership_for_good() {
    let mut life = Life::under(&[FIRST]);
    life.joined("partner", "2024-01-01").ended_at = Some(at("2024-02-01"));
    life.collected("partner", "email_address", "2024-01-10");
    let answer = life.ask_on("2050-01-01", "email_address", "ordering");
    assert_eq!(answer, "ALLOW LAWFUL contract");
}

#[test]
fn sharing_with_visitors_does_not_share_what_was_collected_of_a_client() {
    let mut life = Life::under(&[FIRST]);
    life.joined("visitor", "2024-01-01");
    life.joined("client", "2024-01-01");
    life.collected("client", "navigation", "2024-02-01");
    life.gave("research", "2024-03-01");
    assert_eq!(life.ask("navigation", "research"), "ALLOW LAWFUL consent");
    assert_eq!(
        life.ask_for("navigation", "research", "analyst"),
        "DENY NOT_COLLECTED"
    );
    life.collected("visitor", "navigation", "2024-02-01");
    assert_eq!(
        life.ask_for("navigation", "research", "analyst"),
        "ALLOW LAWFUL consent"
    );
}

#[test]
fn an_item_of_a_category_that_the_person_left_does_not_count() {
    let mut life = Life::under(&[FIRST]);
    life.joined("visitor", "2024-01-01").ended_at = Some(at("2024-05-01"));
    life.joined("client", "2024-01-01");
    life.collected("visitor", "navigation", "2024-02-01");
    life.gave("research", "2024-03-01");
    assert_eq!(life.ask("navigation", "research"), "DENY NOT_COLLECTED");
}

#[test]
fn every_data_category_must_be_allowed_and_the_first_denied_gives_the_reason() {
    let life = client();
    let asked = query(
        &["payment_details", "navigation", "shoe_size"],
        "ordering",
        None,
    );
    let decision = life.decision(&asked, NOW);
    let reasons: Vec<_> = decision.per_category.iter().map(|it| it.reason).collect();
    assert_eq!(in_words(&decision), "DENY NO_ACTIVITY");
    assert_eq!(
        reasons,
        [
            DecisionReason::Lawful,
            DecisionReason::NoActivity,
            DecisionReason::DataCategoryUnknown
        ]
    );
}

#[test]
fn a_question_about_nothing_is_denied() {
    let decision = client().decision(&query(&[], "ordering", None), NOW);
    assert_eq!(in_words(&decision), "DENY NOT_COLLECTED");
}

#[test]
fn of_a_category_of_which_an_item_is_named_only_that_item_counts() {
    let mut life = client();
    let other = life.collected("client", "payment_details", "2024-02-02");
    other.purposes = vec![name("screening")];
    let (first, other) = (life.subject.items[0].item_id, life.subject.items[1].item_id);
    let ask = |item_ids| {
        let asked = Query {
            item_ids,
            ..query(&[], "ordering", None)
        };
        life.decision(&asked, NOW)
    };
    assert_eq!(in_words(&ask(vec![first])), "ALLOW LAWFUL contract");
    assert_eq!(in_words(&ask(vec![other])), "DENY PURPOSE_EXCLUDED");
    let both = ask(vec![other, first]);
    assert_eq!(in_words(&both), "ALLOW LAWFUL contract");
    assert_eq!(both.per_category[0].item_ids, [first]);
}

#[test]
fn an_item_id_that_leads_nowhere_denies_the_whole() {
    let life = client();
    let first = life.subject.items[0].item_id;
    let stranger = ItemId(uuid::Uuid::from_u128(7));
    let asked = Query {
        item_ids: vec![first, stranger],
        ..query(&["payment_details"], "ordering", None)
    };
    let decision = life.decision(&asked, NOW);
    assert_eq!(in_words(&decision), "DENY NOT_COLLECTED");
    assert_eq!(decision.per_category.len(), 1);
    assert_eq!(decision.lawful_basis, None);
    let unknown = decide(&life.policies, None, &asked, at(NOW), false);
    assert_eq!(in_words(&unknown), "DENY SUBJECT_UNKNOWN");
}

#[test]
fn a_data_category_named_twice_is_answered_once() {
    let asked = query(&["payment_details", "payment_details"], "ordering", None);
    assert_eq!(client().decision(&asked, NOW).per_category.len(), 1);
}

#[test]
fn an_explained_answer_tells_each_rule_up_to_the_one_that_decided() {
    let mut life = client();
    life.refused("screening", "2024-03-01");
    let asked = query(&["payment_details"], "screening", None);
    let decision = decide(&life.policies, Some(&life.subject), &asked, at(NOW), true);
    let told: Vec<_> = decision.per_category[0]
        .trace
        .iter()
        .map(|step| (step.rule.as_str(), step.applies))
        .collect();
    let (last, passed) = told.split_last().expect("something was considered");
    assert_eq!(*last, ("CONSENT_REFUSED", true));
    assert!(passed.iter().all(|(_, applies)| !applies));
    assert_eq!(passed.len(), 12);
    let last = decision.per_category[0].trace.last();
    let last = last.expect("something was considered");
    assert_eq!(last.detail(), "as client: the latest answer is a refusal");
}
