//! Reads what answers mean, and headers.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName};
use serde_json::Value as Json;

use crate::connectors::{
    answer::{Condition, Rule, Test, Verdict},
    outcome::code,
    template::Template,
};

use super::{
    limits::{PAUSE, TEXT_BYTES_MAX},
    node::Value,
    place::{Fields, Place},
    read::template,
};

/// What answers to too many calls ask for when neither they nor the declaration say it.
const THROTTLED_PAUSE: Duration = Duration::from_mins(1);

/// The rules under these keys. What says most about a failure comes first, success last: a 200 that
/// says `pending` is not a success.
pub(super) fn rules(fields: &Fields<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |found: Option<Vec<Rule>>| rules.extend(found.unwrap_or_default());
    add(under(fields, "failed", |fields| {
        fields.required("code", reason_code).map(Verdict::Failed)
    }));
    add(under(fields, "refused", |_| Some(Verdict::Refused)));
    add(under(fields, "not_found", |_| Some(Verdict::NotFound)));
    add(under(fields, "throttled", |fields| {
        let pause = fields.optional("pause", |place| place.duration(PAUSE[0], PAUSE[1]));
        Some(Verdict::Throttled(pause.unwrap_or(THROTTLED_PAUSE)))
    }));
    add(under(fields, "retry", |_| {
        Some(Verdict::Retry(code::TRY_AGAIN))
    }));
    add(under(fields, "pending", |_| Some(Verdict::Pending)));
    add(under(fields, "partial", |fields| {
        let kept = fields.required("kept", |place| place.words(TEXT_BYTES_MAX));
        let ground = fields.required("ground", |place| place.words(TEXT_BYTES_MAX));
        Some(Verdict::Partial {
            kept: kept?,
            ground: ground?,
        })
    }));
    add(under(fields, "gone", |_| Some(Verdict::Gone)));
    add(under(fields, "success", |_| Some(Verdict::Success)));
    rules
}

fn under(
    fields: &Fields<'_>,
    key: &str,
    then: impl Fn(&Fields<'_>) -> Option<Verdict>,
) -> Option<Vec<Rule>> {
    fields.optional(key, |place| {
        place.one_or_more(|place| {
            place.fields(|fields| {
                let when = condition(fields);
                let then = then(fields);
                Some(Rule { when, then: then? })
            })
        })
    })
}

fn condition(fields: &Fields<'_>) -> Condition {
    let status = fields.or_default("status", |place| place.one_or_more(status));
    Condition {
        status,
        tests: tests(fields),
    }
}

/// What is looked at in a body.
pub(super) fn tests(fields: &Fields<'_>) -> Vec<Test> {
    let equals = fields.or_default("equals", |place| {
        place.entries(|key, place| {
            let values = place.one_or_more(scalar)?;
            Some(Test::Equals {
                pointer: pointer_text(place, key)?,
                values,
            })
        })
    });
    let empty = fields.or_default("empty", |place| place.one_or_more(pointer));
    let present = fields.or_default("present", |place| place.one_or_more(pointer));
    let tests = equals.into_iter().map(|(_, test)| test);
    let tests = tests.chain(empty.into_iter().map(Test::Empty));
    tests
        .chain(present.into_iter().map(Test::Present))
        .collect()
}

fn status(place: &Place<'_>) -> Option<u16> {
    let status = place.number(200, 599)?;
    u16::try_from(status).ok()
}

fn scalar(place: &Place<'_>) -> Option<Json> {
    match &place.node.value {
        Value::Bool(flag) => Some(Json::from(*flag)),
        Value::Number(number) => Some(Json::from(*number)),
        Value::Text(text) => Some(Json::from(text.as_str())),
        _ => place.refuse("must be a text, a whole number, true or false"),
    }
}

/// A JSON pointer (RFC 6901).
pub(super) fn pointer(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    pointer_text(place, &text)
}

fn pointer_text(place: &Place<'_>, text: &str) -> Option<String> {
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    place.refuse("must be a JSON pointer, such as /error/type")
}

fn reason_code(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        return Some(text);
    }
    place.refuse("must be a code of at most 64 of A-Z, 0-9 and '_'")
}

/// Headers. Those that the client sets itself are refused, `Authorization` among them.
pub(super) fn headers(place: &Place<'_>) -> Option<Vec<(HeaderName, Template)>> {
    let headers = place.entries(|key, place| {
        let value = template(place)?;
        let Ok(name) = key.parse::<HeaderName>() else {
            return place.refuse("is no name of a header");
        };
        if [AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST].contains(&name) {
            return place.refuse("is set by the client itself");
        }
        Some((name, value))
    })?;
    Some(headers.into_iter().map(|(_, header)| header).collect())
}
