//! The issuer of a development server: a key pair in its data directory, which mints tokens for
//! whoever may read that directory. It is no part of a server that is configured for production.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::{
    config::{Auth, JwksSource},
    domain::caller::Scope,
};

/// Longest life of a minted token.
pub const LIFETIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Mints tokens.
pub struct DevIssuer {
    issuer: String,
    audience: String,
    kid: String,
    key: EncodingKey,
}

impl DevIssuer {
    /// Opens the issuer of a development configuration; the first time, makes its key pair. The
    /// public key lies where `auth.jwks` says, the private one beside it, readable by its owner.
    pub fn create_or_open(auth: &Auth) -> Result<Self, DevIssuerError> {
        let jwks_path = jwks_path(auth)?;
        let key_path = key_path(jwks_path);
        if !key_path.exists() {
            create_key(&key_path)?;
        }
        let issuer = Self::open(auth)?;
        write_jwks(&key_path, jwks_path)?;
        Ok(issuer)
    }

    /// Opens the issuer of a development configuration whose server has run before.
    pub fn open(auth: &Auth) -> Result<Self, DevIssuerError> {
        let key_path = key_path(jwks_path(auth)?);
        let (pkcs8, pair) = read_key(&key_path)?;
        Ok(Self {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            kid: kid(&pair),
            key: EncodingKey::from_ed_der(&pkcs8),
        })
    }

    /// Mints a token that counts from `now` on.
    pub fn mint(&self, grant: &Grant, now: Timestamp) -> Result<String, DevIssuerError> {
        if grant.lifetime.is_zero() || grant.lifetime > LIFETIME_MAX {
            return Err(DevIssuerError::Lifetime);
        }
        let lifetime = SignedDuration::try_from(grant.lifetime).unwrap_or(SignedDuration::MAX);
        let expiry = now
            .checked_add(lifetime)
            .map_err(|_| DevIssuerError::Lifetime)?;
        let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.as_str()).collect();
        let claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": grant.service,
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": expiry.as_second(),
            "scope": scopes.join(" "),
            "sources": grant.sources,
            "purposes": grant.purposes,
            "processors": grant.processors,
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| DevIssuerError::Key)
    }
}

/// What a token is to permit. An empty list permits nothing, `*` everything, and `-` among the
/// processors stands for the controller itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The service's own name.
    pub service: String,
    /// The groups of calls.
    pub scopes: Vec<Scope>,
    /// The sources that it may speak for.
    pub sources: Vec<String>,
    /// The purposes that it may use.
    pub purposes: Vec<String>,
    /// The processors that it may name.
    pub processors: Vec<String>,
    /// How long the token counts, in whole seconds.
    pub lifetime: Duration,
}

impl Grant {
    /// Everything there is.
    pub fn everything(service: impl Into<String>, lifetime: Duration) -> Self {
        let everything = || vec![crate::domain::caller::EVERYTHING.to_owned()];
        Self {
            service: service.into(),
            scopes: Scope::ALL.to_vec(),
            sources: everything(),
            purposes: everything(),
            processors: everything(),
            lifetime,
        }
    }
}

/// Why there is no development issuer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum DevIssuerError {
    /// The configuration has its keys behind a URL: there is a real issuer.
    #[error("tokens are minted for development servers only; ask the configured issuer")]
    NotForDevelopment,
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file holds no key.
    #[error("the development key cannot be used; remove the dev directory to make a new one")]
    Key,
    /// The lifetime is out of bounds.
    #[error("a token lives from one second to one year")]
    Lifetime,
}

fn jwks_path(auth: &Auth) -> Result<&Path, DevIssuerError> {
    match &auth.jwks {
        JwksSource::File(path) => Ok(path),
        JwksSource::Url(_) => Err(DevIssuerError::NotForDevelopment),
    }
}

fn key_path(jwks_path: &Path) -> PathBuf {
    jwks_path.with_file_name("issuer.pk8")
}

fn create_key(path: &Path) -> Result<(), DevIssuerError> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
    let pkcs8 = pkcs8.map_err(|_| DevIssuerError::Key)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let created = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    created.map_err(|source| at(directory, source))?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|source| at(path, source))?;
    file.write_all(pkcs8.as_ref())
        .map_err(|source| at(path, source))
}

fn read_key(path: &Path) -> Result<(Vec<u8>, Ed25519KeyPair), DevIssuerError> {
    let pkcs8 = fs::read(path).map_err(|source| at(path, source))?;
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| DevIssuerError::Key)?;
    Ok((pkcs8, pair))
}

fn write_jwks(key_path: &Path, jwks_path: &Path) -> Result<(), DevIssuerError> {
    let (_, pair) = read_key(key_path)?;
    let jwks = json!({"keys": [{
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": kid(&pair),
        "x": URL_SAFE_NO_PAD.encode(pair.public_key()),
    }]});
    fs::write(jwks_path, format!("{jwks:#}\n")).map_err(|source| at(jwks_path, source))
}

fn kid(pair: &Ed25519KeyPair) -> String {
    let hash = digest::digest(&digest::SHA256, pair.public_key().as_ref());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}

fn at(path: &Path, source: io::Error) -> DevIssuerError {
    DevIssuerError::File {
        path: path.to_owned(),
        source,
    }
}
