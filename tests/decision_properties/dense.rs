//! The packed state and the policy's tables, held against the rules in names.

use std::{cell::Cell, sync::Arc};

use proptest::prelude::*;
use registry::domain::{
    compact::{self, Names},
    decision::{
        Decision, DecisionReason,
        dense::{self, Asked},
    },
    policy::dense::DensePolicy,
    revision::Revision,
};

use crate::{CASES, CASES_FOR_THE_TWIN, answer, holds_in, world::World};

/// The state that the worlds' people were read from.
fn revision() -> Revision {
    Revision::after_event(123_456_789)
}

fn pack(world: &World, names: &mut Names) -> Option<Vec<u8>> {
    let subject = world.subject.as_ref()?;
    let packed = compact::write(subject, revision(), |name| names.take_in(name));
    Some(packed.expect("it fits"))
}

/// What the tables answer. `None`: they leave it to the rules in names.
fn dense_answer(world: &World) -> Option<Decision> {
    let mut names = Names::default();
    let packed = pack(world, &mut names)?;
    let history = Arc::new(world.history.clone());
    let place = history.index_in_force(world.now)?;
    let policy = DensePolicy::compile(&history, place, |name| names.take_in(name));
    let policy = policy.expect("every name has a number");
    let asked = Asked::of(&world.query)?;
    let answered = dense::decide(&policy, &names, &packed, &asked, world.now);
    let (decision, as_of) = answered?;
    assert_eq!(as_of, revision());
    Some(decision)
}

/// The worlds are crowded with what is left to the rules in names; most people's are not.
fn without_what_is_rare(mut world: World) -> World {
    world.query.item_ids.clear();
    if let Some(subject) = &mut world.subject {
        subject.erased_at = None;
        subject.objections.clear();
        subject.restrictions.clear();
        for item in subject.items.iter_mut() {
            item.retained_for = None;
        }
    }
    world
}

#[test]
fn the_tables_answer_as_the_rules_do_wherever_they_answer() {
    let (asked, answered, allowed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    holds_in(CASES_FOR_THE_TWIN, |world| {
        for world in [without_what_is_rare(world.clone()), world] {
            asked.set(asked.get() + 1);
            if let Some(decision) = dense_answer(&world) {
                answered.set(answered.get() + 1);
                let is_allowed = decision.reason == DecisionReason::Lawful;
                allowed.set(allowed.get() + u32::from(is_allowed));
                prop_assert_eq!(decision, answer(&world, world.now));
            }
        }
        Ok(())
    });
    let (asked, answered, allowed) = (asked.get(), answered.get(), allowed.get());
    assert!(
        answered > asked / 4 && allowed > asked / 40,
        "of {asked} the tables answered {answered} and allowed {allowed}: too few to mean anything"
    );
}

#[test]
fn a_packed_state_unpacks_to_what_it_was() {
    holds_in(CASES, |world| {
        let mut names = Names::default();
        let Some(packed) = pack(&world, &mut names) else {
            return Ok(());
        };
        let subject = world.subject.expect("it was packed");
        let unpacked = compact::unpack(&packed, &names, subject.subject_id);
        prop_assert_eq!(unpacked, Some((subject, revision())));
        Ok(())
    });
}

#[test]
fn what_is_cut_short_is_no_state() {
    holds_in(CASES / 10, |world| {
        let mut names = Names::default();
        let Some(packed) = pack(&world, &mut names) else {
            return Ok(());
        };
        let subject = world.subject.expect("it was packed");
        for length in 0..packed.len() {
            let cut = compact::unpack(&packed[..length], &names, subject.subject_id);
            prop_assert!(cut.is_none(), "{length} of {} bytes", packed.len());
        }
        Ok(())
    });
}
