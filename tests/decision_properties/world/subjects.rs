//! Generated subjects: memberships, items, answers, objections and restrictions that overlap.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use proptest::{collection::vec, option, prelude::*};
use registry::domain::{
    consent::{ConsentChoice, ConsentFact},
    id::{ConsentId, ItemId, ObjectionId, RestrictionId, SubjectId},
    item::ItemState,
    name::{DataCategory, Purpose, Source, SubjectCategory},
    subject::{Membership, Objection, Restriction, SubjectState},
};
use uuid::Uuid;

use super::{
    CATEGORIES, DATA, DAYS_APART, GRID, PROCESSORS, PURPOSES, SOURCES, VERSIONS, any_day,
    any_method, day, mostly_none, one_of, some_of,
};

/// Everything that one person said.
pub fn any_consents() -> impl Strategy<Value = Vec<ConsentFact>> {
    vec(any_consent(), 0..6).prop_map(|consents| {
        number(consents, |fact: &mut ConsentFact, id| {
            fact.consent_id = ConsentId(id);
        })
    })
}

/// Any subject.
pub(super) fn any_subject() -> impl Strategy<Value = SubjectState> {
    let membership = (
        one_of(&CATEGORIES),
        (0..GRID / 2).prop_map(day),
        option::weighted(0.4, 0..8_i64),
    );
    let objection = (
        one_of(&PURPOSES),
        any_day(),
        option::weighted(0.3, any_day()),
    );
    let restriction = (
        mostly_none(&DATA),
        any_day(),
        option::weighted(0.7, any_day()),
    );
    (
        prop::bool::weighted(0.06),
        vec(membership, 2..6),
        vec(any_item(), 3..10),
        any_consents(),
        prop_oneof![1 => Just(Vec::new()), 1 => vec(objection, 1..3)],
        prop_oneof![4 => Just(Vec::new()), 1 => vec(restriction, 1..3)],
        vec((one_of(&SOURCES), any_day()), 0..3),
    )
        .prop_map(
            |(erased, memberships, items, consents, objections, restrictions, activity)| {
                let mut subject = SubjectState::new(SubjectId(Uuid::from_u128(1)));
                subject.erased_at = erased.then(|| day(10));
                subject.memberships = memberships.into_iter().map(membership_of).collect();
                subject.items =
                    number(items, |item: &mut ItemState, id| item.item_id = ItemId(id)).into();
                subject.consents = consents;
                subject.objections = objections.into_iter().map(objection_of).collect();
                subject.restrictions = restrictions.into_iter().map(restriction_of).collect();
                subject.last_activity = activity.into_iter().collect::<BTreeMap<Source, _>>();
                subject
            },
        )
}

fn number<T>(mut entries: Vec<T>, set: impl Fn(&mut T, Uuid)) -> Vec<T> {
    for (index, entry) in (1_u128..).zip(&mut entries) {
        set(entry, Uuid::from_u128(index));
    }
    entries
}

fn membership_of(
    (category, started_at, days): (SubjectCategory, Timestamp, Option<i64>),
) -> Membership {
    Membership {
        category,
        started_at,
        ended_at: days.map(|days| started_at + (24 * DAYS_APART * days).hours()),
    }
}

fn objection_of(
    (purpose, occurred_at, rejected_at): (Purpose, Timestamp, Option<Timestamp>),
) -> Objection {
    Objection {
        objection_id: ObjectionId(Uuid::from_u128(1)),
        purpose,
        occurred_at,
        rejected_at,
    }
}

fn restriction_of(
    (data_categories, started_at, lifted_at): (Vec<DataCategory>, Timestamp, Option<Timestamp>),
) -> Restriction {
    Restriction {
        restriction_id: RestrictionId(Uuid::from_u128(1)),
        data_categories,
        started_at,
        lifted_at,
    }
}

/// The purposes that an item stays for, which is to be erased.
fn grounds() -> impl Strategy<Value = Vec<Purpose>> {
    prop_oneof![
        1 => Just(Vec::new()),
        3 => some_of(&PURPOSES, 1),
    ]
}

fn any_item() -> impl Strategy<Value = ItemState> {
    (
        one_of(&CATEGORIES),
        one_of(&DATA),
        one_of(&SOURCES),
        any_day(),
        one_of(&VERSIONS),
        mostly_none(&PURPOSES),
        option::weighted(0.15, grounds()),
    )
        .prop_map(
            |(
                subject_category,
                data_category,
                source,
                collected_at,
                version,
                purposes,
                retained,
            )| {
                ItemState {
                    item_id: ItemId(Uuid::nil()),
                    subject_category,
                    data_category,
                    source,
                    collected_at,
                    policy_version: version,
                    purposes,
                    retained_for: retained,
                }
            },
        )
}

fn any_consent() -> impl Strategy<Value = ConsentFact> {
    let choice = prop_oneof![
        6 => Just(ConsentChoice::Given),
        1 => Just(ConsentChoice::Refused),
        1 => Just(ConsentChoice::Withdrawn),
        1 => Just(ConsentChoice::Pending),
    ];
    (
        one_of(&PURPOSES),
        mostly_none(&PROCESSORS),
        choice,
        any_method(),
        any::<bool>(),
        one_of(&VERSIONS),
        (any_day(), any_day()),
        option::weighted(0.3, any_day()),
    )
        .prop_map(
            |(purpose, processors, choice, method, has_reference, version, times, expires_at)| {
                ConsentFact {
                    consent_id: ConsentId(Uuid::nil()),
                    purpose,
                    processors,
                    choice,
                    method,
                    has_reference,
                    policy_version: version,
                    occurred_at: times.0,
                    recorded_at: times.1,
                    expires_at,
                }
            },
        )
}
