//! Keys and what is done with them: values sealed under a key per subject, the blind index over
//! identifiers, keyed codes for pseudonyms, fingerprints and tokens, signatures, and the
//! hash tree of the audit log.
//!
//! All primitives are those of aws-lc-rs. Keys do not print and leave memory when dropped.

mod aead;
pub mod blind_index;
pub mod derived_id;
pub mod digest;
pub mod entropy;
pub mod key;
pub mod key_file;
pub mod keyring;
pub mod merkle;
pub mod pseudonym;
pub mod seal;
pub mod signature;

/// Why something could not be sealed, opened or proved. The texts name keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes were not sealed under this key for this place, or are damaged.
    #[error("sealed bytes do not open: damaged, moved, or sealed under another key")]
    DoesNotOpen,
    /// The bytes have a format that this version does not know.
    #[error("sealed bytes have an unknown format")]
    FormatUnknown,
    /// The key ring has no key of this id.
    #[error("the key ring has no key {0}")]
    KeyUnknown(key::KeyId),
    /// The token was not made under any key of the ring.
    #[error("the token is not genuine")]
    NotGenuine,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoEntropy,
}
