//! Reads the tree of a file as a declaration.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::ValueSource,
    connectors::{
        task::Kind,
        template::{Template, UrlTemplate, is_name},
    },
};

use super::{
    limits::{
        BREAKER_FAILURES, CONCURRENCY, DURATION_MAX, PAUSE, RATE_CALLS, RETRY_FIRST, RETRY_MOST,
        SECOND, TEXT_BYTES_MAX, TIMEOUT,
    },
    model::{
        Authentication, Calls, Declaration, Limits, Manual, OAuth2, Program, Rate, Reference,
        Service,
    },
    place::{Fields, Place},
    rules, steps,
};

/// Reads a whole file.
pub(super) fn declaration(fields: &Fields<'_>) -> Option<Declaration> {
    let processor = fields.required("processor", Place::parsed);
    let title = fields.required("title", |place| place.words(TEXT_BYTES_MAX));
    // For people who read the file; nothing rests on it.
    fields.optional("source", |place| place.one_or_more(Place::text));
    fields.optional("checked", Place::text);
    let leaves = fields.or_default("leaves", |place| place.list(Place::parsed));
    let service = if fields.has("manual") {
        fields
            .required("manual", |place| place.fields(manual))
            .map(Service::Manual)
    } else {
        calls(fields).map(|calls| Service::Calls(Box::new(calls)))
    };
    Some(Declaration {
        processor: processor?,
        title: title?,
        leaves: leaves.into_iter().collect(),
        service: service?,
    })
}

fn manual(fields: &Fields<'_>) -> Option<Manual> {
    let kinds = fields.required("tasks", |place| place.list(Place::parsed));
    let ground = fields.required("ground", |place| place.words(TEXT_BYTES_MAX));
    let turn_to = fields.required("turn_to", |place| place.words(TEXT_BYTES_MAX));
    Some(Manual {
        kinds: kinds?.into_iter().collect(),
        ground: ground?,
        turn_to: turn_to?,
    })
}

fn calls(fields: &Fields<'_>) -> Option<Calls> {
    let identifiers = fields.or_default("identifiers", |place| place.list(Place::parsed));
    let references = fields.or_default("references", |place| {
        place.list(|place| place.fields(reference))
    });
    let settings = fields.or_default("settings", sources);
    let secrets = fields.or_default("secrets", sources);
    let authentication = fields.required("authentication", |place| place.fields(authentication));
    let headers = fields.or_default("headers", rules::headers);
    let limits = fields.optional("limits", |place| {
        place.fields(|fields| Some(limits(fields)))
    });
    let answers = fields.or_default("answers", |place| {
        place.fields(|fields| Some(rules::rules(fields)))
    });
    let tasks = fields.required("tasks", |place| {
        let lists = references.iter().map(|reference| &reference.into);
        let lists: Vec<_> = lists.cloned().collect();
        place.entries(|key, place| {
            let kind: Kind = key
                .parse()
                .map_or_else(|problem: String| place.refuse(problem), Some)?;
            let program = place.fields(|fields| program(fields, &lists))?;
            Some((kind, program))
        })
    });
    let tasks: BTreeMap<Kind, Program> = tasks?.into_iter().map(|(_, task)| task).collect();
    if tasks.is_empty() {
        return fields.place.refuse("`tasks` must name at least one kind");
    }
    Some(Calls {
        identifiers,
        references,
        settings,
        secrets,
        authentication: authentication?,
        headers,
        limits: limits.unwrap_or_default(),
        answers,
        tasks,
    })
}

fn reference(fields: &Fields<'_>) -> Option<Reference> {
    let prefix = fields.required("prefix", |place| place.words(TEXT_BYTES_MAX));
    let into = fields.required("into", name);
    Some(Reference {
        prefix: prefix?,
        into: into?,
    })
}

/// A name of the declaration's own.
pub(super) fn name(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    if is_name(&text) {
        return Some(text);
    }
    place.refuse("must be a name of a-z, 0-9 and '_' that starts with a letter")
}

fn sources(place: &Place<'_>) -> Option<BTreeMap<String, ValueSource>> {
    let sources = place.entries(|key, place| {
        if !is_name(key) {
            return place.refuse("must have a name of a-z, 0-9 and '_' that starts with a letter");
        }
        place.fields(source)
    })?;
    Some(sources.into_iter().collect())
}

fn source(fields: &Fields<'_>) -> Option<ValueSource> {
    let variable = fields.optional("env", variable);
    let file = fields.optional("file", |place| place.words(TEXT_BYTES_MAX));
    match (variable, file) {
        (Some(variable), None) => Some(ValueSource::Variable(variable)),
        (None, Some(file)) => Some(ValueSource::File(file.into())),
        _ => fields.place.refuse(
            "must say where the value is: `env: VARIABLE` or `file: PATH`, never the value",
        ),
    }
}

fn variable(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_variable =
        text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(allowed);
    if !is_variable || text.starts_with("PDR_") {
        return place.refuse(
            "must be the name of a variable: A-Z, 0-9 and '_', and not one that begins with PDR_",
        );
    }
    Some(text)
}

fn authentication(fields: &Fields<'_>) -> Option<Authentication> {
    let kind = fields.required("kind", Place::text)?;
    match kind.as_str() {
        "none" => Some(Authentication::None),
        "bearer" => Some(Authentication::Bearer {
            token: fields.required("token", name)?,
        }),
        "basic" => {
            let password = fields.optional("password", name);
            let user = fields.required("user", name)?;
            Some(Authentication::Basic { user, password })
        }
        "oauth2" => oauth2(fields).map(Authentication::OAuth2),
        _ => fields
            .place
            .refuse("`kind` must be none, bearer, basic or oauth2"),
    }
}

fn oauth2(fields: &Fields<'_>) -> Option<OAuth2> {
    let token_url = fields.required("token_url", url);
    let client_id = fields.required("client_id", name);
    let client_secret = fields.required("client_secret", name);
    let refresh_token = fields.optional("refresh_token", name);
    let scope = fields.or_default("scope", Place::text);
    let client_in_body = fields.or_default("client_in_body", Place::flag);
    Some(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        refresh_token,
        scope,
        client_in_body,
    })
}

pub(super) fn url(place: &Place<'_>) -> Option<UrlTemplate> {
    UrlTemplate::parse(&place.text()?).map_or_else(|problem| place.refuse(problem), Some)
}

pub(super) fn template(place: &Place<'_>) -> Option<Template> {
    Template::parse(&place.text()?).map_or_else(|problem| place.refuse(problem), Some)
}

fn limits(fields: &Fields<'_>) -> Limits {
    let standard = Limits::default();
    let duration = |key, least, most| fields.optional(key, |place| place.duration(least, most));
    let number =
        |key, [least, most]: [u32; 2]| fields.optional(key, |place| place.number(least, most));
    Limits {
        concurrency: number("concurrency", CONCURRENCY).unwrap_or(standard.concurrency),
        rates: fields.or_default("rates", |place| place.list(|place| place.fields(rate))),
        timeout: duration("timeout", TIMEOUT[0], TIMEOUT[1]).unwrap_or(standard.timeout),
        retry_first: duration("retry_first", RETRY_FIRST[0], RETRY_FIRST[1])
            .unwrap_or(standard.retry_first),
        retry_most: duration("retry_most", RETRY_MOST[0], RETRY_MOST[1])
            .unwrap_or(standard.retry_most),
        breaker_failures: number("breaker_failures", BREAKER_FAILURES)
            .unwrap_or(standard.breaker_failures),
        breaker_pause: duration("breaker_pause", PAUSE[0], PAUSE[1])
            .unwrap_or(standard.breaker_pause),
    }
}

fn rate(fields: &Fields<'_>) -> Option<Rate> {
    let calls = fields.required("calls", |place| place.number(RATE_CALLS[0], RATE_CALLS[1]));
    let per = fields.required("per", |place| {
        place.duration(SECOND, Duration::from_hours(24))
    });
    Some(Rate {
        calls: calls?,
        per: per?,
    })
}

fn program(fields: &Fields<'_>, referred: &[String]) -> Option<Program> {
    let steps = fields.required("steps", |place| {
        place.list(|place| place.fields(steps::step))
    });
    let finish = fields.required("finish", |place| place.fields(steps::finish));
    let may_take_more = fields.or_default("may_take_more", Place::flag);
    let steps = steps?;
    let mut lists = BTreeMap::new();
    for list in referred {
        lists.insert(list.clone(), vec!["id".to_owned()]);
    }
    for collect in steps::collects(&steps) {
        let fields: Vec<_> = collect
            .fields
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        lists.entry(collect.into.clone()).or_insert(fields);
    }
    Some(Program {
        steps,
        finish: finish?,
        may_take_more,
        lists,
    })
}

/// The longest duration that a declaration can name.
pub(super) fn any_duration(place: &Place<'_>) -> Option<Duration> {
    place.duration(SECOND, DURATION_MAX)
}
