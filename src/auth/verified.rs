//! Tokens that were verified already. A signature costs fifty times what this does, and a service sends the same
//! token with each call.
//!
//! A token is known by the SHA-256 of the whole of it: neither is it kept, nor does a token with another signature
//! find its neighbour's. What was verified counts while the issuer's keys are the very set that verified it, and
//! only within the token's own time.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::{AuthError, claims::Period};
use crate::domain::caller::Caller;

/// Tokens that are remembered; of more the ones not used lately are verified again.
pub(super) const VERIFIED_MAX: usize = 10_000;

/// What a token is known by.
pub(super) type Fingerprint = [u8; 32];

/// Tokens that were verified.
pub(super) struct VerifiedTokens(Cache<Fingerprint, Arc<Verified>>);

/// What a verified token says.
pub(super) struct Verified {
    pub(super) caller: Arc<Caller>,
    /// When it is good.
    pub(super) period: Period,
    /// Which reading of the issuer's keys verified it.
    pub(super) generation: u64,
}

impl VerifiedTokens {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(VERIFIED_MAX))
    }

    /// The caller of a token that these keys have verified; `None`: it has to be verified.
    pub(super) fn find(
        &self,
        token: &Fingerprint,
        generation: u64,
        now: Timestamp,
    ) -> Option<Result<Arc<Caller>, AuthError>> {
        let verified = self.0.get(token)?;
        if verified.generation != generation {
            return None;
        }
        let in_time = verified.period.check(now);
        Some(in_time.map(|()| verified.caller.clone()))
    }

    /// Remembers a token.
    pub(super) fn remember(&self, token: Fingerprint, verified: Verified) {
        self.0.insert(token, Arc::new(verified));
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifiedTokens({})", self.0.len())
    }
}

/// What a token is known by.
pub(super) fn fingerprint(token: &str) -> Fingerprint {
    let digest = digest(&SHA256, token.as_bytes());
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest.as_ref());
    fingerprint
}
