//! The issuer's public keys, which change without a restart: they are read again every so often,
//! and at once when a token names a key that is not there, though not more often than every few
//! seconds. When they cannot be read the last good set counts, until it is too old; from then on
//! no token is accepted.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, jwk::JwkSet};
use tokio::{sync::Mutex, time};
use tokio_util::sync::CancellationToken;

use super::{
    AuthError,
    fetch::Fetcher,
    jwk::{Unfit, VerifyingKey},
};
use crate::{
    config,
    runtime::{clock::Clock, lifecycle::WorkerError},
};

/// Shortest time between two attempts to read the keys because a token asked for it.
pub const ATTEMPT_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// Most keys that a set may hold.
const KEYS_MAX: usize = 64;

/// The issuer's keys.
pub struct Jwks {
    fetcher: Fetcher,
    refresh: Duration,
    max_age: SignedDuration,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<KeySet>>,
    // Held while keys are read; says when that was last tried.
    last_attempt: Mutex<Timestamp>,
}

impl Jwks {
    /// Reads the keys for the first time.
    pub async fn open(auth: &config::Auth, clock: Arc<dyn Clock>) -> Result<Self, JwksError> {
        let fetcher = Fetcher::new(auth.jwks.clone())?;
        let now = clock.now();
        let keys = KeySet::read(&fetcher.fetch().await?, now)?;
        Ok(Self {
            fetcher,
            refresh: auth.refresh,
            max_age: SignedDuration::try_from(auth.max_age).unwrap_or(SignedDuration::MAX),
            clock,
            current: RwLock::new(Arc::new(keys)),
            last_attempt: Mutex::new(now),
        })
    }

    /// The key that verifies a token of this algorithm and key id, read anew if it is not there.
    pub async fn key(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<VerifyingKey, AuthError> {
        let found = self.find(kid, algorithm, now);
        if found.is_ok() {
            return found;
        }
        self.refresh_for_a_token(now).await;
        self.find(kid, algorithm, now)
    }

    /// Which reading of the keys counts; `None`: the last one is too old.
    pub fn generation(&self, now: Timestamp) -> Option<u64> {
        let keys = self.current();
        (!self.is_too_old(&keys, now)).then_some(keys.generation)
    }

    /// Reads the keys again and again until the process is asked to stop.
    pub async fn keep_fresh(self: Arc<Self>, soft: CancellationToken) -> Result<(), WorkerError> {
        loop {
            tokio::select! {
                () = soft.cancelled() => return Ok(()),
                () = time::sleep(self.refresh) => {}
            }
            let mut last_attempt = self.last_attempt.lock().await;
            *last_attempt = self.clock.now();
            self.read_again(*last_attempt).await;
        }
    }

    fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<VerifyingKey, AuthError> {
        let keys = self.current();
        if self.is_too_old(&keys, now) {
            return Err(AuthError::TokenInvalid(
                "the issuer's keys cannot be checked at present",
            ));
        }
        let found = keys.find(kid, algorithm);
        found.cloned().ok_or(AuthError::TokenInvalid(
            "it is signed with a key that is not known",
        ))
    }

    fn is_too_old(&self, keys: &KeySet, now: Timestamp) -> bool {
        keys.read_at.duration_until(now) > self.max_age
    }

    async fn refresh_for_a_token(&self, now: Timestamp) {
        let mut last_attempt = self.last_attempt.lock().await;
        // Who waited for the lock finds the keys that its holder has read.
        if last_attempt.duration_until(now).abs() < ATTEMPT_INTERVAL {
            return;
        }
        *last_attempt = now;
        self.read_again(now).await;
    }

    async fn read_again(&self, now: Timestamp) {
        let read = self
            .fetcher
            .fetch()
            .await
            .and_then(|bytes| KeySet::read(&bytes, now));
        match read {
            Ok(mut keys) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                keys.generation = current.generation + 1;
                *current = Arc::new(keys);
            }
            Err(error) => tracing::warn!(%error, "the issuer's keys stay as they are"),
        }
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jwks").field(&self.current().keys).finish()
    }
}

/// Why keys could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The file or the server could not be reached.
    #[error("the issuer's keys cannot be read: {0}")]
    Unreachable(String),
    /// What came is no JWKS.
    #[error("the issuer's keys are no JWKS (RFC 7517)")]
    Malformed,
    /// What came is too long.
    #[error("the issuer's keys have more than 256 KiB, or are more than 64")]
    TooLarge,
    /// Two keys cannot be told apart.
    #[error("the issuer has two keys of one kid and algorithm")]
    Ambiguous,
    /// No key can verify a token.
    #[error("the issuer has no key for EdDSA, ES256 or RS256")]
    NoKey,
}

/// The keys as they were read at one instant.
#[derive(Debug)]
struct KeySet {
    keys: Vec<VerifyingKey>,
    read_at: Timestamp,
    /// How many sets were read before it.
    generation: u64,
}

impl KeySet {
    fn read(bytes: &[u8], read_at: Timestamp) -> Result<Self, JwksError> {
        let set: JwkSet = serde_json::from_slice(bytes).map_err(|_| JwksError::Malformed)?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwksError::TooLarge);
        }
        let mut keys: Vec<VerifyingKey> = Vec::new();
        for read in set.keys.iter().map(VerifyingKey::read) {
            match read {
                Ok(key) if keys.iter().any(|known| is_same(known, &key)) => {
                    return Err(JwksError::Ambiguous);
                }
                Ok(key) => keys.push(key),
                Err(unfit) => note(unfit),
            }
        }
        if keys.is_empty() {
            Err(JwksError::NoKey)
        } else {
            Ok(Self {
                keys,
                read_at,
                generation: 0,
            })
        }
    }

    // A token that names no key is verified only where one key alone can be meant.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&VerifyingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        match kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

fn is_same(known: &VerifyingKey, key: &VerifyingKey) -> bool {
    known.kid == key.kid && known.algorithm == key.algorithm
}

fn note(unfit: Unfit) {
    tracing::debug!(%unfit, "passing over a key of the issuer");
}
