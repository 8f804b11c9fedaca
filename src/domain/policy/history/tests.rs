use super::*;
use crate::domain::policy::{
    format::parse_yaml,
    sample::{
        CALLS, NEWS, NEWS_BY_CONTRACT, NEWS_TO_POST, NEWS_WITHOUT_BASIS, sample, sample_with,
    },
};

/// Version names and activities, one version per year from 2021 on.
fn history(versions: &[CompiledPolicy]) -> PolicyHistory {
    PolicyHistory::new(versions.iter().cloned().map(Arc::new).collect())
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// Whether a consent to the version, to the clients' e-mail for news, is outdated in mid-2025.
fn outdated(history: &PolicyHistory, consented: &str, processor: Option<&str>) -> bool {
    outdated_at(history, consented, processor, "2025-06-01T00:00:00Z")
}

fn outdated_at(
    history: &PolicyHistory,
    consented: &str,
    processor: Option<&str>,
    now: &str,
) -> bool {
    history.outdated(
        &consented.parse().expect("a version"),
        at(now),
        &"client".parse().expect("a name"),
        &"email".parse().expect("a name"),
        &"news".parse().expect("a name"),
        processor.map(|name| name.parse().expect("a name")).as_ref(),
    )
}

#[test]
fn the_version_in_force_is_the_latest_whose_time_has_come() {
    let history = history(&[
        sample("V2", "2022-01-01", &[NEWS], &[]),
        sample("V1", "2021-01-01", &[NEWS], &[]),
    ]);
    let in_force = |now| {
        history
            .in_force(at(now))
            .map(|policy| policy.version().to_string())
    };
    assert_eq!(in_force("2020-12-31T23:59:59.999999Z"), None);
    assert_eq!(in_force("2021-01-01T00:00:00Z").as_deref(), Some("V1"));
    assert_eq!(
        in_force("2021-12-31T23:59:59.999999Z").as_deref(),
        Some("V1")
    );
    assert_eq!(in_force("2022-01-01T00:00:00Z").as_deref(), Some("V2"));
}

#[test]
fn the_next_change_is_the_next_version_strictly_later() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[NEWS], &[]),
    ]);
    assert_eq!(
        history.next_change(at("2020-01-01T00:00:00Z")),
        Some(at("2021-01-01T00:00:00Z"))
    );
    assert_eq!(
        history.next_change(at("2021-01-01T00:00:00Z")),
        Some(at("2022-01-01T00:00:00Z"))
    );
    assert_eq!(history.next_change(at("2022-01-01T00:00:00Z")), None);
}

#[test]
fn a_new_version_that_leaves_the_cell_alone_outdates_nothing() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[CALLS, NEWS], &[]),
    ]);
    assert!(!outdated(&history, "V1", None));
    assert!(!outdated(&history, "V2", None));
}

#[test]
fn a_cell_that_was_added_after_the_consent_is_not_covered_by_it() {
    let history = history(&[
        sample("V1", "2021-01-01", &[CALLS], &[]),
        sample("V2", "2022-01-01", &[CALLS, NEWS], &[]),
    ]);
    assert!(outdated(&history, "V1", None));
    assert!(!outdated(&history, "V2", None));
}

#[test]
fn a_cell_that_gets_its_basis_after_the_consent_is_not_covered_by_it() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS_WITHOUT_BASIS], &[]),
        sample("V2", "2022-01-01", &[NEWS], &[]),
    ]);
    assert!(outdated(&history, "V1", None));
}

#[test]
fn a_basis_that_changed_there_and_back_outdates_the_consent() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[NEWS_BY_CONTRACT], &[]),
        sample("V3", "2023-01-01", &[NEWS], &[]),
    ]);
    assert!(outdated(&history, "V1", None));
    assert!(!outdated(&history, "V3", None));
}

#[test]
fn a_cell_that_was_dropped_and_came_back_outdates_the_consent() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[CALLS], &[]),
        sample("V3", "2023-01-01", &[NEWS], &[]),
    ]);
    assert!(outdated(&history, "V1", None));
}

#[test]
fn versions_that_are_not_in_force_yet_outdate_nothing() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[NEWS_BY_CONTRACT], &[]),
        sample("V3", "2030-01-01", &[NEWS], &[]),
    ]);
    assert!(!outdated_at(&history, "V1", None, "2021-12-31T23:59:59Z"));
    assert!(!outdated(&history, "V2", None));
}

#[test]
fn a_new_recipient_that_is_a_processor_outdates_nothing() {
    let history = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2022-01-01", &[NEWS], &[NEWS_TO_POST]),
    ]);
    assert!(!outdated(&history, "V1", Some("post")));
}

#[test]
fn a_new_controller_outdates_what_goes_to_it_and_nothing_else() {
    let history = history(&[
        sample_with("V1", "2021-01-01", &[NEWS], &[], "controller"),
        sample_with("V2", "2022-01-01", &[NEWS], &[NEWS_TO_POST], "controller"),
    ]);
    assert!(outdated(&history, "V1", Some("post")));
    assert!(!outdated(&history, "V1", Some("lab")));
    assert!(!outdated(&history, "V1", None));
    assert!(!outdated(&history, "V2", Some("post")));
}

#[test]
fn a_processor_that_becomes_a_controller_outdates_what_goes_to_it() {
    let history = history(&[
        sample_with("V1", "2021-01-01", &[NEWS], &[NEWS_TO_POST], "processor"),
        sample_with("V2", "2022-01-01", &[NEWS], &[NEWS_TO_POST], "controller"),
    ]);
    assert!(outdated(&history, "V1", Some("post")));
    assert!(!outdated(&history, "V1", None));
}

#[test]
fn a_consent_to_an_unknown_version_is_outdated() {
    let history = history(&[sample("V1", "2021-01-01", &[NEWS], &[])]);
    assert!(outdated(&history, "V0", None));
}

#[test]
fn nothing_counts_while_no_version_is_in_force() {
    let history = history(&[sample("V1", "2021-01-01", &[NEWS], &[])]);
    assert!(outdated_at(&history, "V1", None, "2020-06-01T00:00:00Z"));
}

#[test]
fn a_consent_to_a_coming_version_counts_only_if_it_says_the_same() {
    let same = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2030-01-01", &[NEWS, CALLS], &[]),
    ]);
    assert!(!outdated(&same, "V2", None));
    let other = history(&[
        sample("V1", "2021-01-01", &[NEWS], &[]),
        sample("V2", "2030-01-01", &[CALLS], &[]),
    ]);
    assert!(outdated(&other, "V2", None));
    let less_sharing = history(&[
        sample_with("V1", "2021-01-01", &[NEWS], &[NEWS_TO_POST], "controller"),
        sample_with("V2", "2030-01-01", &[NEWS], &[], "controller"),
    ]);
    assert!(outdated(&less_sharing, "V2", Some("post")));
    assert!(!outdated(&less_sharing, "V2", None));
}

fn with_mailbox(version: &str, id: &str, mailbox: &str) -> CompiledPolicy {
    let text = format!(
        "
id: {id}
version: {version}
effective_from: 2021-01-01
controller: {{ name: Shop, contact: p@shop.example, time_zone: UTC }}
subject_categories: {{ client: {{ title: Client }} }}
identifier_types: {{ mailbox: {mailbox}, user: {{ kind: account }} }}
"
    );
    let (policy, _) = parse_yaml(&text).expect("it has the right shape");
    CompiledPolicy::compile(policy).expect("it has no errors")
}

#[test]
fn a_version_under_which_people_would_not_be_found_again_contradicts_the_published_ones() {
    let published = history(&[with_mailbox(
        "V1",
        "shop",
        "{ kind: contact, normalise: email }",
    )]);
    let contradicted = |id: &str, mailbox: &str| -> Vec<String> {
        let violations = published.contradictions(&with_mailbox("V2", id, mailbox));
        violations.iter().map(|it| it.field.clone()).collect()
    };
    let same = "{ kind: contact, normalise: email, note: the same }";
    assert_eq!(contradicted("shop", same), Vec::<String>::new());
    assert_eq!(contradicted("other", same), ["id"]);
    for other in [
        "{ kind: contact, normalise: exact }",
        "{ kind: account, normalise: email }",
    ] {
        assert_eq!(contradicted("shop", other), ["identifier_types.mailbox"]);
    }
}

#[test]
fn a_type_that_was_left_out_for_a_version_comes_back_as_it_was() {
    let without = sample("V2", "2022-01-01", &[NEWS], &[]);
    let published = history(&[
        with_mailbox("V1", "sample", "{ kind: contact, normalise: email }"),
        without.clone(),
    ]);
    assert!(published.contradictions(&without).is_empty());
    let changed = with_mailbox("V3", "sample", "{ kind: contact, normalise: exact }");
    assert_eq!(published.contradictions(&changed).len(), 1);
}
