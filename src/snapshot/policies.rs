//! The policies that answers from memory rest on.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::vocabulary::Vocabulary;
use crate::domain::{
    policy::{dense::DensePolicy, history::PolicyHistory},
    revision::Revision,
};

/// All published versions, and each as tables once it is asked.
#[derive(Debug)]
pub struct KnownPolicies {
    /// All published versions.
    pub history: Arc<PolicyHistory>,
    /// The state that the last publication led to.
    pub revision: Revision,
    dense: Vec<OnceLock<Option<DensePolicy>>>,
}

impl KnownPolicies {
    /// The policies as of a committed state.
    pub fn new(history: Arc<PolicyHistory>, revision: Revision) -> Self {
        let versions = history.versions().iter();
        Self {
            dense: versions.map(|_| OnceLock::new()).collect(),
            history,
            revision,
        }
    }

    /// The version in force at `now`, as tables. `None`: none is, or it has more names than there are numbers.
    pub(super) fn dense(&self, vocabulary: &Vocabulary, now: Timestamp) -> Option<&DensePolicy> {
        let place = self.history.index_in_force(now)?;
        let compile =
            || vocabulary.number(|numbering| DensePolicy::compile(&self.history, place, numbering));
        self.dense.get(place)?.get_or_init(compile).as_ref()
    }
}
