//! An issuer whose tokens are signed with ES256, as most issuers' are.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use registry::{
    cli::compose::system_clock,
    domain::caller::{EVERYTHING, Scope},
};
use serde_json::json;

/// Who it says it is.
pub const ISSUER: &str = "https://id.example.com/realms/services";
/// For whom its tokens are.
pub const AUDIENCE: &str = "personal-data-registry";
/// Longer than any run.
const LIFETIME_SECONDS: i64 = 24 * 3_600;
const KEY_ID: &str = "bench";
const COORDINATE_BYTES: usize = 32;

/// Makes a key pair, writes the public key where the server finds it, and returns a token that permits
/// everything.
pub fn issue(jwks: &Path) -> Result<String> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref())?;
    // One byte says that the point is written out in full.
    let point = pair.public_key().as_ref().get(1..);
    let (x, y) = point
        .and_then(|point| point.split_at_checked(COORDINATE_BYTES))
        .context("a point has two coordinates")?;
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    fs::write(jwks, json!({"keys": [jwk]}).to_string())?;
    mint(&EncodingKey::from_ec_der(pkcs8.as_ref()))
}

fn mint(key: &EncodingKey) -> Result<String> {
    let now = system_clock().now().as_second();
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "bench",
        "iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS,
        "scope": scopes.join(" "),
        "sources": [EVERYTHING], "purposes": [EVERYTHING], "processors": [EVERYTHING],
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY_ID.to_owned());
    Ok(jsonwebtoken::encode(&header, &claims, key)?)
}
