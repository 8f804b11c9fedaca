//! What was under way: requests, what their erasures left, and whom they tell. It goes on in a restored
//! database where the journal left it.
//!
//! What names a person to a recipient lies under a key of the task's own. Where that key is there, the task
//! goes on as it was; where it was destroyed, the task had come to an end. Where nobody knows of it, since
//! the keys were restored as well, the person's own key is there again, and names the person anew: this is
//! why these entries are applied before the erasure that they belong to.

use uuid::Uuid;

use super::Applied;
use crate::{
    app::{
        error::Error,
        export::exports_of,
        task::{name_again, task_event},
    },
    domain::{
        event::{Event, EventKind},
        export::ExportKind,
        id::{ItemId, SubjectId},
        journal::{JournalEntry, JournalKind, KeptNotice, KeptRequest, KeptTask, Sealed},
        request::{
            RequestKind, RequestState,
            life::AnyRequest,
            part::{Part, PartState},
            record::Record,
        },
        task::{Recipient, Task, TaskKind, TaskPayload, TaskState},
    },
    store::{KeyState, Tx, notice::Notice},
};

/// What is said of a task whose end a restored backup does not know.
const END_LOST: &str = "how it ended was lost with a restored backup";
/// What is said of a task that nobody can be named to any more.
const NAME_LOST: &str = "what names the person was lost with a restored backup";

/// Applies an entry of something under way. `None`: it is of another kind.
pub(super) async fn keep_again(
    tx: &mut Tx,
    entry: &JournalEntry,
) -> Result<Option<Applied>, Error> {
    let is_kept = matches!(
        entry.what,
        JournalKind::RequestKept(_)
            | JournalKind::ErasureKept(_)
            | JournalKind::TaskKept(_)
            | JournalKind::NoticeKept(_)
    );
    if !is_kept {
        return Ok(None);
    }
    let found = tx.lock_subject(entry.subject_id).await?;
    let subject = Whose {
        subject_id: found.as_ref().map_or(entry.subject_id, |it| it.subject_id),
        lives: found.as_ref().is_some_and(|it| it.erased_at.is_none()),
    };
    let event = match &entry.what {
        JournalKind::RequestKept(kept) => {
            if found.is_none() {
                tx.let_wait(entry).await?;
            }
            request(tx, subject, kept).await?
        }
        JournalKind::ErasureKept(record) => {
            let mut record = (**record).clone();
            record.subject_id = subject.subject_id;
            tx.put_erasure_again(&record).await?;
            None
        }
        JournalKind::TaskKept(kept) => task(tx, subject, kept).await?,
        JournalKind::NoticeKept(kept) => {
            notice(tx, subject, kept).await?;
            None
        }
        _ => None,
    };
    Ok(Some(Applied::kept(subject.subject_id, &entry.what, event)))
}

/// Whom it concerns.
#[derive(Clone, Copy)]
struct Whose {
    subject_id: SubjectId,
    /// Whether the database knows the person, not erased yet.
    lives: bool,
}

impl Whose {
    /// What names the person to a recipient, as far as it can still be read.
    async fn named_to(
        self,
        tx: &Tx,
        recipient: &Recipient,
        items: &[ItemId],
    ) -> Result<Option<TaskPayload>, Error> {
        if !self.lives || !tx.has_key(self.subject_id).await? {
            return Ok(None);
        }
        name_again(tx, self.subject_id, recipient, items)
            .await
            .map(Some)
    }
}

async fn request(tx: &mut Tx, subject: Whose, kept: &KeptRequest) -> Result<Option<Event>, Error> {
    let mut record = Record {
        subject_id: subject.subject_id,
        ..(*kept.record).clone()
    };
    let begins_again = subject.lives && begin_lost_copies_again(tx, &mut record).await?;
    let state = match kept.state {
        RequestState::Completed | RequestState::WaitingOnProcessors | RequestState::OnHold
            if begins_again =>
        {
            record.completed_at = None;
            RequestState::InProgress
        }
        state => state,
    };
    let id = record.subject_request_id;
    let request = AnyRequest::restore(state, record);
    if tx.lock_request(id).await?.is_some() {
        tx.update_request_again(&request).await?;
    } else {
        let corrections = kept.corrections.clone().map(|Sealed(bytes)| bytes);
        tx.insert_sealed_request(&request, corrections).await?;
    }
    Ok(Some(Event {
        subject_request_id: Some(id),
        ..Event::new(EventKind::RequestChanged, Some(subject.subject_id))
    }))
}

/// A package that is not there any more is written anew, unless the person was answered: says whether one
/// is. Of a person who was erased nothing is left to copy; those parts end by themselves.
async fn begin_lost_copies_again(tx: &Tx, record: &mut Record) -> Result<bool, Error> {
    let id = record.subject_request_id;
    let packages = exports_of(tx, &[id]).await?.remove(&id);
    let packages = packages.unwrap_or_default();
    let mut begins_again = false;
    for part in &mut record.parts {
        let kind = match part.kind {
            RequestKind::Access => ExportKind::Access,
            RequestKind::Portability => ExportKind::Portability,
            _ => continue,
        };
        let was_begun = match part.state {
            PartState::Running | PartState::Waiting => true,
            PartState::Done => record.answered_at.is_none(),
            PartState::Pending | PartState::Dropped => false,
        };
        if was_begun && packages.iter().all(|package| package.kind != kind) {
            *part = Part::pending(part.kind);
            begins_again = true;
        }
    }
    Ok(begins_again)
}

async fn task(tx: &mut Tx, subject: Whose, kept: &KeptTask) -> Result<Option<Event>, Error> {
    let task = Task {
        subject_id: subject.subject_id,
        ..(*kept.task).clone()
    };
    let held = tx.hold_task(task.task_id).await?;
    match (held, &kept.payload) {
        (None, Some(Sealed(payload))) => make_again(tx, subject, task, payload).await,
        (None, None) => {
            tx.insert_sealed_tasks(&[(task.clone(), None)]).await?;
            tx.intend_key_destruction(task.task_id).await?;
            Ok(None)
        }
        (Some(held), Some(_)) if held.is_ended() => Ok(None),
        (Some(_), Some(Sealed(payload))) => {
            // It was named anew by an earlier restore.
            tx.reseal_task(task.task_id, payload.clone()).await?;
            Ok(None)
        }
        // How it really ended counts, also where it had to be taken for lost a moment ago.
        (Some(_), None) => {
            tx.save_task_again(&task).await?;
            Ok(Some(task_event(EventKind::TaskChanged, &task)))
        }
    }
}

async fn make_again(
    tx: &mut Tx,
    subject: Whose,
    task: Task,
    payload: &[u8],
) -> Result<Option<Event>, Error> {
    let id = task.task_id;
    let lost_why = match tx.key_state(id).await? {
        KeyState::There => {
            tx.insert_sealed_tasks(&[(task.clone(), Some(payload.to_vec()))])
                .await?;
            return Ok(Some(task_event(EventKind::TaskCreated, &task)));
        }
        KeyState::Destroyed => END_LOST,
        KeyState::Lost => NAME_LOST,
    };
    // The right value of a rectification is nowhere else.
    if lost_why == NAME_LOST
        && task.kind != TaskKind::Rectify
        && let Some(named) = subject
            .named_to(tx, &task.recipient, &task.item_ids)
            .await?
    {
        tx.renew_key(id).await?;
        tx.insert_tasks(&[(task.clone(), named)]).await?;
        return Ok(Some(task_event(EventKind::TaskCreated, &task)));
    }
    let unconfirmed = Task {
        failure: lost_why.to_owned(),
        state: TaskState::Unconfirmed { at: tx.now() },
        ..task
    };
    tx.insert_sealed_tasks(&[(unconfirmed.clone(), None)])
        .await?;
    Ok(Some(task_event(EventKind::TaskChanged, &unconfirmed)))
}

async fn notice(tx: &mut Tx, subject: Whose, kept: &KeptNotice) -> Result<(), Error> {
    let KeptNotice {
        notice_id,
        subject_request_id,
        recipient,
        item_ids,
        payload,
    } = kept;
    let Some(Sealed(payload)) = payload else {
        return Ok(tx.remove_notice_again(*notice_id).await?);
    };
    let notice = Notice {
        notice_id: *notice_id,
        subject_id: subject.subject_id,
        subject_request_id: *subject_request_id,
        recipient: recipient.clone(),
        item_ids: item_ids.clone(),
    };
    match tx.key_state(Uuid::from(*notice_id)).await? {
        KeyState::There => tx.put_sealed_notice(&notice, payload.clone()).await?,
        // What it had to tell was told.
        KeyState::Destroyed => {}
        KeyState::Lost => {
            if let Some(named) = subject.named_to(tx, recipient, item_ids).await? {
                tx.renew_key(*notice_id).await?;
                tx.put_notice(&notice, &named).await?;
            }
        }
    }
    Ok(())
}
