//! Identifiers as callers spell them, with the hash by which people are found: comparing them as the policy says, and
//! hashing that, costs several times what a check does.
//!
//! A spelling is known by 128 bits of a hash whose keys are this process's own; it is not kept itself. The policy in
//! force is hashed with it, so another policy finds nothing of before. What it leads to depends on nothing else.

use std::hash::{BuildHasher, RandomState};

use quick_cache::sync::Cache;

use crate::domain::revision::Revision;

/// What an entry takes, in bytes: key, hash, and the slot in the tables.
const SPELLING_BYTES: u64 = 80;

/// An identifier as it came, under the policy that says how it is compared.
#[derive(Clone, Copy, Hash)]
pub struct Spelling<'a> {
    /// The state that the last publication led to.
    pub revision: Revision,
    /// The place of the policy in force among all.
    pub policy: usize,
    /// The type.
    pub identifier_type: &'a str,
    /// The value.
    pub value: &'a str,
}

/// What identifiers are found by, for spellings that came before.
pub struct Spellings {
    keys: [RandomState; 2],
    known: Cache<[u64; 2], [u8; 32]>,
}

impl Spellings {
    /// None yet, and never more than take `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / SPELLING_BYTES).unwrap_or(usize::MAX);
        Self {
            keys: [RandomState::new(), RandomState::new()],
            known: Cache::new(entries),
        }
    }

    /// What the identifier is found by, if that is known.
    pub fn find(&self, spelling: Spelling<'_>) -> Option<[u8; 32]> {
        self.known.get(&self.mark(spelling))
    }

    /// Learns what it is found by.
    pub fn learn(&self, spelling: Spelling<'_>, hash: [u8; 32]) {
        self.known.insert(self.mark(spelling), hash);
    }

    fn mark(&self, spelling: Spelling<'_>) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(spelling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_known_by_all_that_it_depends_on() {
        let spellings = Spellings::new(1 << 20);
        let email = Spelling {
            revision: Revision::after_event(1),
            policy: 0,
            identifier_type: "email",
            value: "Ada@example.com",
        };
        assert_eq!(spellings.find(email), None);
        spellings.learn(email, [7; 32]);
        assert_eq!(spellings.find(email), Some([7; 32]));
        let others = [
            Spelling {
                revision: Revision::after_event(2),
                ..email
            },
            Spelling { policy: 1, ..email },
            Spelling {
                identifier_type: "phone",
                ..email
            },
            Spelling {
                value: "ada@example.com",
                ..email
            },
            // The same letters, parted elsewhere.
            Spelling {
                identifier_type: "emailA",
                value: "da@example.com",
                ..email
            },
        ];
        for other in others {
            assert_eq!(spellings.find(other), None);
        }
    }
}
