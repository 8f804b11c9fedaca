//! The claims of a token whose signature is verified.

use std::{collections::BTreeSet, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{AuthError, NOT_BEFORE_LEEWAY};
use crate::domain::caller::{Bound, CONTROLLER, Caller, EVERYTHING, is_reserved};

/// Most names that one claim may hold.
pub(super) const CLAIM_NAMES_MAX: usize = 256;

/// What the registry reads of a token. The library has checked `iss` and `aud`.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    #[serde(default)]
    scope: Names,
    #[serde(default)]
    sources: Names,
    #[serde(default)]
    purposes: Names,
    #[serde(default)]
    processors: Names,
}

/// Names as a list, or as one text with spaces between them (RFC 8693, 4.2).
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// When a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
}

impl Period {
    /// Refuses a token before and after its time.
    pub(super) fn check(self, now: Timestamp) -> Result<(), AuthError> {
        if now >= self.expires_at {
            return Err(AuthError::TokenExpired);
        }
        let early = |from: Timestamp| now.duration_until(from) > NOT_BEFORE_LEEWAY;
        if self.not_before.is_some_and(early) {
            return Err(AuthError::TokenInvalid("it is not valid yet"));
        }
        Ok(())
    }
}

impl Claims {
    /// When the token is good.
    pub(super) fn period(&self) -> Result<Period, AuthError> {
        Ok(Period {
            expires_at: instant(self.exp)?,
            not_before: self.nbf.map(instant).transpose()?,
        })
    }

    /// The caller that the claims describe. Scopes that are none of ours are passed over, since
    /// an issuer serves others too; names that are none are refused, since their loss would go
    /// unnoticed.
    pub(super) fn into_caller(self) -> Result<Caller, AuthError> {
        let service = self
            .sub
            .parse()
            .map_err(|_| AuthError::TokenInvalid("its sub is no service name"))?;
        if is_reserved(&service) {
            return Err(AuthError::TokenInvalid(
                "its sub is the registry's own name",
            ));
        }
        let scopes: BTreeSet<_> = self
            .scope
            .read()?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        Ok(Caller {
            expires_at: Some(instant(self.exp)?),
            service,
            scopes,
            sources: bound(&self.sources, parse)?,
            purposes: bound(&self.purposes, parse)?,
            processors: bound(&self.processors, |name| match name {
                CONTROLLER => Ok(None),
                named => parse(named).map(Some),
            })?,
        })
    }
}

impl Names {
    fn read(&self) -> Result<Vec<&str>, AuthError> {
        let names: Vec<&str> = match self {
            Self::Text(text) => text.split_whitespace().take(CLAIM_NAMES_MAX + 1).collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        };
        if names.len() > CLAIM_NAMES_MAX {
            return Err(AuthError::TokenInvalid("a claim has more than 256 names"));
        }
        Ok(names)
    }
}

fn bound<T: Ord>(
    names: &Names,
    parse: impl Fn(&str) -> Result<T, AuthError>,
) -> Result<Bound<T>, AuthError> {
    let names = names.read()?;
    if names.contains(&EVERYTHING) {
        return Ok(Bound::Everything);
    }
    names.into_iter().map(parse).collect()
}

fn parse<T: FromStr>(name: &str) -> Result<T, AuthError> {
    let refused = "its sources, purposes or processors hold a text that is no name";
    name.parse().map_err(|_| AuthError::TokenInvalid(refused))
}

// NumericDate (RFC 7519, 2): seconds since the epoch, with or without a fraction.
fn instant(seconds: f64) -> Result<Timestamp, AuthError> {
    let refused = AuthError::TokenInvalid("its exp or nbf is no instant");
    let since_epoch = SignedDuration::try_from_secs_f64(seconds).map_err(|_| refused)?;
    Timestamp::from_duration(since_epoch).map_err(|_| refused)
}
