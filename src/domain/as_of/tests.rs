use super::*;
use crate::domain::id::IdentifierId;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3_600).unwrap()
}

fn subject(number: u128) -> SubjectId {
    SubjectId(Uuid::from_u128(number))
}

fn link(to: u128, linked: i64, until: Option<i64>) -> Link {
    Link {
        identifier_id: IdentifierId(Uuid::from_u128(7)),
        subject_id: subject(to),
        linked_at: at(linked),
        until: until.map(at),
    }
}

fn read(as_of: Option<i64>, known_at: Option<i64>, record: bool) -> Vec<String> {
    let mut violations = Violations::default();
    AsOf::read(as_of.map(at), known_at.map(at), record, &mut violations);
    let fields = violations.iter();
    fields.map(|violation| violation.field.clone()).collect()
}

fn check(used: i64, known: i64, known_from: i64) -> Vec<String> {
    let as_of = AsOf {
        used_at: at(used),
        known_at: at(known),
    };
    let checked = as_of.check(at(10), at(known_from));
    let violations = checked.err().unwrap_or_default();
    let fields = violations.iter();
    fields.map(|violation| violation.field.clone()).collect()
}

#[test]
fn what_was_known_is_no_earlier_than_the_use_and_nothing_is_kept() {
    assert!(read(None, None, true).is_empty());
    assert!(read(Some(1), None, false).is_empty());
    assert!(read(Some(1), Some(1), false).is_empty());
    assert_eq!(read(None, Some(1), false), ["known_at"]);
    assert_eq!(read(Some(2), Some(1), true), ["known_at", "record"]);
}

#[test]
fn neither_instant_is_to_come_nor_before_history() {
    assert!(check(10, 10, 10).is_empty());
    assert!(check(1, 10, 5).is_empty());
    assert_eq!(check(11, 11, 0), ["as_of"]);
    assert_eq!(check(11, 12, 0), ["as_of", "known_at"]);
    assert_eq!(check(1, 11, 0), ["known_at"]);
    assert_eq!(check(1, 4, 5), ["known_at"]);
}

#[test]
fn an_identifier_leads_to_whom_it_led_then() {
    let moved = [link(2, 1, None), link(1, 1, Some(5))];
    assert!(led_to(&moved, at(0)).is_empty());
    assert_eq!(led_to(&moved, at(4)), [subject(1)]);
    assert_eq!(led_to(&moved, at(5)), [subject(2)]);
    let unlinked = [link(1, 1, Some(5))];
    assert_eq!(led_to(&unlinked, at(4)), [subject(1)]);
    assert!(led_to(&unlinked, at(5)).is_empty());
    let moved_twice = [link(3, 1, None), link(2, 1, Some(7)), link(1, 1, Some(5))];
    assert_eq!(led_to(&moved_twice, at(6)), [subject(2)]);
}

#[test]
fn a_subject_leads_to_itself_until_it_is_merged() {
    let mut lineage = Lineage::default();
    lineage.add(subject(1), at(1), Some((at(5), subject(2))));
    lineage.add(subject(2), at(2), Some((at(7), subject(3))));
    lineage.add(subject(3), at(3), None);
    assert_eq!(lineage.at(subject(1), at(0)), None);
    assert_eq!(lineage.at(subject(1), at(4)), Some(subject(1)));
    assert_eq!(lineage.at(subject(1), at(5)), Some(subject(2)));
    assert_eq!(lineage.at(subject(1), at(7)), Some(subject(3)));
    assert_eq!(lineage.today(subject(1)), subject(3));
    assert_eq!(lineage.at(subject(9), at(9)), None);
}

#[test]
fn of_an_erased_person_there_is_no_past_before_the_erasure() {
    let history = SubjectHistory {
        erased_at: Some(at(5)),
        ..SubjectHistory::default()
    };
    let as_of = AsOf {
        used_at: at(4),
        known_at: at(9),
    };
    let state = history.state_of(subject(1), subject(1), as_of);
    assert_eq!(state.erased_at, Some(at(5)));
    assert!(state.items.is_empty());
}

#[test]
fn activity_within_a_day_counts_from_the_earlier_until_the_later_is_heard_of() {
    let day = ActivityDay {
        source: "web".parse().unwrap(),
        first: (at(1), at(2)),
        last: (at(8), at(9)),
    };
    let history = SubjectHistory {
        activity: [(subject(1), vec![day])].into(),
        ..SubjectHistory::default()
    };
    let seen = |known: i64| {
        let as_of = AsOf {
            used_at: at(known),
            known_at: at(known),
        };
        let state = history.state_of(subject(1), subject(1), as_of);
        state.last_activity.into_values().next()
    };
    assert_eq!(seen(1), None);
    assert_eq!(seen(8), Some(at(1)));
    assert_eq!(seen(9), Some(at(8)));
}
