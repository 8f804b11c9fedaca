//! The blind index: finds a subject by an identifier without storing the identifier.
//!
//! HMAC-SHA-256 over type, 0x00, normalised value. Both the form and the normalisation are
//! frozen: a change would orphan every stored hash.

use std::fmt;

use aws_lc_rs::hmac;

use super::{
    key::{KEY_BYTES, KeyId, mac},
    keyring::Keys,
};
use crate::domain::{identifier::NormalisedIdentifier, name::IdentifierType};

/// Hashes identifiers under the index keys of the ring.
pub struct BlindIndex {
    keys: Vec<(KeyId, hmac::Key)>,
}

impl BlindIndex {
    pub(super) fn new(keys: &Keys) -> Self {
        Self {
            keys: keys
                .iter()
                .map(|(id, key)| (id.clone(), key.for_hmac()))
                .collect(),
        }
    }

    /// The hash to store: under the first key.
    pub fn seal(&self, kind: &IdentifierType, value: &NormalisedIdentifier) -> IndexHash {
        hash(self.first(), kind, value)
    }

    /// The hashes to look for: under every key, the first key's first.
    pub fn all(&self, kind: &IdentifierType, value: &NormalisedIdentifier) -> Vec<IndexHash> {
        self.keys
            .iter()
            .map(|named| hash(named, kind, value))
            .collect()
    }

    /// The key that hashes now: what was hashed under another one is due for a rotation.
    pub fn key_id(&self) -> &KeyId {
        &self.first().0
    }

    fn first(&self) -> &(KeyId, hmac::Key) {
        self.keys.first().expect("a key list has at least one key")
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndex(under {})", self.key_id())
    }
}

/// An identifier as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexHash {
    /// The key that made it.
    pub key_id: KeyId,
    /// The hash.
    pub hash: [u8; KEY_BYTES],
}

// A type cannot contain 0x00, so no two pairs run into one.
fn hash(
    (key_id, key): &(KeyId, hmac::Key),
    kind: &IdentifierType,
    value: &NormalisedIdentifier,
) -> IndexHash {
    let hash = mac(
        key,
        &[kind.as_str().as_bytes(), b"\0", value.expose().as_bytes()],
    );
    IndexHash {
        key_id: key_id.clone(),
        hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{aead::tests::hex, key::Key},
        domain::identifier::{Normalise, normalise},
    };

    fn index(keys: &[(&str, u8)]) -> BlindIndex {
        let named = |(id, fill): &(&str, u8)| (id.parse().unwrap(), Key::new([*fill; KEY_BYTES]));
        BlindIndex::new(&Keys::from_checked(keys.iter().map(named).collect()))
    }

    fn email(raw: &str) -> NormalisedIdentifier {
        normalise(Normalise::Email, raw).unwrap()
    }

    fn kind(name: &str) -> IdentifierType {
        name.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_email_have_one_hash() {
        let index = index(&[("a", 1)]);
        let hash = |raw| index.seal(&kind("email"), &email(raw));
        assert_eq!(hash("Anna@Example.com "), hash("anna@example.com"));
        assert_ne!(hash("anna@example.com"), hash("anne@example.com"));
    }

    #[test]
    fn one_value_under_two_types_has_two_hashes() {
        let index = index(&[("a", 1)]);
        let value = email("anna@example.com");
        assert_ne!(
            index.seal(&kind("email"), &value),
            index.seal(&kind("paypal"), &value)
        );
    }

    #[test]
    fn what_an_older_key_hashed_is_among_the_hashes_to_look_for() {
        let value = email("anna@example.com");
        let stored = index(&[("old", 1)]).seal(&kind("email"), &value);
        let rotated = index(&[("new", 2), ("old", 1)]);
        let wanted = rotated.all(&kind("email"), &value);
        assert_eq!(
            wanted,
            [rotated.seal(&kind("email"), &value), stored.clone()]
        );
        assert_ne!(wanted[0].hash, stored.hash);
        assert_eq!(wanted[0].key_id, *rotated.key_id());
    }

    // Computed apart from this code, under a key of 32 bytes 0x01.
    #[test]
    fn the_hash_is_frozen() {
        let stored = index(&[("a", 1)]).seal(&kind("email"), &email("anna@example.com"));
        let frozen = "c10c186f444eb4767fc94f96a7f0e300bd0a8c3c323ca387b17363fe5da6827a";
        assert_eq!(stored.hash.to_vec(), hex(frozen));
    }
}
