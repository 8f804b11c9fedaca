//! What people took back after a backup that does not know them yet: it holds for whoever registers under
//! the identifiers that they had.

use super::apply::to_living;
use crate::{
    app::{effect::Effect, error::Error},
    domain::{
        audit::AuditDetail,
        event::{Event, EventKind},
        id::SubjectId,
        journal::{JournalEntry, JournalKind},
    },
    store::Tx,
};

/// What the log says of it.
const WAITED: &str = "HAD_WAITED";

/// Applies what waited for the owner of an identifier that leads to `subject` from now on. The subject is
/// held. It is in the journal under the subject that the person was then, so a backup from before this
/// transaction lets it wait again.
pub(in crate::app) async fn apply_waiting(
    tx: &mut Tx,
    subject: SubjectId,
    entries: &[JournalEntry],
) -> Result<Effect, Error> {
    let mut effect = Effect::default();
    for entry in entries {
        let event = match &entry.what {
            // The request is there since the restore, of a person whom nobody knew.
            JournalKind::RequestKept(kept) => {
                tx.move_requests(entry.subject_id, subject).await?;
                Some(Event {
                    subject_request_id: Some(kept.record.subject_request_id),
                    ..Event::new(EventKind::RequestChanged, Some(subject))
                })
            }
            _ => to_living(tx, subject, entry).await?,
        };
        effect.events.extend(event);
    }
    if !entries.is_empty() {
        effect.subjects.push(subject);
        effect.audit.push(AuditDetail {
            outcome: WAITED.to_owned(),
            ..AuditDetail::of(subject)
        });
    }
    Ok(effect)
}
