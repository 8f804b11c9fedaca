//! What people do with tasks: look at them, take dead letters up again, end what was settled elsewhere.
//! And what time does.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    ending::save,
    work::{Kept, Step, audit, permit},
};
use crate::{
    app::{
        error::{Error, Missing},
        page::Page,
        registry::{Call, Change, Registry, Written},
    },
    domain::{
        audit::{Action, Chore},
        caller::{Bound, Caller},
        id::{SubjectRequestId, TaskId},
        name::Processor,
        task::{Recipient, Settled, StateName, Task},
    },
    store::{
        Tx,
        task::{Reach, TaskFilter},
    },
};

/// Tasks of each state that one look of the upkeep takes.
const AGED_MAX: u64 = 200;

/// Which tasks are asked for.
#[derive(Clone, Debug)]
pub struct ListTasks {
    /// Whose; `None`: of all that the claims cover.
    pub recipient: Option<Recipient>,
    /// In which state; `None`: in any.
    pub state: Option<StateName>,
    /// Of which request; `None`: of all.
    pub subject_request_id: Option<SubjectRequestId>,
    /// Tasks on a page.
    pub page_size: usize,
    /// Where to go on.
    pub page_token: Option<String>,
}

impl Registry {
    /// Takes a dead letter up again.
    pub async fn retry_task(&self, call: Call, task_id: TaskId) -> Result<Written<Task>, Error> {
        let step: Step = Arc::new(|task: Task, now| task.retried(now));
        self.by_hand(call, task_id, step).await
    }

    /// Ends a task that somebody has settled with the recipient elsewhere.
    pub async fn resolve_task(
        &self,
        call: Call,
        task_id: TaskId,
        settled: Settled,
    ) -> Result<Written<Task>, Error> {
        let step: Step = Arc::new(move |task: Task, now| task.resolved(settled.clone(), now));
        self.by_hand(call, task_id, step).await
    }

    async fn by_hand(
        &self,
        call: Call,
        task_id: TaskId,
        step: Step,
    ) -> Result<Written<Task>, Error> {
        self.step(call, task_id, step, Kept::Nothing).await
    }

    /// A task that the caller's claims cover.
    pub async fn get_task(&self, caller: &Caller, task_id: TaskId) -> Result<Task, Error> {
        let view = self.view(caller, Action::GetTask, None).await?;
        let found = view.snapshot.find_task(task_id).await?;
        let task = found.ok_or(Error::NotFound(Missing::Task))?;
        permit(caller, &task.recipient, "task_id")?;
        Ok(task)
    }

    /// A page of tasks, oldest first: those that the caller's claims cover.
    pub async fn list_tasks(&self, caller: &Caller, asked: ListTasks) -> Result<Page<Task>, Error> {
        let view = self.view(caller, Action::ListTasks, None).await?;
        let reach = reach(caller, asked.recipient)?;
        let filter = TaskFilter {
            reach,
            state: asked.state,
            subject_request_id: asked.subject_request_id,
        };
        let list = format!("tasks {filter:?}");
        let after = match &asked.page_token {
            Some(token) => Some(position(&self.open_token(&list, token)?)?),
            None => None,
        };
        let limit = asked.page_size as u64 + 1;
        let tasks = view.snapshot.list_tasks(&filter, after, limit).await?;
        Ok(self.page(&list, asked.page_size, tasks, |task| {
            format!("{} {}", task.created_at.as_microsecond(), task.task_id)
        }))
    }

    /// What time does to tasks: takes leases away, moves what nobody takes to the dead letters, gives up
    /// what nobody settles. Safe to run on several replicas at once. Returns how many went a step.
    pub async fn age_tasks(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            let ageing = snapshot.list_ageing_tasks(AGED_MAX).await?;
            snapshot.close().await?;
            let before = count;
            for task_id in ageing {
                if self.stopping.is_cancelled() {
                    return Ok(count);
                }
                count += u64::from(self.age_task(task_id).await?);
            }
            if count == before {
                return Ok(count);
            }
        }
    }

    /// Gives a task to a person to look at whose key is gone: its database was restored without it.
    pub(super) async fn give_up_unreadable(&self, task_id: TaskId) -> Result<(), Error> {
        let given_up = self
            .do_chore(Chore::GiveUpTask, move |tx, _| {
                Box::pin(
                    async move { change(tx, task_id, |task, now| task.unreadable(now).ok()).await },
                )
            })
            .await?;
        if given_up.is_some() {
            tracing::error!(%task_id, "a task whose key is gone went to the dead letters: a person must look");
        }
        Ok(())
    }

    async fn age_task(&self, task_id: TaskId) -> Result<bool, Error> {
        let aged = self
            .do_chore(Chore::GiveUpTask, move |tx, _| {
                Box::pin(async move { change(tx, task_id, |task, now| task.aged(now).ok()).await })
            })
            .await?;
        let Some(task) = aged else { return Ok(false) };
        match task.state_name() {
            StateName::DeadLetter => {
                tracing::error!(%task_id, "a task went to the dead letters: a person must look");
            }
            StateName::Unconfirmed => {
                tracing::error!(%task_id, "a task was given up: nobody has settled it in time");
                self.tasks_ended().await;
            }
            _ => tracing::warn!(%task_id, "the lease of a task ran out"),
        }
        Ok(true)
    }
}

/// A step that nobody asked for. `None`: there is none to take.
async fn change(
    tx: &mut Tx,
    task_id: TaskId,
    step: fn(Task, Timestamp) -> Option<Task>,
) -> Result<Option<Change<Task>>, Error> {
    let Some(seen) = tx.find_task(task_id).await? else {
        return Ok(None);
    };
    tx.lock_subject(seen.subject_id).await?;
    let Some(held) = tx.hold_task(task_id).await? else {
        return Ok(None);
    };
    let Some(task) = step(held, tx.now()) else {
        return Ok(None);
    };
    let event = save(tx, &task).await?;
    let audit = audit(&task);
    let mut change = Change::new(task, audit);
    change.events.extend(event);
    Ok(Some(change))
}

fn reach(caller: &Caller, recipient: Option<Recipient>) -> Result<Reach, Error> {
    if let Some(recipient) = recipient {
        let field = match recipient {
            Recipient::Processor(_) => "processor",
            Recipient::Holder(_) => "holder",
        };
        permit(caller, &recipient, field)?;
        return Ok(Reach::Of(recipient));
    }
    let processors: Bound<Processor> = match &caller.processors {
        Bound::Nothing => Bound::Nothing,
        Bound::Named(named) => named.iter().flatten().cloned().collect(),
        Bound::Everything => Bound::Everything,
    };
    Ok(Reach::Within {
        processors,
        holders: caller.sources.clone(),
    })
}

fn position(text: &str) -> Result<(Timestamp, TaskId), Error> {
    let (created_at, id) = text.split_once(' ').ok_or(Error::CursorInvalid)?;
    let created_at = created_at.parse().map_err(|_| Error::CursorInvalid)?;
    Ok((
        Timestamp::from_microsecond(created_at).map_err(|_| Error::CursorInvalid)?,
        id.parse().map_err(|_| Error::CursorInvalid)?,
    ))
}
