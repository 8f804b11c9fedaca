//! Tasks that nobody wants any more.

use super::{Informed, ending::save};
use crate::{
    app::error::Error,
    domain::{id::SubjectRequestId, task::TaskKind},
    store::Tx,
};

/// Ends the tasks of a request that ask for a copy: nobody waits for it. What else was asked of
/// recipients stands, since it was carried out here. The subject is held.
pub(in crate::app) async fn cancel_copies(
    tx: &mut Tx,
    request: SubjectRequestId,
) -> Result<Informed, Error> {
    let mut cancelled = Informed::default();
    for seen in tx.list_request_tasks(request).await? {
        if seen.kind != TaskKind::ProvideCopy || seen.is_ended() {
            continue;
        }
        let Some(held) = tx.hold_task(seen.task_id).await? else {
            continue;
        };
        // One that has ended meanwhile is as good.
        let Ok(task) = held.cancelled(tx.now()) else {
            continue;
        };
        cancelled.events.extend(save(tx, &task).await?);
        cancelled.task_ids.push(task.task_id);
    }
    Ok(cancelled)
}
