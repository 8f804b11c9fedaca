//! Values of a subject, sealed under the subject's own key. Whoever destroys the key destroys the
//! values, in every backup too.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    CryptoError, aead,
    entropy::Entropy,
    key::{KEY_BYTES, Key, KeyId, mac},
    keyring::KeyRing,
};
use crate::domain::id::SubjectId;

/// By how much a sealed value is longer than the value, in bytes.
pub const SEALED_OVERHEAD_BYTES: usize = aead::OVERHEAD_BYTES;

/// Seals a value for one place; it opens there and nowhere else.
pub fn seal(
    key: &SubjectKey,
    place: &Place,
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    aead::seal(&key.0, &place.encode(), plain, entropy)
}

/// Opens what [`seal`] sealed for this place. The value leaves memory when dropped.
pub fn open(
    key: &SubjectKey,
    place: &Place,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    aead::open(&key.0, &place.encode(), sealed).map(Zeroizing::new)
}

/// A keyed code of a value, by which values of one subject are compared without being stored.
/// Labels keep the uses apart. It means nothing once the key is destroyed.
pub fn tag(key: &SubjectKey, label: &'static str, bytes: &[u8]) -> [u8; KEY_BYTES] {
    mac(&key.0.derive(&format!("subject tag 1 {label}")), &[bytes])
}

/// The key of one subject. It does not print.
#[derive(Clone, Debug)]
pub struct SubjectKey(Key);

impl SubjectKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        Key::generate(entropy).map(Self)
    }

    /// Wraps the key of `subject` under the first key-encryption key of the ring, for storage.
    pub fn wrap(
        &self,
        ring: &KeyRing,
        subject: SubjectId,
        entropy: &dyn Entropy,
    ) -> Result<WrappedKey, CryptoError> {
        let (kek_id, kek) = ring.encryption().first();
        let bytes = aead::seal(
            kek,
            &wrapping_place(kek_id, subject),
            self.0.bytes(),
            entropy,
        )?;
        Ok(WrappedKey {
            kek_id: kek_id.clone(),
            bytes,
        })
    }

    /// Unwraps the key of `subject` with whichever key of the ring wrapped it.
    pub fn unwrap(
        ring: &KeyRing,
        subject: SubjectId,
        wrapped: &WrappedKey,
    ) -> Result<Self, CryptoError> {
        let kek_id = &wrapped.kek_id;
        let unknown = || CryptoError::KeyUnknown(kek_id.clone());
        let kek = ring.encryption().get(kek_id).ok_or_else(unknown)?;
        let opened = aead::open(kek, &wrapping_place(kek_id, subject), &wrapped.bytes)?;
        let opened = Zeroizing::new(opened);
        let bytes = opened
            .as_slice()
            .try_into()
            .map_err(|_| CryptoError::DoesNotOpen)?;
        Ok(Self(Key::new(bytes)))
    }
}

/// A subject's key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key-encryption key that wrapped it.
    pub kek_id: KeyId,
    /// The wrapped key.
    pub bytes: Vec<u8>,
}

impl WrappedKey {
    /// Whether another key than the ring's first wrapped it, so that a rotation wraps it anew.
    pub fn is_outdated(&self, ring: &KeyRing) -> bool {
        self.kek_id != *ring.encryption().first().0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(under {})", self.kek_id)
    }
}

/// Where a sealed value stands. It goes into the associated data, so that a ciphertext that is
/// moved to another row, column or subject does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// Whose value it is.
    pub subject: SubjectId,
    /// The row, by its own id.
    pub row: Uuid,
    /// The column.
    pub column: &'static str,
}

impl Place {
    // Every part is of fixed length or ends with a byte that it cannot contain: no two places
    // have the same encoding.
    fn encode(&self) -> Vec<u8> {
        let Self {
            table,
            subject,
            row,
            column,
        } = self;
        let (table, column) = (table.as_bytes(), column.as_bytes());
        let (subject, row) = (subject.0.as_bytes().as_slice(), row.as_bytes().as_slice());
        [
            b"sealed value 1\0",
            table,
            b"\0",
            subject,
            row,
            column,
            b"\0",
        ]
        .concat()
    }
}

fn wrapping_place(kek_id: &KeyId, subject: SubjectId) -> Vec<u8> {
    let (kek_id, subject) = (kek_id.as_str().as_bytes(), subject.0.as_bytes().as_slice());
    [b"wrapped subject key 1\0", kek_id, b"\0", subject].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{
        aead::tests::hex,
        entropy::{
            SystemEntropy,
            tests::{CountingEntropy, DryEntropy},
        },
    };

    const SUBJECT: SubjectId = SubjectId(Uuid::from_u128(1));
    const OTHER: SubjectId = SubjectId(Uuid::from_u128(2));
    const ROW: Uuid = Uuid::from_u128(3);
    const PLACE: Place = Place {
        table: "item",
        subject: SUBJECT,
        row: ROW,
        column: "content",
    };

    fn key() -> SubjectKey {
        SubjectKey::generate(&SystemEntropy).unwrap()
    }

    fn ring() -> KeyRing {
        KeyRing::generate(&SystemEntropy).unwrap()
    }

    fn sealed(key: &SubjectKey) -> Vec<u8> {
        seal(key, &PLACE, b"anna@example.com", &SystemEntropy).unwrap()
    }

    #[test]
    fn a_value_opens_where_it_was_sealed() {
        let key = key();
        assert_eq!(
            *open(&key, &PLACE, &sealed(&key)).unwrap(),
            b"anna@example.com"
        );
        let empty = seal(&key, &PLACE, b"", &SystemEntropy).unwrap();
        assert_eq!(*open(&key, &PLACE, &empty).unwrap(), b"");
    }

    #[test]
    fn the_same_value_sealed_twice_is_not_recognisable() {
        let key = key();
        assert_ne!(sealed(&key), sealed(&key));
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let key = key();
        let sealed = sealed(&key);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(open(&key, &PLACE, &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_value_cut_short_or_lengthened_does_not_open() {
        let key = key();
        let mut sealed = sealed(&key);
        for length in 0..sealed.len() {
            assert!(
                open(&key, &PLACE, &sealed[..length]).is_err(),
                "{length} bytes"
            );
        }
        sealed.push(0);
        assert!(open(&key, &PLACE, &sealed).is_err());
    }

    #[test]
    fn a_value_moved_to_another_place_does_not_open() {
        let key = key();
        let sealed = sealed(&key);
        let elsewhere = [
            Place {
                table: "identifier",
                ..PLACE
            },
            Place {
                subject: OTHER,
                ..PLACE
            },
            Place {
                row: Uuid::from_u128(4),
                ..PLACE
            },
            Place {
                column: "locator",
                ..PLACE
            },
            Place {
                subject: SubjectId(ROW),
                row: SUBJECT.0,
                ..PLACE
            },
        ];
        for place in elsewhere {
            assert_eq!(
                open(&key, &place, &sealed),
                Err(CryptoError::DoesNotOpen),
                "{place:?}"
            );
        }
    }

    #[test]
    fn another_subjects_key_does_not_open_it() {
        assert_eq!(
            open(&key(), &PLACE, &sealed(&key())),
            Err(CryptoError::DoesNotOpen)
        );
    }

    #[test]
    fn a_format_of_the_future_is_named_as_such() {
        let key = key();
        let mut sealed = sealed(&key);
        sealed[0] = 2;
        assert_eq!(open(&key, &PLACE, &sealed), Err(CryptoError::FormatUnknown));
    }

    #[test]
    fn a_wrapped_key_opens_what_the_key_sealed() {
        let (ring, key) = (ring(), key());
        let wrapped = key.wrap(&ring, SUBJECT, &SystemEntropy).unwrap();
        let unwrapped = SubjectKey::unwrap(&ring, SUBJECT, &wrapped).unwrap();
        assert_eq!(
            *open(&unwrapped, &PLACE, &sealed(&key)).unwrap(),
            b"anna@example.com"
        );
    }

    #[test]
    fn a_wrapped_key_of_one_subject_is_none_of_another() {
        let ring = ring();
        let wrapped = key().wrap(&ring, SUBJECT, &SystemEntropy).unwrap();
        let refused = SubjectKey::unwrap(&ring, OTHER, &wrapped).unwrap_err();
        assert_eq!(refused, CryptoError::DoesNotOpen);
    }

    #[test]
    fn a_change_of_any_byte_of_a_wrapped_key_is_noticed() {
        let ring = ring();
        let wrapped = key().wrap(&ring, SUBJECT, &SystemEntropy).unwrap();
        for at in 0..wrapped.bytes.len() {
            let mut damaged = wrapped.clone();
            damaged.bytes[at] ^= 1;
            assert!(
                SubjectKey::unwrap(&ring, SUBJECT, &damaged).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_ring_without_the_wrapping_key_says_which_is_missing() {
        let ring = ring();
        let mut wrapped = key().wrap(&ring, SUBJECT, &SystemEntropy).unwrap();
        wrapped.kek_id = "lost".parse().unwrap();
        let refused = SubjectKey::unwrap(&ring, SUBJECT, &wrapped).unwrap_err();
        assert_eq!(refused, CryptoError::KeyUnknown("lost".parse().unwrap()));
    }

    #[test]
    fn a_system_without_randomness_seals_nothing() {
        let refused = seal(&key(), &PLACE, b"value", &DryEntropy);
        assert_eq!(refused, Err(CryptoError::NoEntropy));
        assert_eq!(
            SubjectKey::generate(&DryEntropy).unwrap_err(),
            CryptoError::NoEntropy
        );
    }

    #[test]
    fn tags_agree_for_one_value_of_one_subject_under_one_label_only() {
        let (one, other) = (key(), key());
        assert_eq!(
            tag(&one, "item_key", b"4711"),
            tag(&one, "item_key", b"4711")
        );
        assert_ne!(
            tag(&one, "item_key", b"4711"),
            tag(&one, "item_key", b"4712")
        );
        assert_ne!(
            tag(&one, "item_key", b"4711"),
            tag(&one, "locator", b"4711")
        );
        assert_ne!(
            tag(&one, "item_key", b"4711"),
            tag(&other, "item_key", b"4711")
        );
    }

    // What is stored must stay readable. Computed apart from this code, under a key of 32 bytes
    // 0x01 and with a nonce of 12 bytes 0x02.
    #[test]
    fn the_stored_formats_are_frozen() {
        let entropy = CountingEntropy::default();
        let key = SubjectKey::generate(&entropy).unwrap();
        let frozen_tag = "e6ee37c2d91588a603c25feb218a0141d2d6d9d6a74603c3c4f17016df6b42c2";
        assert_eq!(tag(&key, "item_key", b"4711").to_vec(), hex(frozen_tag));
        let sealed = seal(&key, &PLACE, b"anna@example.com", &entropy).unwrap();
        let frozen = concat!(
            "01020202020202020202020202",
            "66b8a7280a32b99cbebcd0ad72c4addf",
            "dd2a4f507b057acd0de2c780c1e0bca1"
        );
        assert_eq!(sealed, hex(frozen));
    }
}
