//! What erasures had to leave, and what of it waits no longer.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::LOADED_SUBJECTS;
use crate::{
    app::error::Error,
    domain::{
        erasure::released,
        hold::LegalHold,
        id::SubjectId,
        policy::compile::CompiledPolicy,
        retention::purge::{Purge, PurgeReason, obligations},
        subject::SubjectState,
    },
    store::Session,
};

/// Subjects of one page.
pub(super) const PAGE: u64 = 500;

/// Subjects behind `after` of whom an erasure had to leave something, ascending, `limit` at most.
pub(super) async fn list_retained_subjects(
    session: &Session,
    after: Option<SubjectId>,
    limit: u64,
) -> Result<Vec<SubjectId>, Error> {
    let after = after.unwrap_or(SubjectId(Uuid::nil()));
    Ok(session.list_retained_subjects(after, limit).await?)
}

/// What erasures let go of at `at`, of the subjects behind `after` up to `last`.
pub(super) async fn due(
    session: &Session,
    policy: &Arc<CompiledPolicy>,
    after: Option<SubjectId>,
    last: SubjectId,
    at: Timestamp,
) -> Result<Vec<(SubjectId, Vec<Purge>)>, Error> {
    let mut ids = list_retained_subjects(session, after, PAGE).await?;
    ids.retain(|id| *id <= last);
    let mut due = Vec::new();
    for ids in ids.chunks(LOADED_SUBJECTS) {
        let states = session.load_states(ids, &[]).await?;
        let holds = session.list_holds(ids).await?;
        for id in ids {
            let Some(known) = states.get(id) else {
                continue;
            };
            let holds = holds.get(id).map_or(&[][..], Vec::as_slice);
            let going = due_of(policy, &known.state, holds, at);
            if !going.is_empty() {
                due.push((*id, going));
            }
        }
    }
    Ok(due)
}

fn due_of(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    holds: &[LegalHold],
    at: Timestamp,
) -> Vec<Purge> {
    let released = released(policy, subject, holds, at);
    let going = subject.items.iter();
    let going = going.filter(|item| released.contains(&item.item_id));
    let due = going.map(|item| {
        let laws = obligations(policy, subject, item).into_iter();
        Purge {
            item: item.clone(),
            reason: PurgeReason::ErasureDue,
            processor: None,
            rule: String::new(),
            // Of a hold the instant of its release is not asked for: then it is due now.
            due_at: laws.filter_map(|law| law.until).max().unwrap_or(at),
        }
    });
    due.collect()
}
