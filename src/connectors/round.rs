//! The rounds of a step: which values its variables have in each, and the call that they make.

use std::collections::BTreeMap;

use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value as Json;

use super::{
    credentials::{FORM, form},
    declaration::model::{Body, Call, Calls, JsonTemplate, Program, Range},
    http::Request,
    task::{Job, Progress},
    template::{FillError, Name, Template, Values},
};

/// What the places of a step's templates are filled with.
pub(super) struct Round<'a> {
    settings: &'a BTreeMap<String, String>,
    task_id: String,
    key: String,
    variables: Vec<(&'a str, Bound<'a>)>,
    /// The rows of a batch, each as the one that its variable stands for.
    batch: Vec<(&'a str, Bound<'a>)>,
}

#[derive(Clone, Copy)]
enum Bound<'a> {
    Text(&'a str),
    Row(&'a [String], &'a [String]),
}

impl Bound<'_> {
    fn value(&self, field: Option<&str>) -> Option<&str> {
        match (self, field) {
            (Self::Text(text), None) => Some(text),
            (Self::Row(fields, row), Some(field)) => {
                let at = fields.iter().position(|name| name == field)?;
                row.get(at).map(String::as_str)
            }
            _ => None,
        }
    }
}

impl Values for Round<'_> {
    fn value(&self, name: &Name) -> Option<&str> {
        let field = name.field.as_deref();
        match (name.root.as_str(), field) {
            ("setting", Some(field)) => self.settings.get(field).map(String::as_str),
            ("task", Some("id")) => Some(&self.task_id),
            ("call", Some("key")) => Some(&self.key),
            (root, field) => {
                let (_, bound) = self.variables.iter().find(|(name, _)| *name == root)?;
                bound.value(field)
            }
        }
    }
}

/// Adds one row of a batch to what a round knows.
struct WithRow<'a> {
    round: &'a Round<'a>,
    row: &'a (&'a str, Bound<'a>),
}

impl Values for WithRow<'_> {
    fn value(&self, name: &Name) -> Option<&str> {
        if name.root == self.row.0 {
            return self.row.1.value(name.field.as_deref());
        }
        self.round.value(name)
    }
}

impl<'a> Round<'a> {
    /// A round without variables: for the URL of a token.
    pub(super) fn bare(settings: &'a BTreeMap<String, String>) -> Self {
        Self {
            settings,
            task_id: String::new(),
            key: String::new(),
            variables: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// The round of a step that the progress is at; `None`: all have been made.
    pub(super) fn of(
        call: &'a Call,
        program: &'a Program,
        settings: &'a BTreeMap<String, String>,
        job: &'a Job,
        progress: &'a Progress,
    ) -> Option<Self> {
        let mut round = Self::bare(settings);
        round.task_id = job.task_id.to_string();
        round.key = key(job, progress);
        let ranges = call
            .for_each
            .iter()
            .map(|(variable, range)| (variable.as_str(), bounds(range, program, job, progress)));
        let ranges: Vec<(&str, Vec<Bound<'a>>)> = ranges.collect();
        if let (Some(size), [(variable, rows)]) = (call.batch, ranges.as_slice()) {
            let rows = rows.chunks(size).nth(progress.round)?;
            round.batch = rows.iter().map(|row| (*variable, *row)).collect();
            return Some(round);
        }
        let mut rest = progress.round;
        for (variable, bounds) in &ranges {
            let bound = bounds.get(rest.checked_rem(bounds.len())?)?;
            rest /= bounds.len();
            round.variables.push((variable, *bound));
        }
        // Without variables there is one round.
        (rest == 0).then_some(round)
    }

    /// The call of this round.
    pub(super) fn request(
        &self,
        calls: &Calls,
        call: &Call,
        url: Url,
    ) -> Result<Request, FillError> {
        let mut headers = HeaderMap::new();
        for (name, value) in calls.headers.iter().chain(&call.headers) {
            headers.insert(name.clone(), self.header(name, value)?);
        }
        let body = match &call.body {
            Body::None => None,
            Body::Form(_) => Some((FORM, self.form(call)?)),
            Body::Json(json) => {
                let json = self.json(json)?;
                Some(("application/json", json.to_string().into_bytes()))
            }
        };
        Ok(Request {
            method: call.method.clone(),
            url,
            headers,
            body,
        })
    }

    /// A call that only looks.
    pub(super) fn look(&self, calls: &Calls, url: Url) -> Result<Request, FillError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &calls.headers {
            headers.insert(name.clone(), self.header(name, value)?);
        }
        Ok(Request {
            method: Method::GET,
            url,
            headers,
            body: None,
        })
    }

    /// What a name stands for: of a batch, in each of its rows.
    pub(super) fn values_of(&self, name: &Name) -> Vec<String> {
        let rows = self.batch.iter().chain(&self.variables);
        let named = rows.filter(|(variable, _)| *variable == name.root);
        let values = named.filter_map(|(_, bound)| bound.value(name.field.as_deref()));
        values.map(str::to_owned).collect()
    }

    fn header(&self, _: &HeaderName, value: &Template) -> Result<HeaderValue, FillError> {
        HeaderValue::from_str(&value.fill(self)?).map_err(|_| FillError::Unusable)
    }

    fn form(&self, call: &Call) -> Result<Vec<u8>, FillError> {
        let Body::Form(fields) = &call.body else {
            return Ok(Vec::new());
        };
        let mut filled = Vec::new();
        for field in fields {
            if !field.is_for_each_row {
                filled.push((field.name.fill(self)?, field.value.fill(self)?));
                continue;
            }
            for row in &self.batch {
                let values = WithRow { round: self, row };
                filled.push((field.name.fill(&values)?, field.value.fill(&values)?));
            }
        }
        let fields = filled
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(form(fields))
    }

    fn json(&self, template: &JsonTemplate) -> Result<Json, FillError> {
        Ok(match template {
            JsonTemplate::Fixed(value) => value.clone(),
            JsonTemplate::Text(text) => Json::String(text.fill(self)?),
            JsonTemplate::List(list) => {
                let filled: Result<Vec<_>, _> = list.iter().map(|json| self.json(json)).collect();
                Json::Array(filled?)
            }
            JsonTemplate::Map(map) => {
                let filled = map
                    .iter()
                    .map(|(key, json)| Ok((key.clone(), self.json(json)?)));
                Json::Object(filled.collect::<Result<_, FillError>>()?)
            }
        })
    }
}

/// The same for each repetition of a call, and another for each other call: the idempotency key.
fn key(job: &Job, progress: &Progress) -> String {
    let Progress {
        step, round, tries, ..
    } = progress;
    format!("{}-{step}-{round}-{tries}", job.task_id)
}

fn bounds<'a>(
    range: &Range,
    program: &'a Program,
    job: &'a Job,
    progress: &'a Progress,
) -> Vec<Bound<'a>> {
    match range {
        Range::Identifiers(kind) => {
            let found = job.identifiers.iter().filter(|(known, _)| known == kind);
            found.map(|(_, value)| Bound::Text(value)).collect()
        }
        Range::List(list) => {
            let fields = program.lists.get(list).map_or(&[][..], Vec::as_slice);
            let rows = progress.lists.get(list).into_iter().flatten();
            rows.map(|row| Bound::Row(fields, row)).collect()
        }
    }
}
