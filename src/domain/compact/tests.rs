use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::{
    consent::ConsentFact,
    id::{ConsentId, ItemId},
    item::ItemState,
    subject::Membership,
};

const ITEMS: [&str; 8] = [
    "email_address",
    "name",
    "phone",
    "address",
    "birthday",
    "language",
    "orders",
    "payment",
];
const PURPOSES: [&str; 4] = ["newsletter", "profiling", "surveys", "calls"];

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_780_000_000_000_000 + micros).expect("an instant of this test")
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_8f3c_0000_7000_8000_0123_4567_8900 + n)
}

fn item(n: u8, data: &str) -> ItemState {
    ItemState {
        item_id: ItemId(id(u128::from(n))),
        subject_category: "client".parse().expect("a name"),
        data_category: data.parse().expect("a name"),
        source: "shop".parse().expect("a name"),
        collected_at: at(0),
        policy_version: "2026-01-01".parse().expect("a name"),
        purposes: Vec::new(),
        retained_for: None,
    }
}

fn fact(n: u8, purpose: &str) -> ConsentFact {
    ConsentFact {
        consent_id: ConsentId(id(100 + u128::from(n))),
        purpose: purpose.parse().expect("a name"),
        processors: Vec::new(),
        choice: ConsentChoice::Given,
        method: EvidenceMethod::Checkbox,
        has_reference: false,
        policy_version: "2026-01-01".parse().expect("a name"),
        occurred_at: at(0),
        recorded_at: at(7_000),
        expires_at: None,
    }
}

/// A person as one registration makes it.
fn registered() -> SubjectState {
    let mut state = SubjectState::new(SubjectId(id(900)));
    state.items = ITEMS
        .iter()
        .zip(0..)
        .map(|(data, n)| item(n, data))
        .collect();
    state.consents = PURPOSES
        .iter()
        .zip(0..)
        .map(|(it, n)| fact(n, it))
        .collect();
    state.memberships = vec![Membership {
        category: "client".parse().expect("a name"),
        started_at: at(0),
        ended_at: None,
    }];
    state.last_activity = [("shop".parse().expect("a name"), at(0))].into();
    state
}

fn packed(state: &SubjectState) -> Option<(Vec<u8>, Names)> {
    let mut names = Names::default();
    let revision = Revision::after_event(40_000_000);
    let packed = write(state, revision, |name| names.take_in(name))?;
    Some((packed, names))
}

#[test]
fn what_was_registered_together_takes_few_bytes() {
    let (bytes, names) = packed(&registered()).expect("it fits");
    assert!(bytes.len() <= 72, "{} bytes", bytes.len());
    let unpacked = unpack(&bytes, &names, SubjectId(id(900)));
    assert_eq!(unpacked.map(|(state, _)| state), Some(registered()));
}

#[test]
fn instants_finer_than_microseconds_are_not_packed() {
    let mut state = registered();
    state.memberships[0].started_at = Timestamp::from_nanosecond(1).expect("an instant");
    assert!(packed(&state).is_none());
}

#[test]
fn a_state_whose_names_have_no_numbers_is_not_packed() {
    let revision = Revision::after_event(1);
    assert!(write(&registered(), revision, |_| None).is_none());
}

#[test]
fn ids_that_are_not_near_each_other_are_kept_whole() {
    let mut state = registered();
    let mut far = 1_u128;
    for item in state.items.iter_mut() {
        far = far.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        item.item_id = ItemId(Uuid::from_u128(far));
    }
    let (bytes, names) = packed(&state).expect("it fits");
    let unpacked = unpack(&bytes, &names, SubjectId(id(900)));
    assert_eq!(unpacked.map(|(state, _)| state), Some(state));
}
