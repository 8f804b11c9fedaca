//! `[auth]`: whose tokens are accepted.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::settings::Section;

const REFRESH: Duration = Duration::from_mins(5);
const REFRESH_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(24)];
const MAX_AGE: Duration = Duration::from_hours(24);
const MAX_AGE_LIMITS: [Duration; 2] = [Duration::from_mins(1), Duration::from_hours(24 * 7)];
const DEVELOPMENT_REFRESH: Duration = Duration::from_secs(2);

/// Whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The `iss` that a token must have.
    pub issuer: String,
    /// What a token's `aud` must contain.
    pub audience: String,
    /// Where the issuer's public keys lie.
    pub jwks: JwksSource,
    /// How often the keys are read again.
    pub refresh: Duration,
    /// How long keys count that could not be read again; then no token is accepted.
    pub max_age: Duration,
}

/// Where the issuer's public keys (a JWKS, RFC 7517) lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file.
    File(PathBuf),
    /// Behind a URL: HTTPS, or HTTP on loopback.
    Url(String),
}

impl Auth {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let auth = Self {
            issuer: section.required("issuer"),
            audience: section.required("audience"),
            jwks: read_source(section),
            refresh: section.duration("jwks_refresh", REFRESH, REFRESH_LIMITS),
            max_age: section.duration("jwks_max_age", MAX_AGE, MAX_AGE_LIMITS),
        };
        if auth.max_age <= auth.refresh {
            section.problem("jwks_max_age", "must be longer than jwks_refresh");
        }
        auth
    }

    pub(super) fn development(data_dir: &Path) -> Self {
        Self {
            issuer: "https://localhost/registry-development".to_owned(),
            audience: "personal-data-registry".to_owned(),
            jwks: JwksSource::File(data_dir.join("dev").join("jwks.json")),
            refresh: DEVELOPMENT_REFRESH,
            max_age: MAX_AGE,
        }
    }
}

fn read_source(section: &mut Section<'_>) -> JwksSource {
    let (file, url) = (section.text("jwks_file"), section.text("jwks_url"));
    if file.is_none()
        && url.is_none()
        && !section.is_set("jwks_file")
        && !section.is_set("jwks_url")
    {
        section.problem("jwks_file", "is required, or jwks_url in its place");
    }
    if file.is_some() && url.is_some() {
        section.problem("jwks_url", "must not be set beside jwks_file");
    }
    if url.as_deref().is_some_and(|url| !is_safe(url)) {
        section.problem(
            "jwks_url",
            "must begin with https:// (http:// on loopback only)",
        );
    }
    match url {
        Some(url) => JwksSource::Url(url),
        None => JwksSource::File(file.unwrap_or_default().into()),
    }
}

// Who can change the keys on their way can mint tokens.
fn is_safe(url: &str) -> bool {
    url.strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty())
        || url.strip_prefix("http://").is_some_and(is_on_loopback)
}

fn is_on_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.trim_end_matches(|last: char| last.is_ascii_digit());
    let host = host.strip_suffix(':').unwrap_or(authority);
    ["127.0.0.1", "[::1]", "localhost"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_loopback() {
        for url in [
            "https://id.example.com/jwks",
            "http://127.0.0.1:80/jwks",
            "http://[::1]:8/",
            "http://localhost",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://id.example.com/jwks",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost:80@example.com/",
            "https://",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
