//! The ends of tasks, and what they mean to others: a request that waits for them, the key that is no
//! longer needed.

use crate::{
    app::error::Error,
    domain::{
        event::{Event, EventKind},
        id::TaskId,
        task::Task,
    },
    store::Tx,
};

/// Writes a task that went a step further. `Some`: it came to its end or to the dead letters, and this
/// is what others hear of it. Its subject is held.
pub(super) async fn save(tx: &mut Tx, task: &Task) -> Result<Option<Event>, Error> {
    tx.save_task(task).await?;
    let is_news = task.is_ended() || task.not_before().is_none() && task.lease().is_none();
    Ok(is_news.then(|| event(EventKind::TaskChanged, task)))
}

/// Ends a task that is no longer wanted, if it has not ended. Its subject is held.
pub(in crate::app) async fn cancel(tx: &mut Tx, id: TaskId) -> Result<Option<Event>, Error> {
    let Some(held) = tx.hold_task(id).await? else {
        return Ok(None);
    };
    match held.cancelled(tx.now()) {
        Ok(cancelled) => save(tx, &cancelled).await,
        Err(_) => Ok(None),
    }
}

/// What others hear of a task.
pub(in crate::app) fn event(kind: EventKind, task: &Task) -> Event {
    Event {
        data_categories: task.data_categories.clone(),
        item_ids: task.item_ids.clone(),
        purposes: task.purposes.clone(),
        processors: task.recipient.processor().cloned().into_iter().collect(),
        subject_request_id: task.subject_request_id,
        task_ids: vec![task.task_id],
        ..Event::new(kind, Some(task.subject_id))
    }
}
