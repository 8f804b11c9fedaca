//! Runs what is declared, one call at a time.

mod course;
mod look;
mod reading;
mod turn;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use self::{
    course::{begin, evidence, finish, leave, until},
    look::Standing,
    reading::wait_until,
    turn::Turn,
};
use super::{
    answer::Answer,
    credentials::Credentials,
    declaration::model::{Action, Calls, Declaration, Program, Service},
    http::{Http, NoAnswer},
    outcome::{Advance, Outcome, Reason, code},
    pace::{Breaker, Pacer, later},
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
/// How long no call is made after the credentials were refused: trying again and again locks accounts.
pub const REFUSED_PAUSE: Duration = Duration::from_mins(15);
/// For so long a task waits for a processor that cannot be reached, or refuses; then a person must look.
pub const TROUBLE_MAX: Duration = Duration::from_hours(7 * 24);
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

    /// The kinds of tasks that it takes.
    pub fn takes(&self) -> Vec<Kind> {
        self.declaration.takes()
    }

    /// Whether an erasure that names a part is for a person to see to, while the processor has more: the
    /// calls erase the person as a whole.
    pub fn erases_whole_people_only(&self) -> bool {
        match &self.declaration.service {
            Service::Calls(calls) => {
                let erase = calls.tasks.get(&Kind::Erase);
                erase.is_some_and(|program| !program.may_take_more)
            }
            Service::Manual(_) => false,
        }
    }

    /// How many tasks it can work on at once.
    pub fn concurrency(&self) -> u32 {
        match &self.declaration.service {
            Service::Calls(calls) => calls.limits.concurrency,
            Service::Manual(_) => 1,
        }
    }

    /// Until when no call is made: the processor is given up, has asked for a pause, or its rate is used
    /// up. `None`: it may be called.
    pub fn paused_until(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let wait = self.pacer.wait(now);
        let paced = (wait > PATIENCE).then(|| later(now, wait));
        self.breaker.closed_until(now).max(paced)
    }

    /// The longest that one [`Self::advance`] takes: a call, one more after a token was refused, and the
    /// tokens of both.
    pub fn advance_max(&self) -> Duration {
        let timeout = match &self.declaration.service {
            Service::Calls(calls) => calls.limits.timeout,
            Service::Manual(_) => Duration::ZERO,
        };
        timeout * 4 + PATIENCE
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

    async fn make(&self, mut turn: Turn<'_>) -> Advance {
        let now = self.clock.now();
        let standing = turn.standing(now);
        if standing == Standing::Unannounced {
            turn.progress.sent_at = Some(now);
            return Advance::Step(turn.progress);
        }
        if let Some(until) = self.breaker.closed_until(now) {
            return self.put_off(turn, until);
        }
        match self.pacer.reserve(now, PATIENCE) {
            Ok(wait) if wait.is_zero() => {}
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => return wait_until(later(now, wait), turn.progress),
        }
        if let Err(until) = self.breaker.admit(self.clock.now()) {
            return self.put_off(turn, until);
        }
        let Ok(_place) = self.places.acquire().await else {
            return wait_until(now, turn.progress);
        };
        let answer = self.send(&turn, standing).await;
        let is_trouble = turn.is_trouble(standing, &answer);
        self.note(&turn, &answer, is_trouble);
        match answer {
            Ok(answer) if standing == Standing::InDoubt => self.look_into(turn, &answer),
            Ok(answer) => self.read(turn, &answer),
            Err(NoAnswer(reason)) => self.unanswered(turn, reason),
        }
    }

    async fn send(&self, turn: &Turn<'_>, standing: Standing) -> Result<Answer, NoAnswer> {
        let Some(credentials) = &self.credentials else {
            return Err(NoAnswer(code::CALL_REFUSED));
        };
        let bare = Round::bare(&self.settings);
        let mut is_second = false;
        loop {
            let now = self.clock.now();
            let request = turn.request(&self.settings, standing)?;
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
    fn note(&self, turn: &Turn<'_>, answer: &Result<Answer, NoAnswer>, is_trouble: bool) {
        let processor = self.declaration.processor.as_str();
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        tracing::debug!(
            processor,
            task_id = %turn.job.task_id,
            step = turn.step.name,
            status,
            "called"
        );
        if is_trouble && self.breaker.failed(self.clock.now()) {
            tracing::warn!(processor, "the processor is given up for a while");
        } else if !is_trouble && self.breaker.succeeded() {
            tracing::info!(processor, "the processor answers again");
        }
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
