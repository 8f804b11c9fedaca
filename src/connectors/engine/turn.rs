//! One call of one task.

use std::{borrow::Cow, collections::BTreeMap};

use reqwest::Url;
use serde_json::Value as Json;

use super::{
    course::{next_round, row, same_origin},
    look::Standing,
    reading::is_malformed,
};
use crate::connectors::{
    answer::{Answer, Test, is_success},
    declaration::model::{Call, Calls, Look, NextPage, Program, Step},
    http::{NoAnswer, Request},
    outcome::{Advance, Outcome, Reason, code},
    round::Round,
    task::{Job, Progress},
    template::UrlTemplate,
};

/// One call to be made: where the task stands, and by which declaration.
pub(super) struct Turn<'a> {
    pub(super) calls: &'a Calls,
    pub(super) program: &'a Program,
    pub(super) step: &'a Step,
    pub(super) call: &'a Call,
    pub(super) job: &'a Job,
    pub(super) progress: Progress,
}

impl Turn<'_> {
    pub(super) fn round<'b>(&'b self, settings: &'b BTreeMap<String, String>) -> Option<Round<'b>> {
        Round::of(self.call, self.program, settings, self.job, &self.progress)
    }

    /// The request of the call, or of the look that comes before it.
    pub(super) fn request(
        &self,
        settings: &BTreeMap<String, String>,
        standing: Standing,
    ) -> Result<Request, NoAnswer> {
        let unusable = |_| NoAnswer(code::IDENTIFIER_UNUSABLE);
        let round = self.round(settings).ok_or(NoAnswer(code::CALL_REFUSED))?;
        if let (Some(look), Standing::InDoubt) = (&self.call.look, standing) {
            let url = self.url(&look.url, &round)?;
            return round.look(self.calls, url).map_err(unusable);
        }
        let url = self.url(&self.call.url, &round)?;
        round.request(self.calls, self.call, url).map_err(unusable)
    }

    fn url(&self, template: &UrlTemplate, round: &Round<'_>) -> Result<Url, NoAnswer> {
        let url = template.fill(round);
        let url = url.map_err(|_| NoAnswer(code::IDENTIFIER_UNUSABLE))?;
        match &self.progress.page {
            None => Ok(url),
            Some(page) => same_origin(page, &url).ok_or(NoAnswer(code::CALL_REFUSED)),
        }
    }

    /// The values by which something of this round's is known again.
    pub(super) fn sought(&self, settings: &BTreeMap<String, String>, look: &Look) -> Vec<String> {
        let round = self.round(settings);
        let (Some(round), Some(name)) = (round, &look.mentions) else {
            return Vec::new();
        };
        round.values_of(name)
    }

    /// Whether an answer, or its absence, counts against the processor.
    pub(super) fn is_trouble(&self, standing: Standing, answer: &Result<Answer, NoAnswer>) -> bool {
        let reads_json = standing == Standing::InDoubt || self.reads_json();
        match answer {
            Ok(answer) => answer.status >= 500 || is_malformed(answer, reads_json),
            Err(NoAnswer(reason)) => {
                ![code::CALL_REFUSED, code::IDENTIFIER_UNUSABLE].contains(reason)
            }
        }
    }

    pub(super) fn is_unreadable(&self, answer: &Answer) -> bool {
        is_malformed(answer, self.reads_json())
    }

    fn reads_json(&self) -> bool {
        // Only what a success may be: that a 404 is read does not make the answer to a deletion JSON.
        let rules = self.call.answers.iter().filter(|rule| {
            let mut status = rule.when.status.iter();
            rule.when.status.is_empty() || status.any(|status| is_success(*status))
        });
        let tests = rules.flat_map(|rule| &rule.when.tests);
        let reads = |test: &Test| {
            matches!(
                test,
                Test::Equals { .. } | Test::Empty(_) | Test::Present(_)
            )
        };
        !self.call.collect.is_empty()
            || self.call.next_page.is_some()
            || tests.into_iter().any(reads)
    }

    /// The rows that an answer gives, each with its list; `None`: it lacks what they are made of.
    pub(super) fn rows(
        &self,
        settings: &BTreeMap<String, String>,
        json: &Json,
    ) -> Option<Vec<(String, Vec<String>)>> {
        let round = self.round(settings)?;
        let mut rows = Vec::new();
        for collect in &self.call.collect {
            match &collect.each {
                None => rows.push((collect.into.clone(), row(collect, json, &round)?)),
                Some(pointer) => {
                    for element in json.pointer(pointer)?.as_array()? {
                        rows.push((collect.into.clone(), row(collect, element, &round)?));
                    }
                }
            }
        }
        Some(rows)
    }

    /// The URL of the next page, if there is one; it stays at the host of the call.
    pub(super) fn next_page(
        &self,
        page: Option<&NextPage>,
        url: &UrlTemplate,
        settings: &BTreeMap<String, String>,
        json: &Json,
    ) -> Result<Option<String>, ()> {
        let Some(page) = page else { return Ok(None) };
        let (pointed, parameter) = match page {
            NextPage::Url(pointer) => (json.pointer(pointer), None),
            NextPage::Token { pointer, parameter } => (json.pointer(pointer), Some(parameter)),
            NextPage::Last {
                each,
                field,
                parameter,
                more,
            } => match json.pointer(more).and_then(Json::as_bool) {
                Some(true) => {
                    let each = json.pointer(each).and_then(Json::as_array);
                    let last = each.and_then(|each| each.last()).ok_or(())?;
                    let field = last.pointer(field).ok_or(())?;
                    (Some(field), Some(parameter))
                }
                Some(false) => return Ok(None),
                None => return Err(()),
            },
        };
        let found = match pointed {
            None | Some(Json::Null) => return Ok(None),
            Some(found) => found.as_str().ok_or(())?,
        };
        if found.is_empty() {
            return Ok(None);
        }
        let round = self.round(settings).ok_or(())?;
        let mut url = url.fill(&round).map_err(|_| ())?;
        let Some(parameter) = parameter else {
            return same_origin(found, &url)
                .map(|url| Some(url.into()))
                .ok_or(());
        };
        url.query_pairs_mut().append_pair(parameter, found);
        Ok(Some(url.into()))
    }

    /// Goes on to the next page of the same round.
    pub(super) fn turn_to(mut self, page: String) -> Advance {
        self.progress.trouble_since = None;
        self.progress.page = Some(page);
        self.progress.pages += 1;
        Advance::Step(self.progress)
    }

    /// The round is settled.
    pub(super) fn done(mut self, note: impl FnOnce(&mut Progress)) -> Advance {
        note(&mut self.progress);
        next_round(&mut self.progress);
        Advance::Step(self.progress)
    }

    pub(super) fn reason(&self, code: Cow<'static, str>, status: Option<u16>) -> Reason {
        Reason {
            code,
            step: self.step.name.clone(),
            status,
        }
    }

    /// No repeat helps, as things are.
    pub(super) fn fail(self, code: Cow<'static, str>, status: Option<u16>) -> Advance {
        let reason = self.reason(code, status);
        let mut progress = self.progress;
        progress.tries += 1;
        progress.sent_at = None;
        if let Some(step) = &self.call.resume_at {
            step.clone_into(&mut progress.step);
            progress.resumed = true;
            progress.round = 0;
            progress.polls = 0;
            progress.page = None;
        }
        Advance::Outcome(Outcome::Failed { reason, progress })
    }
}
