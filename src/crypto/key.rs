//! One symmetric key and its name.

use std::{fmt, str::FromStr};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{
    CryptoError,
    entropy::{Entropy, draw},
};

/// Length of every symmetric key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Longest key id, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 32;

/// A key of 256 bits. It does not print, and leaves memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        draw(entropy).map(Self::new)
    }

    pub(super) fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The HMAC key for one use of this key; the label keeps the uses apart.
    pub(super) fn derive(&self, label: &str) -> hmac::Key {
        let derived = Zeroizing::new(mac(&self.for_hmac(), &[label.as_bytes()]));
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    pub(super) fn for_hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The name of a key in a key ring. It is stored beside what the key made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to 32 characters of a-z, 0-9 and '-'")]
pub struct KeyIdInvalid;

impl FromStr for KeyId {
    type Err = KeyIdInvalid;

    fn from_str(text: &str) -> Result<Self, KeyIdInvalid> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > KEY_ID_BYTES_MAX || !text.chars().all(allowed) {
            return Err(KeyIdInvalid);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// HMAC-SHA-256 over the parts one after the other; the caller sees to it that they cannot run
/// into each other.
pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut code = [0; KEY_BYTES];
    code.copy_from_slice(context.sign().as_ref());
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::aead::tests::hex;

    // RFC 4231, test case 2.
    #[test]
    fn the_mac_is_hmac_sha_256() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let code = mac(&key, &[b"what do ya want ", b"for nothing?"]);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(code.to_vec(), hex(expected));
    }

    #[test]
    fn labels_keep_derived_keys_apart() {
        let key = Key::new([7; KEY_BYTES]);
        let code = |label| mac(&key.derive(label), &[b"data"]);
        assert_eq!(code("a"), code("a"));
        assert_ne!(code("a"), code("b"));
        assert_ne!(code("a"), mac(&key.for_hmac(), &[b"data"]));
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", Key::new([0x41; KEY_BYTES])), "Key(…)");
    }

    #[test]
    fn key_ids_are_short_and_plain() {
        assert!("k".repeat(KEY_ID_BYTES_MAX).parse::<KeyId>().is_ok());
        let too_long = "k".repeat(KEY_ID_BYTES_MAX + 1);
        for text in ["", too_long.as_str(), "K1", "a:b", "a b"] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdInvalid), "{text:?}");
        }
    }
}
