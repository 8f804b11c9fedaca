//! One public key of the issuer (RFC 7517): which keys are fit to verify a token, and for which
//! algorithm. The algorithm hangs on the key, never on the token.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{
        AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
        RSAKeyParameters,
    },
};

/// The algorithms that are accepted; all others, `none` and the HMAC family first, are not.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];

/// Shortest RSA modulus, in bits (RFC 7518, 3.3).
pub const RSA_BITS_MIN: usize = 2_048;
const RSA_BITS_MAX: usize = 8_192;
const COORDINATE_BYTES: usize = 32;

/// A key that verifies tokens of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    /// Its id, if it has one.
    pub kid: Option<String>,
    /// The one algorithm that it verifies.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

impl VerifyingKey {
    /// Takes a key of a JWKS, or says why it is unfit.
    pub fn read(jwk: &Jwk) -> Result<Self, Unfit> {
        check_use(jwk)?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                check_coordinates(&[&key.x])?;
                Algorithm::EdDSA
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                check_coordinates(&[&key.x, &key.y])?;
                Algorithm::ES256
            }
            AlgorithmParameters::RSA(key) => {
                check_modulus(key)?;
                Algorithm::RS256
            }
            _ => return Err(Unfit::Kind),
        };
        let stated = jwk.common.key_algorithm;
        if stated.is_some_and(|stated| stated != KeyAlgorithm::from(algorithm)) {
            return Err(Unfit::Algorithm);
        }
        let key = DecodingKey::from_jwk(jwk).map_err(|_| Unfit::Malformed)?;
        Ok(Self {
            kid: jwk.common.key_id.clone(),
            algorithm,
            key,
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?}, {:?})", self.kid, self.algorithm)
    }
}

/// Why a key is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its `use` or `key_ops` is something else.
    #[error("is not for verifying signatures")]
    Use,
    /// It is symmetric, or on another curve.
    #[error("is none of Ed25519, P-256 and RSA")]
    Kind,
    /// Its `alg` is something else.
    #[error("has an alg that is none of EdDSA, ES256 and RS256, or does not fit its kty")]
    Algorithm,
    /// It is RSA and too short to be safe, or too long to be checked.
    #[error("is RSA of fewer than 2048 or more than 8192 bits")]
    RsaLength,
    /// It cannot be decoded.
    #[error("is malformed")]
    Malformed,
}

fn check_use(jwk: &Jwk) -> Result<(), Unfit> {
    let common = &jwk.common;
    let other_use = common
        .public_key_use
        .as_ref()
        .is_some_and(|stated| *stated != PublicKeyUse::Signature);
    let other_operations = common
        .key_operations
        .as_ref()
        .is_some_and(|stated| !stated.contains(&KeyOperations::Verify));
    if other_use || other_operations {
        Err(Unfit::Use)
    } else {
        Ok(())
    }
}

fn check_coordinates(encoded: &[&str]) -> Result<(), Unfit> {
    let fits = |text: &&str| decode(text).is_ok_and(|bytes| bytes.len() == COORDINATE_BYTES);
    if encoded.iter().all(fits) {
        Ok(())
    } else {
        Err(Unfit::Malformed)
    }
}

fn check_modulus(key: &RSAKeyParameters) -> Result<(), Unfit> {
    let modulus = decode(&key.n)?;
    let significant: &[u8] = match modulus.iter().position(|byte| *byte != 0) {
        Some(start) => &modulus[start..],
        None => return Err(Unfit::RsaLength),
    };
    let leading_zeros = significant[0].leading_zeros() as usize;
    let bits = significant.len() * 8 - leading_zeros;
    if (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        Ok(())
    } else {
        Err(Unfit::RsaLength)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Unfit> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unfit::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(jwk: Value) -> Result<Algorithm, Unfit> {
        let jwk: Jwk = serde_json::from_value(jwk).unwrap();
        VerifyingKey::read(&jwk).map(|key| key.algorithm)
    }

    fn bytes(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; length])
    }

    #[test]
    fn the_algorithm_follows_from_the_kind_of_key() {
        let (x, n) = (bytes(32), bytes(256));
        assert_eq!(
            read(json!({"kty": "OKP", "crv": "Ed25519", "x": x})),
            Ok(Algorithm::EdDSA)
        );
        assert_eq!(
            read(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})),
            Ok(Algorithm::ES256)
        );
        assert_eq!(
            read(json!({"kty": "RSA", "n": n, "e": "AQAB"})),
            Ok(Algorithm::RS256)
        );
    }

    #[test]
    fn symmetric_keys_and_other_curves_are_unfit() {
        let x = bytes(48);
        assert_eq!(
            read(json!({"kty": "oct", "k": bytes(32)})),
            Err(Unfit::Kind)
        );
        assert_eq!(
            read(json!({"kty": "EC", "crv": "P-384", "x": x, "y": x})),
            Err(Unfit::Kind)
        );
        assert_eq!(read(json!({"kty": "AKP", "pub": x})), Err(Unfit::Kind));
    }

    #[test]
    fn an_rsa_key_of_2048_bits_is_fit_and_of_2047_is_not() {
        let rsa = |first: u8, length: usize| {
            let mut modulus = vec![0xff; length];
            modulus[0] = first;
            read(json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"}))
        };
        assert_eq!(rsa(0x80, 256), Ok(Algorithm::RS256));
        assert_eq!(rsa(0x7f, 256), Err(Unfit::RsaLength));
        assert_eq!(rsa(0x80, 128), Err(Unfit::RsaLength));
        assert_eq!(rsa(0x00, 256), Err(Unfit::RsaLength));
        assert_eq!(rsa(0x00, 257), Ok(Algorithm::RS256));
        assert_eq!(rsa(0x80, 1_025), Err(Unfit::RsaLength));
    }

    #[test]
    fn a_stated_algorithm_must_fit_the_key() {
        let n = bytes(256);
        let rsa = |alg: &str| read(json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": alg}));
        assert_eq!(rsa("RS256"), Ok(Algorithm::RS256));
        for alg in ["ES256", "PS256", "RS512", "HS256", "RSA-OAEP", "none"] {
            assert_eq!(rsa(alg), Err(Unfit::Algorithm), "{alg}");
        }
    }

    #[test]
    fn a_key_for_encryption_is_unfit() {
        let n = bytes(256);
        let rsa = |name: &str, value: Value| {
            let mut jwk = json!({"kty": "RSA", "n": n, "e": "AQAB"});
            jwk[name] = value;
            read(jwk)
        };
        assert_eq!(rsa("use", json!("enc")), Err(Unfit::Use));
        assert_eq!(rsa("use", json!("sig")), Ok(Algorithm::RS256));
        assert_eq!(rsa("key_ops", json!(["encrypt"])), Err(Unfit::Use));
        assert_eq!(rsa("key_ops", json!(["verify"])), Ok(Algorithm::RS256));
    }

    #[test]
    fn coordinates_of_a_wrong_length_are_malformed() {
        let short = bytes(31);
        let read = read(json!({"kty": "OKP", "crv": "Ed25519", "x": short}));
        assert_eq!(read, Err(Unfit::Malformed));
    }
}
