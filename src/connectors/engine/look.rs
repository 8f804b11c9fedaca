//! Looks whether a call was made already, before it is made again.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    Connector,
    reading::{is_malformed, keep, verdict},
    turn::Turn,
};
use crate::connectors::{
    answer::{Answer, Rule, Verdict},
    declaration::model::Look,
    outcome::{Advance, code},
    pace::later,
};

/// How a call stands that must not be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is to be made, or repeated under the same key.
    Ready,
    /// It is to be announced first: whoever comes later knows that it may have been made.
    Unannounced,
    /// It may have been made, and its key does not say: look first.
    InDoubt,
}

impl Turn<'_> {
    pub(super) fn standing(&self, now: Timestamp) -> Standing {
        let Some(look) = &self.call.look else {
            return Standing::Ready;
        };
        match self.progress.sent_at {
            _ if self.progress.in_doubt => Standing::InDoubt,
            None => Standing::Unannounced,
            Some(sent_at) if now < later(sent_at, look.key_lasts) => Standing::Ready,
            Some(_) => Standing::InDoubt,
        }
    }
}

/// What of an answer is what the call would have made; `None`: there is nowhere to look.
fn find<'j>(look: &Look, sought: &[String], json: &'j Json) -> Option<Vec<&'j Json>> {
    let looked_at: Vec<&Json> = match &look.each {
        Some(pointer) => json.pointer(pointer)?.as_array()?.iter().collect(),
        None => vec![json],
    };
    let is_it = |element: &&Json| {
        let is_like = look.done.iter().all(|test| test.holds(Some(element)));
        is_like && (look.mentions.is_none() || sought.iter().any(|text| has(element, text)))
    };
    Some(looked_at.into_iter().filter(is_it).collect())
}

impl Connector {
    /// Reads what was found out. If the call was made, what it made is taken; if not, it is made.
    pub(super) fn look_into(&self, mut turn: Turn<'_>, answer: &Answer) -> Advance {
        let Some(look) = turn.call.look.as_ref() else {
            return turn.fail(code::CALL_REFUSED.into(), None);
        };
        let status = Some(answer.status);
        if is_malformed(answer, true) {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        }
        let rules: [&[Rule]; 2] = [&look.answers, &turn.calls.answers];
        let verdict = verdict(answer, &rules);
        if verdict != Verdict::Success {
            return self.not_yet(turn, verdict, answer);
        }
        let json = answer.json.as_ref().unwrap_or(&Json::Null);
        let sought = turn.sought(&self.settings, look);
        let Some(found) = find(look, &sought, json) else {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        };
        let mut rows = Vec::new();
        for element in &found {
            let Some(more) = turn.rows(&self.settings, element) else {
                return self.retry(turn, code::ANSWER_MALFORMED, status, None);
            };
            rows.extend(more);
        }
        if !found.is_empty() {
            if let Err(full) = keep(&mut turn.progress, rows) {
                return turn.fail(full.into(), None);
            }
            return turn.done(|progress| progress.done += 1);
        }
        let page = look.next_page.as_ref();
        match turn.next_page(page, &look.url, &self.settings, json) {
            Ok(Some(page)) => turn.turn_to(page),
            Ok(None) => {
                // It was never made. The next one is another call, announced from now on.
                turn.progress.page = None;
                turn.progress.in_doubt = false;
                turn.progress.tries += 1;
                turn.progress.sent_at = Some(self.clock.now());
                Advance::Step(turn.progress)
            }
            Err(()) => self.retry(turn, code::ANSWER_MALFORMED, status, None),
        }
    }
}

/// Whether a text stands anywhere in it.
fn has(json: &Json, text: &str) -> bool {
    match json {
        Json::String(found) => found == text,
        Json::Array(list) => list.iter().any(|element| has(element, text)),
        Json::Object(map) => map.values().any(|value| has(value, text)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
