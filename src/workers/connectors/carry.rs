//! One task, from its lease to the word on it.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::report::Word;
use crate::{
    app::{
        Call, Error, Registry,
        task::{Failed, OnLease, OpenedTask},
    },
    connectors::{
        engine::Connector,
        outcome::{Advance, Outcome, code},
        task::{Job, Kind, Progress},
    },
    domain::{
        audit::Action,
        caller::Caller,
        task::{self, Report, StateName, Task, TaskKind},
    },
};

/// Calls under one lease; then the task is given back and waits its turn.
const CALLS_MAX: u32 = 200;
/// Times that something is written down again when the database is away for a moment.
const WRITES_MAX: u32 = 6;
/// The pause before it is; each further one is twice as long.
const WRITE_PAUSE: Duration = Duration::from_millis(100);

/// What every task of a processor is carried out with.
pub(super) struct Carrier {
    pub registry: Registry,
    pub connector: Arc<Connector>,
    pub caller: Arc<Caller>,
    pub lease_length: SignedDuration,
    pub stop: CancellationToken,
}

/// What is written down of a task on lease.
#[derive(Clone)]
enum Entry {
    Progress(Progress),
    Parked(Timestamp, Progress),
    Reported(Report),
    Failed(Failed),
}

impl Carrier {
    /// Makes one call after another until there is a word on the task, and says it.
    pub async fn carry_out(&self, opened: OpenedTask) {
        let Some(held) = opened.task.lease() else {
            return;
        };
        let lease = OnLease {
            task_id: opened.task.task_id,
            lease_id: held.lease_id,
        };
        let outcome = match (progress(&opened), self.would_take_more(&opened).await) {
            (None, _) => Ok(Some(Word::unreadable())),
            (_, Err(error)) => Err(error),
            (_, Ok(true)) => Ok(Some(Word::for_good(code::MORE_WOULD_GO.to_owned()))),
            (Some(progress), Ok(false)) => self.advance(lease, &job(&opened), progress).await,
        };
        let said = match outcome {
            Ok(Some(word)) => self.say(lease, word).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = said {
            // The lease runs out, and whoever goes on begins where this one last wrote something down.
            let error = error.for_operators();
            tracing::warn!(task_id = %lease.task_id, error, "the work on a task was lost");
        }
    }

    /// Whether the calls would erase what the processor still has for something. What was begun is finished.
    async fn would_take_more(&self, opened: &OpenedTask) -> Result<bool, Error> {
        let is_new = opened.task.kind == TaskKind::Erase && opened.progress.is_none();
        if !is_new || !self.connector.erases_whole_people_only() {
            return Ok(false);
        }
        self.registry.has_more(&opened.task).await
    }

    /// `None`: there is nothing to say, the process stops without a call under way.
    async fn advance(
        &self,
        lease: OnLease,
        job: &Job,
        mut progress: Progress,
    ) -> Result<Option<Word>, Error> {
        for _ in 0..CALLS_MAX {
            if self.stop.is_cancelled() {
                break;
            }
            match self.connector.advance(job, progress).await {
                Advance::Step(next) => {
                    self.keep(lease, &next).await?;
                    progress = next;
                }
                Advance::Outcome(outcome) => {
                    self.alarm(lease, &outcome);
                    return Ok(Some(Word::of(outcome, self.registry.now())));
                }
            }
        }
        let until = self.registry.now();
        let outcome = Outcome::Wait { until, progress };
        Ok(Some(Word::of(outcome, until)))
    }

    /// Keeps how far it came, and the lease.
    async fn keep(&self, lease: OnLease, progress: &Progress) -> Result<(), Error> {
        self.write(lease, Entry::Progress(progress.clone())).await
    }

    /// What was found out is kept before the word is said that ends the lease.
    async fn say(&self, lease: OnLease, word: Word) -> Result<(), Error> {
        let (progress, entry) = match word {
            Word::Parked { until, progress } => (None, Entry::Parked(until, progress)),
            Word::Reported { report, progress } => (progress, Entry::Reported(report)),
            Word::Failed { failed, progress } => (progress, Entry::Failed(failed)),
        };
        if let Some(progress) = progress {
            self.write(lease, Entry::Progress(progress)).await?;
        }
        self.write(lease, entry).await
    }

    /// Writes something down, again and again while the database is away for a moment: a call that was made
    /// must not be forgotten.
    async fn write(&self, lease: OnLease, entry: Entry) -> Result<(), Error> {
        let mut pause = WRITE_PAUSE;
        for _ in 1..WRITES_MAX {
            match self.write_once(lease, entry.clone()).await {
                Err(Error::StoreUnavailable(_) | Error::Conflict) => {}
                written => return written,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.write_once(lease, entry).await
    }

    async fn write_once(&self, lease: OnLease, entry: Entry) -> Result<(), Error> {
        let call = |action| Call::new(self.caller.clone(), action);
        let registry = &self.registry;
        match entry {
            Entry::Progress(progress) => {
                let progress = task::Progress(progress.write());
                let (call, length) = (call(Action::RenewLease), self.lease_length);
                registry
                    .keep_progress(call, lease, length, progress)
                    .await?;
            }
            Entry::Parked(until, progress) => {
                let kept = Some(task::Progress(progress.write()));
                let call = call(Action::ParkTask);
                registry.park_task(call, lease, until, kept).await?;
            }
            Entry::Reported(report) => {
                let call = call(Action::CompleteTask);
                registry
                    .complete_task(call, lease, report, Vec::new())
                    .await?;
            }
            Entry::Failed(failed) => {
                let failed = registry
                    .fail_task(call(Action::FailTask), lease, failed)
                    .await?;
                self.note(&failed.value);
            }
        }
        Ok(())
    }

    /// What an operator must hear of at once.
    fn alarm(&self, lease: OnLease, outcome: &Outcome) {
        if let Outcome::Refused { reason, .. } = outcome {
            tracing::error!(
                processor = self.connector.processor().as_str(),
                task_id = %lease.task_id,
                %reason,
                "a processor refuses the registry's credentials: its tasks wait"
            );
        }
    }

    fn note(&self, task: &Task) {
        let (task_id, reason) = (task.task_id, &task.failure);
        let processor = self.connector.processor().as_str();
        if task.state_name() == StateName::DeadLetter {
            tracing::error!(processor, %task_id, reason, "a task went to the dead letters: a person must look");
        } else {
            tracing::warn!(processor, %task_id, reason, "an attempt at a task failed; it is tried again");
        }
    }
}

/// What an earlier lease kept; `None`: it cannot be read.
fn progress(opened: &OpenedTask) -> Option<Progress> {
    match &opened.progress {
        Some(kept) => Progress::read(&kept.0).ok(),
        None => Some(Progress::default()),
    }
}

fn job(opened: &OpenedTask) -> Job {
    let OpenedTask { task, payload, .. } = opened;
    let identifiers = payload.identifiers.iter().map(|one| {
        let value = one.value.expose().to_owned();
        (one.identifier_type.to_string(), value)
    });
    let mut references: Vec<String> = Vec::new();
    for reference in payload
        .items
        .iter()
        .flat_map(|item| &item.external_references)
    {
        if !references.iter().any(|known| known == reference.expose()) {
            references.push(reference.expose().to_owned());
        }
    }
    Job {
        task_id: task.task_id.0,
        kind: kind(task.kind),
        identifiers: identifiers.collect(),
        external_references: references,
        attempts: task.attempts,
    }
}

fn kind(kind: TaskKind) -> Kind {
    match kind {
        TaskKind::Erase => Kind::Erase,
        TaskKind::Rectify => Kind::Rectify,
        TaskKind::Restrict => Kind::Restrict,
        TaskKind::LiftRestriction => Kind::LiftRestriction,
        TaskKind::Stop => Kind::Stop,
        TaskKind::ProvideCopy => Kind::ProvideCopy,
    }
}

impl Word {
    /// What was kept with the task cannot be read: a person must look.
    fn unreadable() -> Self {
        Self::for_good(code::PROGRESS_UNREADABLE.to_owned())
    }
}
