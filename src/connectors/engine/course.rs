//! The course of a program: where it begins, where it goes on, how it ends.

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value as Json;

use super::{
    super::{
        declaration::model::{Calls, Collect, FieldSource, FinishHow, Program, Wait},
        outcome::{Advance, Outcome, code},
        pace::later,
        round::Round,
        task::{Job, Progress},
        template::Values,
    },
    failed,
};

/// Sorts the references and sees that there is something to know the person by. A step that is no
/// longer declared is begun anew from the first: calls that erase can be repeated.
pub(super) fn begin(
    calls: &Calls,
    program: &Program,
    job: &Job,
    progress: Progress,
) -> Result<Progress, Box<Advance>> {
    if program.steps.iter().any(|step| step.name == progress.step) {
        return Ok(progress);
    }
    let mut progress = Progress::default();
    for reference in &job.external_references {
        let rule = calls
            .references
            .iter()
            .find(|rule| reference.starts_with(&rule.prefix));
        if let Some(rule) = rule {
            let list = progress.lists.entry(rule.into.clone()).or_default();
            let row = vec![reference.clone()];
            if !list.contains(&row) {
                list.push(row);
            }
        }
    }
    let is_known = |kind: &str| calls.identifiers.iter().any(|known| known.as_str() == kind);
    let has_identifier = job.identifiers.iter().any(|(kind, _)| is_known(kind));
    if !has_identifier && progress.lists.is_empty() {
        return Err(Box::new(failed(code::IDENTIFIER_MISSING, progress)));
    }
    if let Some(first) = program.steps.first() {
        progress.step.clone_from(&first.name);
    }
    Ok(progress)
}

pub(super) fn next_round(progress: &mut Progress) {
    progress.round += 1;
    progress.page = None;
    progress.pages = 0;
    progress.polls = 0;
    progress.sent_at = None;
    progress.in_doubt = false;
    progress.trouble_since = None;
}

/// Goes on to the next step; after the last one the step has a name that none has.
pub(super) fn leave(program: &Program, progress: &mut Progress) {
    let at = program
        .steps
        .iter()
        .position(|step| step.name == progress.step);
    let next = at.and_then(|at| program.steps.get(at + 1));
    progress.step = next.map_or_else(|| "-".to_owned(), |step| step.name.clone());
    progress.round = 0;
    progress.page = None;
    progress.pages = 0;
    progress.polls = 0;
    progress.until = None;
}

pub(super) fn until(
    wait: &Wait,
    program: &Program,
    progress: &Progress,
    now: Timestamp,
) -> Timestamp {
    let Some((list, field)) = &wait.after else {
        return progress.until.unwrap_or_else(|| later(now, wait.period));
    };
    let seconds = column(program, progress, list, field).filter_map(|text| text.parse().ok());
    let latest = seconds
        .max()
        .and_then(|latest| Timestamp::from_second(latest).ok());
    latest.map_or(now, |latest| later(latest, wait.period))
}

/// The values of a list's field.
pub(super) fn column<'a>(
    program: &'a Program,
    progress: &'a Progress,
    list: &str,
    field: &str,
) -> impl Iterator<Item = &'a str> {
    let fields = program.lists.get(list);
    let at = fields.and_then(|fields| fields.iter().position(|name| name == field));
    let rows = progress.lists.get(list).into_iter().flatten();
    rows.filter_map(move |row| row.get(at?).map(String::as_str))
}

pub(super) fn row(collect: &Collect, element: &Json, round: &Round<'_>) -> Option<Vec<String>> {
    let values = collect.fields.iter().map(|(_, source)| match source {
        FieldSource::Template(template) => template.fill(round as &dyn Values).ok(),
        FieldSource::Pointer(pointer) => match element.pointer(pointer)? {
            Json::String(text) if !text.is_empty() => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        },
    });
    values.collect()
}

/// A URL that an answer gave, if it is at the same host as the call.
pub(super) fn same_origin(text: &str, of: &Url) -> Option<Url> {
    let url = of.join(text).ok()?;
    (url.origin() == of.origin()).then_some(url)
}

pub(super) fn evidence(program: &Program, progress: &Progress) -> String {
    const BYTES_MAX: usize = 900;
    let mut text = format!("{} done, {} gone already", progress.done, progress.gone);
    if let Some((list, field)) = &program.finish.evidence {
        for value in column(program, progress, list, field) {
            if text.len() + value.len() < BYTES_MAX {
                text.push_str(", ");
                text.push_str(value);
            }
        }
    }
    text
}

pub(super) fn finish(
    program: &Program,
    job: &Job,
    calls: &Calls,
    mut progress: Progress,
    now: Timestamp,
) -> Advance {
    let evidence = evidence(program, &progress);
    if progress.done == 0 {
        let is_known = |text: &&String| {
            let mut rules = calls.references.iter();
            rules.any(|rule| text.starts_with(&rule.prefix))
        };
        // The processor has the person under a name that says nothing to us: nothing was looked for.
        if progress.gone == 0 && !job.external_references.iter().all(|text| is_known(&text)) {
            return failed(code::REFERENCE_UNKNOWN, Progress::default());
        }
        return Advance::Outcome(Outcome::AlreadyGone { evidence });
    }
    let outcome = match (progress.kept.take(), &program.finish.how) {
        (Some((kept, ground)), _) => Outcome::Partial {
            kept,
            ground,
            evidence,
        },
        (None, FinishHow::Done) => Outcome::Done { evidence },
        (None, FinishHow::Partial { kept, ground }) => Outcome::Partial {
            kept: kept.clone(),
            ground: ground.clone(),
            evidence,
        },
        (None, FinishHow::Suppressed { purged_after }) => {
            progress.suppressed = true;
            Outcome::Suppressed {
                purge_at: later(now, *purged_after),
                evidence,
                progress,
            }
        }
    };
    Advance::Outcome(outcome)
}
