use super::*;
use crate::domain::policy::sample::{
    CALLS, NEWS, NEWS_BY_CONTRACT, NEWS_TO_POST, NEWS_WITHOUT_BASIS, sample, sample_with,
};

fn news(processor: Option<&str>) -> Cell {
    cell("email", "news", processor)
}

fn cell(data: &str, purpose: &str, processor: Option<&str>) -> Cell {
    Cell {
        subject_category: "client".parse().expect("a name"),
        data_category: data.parse().expect("a name"),
        purpose: purpose.parse().expect("a name"),
        processor: processor.map(|name| name.parse().expect("a name")),
    }
}

fn id(text: &str) -> ActivityId {
    text.parse().expect("a name")
}

fn between(old: &CompiledPolicy, new: &CompiledPolicy) -> PolicyDiff {
    diff(Some(old), new)
}

#[test]
fn a_first_version_adds_all_its_cells_and_outdates_nothing() {
    let first = diff(None, &sample("V1", "2021-01-01", &[NEWS], &[NEWS_TO_POST]));
    let added = CellChangeReason::ActivityAdded(id("news"));
    assert_eq!(
        first.added,
        [
            news(None).change(added.clone()),
            news(Some("post")).change(added)
        ]
    );
    assert_eq!(
        (first.removed, first.changed, first.outdated_consents),
        (vec![], vec![], vec![])
    );
}

#[test]
fn equal_versions_do_not_differ() {
    let old = sample("V1", "2021-01-01", &[NEWS, CALLS], &[NEWS_TO_POST]);
    let new = sample("V2", "2022-01-01", &[CALLS, NEWS], &[NEWS_TO_POST]);
    assert_eq!(between(&old, &new), PolicyDiff::default());
}

#[test]
fn an_activity_that_comes_adds_and_one_that_goes_removes() {
    let old = sample("V1", "2021-01-01", &[NEWS], &[]);
    let new = sample("V2", "2022-01-01", &[CALLS], &[]);
    let diff = between(&old, &new);
    let calls = cell("phone", "calls", None);
    assert_eq!(
        diff.added,
        [calls.change(CellChangeReason::ActivityAdded(id("calls")))]
    );
    assert_eq!(
        diff.removed,
        [news(None).change(CellChangeReason::ActivityRemoved(id("news")))]
    );
    assert_eq!(diff.outdated_consents, [calls]);
}

#[test]
fn another_basis_is_a_change_and_outdates_consents_where_consent_is_asked() {
    let by_consent = sample("V1", "2021-01-01", &[NEWS], &[]);
    let by_contract = sample("V2", "2022-01-01", &[NEWS_BY_CONTRACT], &[]);
    let (consent, contract) = (LawfulBasis::Consent, LawfulBasis::Contract);
    let away = between(&by_consent, &by_contract);
    let reason = CellChangeReason::BasisChanged {
        from: consent,
        to: contract,
    };
    assert_eq!(away.changed, [news(None).change(reason)]);
    assert_eq!(away.outdated_consents, []);
    let back = between(&by_contract, &by_consent);
    let reason = CellChangeReason::BasisChanged {
        from: contract,
        to: consent,
    };
    assert_eq!(back.changed, [news(None).change(reason)]);
    assert_eq!(back.outdated_consents, [news(None)]);
}

#[test]
fn a_basis_that_is_stated_or_dropped_opens_or_closes_the_cell() {
    let without = sample("V1", "2021-01-01", &[NEWS_WITHOUT_BASIS], &[]);
    let with = sample("V2", "2022-01-01", &[NEWS], &[]);
    let stated = CellChangeReason::BasisStated(LawfulBasis::Consent);
    assert_eq!(between(&without, &with).added, [news(None).change(stated)]);
    let dropped = CellChangeReason::BasisDropped(LawfulBasis::Consent);
    assert_eq!(
        between(&with, &without).removed,
        [news(None).change(dropped)]
    );
}

#[test]
fn a_new_processor_adds_a_cell_and_outdates_nothing() {
    let alone = sample("V1", "2021-01-01", &[NEWS], &[]);
    let shared = sample("V2", "2022-01-01", &[NEWS], &[NEWS_TO_POST]);
    let diff = between(&alone, &shared);
    assert_eq!(
        diff.added,
        [news(Some("post")).change(CellChangeReason::SharingAdded)]
    );
    assert_eq!(diff.outdated_consents, []);
    let back = between(&shared, &alone);
    assert_eq!(
        back.removed,
        [news(Some("post")).change(CellChangeReason::SharingRemoved)]
    );
}

#[test]
fn a_recipient_that_becomes_a_controller_outdates_what_goes_to_it() {
    let old = sample_with("V1", "2021-01-01", &[NEWS], &[NEWS_TO_POST], "processor");
    let new = sample_with("V2", "2022-01-01", &[NEWS], &[NEWS_TO_POST], "controller");
    let forth = between(&old, &new);
    assert_eq!(
        forth.changed,
        [news(Some("post")).change(CellChangeReason::RecipientBecameController)]
    );
    assert_eq!(forth.outdated_consents, [news(Some("post"))]);
    let back = between(&new, &old);
    assert_eq!(
        back.changed,
        [news(Some("post")).change(CellChangeReason::RecipientBecameProcessor)]
    );
    assert_eq!(back.outdated_consents, []);
}

#[test]
fn a_sharing_statement_without_an_activity_is_no_cell() {
    let old = sample("V1", "2021-01-01", &[CALLS], &[]);
    let new = sample("V2", "2022-01-01", &[CALLS], &[NEWS_TO_POST]);
    assert_eq!(between(&old, &new), PolicyDiff::default());
}

#[test]
fn consent_beside_the_basis_is_a_change() {
    let old = sample("V1", "2021-01-01", &[NEWS_BY_CONTRACT], &[]);
    let also = NEWS_BY_CONTRACT.replace(" }", ", also_requires: consent }");
    let new = sample("V2", "2022-01-01", &[&also], &[]);
    let diff = between(&old, &new);
    assert_eq!(
        diff.changed,
        [news(None).change(CellChangeReason::ConsentAlsoRequired)]
    );
}
