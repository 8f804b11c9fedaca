//! Gets the bytes of a JWKS, from a file or over HTTP. Little time, few bytes, no redirects: the
//! keys come from where the configuration says and from nowhere else.

use std::{path::Path, time::Duration};

use reqwest::{Client, redirect::Policy};
use tokio::io::AsyncReadExt;

use super::jwks::JwksError;
use crate::config::JwksSource;

/// Largest JWKS, in bytes.
pub(super) const JWKS_BYTES_MAX: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a JWKS is got from.
#[derive(Debug)]
pub(super) struct Fetcher {
    source: JwksSource,
    client: Option<Client>,
}

impl Fetcher {
    pub(super) fn new(source: JwksSource) -> Result<Self, JwksError> {
        let client = match &source {
            JwksSource::File(_) => None,
            JwksSource::Url(_) => Some(client()?),
        };
        Ok(Self { source, client })
    }

    /// The bytes, as they are now.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, JwksError> {
        match (&self.source, &self.client) {
            (JwksSource::Url(url), Some(client)) => download(client, url).await,
            (JwksSource::Url(_), None) => Err(JwksError::Unreachable("no HTTP client".to_owned())),
            (JwksSource::File(path), _) => read(path).await,
        }
    }
}

fn client() -> Result<Client, JwksError> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .build()
        .map_err(|error| unreachable(&error))
}

async fn download(client: &Client, url: &str) -> Result<Vec<u8>, JwksError> {
    let mut response = client
        .get(url)
        .send()
        .await
        .map_err(|error| unreachable(&error))?;
    if !response.status().is_success() {
        return Err(JwksError::Unreachable(format!(
            "it answered {}",
            response.status()
        )));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(&error))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
    }
    Ok(bytes)
}

async fn read(path: &Path) -> Result<Vec<u8>, JwksError> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    let most = JWKS_BYTES_MAX as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() > JWKS_BYTES_MAX {
        return Err(JwksError::TooLarge);
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> JwksError {
    JwksError::Unreachable(format!("{}: {error}", path.display()))
}

// The error's own text would repeat the URL, which may carry a password.
fn unreachable(error: &reqwest::Error) -> JwksError {
    let cause = std::error::Error::source(error);
    JwksError::Unreachable(cause.map_or_else(|| "no answer".to_owned(), ToString::to_string))
}
