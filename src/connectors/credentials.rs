//! Credentials of calls: fixed ones, and tokens that are got when they are needed.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use tokio::sync::Mutex;

use super::{
    answer::is_success,
    declaration::model::{Authentication, OAuth2},
    http::{Http, NoAnswer, Request},
    outcome::code,
    pace::later,
    template::{Values, encode},
};
use crate::config::Credential;

/// A token is not used for the last of its time.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a token counts whose answer does not say.
const LIFETIME: Duration = Duration::from_mins(30);

/// The credentials of one processor.
#[derive(Debug)]
pub(super) struct Credentials {
    authentication: Authentication,
    secrets: BTreeMap<String, Credential>,
    token: Mutex<Token>,
}

#[derive(Debug, Default)]
struct Token {
    access: Option<(Credential, Timestamp)>,
    /// The one that the last answer brought in the place of the configured one.
    refresh: Option<Credential>,
}

impl Credentials {
    pub(super) fn new(
        authentication: Authentication,
        secrets: BTreeMap<String, Credential>,
    ) -> Self {
        Self {
            authentication,
            secrets,
            token: Mutex::default(),
        }
    }

    /// The `Authorization` of a call; gets a token first when there is none that counts.
    pub(super) async fn header(
        &self,
        http: &Http,
        values: &dyn Values,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, NoAnswer> {
        match &self.authentication {
            Authentication::None => Ok(None),
            Authentication::Bearer { token } => bearer(self.secret(token)?).map(Some),
            Authentication::Basic { user, password } => {
                let password = password
                    .as_ref()
                    .map(|name| self.secret(name))
                    .transpose()?;
                let password = password.map_or("", Credential::expose);
                basic(self.secret(user)?.expose(), password).map(Some)
            }
            Authentication::OAuth2(oauth) => {
                let mut token = self.token.lock().await;
                if let Some((access, until)) = &token.access
                    && *until > now
                {
                    return bearer(access).map(Some);
                }
                self.renew(oauth, &mut token, http, values, now).await?;
                let access = token.access.as_ref();
                access.map(|(access, _)| bearer(access)).transpose()
            }
        }
    }

    /// Forgets the token, which the processor refused. Says whether there is another to be had.
    pub(super) async fn forget(&self) -> bool {
        self.token.lock().await.access = None;
        matches!(self.authentication, Authentication::OAuth2(_))
    }

    async fn renew(
        &self,
        oauth: &OAuth2,
        token: &mut Token,
        http: &Http,
        values: &dyn Values,
        now: Timestamp,
    ) -> Result<(), NoAnswer> {
        let request = self.token_request(oauth, token, values)?;
        let header = if oauth.client_in_body {
            None
        } else {
            let client = self.secret(&oauth.client_id)?;
            let secret = self.secret(&oauth.client_secret)?;
            Some(basic(client.expose(), secret.expose())?)
        };
        let answer = http.send(request, header, now).await?;
        if !is_success(answer.status) {
            // RFC 6749, 5.2: 400 and 401 say that the grant or the client is none.
            let is_refusal = matches!(answer.status, 400 | 401 | 403);
            return Err(NoAnswer(if is_refusal {
                code::AUTHENTICATION_REFUSED
            } else {
                code::TOKEN_UNAVAILABLE
            }));
        }
        let json = answer.json.ok_or(NoAnswer(code::TOKEN_UNAVAILABLE))?;
        let text = |field: &str| json.get(field).and_then(|value| value.as_str());
        let access = text("access_token").ok_or(NoAnswer(code::TOKEN_UNAVAILABLE))?;
        let seconds = json.get("expires_in").and_then(serde_json::Value::as_u64);
        let lifetime = seconds.map_or(LIFETIME, Duration::from_secs);
        let until = later(now, lifetime.saturating_sub(MARGIN));
        token.access = Some((Credential::new(access), until));
        if let Some(refresh) = text("refresh_token") {
            token.refresh = Some(Credential::new(refresh));
        }
        Ok(())
    }

    fn token_request(
        &self,
        oauth: &OAuth2,
        token: &Token,
        values: &dyn Values,
    ) -> Result<Request, NoAnswer> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        if let Some(name) = &oauth.refresh_token {
            let configured = self.secret(name)?;
            let refresh = token.refresh.as_ref().unwrap_or(configured);
            fields.push(("grant_type", "refresh_token"));
            fields.push(("refresh_token", refresh.expose()));
        } else {
            fields.push(("grant_type", "client_credentials"));
        }
        if !oauth.scope.is_empty() {
            fields.push(("scope", &oauth.scope));
        }
        if oauth.client_in_body {
            fields.push(("client_id", self.secret(&oauth.client_id)?.expose()));
            fields.push(("client_secret", self.secret(&oauth.client_secret)?.expose()));
        }
        let url = oauth.token_url.fill(values);
        Ok(Request {
            method: Method::POST,
            url: url.map_err(|_| NoAnswer(code::CALL_REFUSED))?,
            headers: HeaderMap::new(),
            body: Some((FORM, form(fields.into_iter()))),
        })
    }

    fn secret(&self, name: &str) -> Result<&Credential, NoAnswer> {
        let secret = self.secrets.get(name);
        secret.ok_or(NoAnswer(code::AUTHENTICATION_REFUSED))
    }
}

/// The content type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The bytes of a form.
pub(super) fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
    }
    text.into_bytes()
}

fn bearer(token: &Credential) -> Result<HeaderValue, NoAnswer> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, NoAnswer> {
    sensitive(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    ))
}

fn sensitive(text: &str) -> Result<HeaderValue, NoAnswer> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| NoAnswer(code::AUTHENTICATION_REFUSED))?;
    value.set_sensitive(true);
    Ok(value)
}
