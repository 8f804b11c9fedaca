//! About how many bytes of memory something takes: what the budget is counted in.

use std::mem::size_of;

use crate::{
    domain::{consent::ConsentFact, item::ItemState, subject::SubjectState},
    store::state::KnownSubject,
};

/// What an entry costs beside what it holds: the key, the slot, the allocations.
const ENTRY_BYTES: usize = 96;
/// A name of a list: the pointer, the text, its counts.
const NAME_BYTES: usize = 48;

/// Of what is known of a subject.
pub(super) fn of_subject(known: &KnownSubject) -> u64 {
    let SubjectState {
        memberships,
        items,
        consents,
        objections,
        restrictions,
        last_activity,
        ..
    } = &known.state;
    let bytes = ENTRY_BYTES
        + size_of::<KnownSubject>()
        + memberships.len() * (size_of_val_of(memberships) + NAME_BYTES)
        + items.iter().map(of_item).sum::<usize>()
        + consents.iter().map(of_consent).sum::<usize>()
        + objections.len() * (size_of_val_of(objections) + NAME_BYTES)
        + restrictions.len() * (size_of_val_of(restrictions) + 4 * NAME_BYTES)
        + last_activity.len() * 2 * NAME_BYTES;
    bytes as u64
}

/// Of where an identifier leads to.
pub(super) fn of_identifier(subjects: usize) -> u64 {
    (ENTRY_BYTES + subjects * 24) as u64
}

fn of_item(item: &ItemState) -> usize {
    let grounds = item.retained_for.as_ref().map_or(0, Vec::len);
    size_of::<ItemState>() + (4 + item.purposes.len() + grounds) * NAME_BYTES
}

fn of_consent(fact: &ConsentFact) -> usize {
    size_of::<ConsentFact>() + (2 + fact.processors.len()) * NAME_BYTES
}

fn size_of_val_of<T>(_: &[T]) -> usize {
    size_of::<T>()
}
