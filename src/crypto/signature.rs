//! Signatures that anybody can verify without the registry: Ed25519 over DSSE envelopes
//! (<https://github.com/secure-systems-lab/dsse>). The first key of the ring signs, every key
//! verifies; the public halves may be given to whoever wants to verify.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    key::{Key, KeyId},
    keyring::Keys,
};

/// Length of an Ed25519 public key, in bytes.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Signatures of one envelope that are looked at, at most.
const SIGNATURES_MAX: usize = 8;
/// Public keys of one list, at most.
const PUBLIC_KEYS_MAX: usize = 1_000;

/// A signed document: a DSSE envelope. As JSON it is what DSSE says:
/// `{"payloadType", "payload": base64, "signatures": [{"keyid", "sig": base64}]}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the payload is; signed with it, so that no document passes for one of another kind.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The bytes that were signed. Trust them only as [`VerifyingKeys::verify`] returns them.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: Vec<u8>,
    /// The signatures, of which one suffices.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// The name of the key that signed; a hint, not itself signed.
    #[serde(default)]
    pub keyid: String,
    /// Ed25519 over the pre-authentication encoding of type and payload.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub sig: Vec<u8>,
}

impl Envelope {
    /// As JSON text, on one line.
    ///
    /// # Panics
    ///
    /// Never: text and bytes are always JSON.
    pub fn to_json(&self) -> String {
        // Text and bytes are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The name of the key that signed, as the envelope says.
    pub fn key_id(&self) -> &str {
        self.signatures
            .first()
            .map_or("", |signature| &signature.keyid)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({:?})", self.payload_type)
    }
}

impl fmt::Debug for EnvelopeSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeSignature({:?})", self.keyid)
    }
}

/// Why an envelope is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is a document of another kind.
    #[error("it is a document of another kind than {expected}")]
    PayloadType {
        /// The kind that was asked for.
        expected: String,
    },
    /// It carries no signature, or more than are looked at.
    #[error("it has no signature, or more than {SIGNATURES_MAX}")]
    SignatureCount,
    /// None of its signatures is by a key of the list.
    #[error("it was signed under a key that is not in the list of public keys")]
    KeyUnknown,
    /// It was changed, or not signed by the key that it names.
    #[error("its signature is not genuine: it was changed, or another key signed it")]
    NotGenuine,
}

/// The keys that sign: the first one does.
pub struct SigningKeys(Vec<(KeyId, Ed25519KeyPair)>);

impl SigningKeys {
    pub(super) fn new(keys: &Keys) -> Self {
        let pairs = keys.iter().map(|(id, key)| (id.clone(), pair(key)));
        Self(pairs.collect())
    }

    /// One key of this name, for tests of what is signed.
    ///
    /// # Panics
    ///
    /// When it is no key's name.
    #[cfg(test)]
    pub fn generated(id: &str) -> Self {
        let key = Key::generate(&super::entropy::SystemEntropy).expect("the system has randomness");
        let id = id.parse().expect("a key's name");
        Self::new(&Keys::from_checked(vec![(id, key)]))
    }

    /// Signs a document of a kind.
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Envelope {
        let (id, pair) = self.first();
        let signature = pair.sign(&encoding(payload_type, payload));
        Envelope {
            payload_type: payload_type.to_owned(),
            payload: payload.to_vec(),
            signatures: vec![EnvelopeSignature {
                keyid: id.as_str().to_owned(),
                sig: signature.as_ref().to_vec(),
            }],
        }
    }

    /// The name of the key that signs now.
    pub fn key_id(&self) -> &KeyId {
        self.first().0
    }

    /// The public half of every key.
    pub fn verifying(&self) -> VerifyingKeys {
        let public = self.0.iter().map(|(id, pair)| {
            let mut bytes = [0; PUBLIC_KEY_BYTES];
            bytes.copy_from_slice(pair.public_key().as_ref());
            (id.clone(), bytes)
        });
        VerifyingKeys(public.collect())
    }

    fn first(&self) -> (&KeyId, &Ed25519KeyPair) {
        let (id, pair) = self.0.first().expect("a key list has at least one key");
        (id, pair)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|(id, _)| id.as_str()).collect();
        write!(f, "SigningKeys(under {})", ids.join(", "))
    }
}

/// Public keys, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKeys(Vec<(KeyId, [u8; PUBLIC_KEY_BYTES])>);

impl VerifyingKeys {
    /// Reads `id:base64` lines; blank ones and those that begin with `#` are skipped. Every problem
    /// is reported with its line.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match public_key(line) {
                Ok((id, _)) if keys.iter().any(|(known, _)| *known == id) => {
                    problems.push(format!("line {number}: the id {id} stands twice"));
                }
                Ok(named) => keys.push(named),
                Err(problem) => problems.push(format!("line {number}: {problem}")),
            }
        }
        if problems.is_empty() && (keys.is_empty() || keys.len() > PUBLIC_KEYS_MAX) {
            let count = keys.len();
            problems.push(format!("has {count} keys, not 1 to {PUBLIC_KEYS_MAX}"));
        }
        if problems.is_empty() {
            Ok(Self(keys))
        } else {
            Err(problems)
        }
    }

    /// The keys as [`Self::parse`] reads them.
    pub fn to_lines(&self) -> String {
        let lines = self.0.iter().map(|(id, bytes)| {
            let encoded = STANDARD.encode(bytes);
            format!("{id}:{encoded}\n")
        });
        lines.collect()
    }

    /// The payload of a document of this kind that one of the keys signed.
    pub fn verify(
        &self,
        envelope: &Envelope,
        payload_type: &str,
    ) -> Result<Vec<u8>, SignatureError> {
        if envelope.payload_type != payload_type {
            return Err(SignatureError::PayloadType {
                expected: payload_type.to_owned(),
            });
        }
        if !(1..=SIGNATURES_MAX).contains(&envelope.signatures.len()) {
            return Err(SignatureError::SignatureCount);
        }
        let message = encoding(payload_type, &envelope.payload);
        let mut refused = SignatureError::KeyUnknown;
        for signature in &envelope.signatures {
            for (_, key) in self.named(&signature.keyid) {
                let key = UnparsedPublicKey::new(&ED25519, key);
                if key.verify(&message, &signature.sig).is_ok() {
                    return Ok(envelope.payload.clone());
                }
                refused = SignatureError::NotGenuine;
            }
        }
        Err(refused)
    }

    /// The keys of this name; all of them where none is named.
    fn named(&self, id: &str) -> impl Iterator<Item = &(KeyId, [u8; PUBLIC_KEY_BYTES])> {
        self.0
            .iter()
            .filter(move |(known, _)| id.is_empty() || known.as_str() == id)
    }
}

/// DSSE's pre-authentication encoding: lengths before texts, so that type and payload cannot run
/// into each other.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (type_bytes, payload_bytes) = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {type_bytes} {payload_type} {payload_bytes} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn pair(key: &Key) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(key.bytes()).expect("any 32 bytes are an Ed25519 seed")
}

fn public_key(line: &str) -> Result<(KeyId, [u8; PUBLIC_KEY_BYTES]), String> {
    let (id, encoded) = line.split_once(':').ok_or("is not of the form id:base64")?;
    let id: KeyId = id.trim().parse().map_err(|error| format!("{error}"))?;
    let bytes = STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    match bytes {
        Some(bytes) => Ok((id, bytes)),
        None => Err(format!(
            "the key {id} is not base64 of {PUBLIC_KEY_BYTES} bytes"
        )),
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD
        .decode(text)
        .map_err(|_| de::Error::custom("is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{aead::tests::hex, entropy::SystemEntropy, key::KEY_BYTES};

    const KIND: &str = "application/vnd.personal-data-registry.test+json";

    fn named(id: &str) -> (KeyId, Key) {
        (id.parse().unwrap(), Key::generate(&SystemEntropy).unwrap())
    }

    fn signing(keys: &[(KeyId, Key)]) -> SigningKeys {
        SigningKeys::new(&Keys::from_checked(keys.to_vec()))
    }

    // RFC 8032, section 7.1, test 2.
    #[test]
    fn the_signature_is_ed25519() {
        let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let pair = pair(&Key::new(seed.try_into().unwrap()));
        let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(pair.public_key().as_ref(), public);
        let expected = hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(pair.sign(&[0x72]).as_ref(), expected);
    }

    // The example of the DSSE specification.
    #[test]
    fn the_encoding_is_that_of_dsse() {
        assert_eq!(
            encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_was_signed_verifies_also_after_a_trip_through_json() {
        let keys = signing(&[named("k1")]);
        let json = keys.sign(KIND, b"said").to_json();
        let envelope: Envelope = serde_json::from_str(&json).unwrap();
        assert_eq!(envelope.key_id(), "k1");
        assert!(json.starts_with(&format!(
            "{{\"payloadType\":\"{KIND}\",\"payload\":\"c2FpZA==\""
        )));
        let public = VerifyingKeys::parse(&keys.verifying().to_lines()).unwrap();
        assert_eq!(public.verify(&envelope, KIND).unwrap(), b"said");
    }

    #[test]
    fn the_first_key_signs_and_a_former_one_still_verifies() {
        let (old, new) = (named("old"), named("new"));
        let before = signing(std::slice::from_ref(&old)).sign(KIND, b"said");
        let after = signing(&[new, old]);
        assert_eq!(after.sign(KIND, b"").key_id(), "new");
        assert!(after.verifying().verify(&before, KIND).is_ok());
    }

    #[test]
    fn an_envelope_with_any_byte_changed_is_not_genuine() {
        let keys = signing(&[named("k1")]);
        let public = keys.verifying();
        let genuine = keys.sign(KIND, b"said");
        for at in 0..genuine.payload.len() {
            let mut changed = genuine.clone();
            changed.payload[at] ^= 1;
            let refused = public.verify(&changed, KIND);
            assert_eq!(refused, Err(SignatureError::NotGenuine), "payload {at}");
        }
        for at in 0..genuine.signatures[0].sig.len() {
            let mut changed = genuine.clone();
            changed.signatures[0].sig[at] ^= 1;
            let refused = public.verify(&changed, KIND);
            assert_eq!(refused, Err(SignatureError::NotGenuine), "signature {at}");
        }
    }

    #[test]
    fn a_document_of_one_kind_does_not_pass_for_another() {
        let keys = signing(&[named("k1")]);
        let public = keys.verifying();
        let mut envelope = keys.sign(KIND, b"said");
        let refused = public.verify(&envelope, "another");
        assert!(matches!(refused, Err(SignatureError::PayloadType { .. })));
        envelope.payload_type = "another".into();
        let refused = public.verify(&envelope, "another");
        assert_eq!(refused, Err(SignatureError::NotGenuine));
    }

    #[test]
    fn a_strange_key_and_a_missing_signature_are_told_apart() {
        let public = signing(&[named("k1")]).verifying();
        let strange = signing(&[named("k2")]).sign(KIND, b"said");
        assert_eq!(
            public.verify(&strange, KIND),
            Err(SignatureError::KeyUnknown)
        );
        let same_name = signing(&[named("k1")]).sign(KIND, b"said");
        assert_eq!(
            public.verify(&same_name, KIND),
            Err(SignatureError::NotGenuine)
        );
        let mut bare = strange;
        bare.signatures.clear();
        assert_eq!(
            public.verify(&bare, KIND),
            Err(SignatureError::SignatureCount)
        );
    }

    #[test]
    fn many_signatures_are_looked_at_and_not_endlessly_many() {
        let keys = signing(&[named("k1")]);
        let public = keys.verifying();
        let genuine = keys.sign(KIND, b"said");
        let mut many = genuine.clone();
        let strange = signing(&[named("k2")]).sign(KIND, b"said").signatures;
        many.signatures = vec![strange[0].clone(); SIGNATURES_MAX - 1];
        many.signatures.extend(genuine.signatures);
        assert!(public.verify(&many, KIND).is_ok());
        many.signatures.extend(strange);
        assert_eq!(
            public.verify(&many, KIND),
            Err(SignatureError::SignatureCount)
        );
    }

    #[test]
    fn every_problem_of_a_list_of_public_keys_is_reported() {
        let line = signing(&[named("k1")]).verifying().to_lines();
        let text = format!("# ours\n{line}{line}k2:AAAA\nnothing\n");
        assert_eq!(
            VerifyingKeys::parse(&text).unwrap_err(),
            [
                "line 3: the id k1 stands twice",
                "line 4: the key k2 is not base64 of 32 bytes",
                "line 5: is not of the form id:base64",
            ]
        );
        assert_eq!(
            VerifyingKeys::parse("\n").unwrap_err(),
            ["has 0 keys, not 1 to 1000"]
        );
    }

    #[test]
    fn nothing_of_a_key_or_a_payload_prints() {
        let keys = signing(&[(("k1").parse().unwrap(), Key::new([7; KEY_BYTES]))]);
        assert_eq!(format!("{keys:?}"), "SigningKeys(under k1)");
        let envelope = keys.sign(KIND, b"said");
        assert_eq!(format!("{envelope:?}"), format!("Envelope({KIND:?})"));
    }
}
