//! Tokens of all kinds, and the keys that they are verified with.

mod claims;
mod issuer;
mod keys;
mod signature;
mod times;
mod verified;

use std::{fs, path::PathBuf, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use super::{
    dev_issuer::{DevIssuer, Grant},
    *,
};
use crate::{
    config::{Auth, JwksSource},
    domain::caller::{Bound, Scope},
    runtime::clock::TestClock,
};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "registry";
/// What PKCS #8 puts in front of an RSA key of 2048 bits in PKCS #1.
const PKCS8_HEADER_BYTES: usize = 26;

/// A key pair of the issuer.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: &'static str,
    jwk: Value,
}

impl Signer {
    fn ed25519(kid: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        Self {
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(pkcs8.as_ref()),
            kid,
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}),
        }
    }

    fn p256(kid: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..]),
        );
        Self {
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
            kid,
            jwk: json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}),
        }
    }

    fn rsa(kid: &'static str) -> Self {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let n = URL_SAFE_NO_PAD.encode(
            pair.public_key()
                .modulus()
                .big_endian_without_leading_zero(),
        );
        let e = URL_SAFE_NO_PAD.encode(
            pair.public_key()
                .exponent()
                .big_endian_without_leading_zero(),
        );
        Self {
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(&pkcs8.as_ref()[PKCS8_HEADER_BYTES..]),
            kid,
            jwk: json!({"kty": "RSA", "kid": kid, "n": n, "e": e}),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        self.sign_with(&header, claims)
    }

    fn sign_with(&self, header: &Header, claims: &Value) -> String {
        format!(
            "Bearer {}",
            jsonwebtoken::encode(header, claims, &self.key).unwrap()
        )
    }
}

/// A verifier whose issuer has these keys, in a file.
struct Scene {
    directory: TempDir,
    clock: Arc<TestClock>,
    verifier: TokenVerifier,
}

impl Scene {
    async fn of(signers: &[&Signer]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_keys(&directory, signers);
        let clock = Arc::new(TestClock::at(now()));
        let auth = auth(JwksSource::File(directory.path().join("jwks.json")));
        let verifier = TokenVerifier::open(&auth, clock.clone()).await.unwrap();
        Self {
            directory,
            clock,
            verifier,
        }
    }

    async fn verify(&self, header: &str) -> Result<Arc<Caller>, AuthError> {
        self.verifier.verify(Some(header), self.clock.now()).await
    }

    async fn refusal(&self, header: &str) -> AuthError {
        self.verify(header).await.unwrap_err()
    }
}

fn write_keys(directory: &TempDir, signers: &[&Signer]) {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    fs::write(
        directory.path().join("jwks.json"),
        json!({ "keys": keys }).to_string(),
    )
    .unwrap();
}

fn auth(jwks: JwksSource) -> Auth {
    Auth {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks,
        refresh: Duration::from_millis(10),
        max_age: Duration::from_hours(1),
    }
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn seconds(offset: i64) -> i64 {
    now().as_second() + offset
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "checkout",
        "exp": seconds(60),
        "scope": "check disclose",
        "sources": ["shop"],
        "purposes": "order_processing fraud_screening",
        "processors": ["stripe", "-"],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn is_invalid(error: AuthError, because: &str) {
    match error {
        AuthError::TokenInvalid(detail) => assert!(detail.contains(because), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_makes_its_caller() {
    let signers = [
        Signer::ed25519("ed"),
        Signer::p256("ec"),
        Signer::rsa("rsa"),
    ];
    let scene = Scene::of(&[&signers[0], &signers[1], &signers[2]]).await;
    for signer in &signers {
        let caller = scene.verify(&signer.sign(&claims())).await.unwrap();
        assert_eq!(caller.service.as_str(), "checkout");
        assert_eq!(
            caller.expires_at.map(Timestamp::as_second),
            Some(seconds(60))
        );
        assert!(caller.has(Scope::Check) && caller.has(Scope::Disclose));
        assert!(!caller.has(Scope::RecordsRead));
        assert!(caller.may_speak_for_source(&"shop".parse().unwrap()));
        assert!(caller.may_use_purpose(&"fraud_screening".parse().unwrap()));
        assert!(!caller.may_use_purpose(&"newsletter".parse().unwrap()));
        assert!(caller.may_name_processor(Some(&"stripe".parse().unwrap())));
        assert!(caller.may_name_processor(None));
        assert!(!caller.may_name_processor(Some(&"aweber".parse().unwrap())));
    }
}

#[tokio::test]
async fn without_a_bearer_token_the_token_is_missing() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    let none = scene.verifier.verify(None, now()).await;
    assert_eq!(none, Err(AuthError::TokenMissing));
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "Basic dXNlcjpwYXNz",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        assert_eq!(
            scene.refusal(header).await,
            AuthError::TokenMissing,
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&claims()).replace("Bearer ", "bEARER  ");
    assert!(scene.verify(&header).await.is_ok());
}

#[tokio::test]
async fn each_of_the_four_basic_claims_is_required() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    for name in ["exp", "iss", "aud", "sub"] {
        let refused = scene.refusal(&signer.sign(&without(name))).await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_or_audience_is_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let other_issuer = signer.sign(&with("iss", json!("https://id.example.com/")));
    is_invalid(scene.refusal(&other_issuer).await, "another issuer");
    for audience in [json!("billing"), json!(["billing", "Registry"]), json!("")] {
        let other_audience = signer.sign(&with("aud", audience));
        is_invalid(scene.refusal(&other_audience).await, "another audience");
    }
    assert!(
        scene
            .verify(&signer.sign(&with("aud", json!(["billing", AUDIENCE]))))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn no_refusal_repeats_the_token() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    for claims in [
        with("sub", json!("s3cret x")),
        with("aud", json!("s3cret")),
        with("exp", json!(1)),
    ] {
        let refused = scene.refusal(&signer.sign(&claims)).await.to_string();
        assert!(
            !refused.contains("s3cret") && !refused.contains("eyJ"),
            "{refused}"
        );
    }
}
