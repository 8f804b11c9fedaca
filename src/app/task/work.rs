//! The work on tasks: leased by a connector, prolonged, completed, failed, parked.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ending::save;
use crate::{
    app::{
        error::{Error, Missing},
        registry::{Call, Change, Registry, Written},
    },
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        id::{ItemId, LeaseId, TaskId},
        item::Content,
        task::{Progress, Recipient, Refused, Report, Task, TaskKind},
        violation::Violations,
    },
    store::Tx,
};

pub use crate::store::task::OpenedTask;

/// Most bytes of sealed content that one answer hands out, but for a single task that has more: it has
/// to fit into a message.
const LEASE_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Asks for tasks.
#[derive(Clone, Debug)]
pub struct LeaseTasks {
    /// Whose.
    pub recipient: Recipient,
    /// Only these kinds; empty: all.
    pub kinds: Vec<TaskKind>,
    /// At most so many.
    pub max: u64,
    /// For how long.
    pub length: SignedDuration,
}

/// A task on a lease.
#[derive(Clone, Copy, Debug)]
pub struct OnLease {
    /// The task.
    pub task_id: TaskId,
    /// The lease.
    pub lease_id: LeaseId,
}

/// That an attempt failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Whether a repeat may help.
    pub is_retryable: bool,
    /// Why; no personal data.
    pub reason: String,
    /// Not again before.
    pub not_before: Option<Timestamp>,
}

impl Registry {
    /// Hands out tasks that are due, longest due first, to nobody else until their leases run out. It is
    /// a read of what names people, and audited as one.
    pub async fn lease_tasks(
        &self,
        caller: Arc<Caller>,
        lease: LeaseTasks,
    ) -> Result<Vec<OpenedTask>, Error> {
        let action = Action::LeaseTasks;
        let view = self.view(&caller, action, None).await?;
        let field = match lease.recipient {
            Recipient::Processor(_) => "processor",
            Recipient::Holder(_) => "holder",
        };
        permit(&caller, &lease.recipient, field)?;
        let is_due = view
            .snapshot
            .has_due_task(&lease.recipient, &lease.kinds)
            .await?;
        view.snapshot.close().await?;
        if !is_due {
            return Ok(Vec::new());
        }
        let call = Call::new(caller.clone(), action);
        let lease = Arc::new(lease);
        let written = self
            .change(call, move |tx, _| {
                let (caller, lease) = (caller.clone(), lease.clone());
                Box::pin(async move { hand_out(tx, &caller, &lease).await })
            })
            .await?;
        let (given, unreadable) = written.value;
        for task_id in unreadable {
            self.give_up_unreadable(task_id).await?;
        }
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let opened = snapshot.read_leased_tasks(&given).await?;
        snapshot.close().await?;
        Ok(opened)
    }

    /// Prolongs a lease. Returns until when it is good.
    pub async fn renew_lease(
        &self,
        call: Call,
        lease: OnLease,
        length: SignedDuration,
    ) -> Result<Timestamp, Error> {
        let step: Step = Arc::new(move |task: Task, now| {
            let renewed = task.renewed(lease.lease_id, length, now)?;
            Ok(renewed)
        });
        let task = self.step(call, lease.task_id, step, Kept::Nothing).await?;
        let until = task.value.lease().map(|lease| lease.until);
        until.ok_or(Error::LeaseLost)
    }

    /// Prolongs a lease and keeps what the next one needs, so that whoever goes on when this worker dies
    /// repeats nothing. Returns until when the lease is good.
    pub async fn keep_progress(
        &self,
        call: Call,
        lease: OnLease,
        length: SignedDuration,
        progress: Progress,
    ) -> Result<Timestamp, Error> {
        let step: Step = Arc::new(move |task: Task, now| task.renewed(lease.lease_id, length, now));
        let kept = Kept::Progress(Some(progress));
        let task = self.step(call, lease.task_id, step, kept).await?;
        let until = task.value.lease().map(|lease| lease.until);
        until.ok_or(Error::LeaseLost)
    }

    /// Says what was done. A repeat within a day is answered as the first time.
    pub async fn complete_task(
        &self,
        call: Call,
        lease: OnLease,
        report: Report,
        provided: Vec<(ItemId, Content)>,
    ) -> Result<Written<Task>, Error> {
        let step: Step =
            Arc::new(move |task: Task, now| task.completed(lease.lease_id, report.clone(), now));
        let call = once(call, lease);
        self.step(call, lease.task_id, step, Kept::Provided(provided.into()))
            .await
    }

    /// Says that it could not be done.
    pub async fn fail_task(
        &self,
        call: Call,
        lease: OnLease,
        failed: Failed,
    ) -> Result<Written<Task>, Error> {
        let step: Step = Arc::new(move |task: Task, now| {
            let Failed {
                is_retryable,
                reason,
                not_before,
            } = failed.clone();
            task.failed(lease.lease_id, is_retryable, reason, not_before, now)
        });
        let call = once(call, lease);
        self.step(call, lease.task_id, step, Kept::Nothing).await
    }

    /// Gives a task back for later, with what the next lease needs.
    pub async fn park_task(
        &self,
        call: Call,
        lease: OnLease,
        not_before: Timestamp,
        progress: Option<Progress>,
    ) -> Result<Written<Task>, Error> {
        let step: Step =
            Arc::new(move |task: Task, now| task.parked(lease.lease_id, not_before, now));
        let call = once(call, lease);
        self.step(call, lease.task_id, step, Kept::Progress(progress))
            .await
    }

    /// One step of one task, under the caller's claims.
    pub(super) async fn step(
        &self,
        call: Call,
        task_id: TaskId,
        step: Step,
        kept: Kept,
    ) -> Result<Written<Task>, Error> {
        let (caller, kept) = (call.caller.clone(), Arc::new(kept));
        let stepped = self
            .change(call, move |tx, _| {
                let (caller, step, kept) = (caller.clone(), step.clone(), kept.clone());
                Box::pin(async move { take_step(tx, &caller, task_id, &*step, &kept).await })
            })
            .await;
        let written = match stepped {
            // Under one lease there is one completion, failure or parking.
            Err(Error::RequestIdReused) => return Err(Error::LeaseLost),
            stepped => stepped?,
        };
        if written.value.is_ended() {
            self.tasks_ended().await;
        }
        Ok(written)
    }

    /// To be called once the end of a task is committed: its key goes, and whoever waits for it hears.
    pub(in crate::app) async fn tasks_ended(&self) {
        self.ended.notify_one();
        self.wake_requests();
        if let Err(error) = self.store.complete_key_destructions(self.clock_now()).await {
            tracing::warn!(%error, "keys of ended tasks are not destroyed yet; the upkeep tries again");
        }
    }

    /// Waits until a task has come to its end in this process, `at_most` long.
    pub async fn wait_for_ended_task(&self, at_most: std::time::Duration) {
        // Running out is as good as being woken: another replica may have ended one.
        drop(tokio::time::timeout(at_most, self.ended.notified()).await);
    }
}

/// Tasks that were handed out, and tasks that cannot be.
type HandedOut = (Vec<(TaskId, LeaseId)>, Vec<TaskId>);

/// A step, to be taken as often as the transaction is tried.
pub(super) type Step = Arc<dyn Fn(Task, Timestamp) -> Result<Task, Refused> + Send + Sync>;

/// What a step leaves beside the task.
pub(super) enum Kept {
    Nothing,
    Progress(Option<Progress>),
    Provided(Arc<[(ItemId, Content)]>),
}

/// A repeat under the same lease is the same call.
fn once(call: Call, lease: OnLease) -> Call {
    let canonical = call.canonical.to_vec();
    call.idempotent(Some(lease.lease_id.0), canonical)
}

async fn hand_out(
    tx: &mut Tx,
    caller: &Caller,
    lease: &LeaseTasks,
) -> Result<Change<HandedOut>, Error> {
    let due = tx
        .hold_due_tasks(&lease.recipient, &lease.kinds, lease.max)
        .await?;
    let ids: Vec<_> = due.iter().map(|(task, _)| task.task_id).collect();
    tx.prepare_keys(&ids).await?;
    let (mut given, mut audits, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut unreadable = Vec::new();
    for (task, size) in due {
        if !tx.has_own_key(task.task_id).await? {
            unreadable.push(task.task_id);
            continue;
        }
        let now = tx.now();
        let task = match task.aged(now) {
            Ok(aged) => aged,
            Err(same) => *same,
        };
        let lease_id = LeaseId(tx.new_id());
        // One whose attempts are used up is left to the upkeep.
        let leased = task.leased(lease_id, caller.service.clone(), lease.length, now);
        let Ok(leased) = leased else { continue };
        bytes += size;
        if bytes > LEASE_BYTES_MAX && !given.is_empty() {
            break;
        }
        tx.save_task(&leased).await?;
        audits.push(audit(&leased));
        given.push((leased.task_id, lease_id));
    }
    Ok(Change::of_many((given, unreadable), audits))
}

async fn take_step(
    tx: &mut Tx,
    caller: &Caller,
    task_id: TaskId,
    step: &(dyn Fn(Task, Timestamp) -> Result<Task, Refused> + Send + Sync),
    kept: &Kept,
) -> Result<Change<Task>, Error> {
    let missing = || Error::NotFound(Missing::Task);
    let seen = tx.find_task(task_id).await?.ok_or_else(missing)?;
    permit(caller, &seen.recipient, "task_id")?;
    tx.lock_subject(seen.subject_id).await?;
    let held = tx.hold_task(task_id).await?.ok_or_else(missing)?;
    let task = step(held, tx.now())?;
    match kept {
        Kept::Nothing => {}
        Kept::Progress(progress) => tx.keep_progress(task_id, progress.as_ref()).await?,
        Kept::Provided(provided) => keep_provided(tx, &task, provided).await?,
    }
    let event = save(tx, &task).await?;
    let audit = audit(&task);
    let mut change = Change::new(task, audit);
    change.events.extend(event);
    Ok(change)
}

/// Keeps what a holder handed over, for the package that waits for it.
async fn keep_provided(
    tx: &mut Tx,
    task: &Task,
    provided: &[(ItemId, Content)],
) -> Result<(), Error> {
    let mut violations = Violations::default();
    for (index, (item, _)) in provided.iter().enumerate() {
        if task.kind != TaskKind::ProvideCopy {
            violations.add("provided", "goes with a task of the kind PROVIDE_COPY only");
            break;
        }
        if !task.item_ids.contains(item) {
            violations.add(
                format!("provided[{index}].item_id"),
                "is none of the task's items",
            );
        }
    }
    violations.or(())?;
    let Some(export_id) = task.export_id else {
        return Ok(());
    };
    // A package that is destroyed already has no key, and nobody waits for it.
    if provided.is_empty() || !tx.has_own_key(export_id).await? {
        return Ok(());
    }
    Ok(tx.put_provided(export_id, provided).await?)
}

/// Refuses a caller whose claims do not cover the recipient.
pub(super) fn permit(caller: &Caller, recipient: &Recipient, field: &str) -> Result<(), Error> {
    let (is_covered, claim) = match recipient {
        Recipient::Processor(name) => (caller.may_name_processor(Some(name)), "processors"),
        Recipient::Holder(name) => (caller.may_speak_for_source(name), "sources"),
    };
    if is_covered {
        return Ok(());
    }
    Err(Error::ClaimMissing {
        claim,
        field: field.to_owned(),
    })
}

/// What the log says of a step.
pub(super) fn audit(task: &Task) -> AuditDetail {
    AuditDetail {
        data_categories: task.data_categories.clone(),
        item_ids: task.item_ids.clone(),
        purposes: task.purposes.clone(),
        processors: task.recipient.processor().cloned().into_iter().collect(),
        task_ids: vec![task.task_id],
        subject_request_id: task.subject_request_id,
        outcome: match task.outcome() {
            Some(outcome) => outcome.as_str().to_owned(),
            None => task.state_name().as_str().to_owned(),
        },
        ..AuditDetail::of(task.subject_id)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotDue => Self::Conflict,
            Refused::LeaseLost => Self::LeaseLost,
            Refused::Illegal(why) => Self::IllegalTransition(why),
        }
    }
}
