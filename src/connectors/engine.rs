//! Runs what is declared, one call at a time.

mod course;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use self::course::{begin, evidence, finish, leave, next_round, row, same_origin, until};
use super::{
    answer::{Answer, Rule, Test, Verdict, is_success, judge},
    credentials::Credentials,
    declaration::model::{Action, Call, Calls, Declaration, NextPage, Program, Service, Step},
    http::{Http, NoAnswer},
    outcome::{Advance, Outcome, Reason, code},
    pace::{Breaker, Pacer, back_off, later},
    round::Round,
    task::{Job, Kind, Progress},
};
use crate::{
    config::Credential,
    domain::name::Processor,
    runtime::{clock::Clock, ids::Ids},
};

/// Longest time that a call waits here for its place; else the task is put off.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest pause that an answer can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Most pages of one round.
const PAGES_MAX: u32 = 1_000;
/// Longest progress, in bytes of JSON: what is kept with a task.
pub const PROGRESS_BYTES_MAX: usize = 16 * 1024;

/// What a processor's calls are made with.
pub struct Parts {
    /// Values of the deployment, by the declaration's names of them.
    pub settings: BTreeMap<String, String>,
    /// Credentials, likewise.
    pub secrets: BTreeMap<String, Credential>,
    /// Calls may go over plain HTTP to this machine.
    pub plain_on_loopback: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub ids: Arc<dyn Ids>,
}

/// One processor's calls.
pub struct Connector {
    declaration: Declaration,
    settings: BTreeMap<String, String>,
    credentials: Option<Credentials>,
    http: Http,
    pacer: Pacer,
    breaker: Breaker,
    places: Semaphore,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("processor", &self.declaration.processor)
            .finish_non_exhaustive()
    }
}

/// One call to be made: where the task stands, and by which declaration.
struct Turn<'a> {
    calls: &'a Calls,
    program: &'a Program,
    step: &'a Step,
    call: &'a Call,
    job: &'a Job,
    progress: Progress,
}

impl Connector {
    /// Puts a connector together. Fails when there is no TLS to be had.
    pub fn new(declaration: Declaration, parts: Parts) -> Result<Self, reqwest::Error> {
        let limits = match &declaration.service {
            Service::Calls(calls) => calls.limits.clone(),
            Service::Manual(_) => super::declaration::model::Limits::default(),
        };
        let credentials = match &declaration.service {
            Service::Calls(calls) => Some(Credentials::new(
                calls.authentication.clone(),
                parts.secrets,
            )),
            Service::Manual(_) => None,
        };
        Ok(Self {
            credentials,
            http: Http::new(limits.timeout, parts.plain_on_loopback)?,
            pacer: Pacer::new(limits.rates.clone()),
            breaker: Breaker::new(&limits),
            places: Semaphore::new(usize::try_from(limits.concurrency).unwrap_or(1)),
            settings: parts.settings,
            clock: parts.clock,
            ids: parts.ids,
            declaration,
        })
    }

    /// Whose connector it is.
    pub fn processor(&self) -> &Processor {
        &self.declaration.processor
    }

    /// The kinds of tasks that it serves.
    pub fn kinds(&self) -> Vec<Kind> {
        self.declaration.kinds()
    }

    /// How many tasks it can work on at once.
    pub fn concurrency(&self) -> u32 {
        match &self.declaration.service {
            Service::Calls(calls) => calls.limits.concurrency,
            Service::Manual(_) => 1,
        }
    }

    /// Until when the processor is given up; `None`: it may be called.
    pub fn given_up_until(&self) -> Option<Timestamp> {
        self.breaker.closed_until(self.clock.now())
    }

    /// Goes on with a task: makes at most one call (and one for a token), and says how far it came.
    pub async fn advance(&self, job: &Job, progress: Progress) -> Advance {
        let calls = match &self.declaration.service {
            Service::Manual(manual) if manual.kinds.contains(&job.kind) => {
                let ground = format!("{} Turn to: {}", manual.ground, manual.turn_to);
                return Advance::Outcome(Outcome::DirectedToRecipient { ground });
            }
            Service::Manual(_) => return failed(code::KIND_NOT_SERVED, progress),
            Service::Calls(calls) => calls,
        };
        let Some(program) = calls.tasks.get(&job.kind) else {
            return failed(code::KIND_NOT_SERVED, progress);
        };
        if progress.suppressed {
            // The purge was said to be over by now, and there is nothing to ask it by.
            return Advance::Outcome(Outcome::Done {
                evidence: evidence(program, &progress),
            });
        }
        let progress = match begin(calls, program, job, progress) {
            Ok(progress) => progress,
            Err(refused) => return *refused,
        };
        self.next(calls, program, job, progress).await
    }

    /// Finds the next step that has something to do.
    async fn next(
        &self,
        calls: &Calls,
        program: &Program,
        job: &Job,
        mut progress: Progress,
    ) -> Advance {
        while let Some(step) = program.steps.iter().find(|step| step.name == progress.step) {
            let skipped = step.only_after_failure && !progress.resumed;
            match &step.action {
                _ if skipped => {}
                Action::Wait(wait) => {
                    let until = until(wait, program, &progress, self.clock.now());
                    if until > self.clock.now() {
                        progress.until = Some(until);
                        return Advance::Outcome(Outcome::Wait { until, progress });
                    }
                }
                Action::Call(call) => {
                    if Round::of(call, program, &self.settings, job, &progress).is_some() {
                        let turn = Turn {
                            calls,
                            program,
                            step,
                            call,
                            job,
                            progress,
                        };
                        return self.make(turn).await;
                    }
                }
            }
            leave(program, &mut progress);
        }
        finish(program, job, calls, progress, self.clock.now())
    }

    async fn make(&self, turn: Turn<'_>) -> Advance {
        let now = self.clock.now();
        if let Err(until) = self.breaker.admit(now) {
            return wait_until(until, turn.progress);
        }
        match self.pacer.reserve(now, PATIENCE) {
            Ok(wait) if wait.is_zero() => {}
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => return wait_until(later(now, wait), turn.progress),
        }
        let Ok(_place) = self.places.acquire().await else {
            return wait_until(now, turn.progress);
        };
        let answer = self.send(&turn).await;
        self.note(&turn, &answer);
        match answer {
            Ok(answer) => self.read(turn, &answer),
            Err(NoAnswer(reason)) => self.unanswered(turn, reason),
        }
    }

    async fn send(&self, turn: &Turn<'_>) -> Result<Answer, NoAnswer> {
        let Some(credentials) = &self.credentials else {
            return Err(NoAnswer(code::CALL_REFUSED));
        };
        let bare = Round::bare(&self.settings);
        let unusable = |_| NoAnswer(code::IDENTIFIER_UNUSABLE);
        let mut is_second = false;
        loop {
            let now = self.clock.now();
            let round = turn
                .round(&self.settings)
                .ok_or(NoAnswer(code::CALL_REFUSED))?;
            let url = turn.url(&round)?;
            let request = round
                .request(turn.calls, turn.call, url)
                .map_err(unusable)?;
            let header = credentials.header(&self.http, &bare, now).await?;
            let answer = self.http.send(request, header, now).await?;
            // A token can be taken back before its time: one more is asked for, once.
            if answer.status == 401 && !is_second && credentials.forget().await {
                is_second = true;
                continue;
            }
            return Ok(answer);
        }
    }

    /// Tells the breaker, and the log: the step and the status, nothing of the call.
    fn note(&self, turn: &Turn<'_>, answer: &Result<Answer, NoAnswer>) {
        let processor = self.declaration.processor.as_str();
        let (status, trouble) = match answer {
            Ok(answer) => (answer.status, answer.status >= 500),
            Err(NoAnswer(reason)) => {
                let is_ours = [code::CALL_REFUSED, code::IDENTIFIER_UNUSABLE].contains(reason);
                (0, !is_ours)
            }
        };
        tracing::debug!(
            processor,
            task_id = %turn.job.task_id,
            step = turn.step.name,
            status,
            "called"
        );
        if trouble && self.breaker.failed(self.clock.now()) {
            tracing::warn!(processor, "the processor is given up for a while");
        } else if !trouble && self.breaker.succeeded() {
            tracing::info!(processor, "the processor answers again");
        }
    }

    fn unanswered(&self, turn: Turn<'_>, reason: &'static str) -> Advance {
        let permanent = [
            code::CALL_REFUSED,
            code::IDENTIFIER_UNUSABLE,
            code::AUTHENTICATION_REFUSED,
            code::ANSWER_TOO_LARGE,
        ];
        if permanent.contains(&reason) {
            return turn.fail(reason.into(), None);
        }
        // Whether the call arrived is not known: the same key says that it is the same.
        self.retry(turn, reason, None, None)
    }

    fn read(&self, turn: Turn<'_>, answer: &Answer) -> Advance {
        let status = answer.status;
        let is_unreadable = answer.is_html || answer.json.is_none() && turn.reads_json();
        if is_success(status) && is_unreadable {
            return self.retry(turn, code::ANSWER_MALFORMED, Some(status), None);
        }
        let rules: [&[Rule]; 2] = [&turn.call.answers, &turn.calls.answers];
        let verdict = judge(answer, &rules).unwrap_or_else(|| by_status(status));
        match verdict {
            Verdict::Success => self.collect(turn, answer),
            Verdict::Gone => turn.done(|progress| progress.gone += 1),
            Verdict::Partial { kept, ground } => turn.done(|progress| {
                progress.done += 1;
                progress.kept = Some((kept, ground));
            }),
            Verdict::NotFound => turn.fail(code::LOOKUP_FAILED.into(), Some(status)),
            Verdict::Failed(code) => turn.fail(code.into(), Some(status)),
            Verdict::Pending => self.ask_again(turn),
            Verdict::Throttled(pause) => {
                let pause = answer.retry_after.unwrap_or(pause).min(RETRY_AFTER_MAX);
                wait_until(later(self.clock.now(), pause), turn.progress)
            }
            Verdict::Retry(reason) => self.retry(turn, reason, Some(status), answer.retry_after),
        }
    }

    fn ask_again(&self, mut turn: Turn<'_>) -> Advance {
        let Some(poll) = turn.call.poll else {
            return turn.fail(code::STILL_PENDING.into(), None);
        };
        turn.progress.polls += 1;
        if turn.progress.polls > poll.at_most {
            turn.progress.polls = 0;
            return turn.fail(code::STILL_PENDING.into(), None);
        }
        wait_until(later(self.clock.now(), poll.every), turn.progress)
    }

    fn collect(&self, mut turn: Turn<'_>, answer: &Answer) -> Advance {
        let json = answer.json.as_ref().unwrap_or(&Json::Null);
        let status = Some(answer.status);
        let Some(rows) = turn.rows(&self.settings, json) else {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        };
        let Ok(page) = turn.next_page(&self.settings, json) else {
            return self.retry(turn, code::ANSWER_MALFORMED, status, None);
        };
        for (list, row) in rows {
            let list = turn.progress.lists.entry(list).or_default();
            if !list.contains(&row) {
                list.push(row);
            }
        }
        let is_too_much = turn.progress.write().to_string().len() > PROGRESS_BYTES_MAX
            || turn.progress.pages >= PAGES_MAX;
        if is_too_much {
            return turn.fail(code::TOO_MUCH_FOUND.into(), None);
        }
        if let Some(page) = page {
            turn.progress.page = Some(page);
            turn.progress.pages += 1;
            return Advance::Step(turn.progress);
        }
        let is_effect = turn.call.is_effect;
        turn.done(|progress| progress.done += u32::from(is_effect))
    }

    fn retry(
        &self,
        mut turn: Turn<'_>,
        reason: &'static str,
        status: Option<u16>,
        asked: Option<Duration>,
    ) -> Advance {
        let reason = turn.reason(reason.into(), status);
        if status.is_some() {
            // An answer is remembered under its key, a failure as well: the next call needs another.
            turn.progress.tries += 1;
        }
        let pause = back_off(&turn.calls.limits, turn.job.attempts, self.chance());
        let asked = asked.unwrap_or(Duration::ZERO).min(RETRY_AFTER_MAX);
        Advance::Outcome(Outcome::Retry {
            after: pause.max(asked),
            reason,
            progress: turn.progress,
        })
    }

    /// From 0 to 1.
    fn chance(&self) -> f64 {
        f64::from(self.ids.uuid_v4().as_bytes()[0]) / f64::from(u8::MAX)
    }
}

impl Turn<'_> {
    fn round<'b>(&'b self, settings: &'b BTreeMap<String, String>) -> Option<Round<'b>> {
        Round::of(self.call, self.program, settings, self.job, &self.progress)
    }

    fn url(&self, round: &Round<'_>) -> Result<Url, NoAnswer> {
        let url = self.call.url.fill(round);
        let url = url.map_err(|_| NoAnswer(code::IDENTIFIER_UNUSABLE))?;
        match &self.progress.page {
            None => Ok(url),
            Some(page) => same_origin(page, &url).ok_or(NoAnswer(code::CALL_REFUSED)),
        }
    }

    fn reads_json(&self) -> bool {
        let tests = self.call.answers.iter().flat_map(|rule| &rule.when.tests);
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
    fn rows(
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
    fn next_page(
        &self,
        settings: &BTreeMap<String, String>,
        json: &Json,
    ) -> Result<Option<String>, ()> {
        let (pointer, parameter) = match &self.call.next_page {
            None => return Ok(None),
            Some(NextPage::Url(pointer)) => (pointer, None),
            Some(NextPage::Token { pointer, parameter }) => (pointer, Some(parameter)),
        };
        let found = match json.pointer(pointer) {
            None | Some(Json::Null) => return Ok(None),
            Some(found) => found.as_str().ok_or(())?,
        };
        if found.is_empty() {
            return Ok(None);
        }
        let round = self.round(settings).ok_or(())?;
        let mut url = self.call.url.fill(&round).map_err(|_| ())?;
        let Some(parameter) = parameter else {
            return same_origin(found, &url)
                .map(|url| Some(url.into()))
                .ok_or(());
        };
        url.query_pairs_mut().append_pair(parameter, found);
        Ok(Some(url.into()))
    }

    fn done(mut self, note: impl FnOnce(&mut Progress)) -> Advance {
        note(&mut self.progress);
        next_round(&mut self.progress);
        Advance::Step(self.progress)
    }

    fn reason(&self, code: std::borrow::Cow<'static, str>, status: Option<u16>) -> Reason {
        Reason {
            code,
            step: self.step.name.clone(),
            status,
        }
    }

    fn fail(self, code: std::borrow::Cow<'static, str>, status: Option<u16>) -> Advance {
        let reason = self.reason(code, status);
        let mut progress = self.progress;
        progress.tries += 1;
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

fn failed(code: &'static str, progress: Progress) -> Advance {
    let reason = Reason {
        code: code.into(),
        step: String::new(),
        status: None,
    };
    Advance::Outcome(Outcome::Failed { reason, progress })
}

fn wait_until(until: Timestamp, progress: Progress) -> Advance {
    Advance::Outcome(Outcome::Wait { until, progress })
}

/// What an answer means that fits no rule.
fn by_status(status: u16) -> Verdict {
    match status {
        429 => Verdict::Throttled(Duration::from_mins(1)),
        408 | 425 | 500..=599 => Verdict::Retry(code::PROCESSOR_UNAVAILABLE),
        401 | 403 => Verdict::Failed(code::AUTHENTICATION_REFUSED.to_owned()),
        _ => Verdict::Failed(code::ANSWER_UNEXPECTED.to_owned()),
    }
}
