//! From a token to a caller. Callers are services with JWTs (RFC 7519, 8725): signed with `EdDSA`,
//! `ES256` or `RS256` by the one configured issuer, for this audience, and not expired.
//!
//! There is deliberately no other way to become a caller: no shared secret, no unsigned token, no
//! key that a token brings along.

mod claims;
pub mod dev_issuer;
mod fetch;
pub mod jwk;
pub mod jwks;
mod verified;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Header, Validation};

use crate::{config, domain::caller::Caller, runtime::clock::Clock};

use claims::{Claims, Period};
use jwk::VerifyingKey;
use jwks::{Jwks, JwksError};
use verified::{Verified, VerifiedTokens, fingerprint};

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the issuer's clock may be ahead of ours. There is no such leeway for `exp`: a skew
/// must not lengthen a token's life.
pub const NOT_BEFORE_LEEWAY: SignedDuration = SignedDuration::from_secs(10);

const SCHEME: &str = "bearer ";

/// Turns tokens into callers.
#[derive(Debug)]
pub struct TokenVerifier {
    issuer: String,
    audience: String,
    jwks: Arc<Jwks>,
    verified: VerifiedTokens,
}

impl TokenVerifier {
    /// A verifier by the configuration. The issuer's keys are read once, at once: without them
    /// there is no verifier.
    pub async fn open(auth: &config::Auth, clock: Arc<dyn Clock>) -> Result<Self, JwksError> {
        let jwks = Jwks::open(auth, clock).await?;
        Ok(Self {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            jwks: Arc::new(jwks),
            verified: VerifiedTokens::new(),
        })
    }

    /// The issuer's keys, which a worker keeps fresh with [`Jwks::keep_fresh`].
    pub fn jwks(&self) -> Arc<Jwks> {
        Arc::clone(&self.jwks)
    }

    /// The caller whose token stands in the `authorization` header, at the instant `now`.
    pub async fn verify(
        &self,
        authorization_header: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Caller>, AuthError> {
        let token = bearer_token(authorization_header)?;
        // Asked before the key is looked for: a set that is read meanwhile verifies anew.
        let generation = self.jwks.generation(now);
        let known_by = fingerprint(token);
        let known = generation.and_then(|it| self.verified.find(&known_by, it, now));
        if let Some(known) = known {
            return known;
        }
        let (caller, period) = self.verify_anew(token, now).await?;
        if let Some(generation) = generation {
            let verified = Verified {
                caller: caller.clone(),
                period,
                generation,
            };
            self.verified.remember(known_by, verified);
        }
        Ok(caller)
    }

    async fn verify_anew(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<Caller>, Period), AuthError> {
        let header = read_header(token)?;
        let key = self
            .jwks
            .key(header.kid.as_deref(), header.alg, now)
            .await?;
        let claims = self.read_claims(token, &key)?;
        let period = claims.period()?;
        period.check(now)?;
        Ok((Arc::new(claims.into_caller()?), period))
    }

    fn read_claims(&self, token: &str, key: &VerifyingKey) -> Result<Claims, AuthError> {
        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // The library reads the wall clock; `Claims::check_time` takes the instant it is given.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        jsonwebtoken::decode(token, &key.key, &validation)
            .map(|verified| verified.claims)
            .map_err(|error| AuthError::TokenInvalid(detail(&error)))
    }
}

/// Why there is no caller. The texts say what to do and never repeat any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token came along.
    #[error("send a token in the metadata: \"authorization: Bearer <token>\"")]
    TokenMissing,
    /// The token is not accepted.
    #[error("the token is not accepted: {0}; get a new one from the issuer")]
    TokenInvalid(&'static str),
    /// The token was good once.
    #[error("the token has expired; get a new one from the issuer")]
    TokenExpired,
}

fn bearer_token(header: Option<&str>) -> Result<&str, AuthError> {
    let header = header.ok_or(AuthError::TokenMissing)?;
    let (scheme, token) = header
        .split_at_checked(SCHEME.len())
        .ok_or(AuthError::TokenMissing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case(SCHEME) || token.is_empty() {
        return Err(AuthError::TokenMissing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(AuthError::TokenInvalid("it has more than 8192 bytes"));
    }
    Ok(token)
}

fn read_header(token: &str) -> Result<Header, AuthError> {
    let unreadable = "it is no JWT, or not signed with EdDSA, ES256 or RS256";
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| AuthError::TokenInvalid(unreadable))?;
    if !jwk::ALGORITHMS.contains(&header.alg) {
        return Err(AuthError::TokenInvalid(unreadable));
    }
    // RFC 7515, 4.1.11: who does not know a critical extension must refuse the token.
    if header.crit.is_some() {
        return Err(AuthError::TokenInvalid("it has critical extensions"));
    }
    Ok(header)
}

fn detail(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "it needs the claims exp, iss, aud and sub",
        ErrorKind::Json(_) => "its claims cannot be read",
        _ => "it is malformed",
    }
}

#[cfg(test)]
mod tests;
