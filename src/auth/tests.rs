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

    async fn verify(&self, header: &str) -> Result<Caller, AuthError> {
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
async fn a_token_counts_until_just_before_it_expires() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = signer.sign(&claims());
    scene.clock.advance(Duration::from_micros(59_999_999));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_micros(1));
    assert_eq!(scene.refusal(&header).await, AuthError::TokenExpired);
}

#[tokio::test]
async fn a_token_may_expire_at_a_fraction_of_a_second() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this century are exact in 53 bits"
    )]
    let header = signer.sign(&with("exp", json!(seconds(0) as f64 + 0.5)));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_millis(500));
    assert_eq!(scene.refusal(&header).await, AuthError::TokenExpired);
}

#[tokio::test]
async fn a_token_is_refused_before_its_time_but_for_a_small_skew() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    assert!(
        scene
            .verify(&signer.sign(&with("nbf", json!(seconds(10)))))
            .await
            .is_ok()
    );
    is_invalid(
        scene
            .refusal(&signer.sign(&with("nbf", json!(seconds(11)))))
            .await,
        "not valid yet",
    );
}

#[tokio::test]
async fn instants_that_are_none_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    for exp in [
        json!(1e300),
        json!("tomorrow"),
        json!(null),
        json!(-1),
        json!([1]),
    ] {
        let refused = scene.refusal(&signer.sign(&with("exp", exp.clone()))).await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{exp}: {refused:?}"
        );
    }
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
async fn an_unsigned_token_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "NONE", ""] {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "ed"}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        is_invalid(
            scene.refusal(&format!("Bearer {header}.{body}.")).await,
            "not signed with",
        );
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let (ed, rsa) = (Signer::ed25519("ed"), Signer::rsa("rsa"));
    let scene = Scene::of(&[&ed, &rsa]).await;
    for (signer, member) in [(&ed, "x"), (&rsa, "n")] {
        let public = signer.jwk[member].as_str().unwrap();
        for secret in [
            URL_SAFE_NO_PAD.decode(public).unwrap(),
            public.as_bytes().to_vec(),
        ] {
            let forger = Signer {
                algorithm: Algorithm::HS256,
                key: EncodingKey::from_secret(&secret),
                kid: signer.kid,
                jwk: Value::Null,
            };
            is_invalid(
                scene.refusal(&forger.sign(&claims())).await,
                "not signed with",
            );
        }
    }
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_only() {
    let (ed, ec) = (Signer::ed25519("one"), Signer::p256("two"));
    let scene = Scene::of(&[&ed, &ec]).await;
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("two".to_owned());
    is_invalid(
        scene.refusal(&ed.sign_with(&header, &claims())).await,
        "not known",
    );
}

#[tokio::test]
async fn other_algorithms_of_a_known_key_are_refused() {
    let rsa = Signer::rsa("rsa");
    let scene = Scene::of(&[&rsa]).await;
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let mut header = Header::new(algorithm);
        header.kid = Some("rsa".to_owned());
        is_invalid(
            scene.refusal(&rsa.sign_with(&header, &claims())).await,
            "not signed with",
        );
    }
}

#[tokio::test]
async fn a_token_signed_with_another_key_of_the_same_id_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    is_invalid(
        scene.refusal(&Signer::ed25519("ed").sign(&claims())).await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_used() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    let forger = Signer::ed25519("ed");
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("ed".to_owned());
    header.jwk = serde_json::from_value(forger.jwk.clone()).unwrap();
    is_invalid(
        scene.refusal(&forger.sign_with(&header, &claims())).await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn a_token_of_an_unknown_key_is_refused() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    is_invalid(
        scene
            .refusal(&Signer::ed25519("other").sign(&claims()))
            .await,
        "not known",
    );
}

#[tokio::test]
async fn a_token_that_names_no_key_needs_a_single_key_of_its_algorithm() {
    let (one, two) = (Signer::ed25519("one"), Signer::ed25519("two"));
    let nameless = one.sign_with(&Header::new(Algorithm::EdDSA), &claims());
    assert!(Scene::of(&[&one]).await.verify(&nameless).await.is_ok());
    is_invalid(
        Scene::of(&[&one, &two]).await.refusal(&nameless).await,
        "not known",
    );
}

#[tokio::test]
async fn critical_extensions_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let mut header = Header::new(Algorithm::EdDSA);
    header.crit = Some(vec!["b64".to_owned()]);
    is_invalid(
        scene.refusal(&signer.sign_with(&header, &claims())).await,
        "critical",
    );
}

#[tokio::test]
async fn a_change_of_any_part_is_noticed() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let token = signer.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let wider = URL_SAFE_NO_PAD.encode(with("scope", json!("records.read")).to_string());
    is_invalid(
        scene.refusal(&[parts[0], &wider, parts[2]].join(".")).await,
        "signature is wrong",
    );
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[0] ^= 1;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    is_invalid(
        scene
            .refusal(&[parts[0], parts[1], &signature].join("."))
            .await,
        "signature is wrong",
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_a_panic() {
    let scene = Scene::of(&[&Signer::ed25519("ed")]).await;
    for text in [
        "x",
        "..",
        "a.b.c",
        "....",
        "e30.e30.e30",
        "ä.ö.ü",
        "eyJhbGciOiJFZERTQSJ9.e30",
    ] {
        let refused = scene.refusal(&format!("Bearer {text}")).await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_token_at_the_limit_is_read_and_one_byte_longer_is_not() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let padded = |length: usize| signer.sign(&with("padding", json!("p".repeat(length))));
    // Base64 makes four bytes of three: walk up to the longest token within the limit.
    let within = |header: &String| header.len() - "Bearer ".len() <= TOKEN_BYTES_MAX;
    let longest = (5_000..7_000)
        .map(padded)
        .take_while(within)
        .last()
        .unwrap();
    assert!(longest.len() - "Bearer ".len() >= TOKEN_BYTES_MAX - 2);
    assert!(scene.verify(&longest).await.is_ok());
    let oversized = format!("Bearer {}", "x".repeat(TOKEN_BYTES_MAX + 1));
    is_invalid(scene.refusal(&oversized).await, "8192 bytes");
}

#[tokio::test]
async fn absent_claims_permit_nothing() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let mut bare = claims();
    for name in ["scope", "sources", "purposes", "processors"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let caller = scene.verify(&signer.sign(&bare)).await.unwrap();
    assert!(caller.scopes.is_empty());
    assert_eq!(caller.sources, Bound::Nothing);
    assert_eq!(caller.purposes, Bound::Nothing);
    assert_eq!(caller.processors, Bound::Nothing);
}

#[tokio::test]
async fn an_asterisk_permits_everything_of_its_claim_alone() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let caller = scene
        .verify(&signer.sign(&with("purposes", json!("*"))))
        .await
        .unwrap();
    assert_eq!(caller.purposes, Bound::Everything);
    assert!(!caller.may_speak_for_source(&"forum".parse().unwrap()));
    let caller = scene
        .verify(&signer.sign(&with("scope", json!("*"))))
        .await
        .unwrap();
    assert!(caller.scopes.is_empty());
}

#[tokio::test]
async fn scopes_that_repeat_count_once_and_unknown_ones_not_at_all() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let scope = json!("check check openid  Check records.delete");
    let caller = scene
        .verify(&signer.sign(&with("scope", scope)))
        .await
        .unwrap();
    assert_eq!(
        caller.scopes.into_iter().collect::<Vec<_>>(),
        [Scope::Check]
    );
}

#[tokio::test]
async fn claims_of_the_wrong_form_are_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let wrong = [
        ("sub", json!("")),
        ("sub", json!("registry")),
        ("sub", json!("check out")),
        ("sub", json!(7)),
        ("purposes", json!(["no name"])),
        ("purposes", json!({"all": true})),
        ("sources", json!(7)),
        ("processors", json!(["--"])),
        ("scope", json!(["check", 7])),
    ];
    for (name, value) in wrong {
        let refused = scene
            .refusal(&signer.sign(&with(name, value.clone())))
            .await;
        assert!(
            matches!(refused, AuthError::TokenInvalid(_)),
            "{name}={value}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_claim_holds_256_names_and_no_more() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let names = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
    assert!(
        scene
            .verify(&signer.sign(&with("purposes", json!(names(256)))))
            .await
            .is_ok()
    );
    for value in [json!(names(257)), json!(names(257).join(" "))] {
        is_invalid(
            scene.refusal(&signer.sign(&with("purposes", value))).await,
            "256 names",
        );
    }
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": "ed"}).to_string());
    let twice = claims().to_string().replacen('{', "{\"sub\":\"other\",", 1);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &signer.key, Algorithm::EdDSA).unwrap();
    let token = format!("{message}.{signature}");
    is_invalid(
        scene.refusal(&format!("Bearer {token}")).await,
        "cannot be read",
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

#[tokio::test]
async fn a_new_key_in_the_file_is_found_when_a_token_names_it() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let scene = Scene::of(&[&old]).await;
    write_keys(&scene.directory, &[&old, &new]);
    is_invalid(scene.refusal(&new.sign(&claims())).await, "not known");
    scene.clock.advance(Duration::from_secs(5));
    assert!(scene.verify(&new.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn a_key_that_left_the_file_counts_until_the_keys_are_read_again() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let scene = Scene::of(&[&old]).await;
    write_keys(&scene.directory, &[&new]);
    assert!(scene.verify(&old.sign(&claims())).await.is_ok());
    keep_fresh_until(&scene, async |scene: &Scene| {
        scene.verify(&old.sign(&claims())).await.is_err()
    })
    .await;
    assert!(scene.verify(&new.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_read_again_count_until_they_are_too_old() {
    let signer = Signer::ed25519("ed");
    let scene = Scene::of(&[&signer]).await;
    fs::write(scene.directory.path().join("jwks.json"), "{").unwrap();
    let header = signer.sign(&with("exp", json!(seconds(86_400))));
    scene.clock.advance(Duration::from_hours(1));
    assert!(scene.verify(&header).await.is_ok());
    scene.clock.advance(Duration::from_secs(1));
    is_invalid(scene.refusal(&header).await, "cannot be checked");
    write_keys(&scene.directory, &[&signer]);
    scene.clock.advance(Duration::from_secs(5));
    assert!(scene.verify(&header).await.is_ok());
}

async fn keep_fresh_until(scene: &Scene, done: impl AsyncFn(&Scene) -> bool) {
    let soft = CancellationToken::new();
    let worker = tokio::spawn(scene.verifier.jwks().keep_fresh(soft.clone()));
    for _ in 0..500 {
        if done(scene).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done(scene).await);
    soft.cancel();
    assert!(worker.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_set_without_a_usable_key_opens_no_verifier() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("jwks.json");
    let (one, two) = (Signer::ed25519("same"), Signer::ed25519("same"));
    let sets = [
        ("{\"keys\":[]}".to_owned(), JwksError::NoKey),
        ("not json".to_owned(), JwksError::Malformed),
        (
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(),
            JwksError::NoKey,
        ),
        (
            json!({"keys": [one.jwk, two.jwk]}).to_string(),
            JwksError::Ambiguous,
        ),
        (" ".repeat(fetch::JWKS_BYTES_MAX + 1), JwksError::TooLarge),
    ];
    for (text, expected) in sets {
        fs::write(&path, &text).unwrap();
        let clock = Arc::new(TestClock::at(now()));
        let opened = TokenVerifier::open(&auth(JwksSource::File(path.clone())), clock).await;
        assert_eq!(opened.unwrap_err(), expected);
    }
    let missing = auth(JwksSource::File("/nowhere/jwks.json".into()));
    let opened = TokenVerifier::open(&missing, Arc::new(TestClock::at(now()))).await;
    assert!(matches!(opened.unwrap_err(), JwksError::Unreachable(_)));
}

/// A server that answers every request with this, and counts them.
async fn serve(answer: String) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn keys_come_over_http_and_a_storm_of_unknown_keys_asks_once() {
    let signer = Signer::ed25519("ed");
    let (url, count) = serve(ok(&json!({"keys": [signer.jwk]}).to_string())).await;
    let clock = Arc::new(TestClock::at(now()));
    let verifier = TokenVerifier::open(&auth(JwksSource::Url(url)), clock.clone())
        .await
        .unwrap();
    assert!(
        verifier
            .verify(Some(&signer.sign(&claims())), now())
            .await
            .is_ok()
    );
    clock.advance(Duration::from_secs(5));
    let unknown = Signer::ed25519("unknown").sign(&claims());
    for _ in 0..20 {
        assert!(verifier.verify(Some(&unknown), clock.now()).await.is_err());
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn redirects_and_errors_and_oversized_answers_open_no_verifier() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: https://id.example.com/\r\ncontent-length: 0\r\n\r\n";
    let broken = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    let oversized = ok(&" ".repeat(fetch::JWKS_BYTES_MAX + 1));
    for answer in [redirect.to_owned(), broken.to_owned(), oversized] {
        let (url, _) = serve(answer).await;
        let clock = Arc::new(TestClock::at(now()));
        let opened = TokenVerifier::open(&auth(JwksSource::Url(url)), clock).await;
        assert!(matches!(
            opened,
            Err(JwksError::Unreachable(_) | JwksError::TooLarge)
        ));
    }
}

#[tokio::test]
async fn a_development_issuer_mints_what_its_server_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let auth = auth(JwksSource::File(
        directory.path().join("dev").join("jwks.json"),
    ));
    let issuer = DevIssuer::create_or_open(&auth).unwrap();
    let clock = Arc::new(TestClock::at(now()));
    let verifier = TokenVerifier::open(&auth, clock).await.unwrap();
    let hour = Duration::from_hours(1);
    let admin = issuer
        .mint(&Grant::everything("admin", hour), now())
        .unwrap();
    let caller = verifier
        .verify(Some(&format!("Bearer {admin}")), now())
        .await
        .unwrap();
    assert_eq!(caller.scopes.len(), Scope::ALL.len());
    assert!(caller.may_name_processor(None));

    let reopened = DevIssuer::create_or_open(&auth).unwrap();
    let narrow = Grant {
        service: "shop".to_owned(),
        scopes: vec![Scope::Collect],
        sources: vec!["shop".to_owned()],
        purposes: Vec::new(),
        processors: Vec::new(),
        lifetime: hour,
    };
    let token = reopened.mint(&narrow, now()).unwrap();
    let caller = verifier
        .verify(Some(&format!("Bearer {token}")), now())
        .await
        .unwrap();
    assert_eq!(caller.scopes.len(), 1);
    assert_eq!(caller.purposes, Bound::Nothing);
}

#[test]
fn the_development_key_is_its_owners_alone_and_lifetimes_have_bounds() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let auth = auth(JwksSource::File(directory.path().join("jwks.json")));
    let issuer = DevIssuer::create_or_open(&auth).unwrap();
    let key = directory.path().join("issuer.pk8");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for lifetime in [
        Duration::ZERO,
        dev_issuer::LIFETIME_MAX + Duration::from_secs(1),
    ] {
        assert!(
            issuer
                .mint(&Grant::everything("admin", lifetime), now())
                .is_err()
        );
    }
    fs::write(&key, "no key").unwrap();
    assert!(matches!(
        DevIssuer::open(&auth),
        Err(dev_issuer::DevIssuerError::Key)
    ));
}
