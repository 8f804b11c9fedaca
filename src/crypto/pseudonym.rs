//! Keyed codes that say nothing without the key: pseudonyms of the audit log, fingerprints of
//! requests, withdrawal tokens, and codes that keep page tokens and cursors genuine.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{
    CryptoError,
    key::{KEY_BYTES, Key, KeyId, mac},
    keyring::Keys,
};
use crate::domain::id::{SubjectId, WithdrawalTokenId};

/// A keyed code.
pub type Code = [u8; KEY_BYTES];

/// Longest withdrawal token that is looked at, in bytes.
const WITHDRAWAL_TOKEN_BYTES_MAX: usize = 128;
const WITHDRAWAL_TOKEN_FORMAT: u8 = 1;

/// Makes keyed codes under the secret keys of the ring.
pub struct Secrets {
    keys: Vec<(KeyId, UseKeys)>,
}

impl Secrets {
    pub(super) fn new(keys: &Keys) -> Self {
        Self {
            keys: keys
                .iter()
                .map(|(id, key)| (id.clone(), UseKeys::new(key)))
                .collect(),
        }
    }

    /// The name of a subject in the audit log.
    pub fn pseudonym(&self, subject: SubjectId) -> Code {
        mac(&self.first().pseudonym, &[subject.0.as_bytes()])
    }

    /// Every name that a subject has had in the audit log, the present one first.
    pub fn pseudonyms(&self, subject: SubjectId) -> Vec<Code> {
        self.keys
            .iter()
            .map(|(_, key)| mac(&key.pseudonym, &[subject.0.as_bytes()]))
            .collect()
    }

    /// The fingerprint of a request, by which a replay is told from another request under the
    /// same id. `request` is its canonical encoding.
    pub fn fingerprint(&self, request: &[u8]) -> Code {
        mac(&self.first().fingerprint, &[request])
    }

    /// Whether a stored fingerprint is that of this request, under whichever key it was made.
    pub fn is_fingerprint_of(&self, request: &[u8], stored: &[u8]) -> bool {
        self.any(stored, |key| mac(&key.fingerprint, &[request]))
    }

    /// The token that lets a person withdraw with one click. It names the stored token and
    /// nothing else.
    pub fn issue_withdrawal_token(&self, id: WithdrawalTokenId) -> String {
        let id = id.0.as_bytes();
        let code = mac(&self.first().withdrawal, &[id]);
        URL_SAFE_NO_PAD.encode([&[WITHDRAWAL_TOKEN_FORMAT], id.as_slice(), &code].concat())
    }

    /// Which stored token a withdrawal token names, if it is genuine.
    pub fn open_withdrawal_token(&self, token: &str) -> Result<WithdrawalTokenId, CryptoError> {
        let parts = withdrawal_token_parts(token);
        let (id, code) = parts.ok_or(CryptoError::NotGenuine)?;
        if !self.any(&code, |key| mac(&key.withdrawal, &[&id])) {
            return Err(CryptoError::NotGenuine);
        }
        Ok(WithdrawalTokenId(Uuid::from_bytes(id)))
    }

    /// A code that shows that a page token or cursor was made here and has not been changed.
    pub fn vouch(&self, cursor: &[u8]) -> Code {
        mac(&self.first().cursor, &[cursor])
    }

    /// Whether the code belongs to this page token or cursor, under whichever key it was made.
    pub fn is_vouched_for(&self, cursor: &[u8], code: &[u8]) -> bool {
        self.any(code, |key| mac(&key.cursor, &[cursor]))
    }

    fn first(&self) -> &UseKeys {
        let (_, key) = self.keys.first().expect("a key list has at least one key");
        key
    }

    fn any(&self, stored: &[u8], made_with: impl Fn(&UseKeys) -> Code) -> bool {
        let equal = |code: Code| constant_time::verify_slices_are_equal(&code, stored).is_ok();
        self.keys.iter().any(|(_, key)| equal(made_with(key)))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|(id, _)| id.as_str()).collect();
        write!(f, "Secrets(under {})", ids.join(", "))
    }
}

/// One key for each use, so that a code of one use is worth nothing in another.
struct UseKeys {
    pseudonym: hmac::Key,
    fingerprint: hmac::Key,
    withdrawal: hmac::Key,
    cursor: hmac::Key,
}

impl UseKeys {
    fn new(key: &Key) -> Self {
        Self {
            pseudonym: key.derive("audit pseudonym 1"),
            fingerprint: key.derive("request fingerprint 1"),
            withdrawal: key.derive("withdrawal token 1"),
            cursor: key.derive("cursor 1"),
        }
    }
}

fn withdrawal_token_parts(token: &str) -> Option<([u8; 16], Vec<u8>)> {
    if token.len() > WITHDRAWAL_TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let named = bytes.strip_prefix(&[WITHDRAWAL_TOKEN_FORMAT])?;
    let (id, code) = named.split_first_chunk()?;
    Some((*id, code.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    const SUBJECT: SubjectId = SubjectId(Uuid::from_u128(1));
    const TOKEN: WithdrawalTokenId = WithdrawalTokenId(Uuid::from_u128(1));

    fn named(id: &str) -> (KeyId, Key) {
        (id.parse().unwrap(), Key::generate(&SystemEntropy).unwrap())
    }

    fn secrets(keys: &[(KeyId, Key)]) -> Secrets {
        Secrets::new(&Keys::from_checked(keys.to_vec()))
    }

    #[test]
    fn a_pseudonym_is_stable_under_its_key_and_not_the_id() {
        let secrets = secrets(&[named("a")]);
        assert_eq!(secrets.pseudonym(SUBJECT), secrets.pseudonym(SUBJECT));
        assert_ne!(
            secrets.pseudonym(SUBJECT),
            secrets.pseudonym(SubjectId(Uuid::from_u128(2)))
        );
        assert_ne!(secrets.pseudonym(SUBJECT)[..16], *SUBJECT.0.as_bytes());
    }

    #[test]
    fn after_a_rotation_a_subject_is_found_under_its_former_name_too() {
        let (old, new) = (named("old"), named("new"));
        let before = secrets(from_ref(&old)).pseudonym(SUBJECT);
        let after = secrets(&[new, old]);
        assert_ne!(after.pseudonym(SUBJECT), before);
        assert_eq!(
            after.pseudonyms(SUBJECT),
            [after.pseudonym(SUBJECT), before]
        );
    }

    #[test]
    fn a_fingerprint_is_recognised_across_a_rotation_and_for_its_request_only() {
        let (old, new) = (named("old"), named("new"));
        let stored = secrets(from_ref(&old)).fingerprint(b"request");
        let after = secrets(&[new.clone(), old]);
        assert!(after.is_fingerprint_of(b"request", &stored));
        assert!(!after.is_fingerprint_of(b"another", &stored));
        assert!(!secrets(&[new]).is_fingerprint_of(b"request", &stored));
        assert!(!after.is_fingerprint_of(b"request", &stored[..31]));
        assert!(!after.is_fingerprint_of(b"request", b""));
    }

    #[test]
    fn a_withdrawal_token_names_its_stored_token_across_a_rotation() {
        let (old, new) = (named("old"), named("new"));
        let token = secrets(from_ref(&old)).issue_withdrawal_token(TOKEN);
        assert_eq!(
            secrets(&[new, old]).open_withdrawal_token(&token),
            Ok(TOKEN)
        );
    }

    #[test]
    fn a_withdrawal_token_with_any_byte_changed_is_not_genuine() {
        let secrets = secrets(&[named("a")]);
        let bytes = URL_SAFE_NO_PAD
            .decode(secrets.issue_withdrawal_token(TOKEN))
            .unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            let opened = secrets.open_withdrawal_token(&URL_SAFE_NO_PAD.encode(forged));
            assert_eq!(opened, Err(CryptoError::NotGenuine), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_withdrawal_token_is_not_genuine() {
        let ours = secrets(&[named("a")]);
        let oversized = "A".repeat(WITHDRAWAL_TOKEN_BYTES_MAX + 4);
        let foreign = secrets(&[named("b")]).issue_withdrawal_token(TOKEN);
        for token in ["", "!", "AQ", oversized.as_str(), foreign.as_str()] {
            assert_eq!(
                ours.open_withdrawal_token(token),
                Err(CryptoError::NotGenuine),
                "{token}"
            );
        }
    }

    #[test]
    fn a_code_of_one_use_is_worth_nothing_in_another() {
        let secrets = secrets(&[named("a")]);
        let bytes = SUBJECT.0.as_bytes();
        assert!(secrets.is_vouched_for(bytes, &secrets.vouch(bytes)));
        assert!(!secrets.is_vouched_for(bytes, &secrets.fingerprint(bytes)));
        assert!(!secrets.is_vouched_for(bytes, &secrets.pseudonym(SUBJECT)));
        assert!(!secrets.is_fingerprint_of(bytes, &secrets.vouch(bytes)));
    }
}
