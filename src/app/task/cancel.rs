//! Tasks that nobody wants any more.

use super::{Informed, ending::cancel};
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
        // One that has ended meanwhile is as good.
        if let Some(event) = cancel(tx, seen.task_id).await? {
            cancelled.events.push(event);
            cancelled.task_ids.push(seen.task_id);
        }
    }
    Ok(cancelled)
}
