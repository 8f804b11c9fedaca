//! Texts with places for values: `https://api.example.com/people/{person.id}`.
//!
//! A value can fill a path segment or a query value of a URL, never more: it is percent-encoded, and
//! a URL that reads differently once it is parsed (a segment that is `..`) is refused.

use std::fmt;

use reqwest::Url;

/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: Name, filter: Filter },
}

/// What a place asks for: `list.id` is the field `id` of what `list` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// A variable of the step, or `setting`, `task`, `call`.
    pub root: String,
    /// A field of it.
    pub field: Option<String>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.field
            .as_ref()
            .map_or(Ok(()), |field| write!(f, ".{field}"))
    }
}

/// What is done to a value before it is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    None,
    /// `"` and `\` get a `\` before them: for query languages that quote so.
    Quoted,
}

/// Gives values their names.
pub trait Values: Sync {
    /// The value that a place asks for.
    fn value(&self, name: &Name) -> Option<&str>;
}

/// Why a template has no text for these values. It names none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// Nothing has the name.
    #[error("a value is missing")]
    Missing,
    /// The value is empty, or would change the URL around it.
    #[error("a value cannot be used")]
    Unusable,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            push_text(&mut parts, &rest[..open]);
            if rest[open..].starts_with("{{") || rest[open..].starts_with("}}") {
                push_text(&mut parts, &rest[open..=open]);
                rest = &rest[open + 2..];
                continue;
            }
            let inside = rest[open..]
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            let Some((inside, after)) = inside else {
                return Err(
                    "has a `{` or `}` without its other half; write `{{` for a brace".into(),
                );
            };
            parts.push(place(inside)?);
            rest = after;
        }
        push_text(&mut parts, rest);
        Ok(Self { parts })
    }

    /// Every name that it asks for.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { name, .. } => Some(name),
            Part::Text(_) => None,
        })
    }

    /// Its text for these values.
    pub fn fill(&self, values: &dyn Values) -> Result<String, FillError> {
        self.fill_with(values, String::push_str)
    }

    /// Its text for these values, with each value percent-encoded.
    pub fn fill_encoded(&self, values: &dyn Values) -> Result<String, FillError> {
        self.fill_with(values, encode)
    }

    fn fill_with(
        &self,
        values: &dyn Values,
        put: impl Fn(&mut String, &str),
    ) -> Result<String, FillError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(written) => text.push_str(written),
                Part::Value { name, filter } => {
                    let value = values.value(name).ok_or(FillError::Missing)?;
                    if value.is_empty() {
                        return Err(FillError::Unusable);
                    }
                    match filter {
                        Filter::None => put(&mut text, value),
                        Filter::Quoted => put(&mut text, &quoted(value)),
                    }
                }
            }
        }
        Ok(text)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Part::Text(before)) = parts.last_mut() {
        before.push_str(text);
    } else {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn place(inside: &str) -> Result<Part, String> {
    let (name, filter) = match inside.split_once('|') {
        None => (inside, Filter::None),
        Some((name, "quoted")) => (name, Filter::Quoted),
        Some((_, filter)) => return Err(format!("has no filter `{filter}`; there is `quoted`")),
    };
    let (root, field) = match name.split_once('.') {
        None => (name, None),
        Some((root, field)) => (root, Some(field)),
    };
    if !is_name(root) || !field.is_none_or(is_name) {
        return Err(format!("has a place `{{{inside}}}` that is no name"));
    }
    let name = Name {
        root: root.to_owned(),
        field: field.map(str::to_owned),
    };
    Ok(Part::Value { name, filter })
}

/// Whether a text can be the name of a variable, field, list, step, secret or setting.
pub fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(allowed)
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Appends `value` with everything but unreserved characters (RFC 3986) percent-encoded.
pub fn encode(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A URL with places for path segments and query values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate(Template);

struct Sample;

impl Values for Sample {
    fn value(&self, _: &Name) -> Option<&str> {
        Some("x")
    }
}

impl UrlTemplate {
    /// Reads a URL template; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text)?;
        let Some(Part::Text(start)) = template.parts.first() else {
            return Err("must begin with https:// and the host".into());
        };
        let (scheme, rest) = start.split_once("://").unwrap_or(("", ""));
        if !["https", "http"].contains(&scheme) {
            return Err("must begin with https://".into());
        }
        if !rest.contains('/') {
            return Err("must not have a value before its path".into());
        }
        if text.contains('#') {
            return Err("must not have a fragment".into());
        }
        let url = Self(template);
        let sample = url.fill(&Sample);
        let sample =
            sample.map_err(|_| "is no URL, or not written in its normal form".to_owned())?;
        if !sample.username().is_empty() || sample.password().is_some() {
            return Err("must not have a user or a password".into());
        }
        Ok(url)
    }

    /// Every name that it asks for.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.names()
    }

    /// The URL for these values.
    pub fn fill(&self, values: &dyn Values) -> Result<Url, FillError> {
        let text = self.0.fill_encoded(values)?;
        if text.len() > URL_BYTES_MAX {
            return Err(FillError::Unusable);
        }
        let url = Url::parse(&text).map_err(|_| FillError::Unusable)?;
        // A value that is a segment of dots would be taken for a step up.
        if url.as_str() == text {
            Ok(url)
        } else {
            Err(FillError::Unusable)
        }
    }

    /// Whether it is sent without TLS.
    pub fn is_plain(&self) -> bool {
        matches!(self.0.parts.first(), Some(Part::Text(start)) if start.starts_with("http://"))
    }
}

/// Whether a request may go there: over HTTPS, or, if allowed, over HTTP to this machine.
pub fn may_call(url: &Url, plain_on_loopback: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => plain_on_loopback && is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Values for One {
        fn value(&self, name: &Name) -> Option<&str> {
            (name.root == "id").then_some(self.0)
        }
    }

    fn url(template: &str, value: &'static str) -> Result<String, FillError> {
        let template = UrlTemplate::parse(template).unwrap();
        template.fill(&One(value)).map(String::from)
    }

    #[test]
    fn a_value_fills_one_path_segment_or_one_query_value() {
        for (value, encoded) in [
            ("ada", "ada"),
            ("a/b", "a%2Fb"),
            ("../../admin", "..%2F..%2Fadmin"),
            ("a?b#c", "a%3Fb%23c"),
            ("a&ws.op=delete", "a%26ws.op%3Ddelete"),
            ("ada+x@example.com", "ada%2Bx%40example.com"),
            ("%2e%2e", "%252e%252e"),
            ("ü\r\nx", "%C3%BC%0D%0Ax"),
        ] {
            let path = url("https://api.example.com/people/{id}/x", value).unwrap();
            assert_eq!(path, format!("https://api.example.com/people/{encoded}/x"));
            let query = url("https://api.example.com/people?id={id}&a=1", value).unwrap();
            assert_eq!(
                query,
                format!("https://api.example.com/people?id={encoded}&a=1")
            );
        }
    }

    #[test]
    fn a_value_that_would_climb_or_vanish_is_refused() {
        for value in [".", "..", ""] {
            assert_eq!(
                url("https://api.example.com/people/{id}/x", value),
                Err(FillError::Unusable),
                "{value:?}"
            );
        }
        assert!(url("https://api.example.com/people?id={id}", "..").is_ok());
    }

    #[test]
    fn a_url_that_lets_a_value_choose_the_host_is_refused() {
        for text in [
            "{id}",
            "https://{id}/x",
            "https://api.{id}/x",
            "https://api.example.com{id}/x",
            "ftp://api.example.com/x",
            "/people/{id}",
            "https://user:pass@api.example.com/{id}",
            "https://api.example.com/a/../{id}",
            "https://api.example.com/{id}#x",
            "https://api.example.com/{id",
            "https://api.example.com/{Id}",
            "https://api.example.com/{id|upper}",
        ] {
            assert!(UrlTemplate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only_and_only_when_allowed() {
        let may = |url: &str, allowed| may_call(&Url::parse(url).unwrap(), allowed);
        assert!(may("https://api.example.com/", false));
        assert!(may("http://127.0.0.1:1/", true) && may("http://[::1]:1/", true));
        assert!(!may("http://127.0.0.1:1/", false));
        assert!(!may("http://api.example.com/", true));
        assert!(!may("http://localhost.example.com/", true));
    }

    #[test]
    fn a_quoted_value_cannot_end_its_quotes() {
        let template = Template::parse("email:\"{id|quoted}\"").unwrap();
        let text = template.fill(&One("a\" OR name:\"\\b")).unwrap();
        assert_eq!(text, "email:\"a\\\" OR name:\\\"\\\\b\"");
    }

    #[test]
    fn doubled_braces_are_braces() {
        let template = Template::parse("{{{id}}}").unwrap();
        assert_eq!(template.fill(&One("x")).unwrap(), "{x}");
    }

    #[test]
    fn a_value_that_nothing_has_is_missing() {
        let template = Template::parse("{other}").unwrap();
        assert_eq!(template.fill(&One("x")), Err(FillError::Missing));
    }
}
