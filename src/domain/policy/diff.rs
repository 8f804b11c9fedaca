//! What a new version changes, cell by cell: what becomes possible, what stops, and which consents
//! no longer speak of what is done. How many people that touches is counted elsewhere, by cell.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{
    compile::CompiledPolicy,
    history::CellRef,
    model::{Activity, LawfulBasis, RecipientRole},
};
use crate::domain::name::{ActivityId, DataCategory, Processor, Purpose, SubjectCategory};

/// What differs between two versions. Every list is in the order of its cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// Cells that the policy permits now and did not.
    pub added: Vec<CellChange>,
    /// Cells that it permitted and does not any more.
    pub removed: Vec<CellChange>,
    /// Cells that it permits as before, on other terms.
    pub changed: Vec<CellChange>,
    /// Cells that need consent, and for which a consent to the old version does not count.
    pub outdated_consents: Vec<Cell>,
}

/// The smallest thing that a policy permits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Cell {
    /// Of whom.
    pub subject_category: SubjectCategory,
    /// What.
    pub data_category: DataCategory,
    /// Why.
    pub purpose: Purpose,
    /// With whom; `None`: the controller itself.
    pub processor: Option<Processor>,
}

/// A cell and why it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CellChange {
    /// The cell.
    pub cell: Cell,
    /// Why.
    pub reason: CellChangeReason,
}

/// Why a cell changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellChangeReason {
    /// An activity covers it now; this one is the first in the file.
    ActivityAdded(ActivityId),
    /// No activity covers it any more; this one did.
    ActivityRemoved(ActivityId),
    /// Its activity had no lawful basis and has one now.
    BasisStated(LawfulBasis),
    /// Its activity has lost its lawful basis.
    BasisDropped(LawfulBasis),
    /// It rests on another lawful basis.
    BasisChanged {
        /// The old one.
        from: LawfulBasis,
        /// The new one.
        to: LawfulBasis,
    },
    /// A sharing statement names the recipient now.
    SharingAdded,
    /// No sharing statement names the recipient any more.
    SharingRemoved,
    /// The recipient acts on its own behalf now.
    RecipientBecameController,
    /// The recipient acts on the controller's behalf now.
    RecipientBecameProcessor,
    /// It needs consent beside its basis now.
    ConsentAlsoRequired,
    /// It no longer needs consent beside its basis.
    ConsentNoLongerRequired,
}

impl fmt::Display for CellChangeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActivityAdded(activity) => write!(f, "the activity {activity} covers it now"),
            Self::ActivityRemoved(activity) => {
                write!(f, "no activity covers it any more; {activity} did")
            }
            Self::BasisStated(_) => f.write_str("its activity has a lawful basis now"),
            Self::BasisDropped(_) => f.write_str("its activity has lost its lawful basis"),
            Self::BasisChanged { .. } => f.write_str("it rests on another lawful basis"),
            Self::SharingAdded => f.write_str("a sharing statement names the recipient now"),
            Self::SharingRemoved => {
                f.write_str("no sharing statement names the recipient any more")
            }
            Self::RecipientBecameController => {
                f.write_str("the recipient acts on its own behalf now")
            }
            Self::RecipientBecameProcessor => {
                f.write_str("the recipient acts on the controller's behalf now")
            }
            Self::ConsentAlsoRequired => f.write_str("it needs consent beside its basis now"),
            Self::ConsentNoLongerRequired => {
                f.write_str("it no longer needs consent beside its basis")
            }
        }
    }
}

/// Compares two versions; `None` for the old one when there is none.
pub fn diff(old: Option<&CompiledPolicy>, new: &CompiledPolicy) -> PolicyDiff {
    let before = old.map(permitted).unwrap_or_default();
    let after = permitted(new);
    let mut diff = PolicyDiff::default();
    for (cell, terms) in &after {
        match before.get(cell) {
            None => diff.added.push(cell.change(addition(cell, terms, old))),
            Some(earlier) => {
                diff.changed
                    .extend(differences(earlier, terms).map(|reason| cell.change(reason)));
            }
        }
    }
    for (cell, terms) in before.iter().filter(|(cell, _)| !after.contains_key(cell)) {
        diff.removed.push(cell.change(removal(cell, terms, new)));
    }
    if let Some(old) = old {
        let asked = after
            .iter()
            .filter(|(cell, terms)| terms.needs_consent && old.purpose(&cell.purpose).is_some());
        diff.outdated_consents = asked
            .filter(|(cell, _)| cell.as_ref().changed(old, new))
            .map(|(cell, _)| cell.clone())
            .collect();
    }
    diff
}

impl Cell {
    fn change(&self, reason: CellChangeReason) -> CellChange {
        CellChange {
            cell: self.clone(),
            reason,
        }
    }

    fn as_ref(&self) -> CellRef<'_> {
        CellRef {
            category: &self.subject_category,
            data: &self.data_category,
            purpose: &self.purpose,
            processor: self.processor.as_ref(),
        }
    }
}

/// On which terms a cell is permitted.
struct Terms {
    basis: LawfulBasis,
    activity: ActivityId,
    needs_consent: bool,
    recipient: Option<RecipientRole>,
}

/// Every cell that a policy permits: those of the activities that have a basis, and those of the
/// sharing statements that such an activity carries.
fn permitted(policy: &CompiledPolicy) -> BTreeMap<Cell, Terms> {
    let mut cells = BTreeMap::new();
    for activity in &policy.policy().activities {
        for (category, data) in pairs(&activity.subjects, &activity.data) {
            let cell = Cell {
                subject_category: category.clone(),
                data_category: data.clone(),
                purpose: activity.purpose.clone(),
                processor: None,
            };
            permit(&mut cells, policy, cell);
        }
    }
    for sharing in &policy.policy().sharing {
        for (category, data) in pairs(&sharing.subjects, &sharing.data) {
            let cell = Cell {
                subject_category: category.clone(),
                data_category: data.clone(),
                purpose: sharing.purpose.clone(),
                processor: Some(sharing.processor.clone()),
            };
            permit(&mut cells, policy, cell);
        }
    }
    cells
}

fn permit(cells: &mut BTreeMap<Cell, Terms>, policy: &CompiledPolicy, cell: Cell) {
    let mut lawful = covering(policy, &cell)
        .filter(|activity| activity.lawful_basis.is_some())
        .peekable();
    let Some((first, basis)) = lawful
        .peek()
        .and_then(|first| Some((*first, first.lawful_basis?)))
    else {
        return;
    };
    // Consent beside the basis is needed only when no activity permits the cell without it.
    let also_requires = lawful.all(|activity| activity.also_requires_consent);
    let recipient = cell
        .processor
        .as_ref()
        .and_then(|name| policy.processor(name));
    let terms = Terms {
        basis,
        activity: first.id.clone(),
        needs_consent: basis == LawfulBasis::Consent || also_requires,
        recipient: recipient.map(|entry| entry.role),
    };
    cells.insert(cell, terms);
}

fn addition(cell: &Cell, terms: &Terms, old: Option<&CompiledPolicy>) -> CellChangeReason {
    let Some(old) = old else {
        return CellChangeReason::ActivityAdded(terms.activity.clone());
    };
    if old
        .basis(&cell.subject_category, &cell.data_category, &cell.purpose)
        .is_some()
    {
        CellChangeReason::SharingAdded
    } else if covering(old, cell).next().is_some() {
        CellChangeReason::BasisStated(terms.basis)
    } else {
        CellChangeReason::ActivityAdded(terms.activity.clone())
    }
}

fn removal(cell: &Cell, terms: &Terms, new: &CompiledPolicy) -> CellChangeReason {
    if new
        .basis(&cell.subject_category, &cell.data_category, &cell.purpose)
        .is_some()
    {
        CellChangeReason::SharingRemoved
    } else if covering(new, cell).next().is_some() {
        CellChangeReason::BasisDropped(terms.basis)
    } else {
        CellChangeReason::ActivityRemoved(terms.activity.clone())
    }
}

fn differences(before: &Terms, after: &Terms) -> impl Iterator<Item = CellChangeReason> {
    let basis = (before.basis != after.basis).then_some(CellChangeReason::BasisChanged {
        from: before.basis,
        to: after.basis,
    });
    let consent = match (before.needs_consent, after.needs_consent) {
        _ if basis.is_some() => None,
        (false, true) => Some(CellChangeReason::ConsentAlsoRequired),
        (true, false) => Some(CellChangeReason::ConsentNoLongerRequired),
        (true, true) | (false, false) => None,
    };
    let recipient = match (before.recipient, after.recipient) {
        (Some(RecipientRole::Processor), Some(RecipientRole::Controller)) => {
            Some(CellChangeReason::RecipientBecameController)
        }
        (Some(RecipientRole::Controller), Some(RecipientRole::Processor)) => {
            Some(CellChangeReason::RecipientBecameProcessor)
        }
        _ => None,
    };
    basis.into_iter().chain(consent).chain(recipient)
}

fn covering<'a>(
    policy: &'a CompiledPolicy,
    cell: &Cell,
) -> impl Iterator<Item = &'a Activity> + use<'a> {
    let category = cell.subject_category.clone();
    policy
        .activities(&cell.data_category, &cell.purpose)
        .iter()
        .map(AsRef::as_ref)
        .filter(move |activity| activity.subjects.contains(&category))
}

fn pairs<'a>(
    subjects: &'a [SubjectCategory],
    data: &'a [DataCategory],
) -> BTreeSet<(&'a SubjectCategory, &'a DataCategory)> {
    subjects
        .iter()
        .flat_map(|category| data.iter().map(move |data| (category, data)))
        .collect()
}

#[cfg(test)]
mod tests;
