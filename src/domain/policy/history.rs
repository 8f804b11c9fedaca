//! All published versions of the policy, in order: which is in force, and what has changed since
//! a person consented.

use std::sync::Arc;

use jiff::Timestamp;

use super::{compile::CompiledPolicy, model::RecipientRole};
use crate::domain::{
    name::{DataCategory, PolicyVersion, Processor, Purpose, SubjectCategory},
    violation::Violations,
};

/// Published versions, ascending by `effective_from`.
#[derive(Clone, Debug, Default)]
pub struct PolicyHistory {
    versions: Vec<Arc<CompiledPolicy>>,
}

impl PolicyHistory {
    /// Takes the versions in any order.
    pub fn new(mut versions: Vec<Arc<CompiledPolicy>>) -> Self {
        versions.sort_by_key(|version| version.effective_from());
        Self { versions }
    }

    /// The versions, ascending by `effective_from`.
    pub fn versions(&self) -> &[Arc<CompiledPolicy>] {
        &self.versions
    }

    /// Whether some version has this purpose.
    pub fn knows_purpose(&self, purpose: &Purpose) -> bool {
        let mut versions = self.versions.iter();
        versions.any(|version| version.purpose(purpose).is_some())
    }

    /// Whether some version has this data category.
    pub fn knows_data_category(&self, data: &DataCategory) -> bool {
        let mut versions = self.versions.iter();
        versions.any(|version| version.data_category(data).is_some())
    }

    /// The version in force: the latest whose `effective_from` has passed.
    pub fn in_force(&self, at: Timestamp) -> Option<&Arc<CompiledPolicy>> {
        self.versions.get(self.index_in_force(at)?)
    }

    /// A version by its name.
    pub fn get(&self, version: &PolicyVersion) -> Option<&Arc<CompiledPolicy>> {
        self.versions.get(self.index_of(version)?)
    }

    /// When the next version after `after` comes into force.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.versions
            .iter()
            .map(|version| version.effective_from())
            .find(|from| *from > after)
    }

    /// Whether a consent to `consented` no longer speaks of this cell as it stands at `at`: on the
    /// way from that version to the one in force, over every version between, the cell was added
    /// or changed its basis, or `processor` came in as a controller of its own. A new recipient
    /// that is a processor outdates nothing (it acts on the controller's behalf, Art. 28).
    ///
    /// A consent to a version that is not in force yet is walked backwards in the same way: it
    /// counts only if nothing on the way differs. A consent to an unknown version is outdated.
    pub fn outdated(
        &self,
        consented: &PolicyVersion,
        at: Timestamp,
        category: &SubjectCategory,
        data: &DataCategory,
        purpose: &Purpose,
        processor: Option<&Processor>,
    ) -> bool {
        let (Some(from), Some(to)) = (self.index_of(consented), self.index_in_force(at)) else {
            return true;
        };
        let cell = CellRef {
            category,
            data,
            purpose,
            processor,
        };
        let passed = &self.versions[from.min(to)..=from.max(to)];
        passed.windows(2).any(|pair| {
            let [earlier, later] = [&pair[0], &pair[1]];
            if from <= to {
                cell.changed(earlier, later)
            } else {
                cell.changed(later, earlier)
            }
        })
    }

    /// What another version may not say otherwise than the published ones: which policy it is of, and
    /// how identifiers are compared. People are found by a hash of what the comparison makes of their
    /// identifiers: under another one nobody would be found by an address that was registered before, not
    /// even to withdraw.
    pub fn contradictions(&self, policy: &CompiledPolicy) -> Violations {
        let mut violations = Violations::default();
        let policy = policy.policy();
        let published = || self.versions.iter().map(|version| version.policy());
        if published().any(|other| other.id != policy.id) {
            violations.add("id", "must be that of the published versions");
        }
        for (name, entry) in &policy.identifier_types {
            let standing = published().find_map(|other| other.identifier_types.get(name));
            if standing.is_some_and(|it| (it.kind, it.normalise) != (entry.kind, entry.normalise)) {
                violations.add(
                    format!("identifier_types.{name}"),
                    "must keep the kind and normalise of the published versions: people are found by \
                     it; declare another type beside it",
                );
            }
        }
        violations
    }

    /// The place of the version in force among the versions.
    pub fn index_in_force(&self, at: Timestamp) -> Option<usize> {
        self.versions
            .partition_point(|version| version.effective_from() <= at)
            .checked_sub(1)
    }

    fn index_of(&self, version: &PolicyVersion) -> Option<usize> {
        self.versions
            .iter()
            .position(|known| known.version() == version)
    }
}

/// A cell by its names.
pub(super) struct CellRef<'a> {
    pub category: &'a SubjectCategory,
    pub data: &'a DataCategory,
    pub purpose: &'a Purpose,
    /// `None`: the controller itself.
    pub processor: Option<&'a Processor>,
}

impl CellRef<'_> {
    /// Whether the cell in `after` is more than, or other than, what it was in `before`.
    pub fn changed(&self, before: &CompiledPolicy, after: &CompiledPolicy) -> bool {
        let basis = after.basis(self.category, self.data, self.purpose);
        let rebased =
            basis.is_some() && basis != before.basis(self.category, self.data, self.purpose);
        rebased || (self.goes_to_controller(after) && !self.goes_to_controller(before))
    }

    fn goes_to_controller(&self, policy: &CompiledPolicy) -> bool {
        self.processor.is_some_and(|processor| {
            policy.shares(self.category, self.data, self.purpose, processor)
                && policy
                    .processor(processor)
                    .is_some_and(|entry| entry.role == RecipientRole::Controller)
        })
    }
}

#[cfg(test)]
mod tests;
