//! Reads the steps of a kind of task.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value as Json;

use super::{
    limits::{BATCH_MAX, POLLS_MAX, SECOND, TEXT_BYTES_MAX},
    model::{
        Action, Body, Call, Collect, FieldSource, Finish, FinishHow, FormField, JsonTemplate, Look,
        NextPage, Poll, Range, Step, Wait,
    },
    node::Value,
    place::{Fields, Place},
    read::{any_duration, name, template, url},
    rules,
};
use crate::connectors::template::{Name, is_name};

/// Reads one step.
pub(super) fn step(fields: &Fields<'_>) -> Option<Step> {
    let name = fields.required("name", name);
    let only_after_failure = fields.or_default("only_after_failure", Place::flag);
    let action = if fields.has("wait") {
        fields
            .required("wait", |place| place.fields(wait))
            .map(Action::Wait)
    } else {
        call(fields).map(|call| Action::Call(Box::new(call)))
    };
    Some(Step {
        name: name?,
        only_after_failure,
        action: action?,
    })
}

/// What the steps take from their answers.
pub(super) fn collects(steps: &[Step]) -> impl Iterator<Item = &Collect> {
    steps.iter().flat_map(|step| match &step.action {
        Action::Call(call) => call.collect.as_slice(),
        Action::Wait(_) => &[],
    })
}

fn wait(fields: &Fields<'_>) -> Option<Wait> {
    let after = fields.optional("after", list_field);
    let period = fields.required("for", any_duration);
    Some(Wait {
        after,
        period: period?,
    })
}

/// `list.field`.
fn list_field(place: &Place<'_>) -> Option<(String, String)> {
    let text = place.text()?;
    match text.split_once('.') {
        Some((list, field)) if is_name(list) && is_name(field) => {
            Some((list.to_owned(), field.to_owned()))
        }
        _ => place.refuse("must name a list and its field, such as jobs.id"),
    }
}

fn call(fields: &Fields<'_>) -> Option<Call> {
    let for_each = fields.or_default("for_each", |place| {
        place.entries(|key, place| {
            if !is_name(key) || ["call", "setting", "task"].contains(&key) {
                return place.refuse("must have another name, of a-z, 0-9 and '_'");
            }
            range(place)
        })
    });
    let batch = fields.optional("batch", |place| place.number(1, BATCH_MAX));
    let method = fields.required("method", method);
    let url = fields.required("url", url);
    let headers = fields.or_default("headers", rules::headers);
    let body = body(fields);
    let is_effect = fields.optional("effect", Place::flag);
    let answers = rules::rules(fields);
    let collect = fields.or_default("collect", |place| {
        place.one_or_more(|place| place.fields(collect))
    });
    let next_page = fields.optional("next_page", |place| place.fields(next_page));
    let poll = fields.optional("poll", |place| place.fields(poll));
    let look = fields.optional("look", |place| place.fields(look));
    let resume_at = fields.optional("resume_at", name);
    let method = method?;
    Some(Call {
        for_each,
        batch: batch.and_then(|batch| usize::try_from(batch).ok()),
        is_effect: is_effect.unwrap_or(method != Method::GET),
        method,
        url: url?,
        headers,
        body: body?,
        answers,
        collect,
        next_page,
        poll,
        look,
        resume_at,
    })
}

fn look(fields: &Fields<'_>) -> Option<Look> {
    let key_lasts = fields.required("key_lasts", any_duration);
    let url = fields.required("url", url);
    let answers = rules::rules(fields);
    let each = fields.optional("each", rules::pointer);
    let mentions = fields.optional("mentions", mentions);
    let done = fields.or_default("done", |place| {
        place.fields(|fields| Some(rules::tests(fields)))
    });
    let next_page = fields.optional("next_page", |place| place.fields(next_page));
    Some(Look {
        key_lasts: key_lasts?,
        url: url?,
        answers,
        each,
        mentions,
        done,
        next_page,
    })
}

/// `variable.field`.
fn mentions(place: &Place<'_>) -> Option<Name> {
    let (root, field) = list_field(place)?;
    Some(Name {
        root,
        field: Some(field),
    })
}

fn range(place: &Place<'_>) -> Option<Range> {
    let text = place.text()?;
    if let Some(kind) = text.strip_prefix("identifiers.") {
        return Some(Range::Identifiers(kind.to_owned()));
    }
    if is_name(&text) {
        return Some(Range::List(text));
    }
    place.refuse("must be a list, or identifiers and a type, such as identifiers.email")
}

fn method(place: &Place<'_>) -> Option<Method> {
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let text = place.text()?;
    let found = methods.into_iter().find(|method| method.as_str() == text);
    found.or_else(|| place.refuse("must be GET, POST, PUT, PATCH or DELETE"))
}

fn body(fields: &Fields<'_>) -> Option<Body> {
    let form = fields.optional("form", |place| place.list(|place| place.fields(form_field)));
    let json = fields.optional("json", json);
    match (form, json) {
        (None, None) => Some(Body::None),
        (Some(form), None) => Some(Body::Form(form)),
        (None, Some(json)) => Some(Body::Json(json)),
        (Some(_), Some(_)) => fields.place.refuse("must not have `form` beside `json`"),
    }
}

fn form_field(fields: &Fields<'_>) -> Option<FormField> {
    let is_for_each_row = fields.or_default("for_each_row", Place::flag);
    let name = fields.required("name", template);
    let value = fields.required("value", template);
    Some(FormField {
        is_for_each_row,
        name: name?,
        value: value?,
    })
}

fn json(place: &Place<'_>) -> Option<JsonTemplate> {
    Some(match &place.node.value {
        Value::Null => JsonTemplate::Fixed(Json::Null),
        Value::Bool(flag) => JsonTemplate::Fixed((*flag).into()),
        Value::Number(number) => JsonTemplate::Fixed((*number).into()),
        Value::Other => return place.refuse("must be a whole number; put it in quotes"),
        Value::Text(_) => JsonTemplate::Text(template(place)?),
        Value::List(_) => JsonTemplate::List(place.list(json)?),
        Value::Map(_) => JsonTemplate::Map(place.entries(|_, place| json(place))?),
    })
}

fn collect(fields: &Fields<'_>) -> Option<Collect> {
    let into = fields.required("into", name);
    let each = fields.optional("each", rules::pointer);
    let sources = fields.required("fields", |place| {
        place.entries(|key, place| {
            if !is_name(key) {
                return place.refuse("must have a name of a-z, 0-9 and '_'");
            }
            if place.text()?.starts_with('/') {
                return rules::pointer(place).map(FieldSource::Pointer);
            }
            template(place).map(FieldSource::Template)
        })
    });
    let mut sources = sources?;
    sources.sort_by(|(one, _), (other, _)| one.cmp(other));
    if sources.is_empty() {
        return fields.place.refuse("`fields` must name at least one field");
    }
    Some(Collect {
        into: into?,
        each,
        fields: sources,
    })
}

fn next_page(fields: &Fields<'_>) -> Option<NextPage> {
    let url = fields.optional("url", rules::pointer);
    let token = fields.optional("token", rules::pointer);
    let parameter = fields.optional("parameter", |place| place.words(64));
    let last = fields.optional("last", |place| place.fields(last));
    match (url, token, last, parameter) {
        (Some(url), None, None, None) => Some(NextPage::Url(url)),
        (None, Some(pointer), None, Some(parameter)) => {
            Some(NextPage::Token { pointer, parameter })
        }
        (None, None, Some([each, field, more]), Some(parameter)) => Some(NextPage::Last {
            each,
            field,
            parameter,
            more,
        }),
        _ => fields
            .place
            .refuse("must have `url`, or `parameter` with `token` or `last`"),
    }
}

/// Which element is the last, and whether there are more.
fn last(fields: &Fields<'_>) -> Option<[String; 3]> {
    let each = fields.required("each", rules::pointer);
    let field = fields.required("field", rules::pointer);
    let more = fields.required("more", rules::pointer);
    Some([each?, field?, more?])
}

fn poll(fields: &Fields<'_>) -> Option<Poll> {
    let every = fields.required("every", |place| {
        place.duration(SECOND, Duration::from_hours(24 * 7))
    });
    let at_most = fields.required("at_most", |place| place.number(1, POLLS_MAX));
    Some(Poll {
        every: every?,
        at_most: at_most?,
    })
}

/// Reads how a task ends.
pub(super) fn finish(fields: &Fields<'_>) -> Option<Finish> {
    let evidence = fields.optional("evidence", list_field);
    let outcome = fields.required("outcome", Place::text)?;
    let how = match outcome.as_str() {
        "done" => FinishHow::Done,
        "partial" => {
            let kept = fields.required("kept", |place| place.words(TEXT_BYTES_MAX));
            let ground = fields.required("ground", |place| place.words(TEXT_BYTES_MAX));
            FinishHow::Partial {
                kept: kept?,
                ground: ground?,
            }
        }
        "suppressed" => FinishHow::Suppressed {
            purged_after: fields.required("purged_after", any_duration)?,
        },
        _ => {
            return fields
                .place
                .refuse("`outcome` must be done, partial or suppressed");
        }
    };
    Some(Finish { how, evidence })
}
