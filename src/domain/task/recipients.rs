//! Who has to be told: the processors that have the data by a recorded disclosure, and those that the
//! policy in force names for it. The registry cannot know that one of the latter was told nothing, so
//! each of them is asked (Art. 19; CJEU C-129/21).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{TaskCause, TaskKind};
use crate::domain::{
    id::ItemId,
    item::ItemState,
    name::{Processor, Purpose},
    policy::{compile::CompiledPolicy, model::LawfulBasis},
};

/// That an item went to a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// To whom.
    pub processor: Processor,
    /// What for.
    pub purpose: Purpose,
    /// What.
    pub item_id: ItemId,
}

/// What has happened to the items.
#[derive(Clone, Copy, Debug)]
pub struct Affected<'a> {
    /// What is to be done.
    pub kind: TaskKind,
    /// Why.
    pub cause: TaskCause,
    /// For which purposes to stop; counts for [`TaskKind::Stop`] only.
    pub purposes: &'a [Purpose],
    /// Only these processors; empty: all.
    pub only: &'a [Processor],
}

/// What one processor is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The items that it may have.
    pub items: BTreeSet<ItemId>,
    /// The purposes that it is to stop using them for.
    pub purposes: BTreeSet<Purpose>,
}

/// The processors that are to be told.
pub fn recipients(
    policy: &CompiledPolicy,
    items: &[ItemState],
    disclosed: &[Disclosed],
    affected: Affected<'_>,
) -> BTreeMap<Processor, Concerned> {
    let mut told = BTreeMap::<Processor, Concerned>::new();
    if !affected.kind.concerns_processors() {
        return told;
    }
    let by_id: HashMap<_, _> = items.iter().map(|item| (item.item_id, item)).collect();
    for one in disclosed {
        let item = by_id.get(&one.item_id);
        let item = item.filter(|item| affected.touches(policy, item, &one.purpose));
        if let Some(item) = item.filter(|_| affected.may_tell(&one.processor)) {
            let concerned = told.entry(one.processor.clone()).or_default();
            concerned.items.insert(item.item_id);
            affected.note(concerned, &one.purpose);
        }
    }
    for sharing in &policy.policy().sharing {
        if !affected.may_tell(&sharing.processor) {
            continue;
        }
        let named = items.iter().filter(|item| {
            sharing.subjects.contains(&item.subject_category)
                && sharing.data.contains(&item.data_category)
                && (item.purposes.is_empty() || item.purposes.contains(&sharing.purpose))
                && affected.touches(policy, item, &sharing.purpose)
        });
        let named: Vec<_> = named.map(|item| item.item_id).collect();
        if !named.is_empty() {
            let concerned = told.entry(sharing.processor.clone()).or_default();
            concerned.items.extend(named);
            affected.note(concerned, &sharing.purpose);
        }
    }
    told
}

/// The processors with which items stay that stay here after an erasure: they have them for the very
/// purposes that are the ground for that (Art. 17(3)), and are told when the items go.
pub fn keepers(
    policy: &CompiledPolicy,
    items: &[ItemState],
    disclosed: &[Disclosed],
) -> BTreeMap<Processor, BTreeSet<ItemId>> {
    let mut keepers = BTreeMap::<Processor, BTreeSet<ItemId>>::new();
    let retained: HashMap<_, _> = items
        .iter()
        .filter(|item| item.is_retained())
        .map(|item| (item.item_id, item))
        .collect();
    for one in disclosed {
        let item = retained.get(&one.item_id);
        if item.is_some_and(|item| item.is_retained_for(&one.purpose)) {
            let kept = keepers.entry(one.processor.clone()).or_default();
            kept.insert(one.item_id);
        }
    }
    for sharing in &policy.policy().sharing {
        let kept = retained.values().filter(|item| {
            sharing.subjects.contains(&item.subject_category)
                && sharing.data.contains(&item.data_category)
                && item.is_retained_for(&sharing.purpose)
        });
        let kept: Vec<_> = kept.map(|item| item.item_id).collect();
        if !kept.is_empty() {
            let keeper = keepers.entry(sharing.processor.clone()).or_default();
            keeper.extend(kept);
        }
    }
    keepers
}

impl Affected<'_> {
    fn may_tell(&self, processor: &Processor) -> bool {
        self.only.is_empty() || self.only.contains(processor)
    }

    fn note(&self, concerned: &mut Concerned, purpose: &Purpose) {
        if self.kind == TaskKind::Stop {
            concerned.purposes.insert(purpose.clone());
        }
    }

    /// Whether the use of an item for a purpose is concerned.
    fn touches(&self, policy: &CompiledPolicy, item: &ItemState, purpose: &Purpose) -> bool {
        if self.kind != TaskKind::Stop {
            return true;
        }
        self.purposes.contains(purpose)
            && (self.cause != TaskCause::Withdrawal || needs_consent(policy, item, purpose))
    }
}

/// Whether a use needs the person's consent: a withdrawal ends no processing that rests on something
/// else. What the policy in force knows nothing of rests on nothing.
fn needs_consent(policy: &CompiledPolicy, item: &ItemState, purpose: &Purpose) -> bool {
    let activities = policy.activities(&item.data_category, purpose).iter();
    let mut of_item = activities
        .filter(|activity| activity.subjects.contains(&item.subject_category))
        .peekable();
    of_item.peek().is_none()
        || of_item.any(|activity| {
            activity.also_requires_consent
                || matches!(activity.lawful_basis, None | Some(LawfulBasis::Consent))
        })
}
