//! Sends calls. Little time, few bytes, no redirects, and nothing of a call or an answer in an error:
//! a URL names the person.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{
    Client, Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use super::{
    answer::{Answer, retry_after},
    outcome::code,
    template::may_call,
};

/// Largest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("personal-data-registry/", env!("CARGO_PKG_VERSION"));

/// A client for one processor.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    plain_on_loopback: bool,
}

/// One call, complete but for its credentials.
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// Content type and bytes.
    pub body: Option<(&'static str, Vec<u8>)>,
}

/// Why there is no answer: a code of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer(pub &'static str);

impl Http {
    pub(super) fn new(timeout: Duration, plain_on_loopback: bool) -> Result<Self, reqwest::Error> {
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .redirect(Policy::none())
            .referer(false)
            .https_only(!plain_on_loopback)
            .user_agent(USER_AGENT);
        let builder = if plain_on_loopback {
            builder.no_proxy()
        } else {
            builder
        };
        Ok(Self {
            client: builder.build()?,
            plain_on_loopback,
        })
    }

    /// Sends a call and reads its answer.
    pub(super) async fn send(
        &self,
        request: Request,
        authorization: Option<HeaderValue>,
        now: Timestamp,
    ) -> Result<Answer, NoAnswer> {
        if !may_call(&request.url, self.plain_on_loopback) {
            return Err(NoAnswer(code::CALL_REFUSED));
        }
        let mut builder = self.client.request(request.method, request.url);
        builder = builder.headers(request.headers);
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some((kind, bytes)) = request.body {
            builder = builder.header(CONTENT_TYPE, kind).body(bytes);
        }
        let response = builder.send().await.map_err(|error| no_answer(&error))?;
        read(response, now).await
    }
}

async fn read(mut response: reqwest::Response, now: Timestamp) -> Result<Answer, NoAnswer> {
    let header = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).and_then(|text| retry_after(text, now)),
        is_html: header(CONTENT_TYPE).is_some_and(|kind| kind.contains("html")),
        json: None,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(NoAnswer(code::ANSWER_TOO_LARGE));
        }
    }
    answer.json = serde_json::from_slice(&bytes).ok();
    Ok(answer)
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    NoAnswer(if error.is_timeout() {
        code::TIMEOUT
    } else {
        code::CONNECTION_FAILED
    })
}
