//! What others have done for requests so far.

use std::collections::HashMap;

use crate::{
    app::{error::Error, export::exports_of, registry::in_force},
    domain::{
        export::{ExportKind, record::ExportRecord},
        id::SubjectRequestId,
        policy::history::PolicyHistory,
        request::{
            RequestKind,
            advance::{Leaf, Leaves},
            life::AnyRequest,
            part::{Part, PartState},
            record::Record,
            waiting::count_waited_for,
        },
    },
    store::{Session, request::RequestCounts, state::KnownSubject},
};

/// The leaves of one request.
pub(super) async fn leaves_of(
    session: &Session,
    policies: &PolicyHistory,
    record: &Record,
) -> Result<Leaves, Error> {
    let id = record.subject_request_id;
    let counts = session.count_leaves(&[id]).await?.remove(&id);
    let exports = exports_of(session, &[id]).await?.remove(&id);
    let (counts, exports) = (counts.unwrap_or_default(), exports.unwrap_or_default());
    gather(session, policies, record, &counts, &exports).await
}

/// The leaves of several requests: a few queries for all of them, and some more for the few that a legal
/// hold may keep waiting.
pub(super) async fn list_leaves(
    session: &Session,
    policies: &PolicyHistory,
    requests: &[AnyRequest],
) -> Result<HashMap<SubjectRequestId, Leaves>, Error> {
    let ids = requests.iter().map(|it| it.record().subject_request_id);
    let ids: Vec<_> = ids.collect();
    let mut counts = session.count_leaves(&ids).await?;
    let mut exports = exports_of(session, &ids).await?;
    let mut leaves = HashMap::with_capacity(requests.len());
    for request in requests {
        let id = request.record().subject_request_id;
        let counts = counts.remove(&id).unwrap_or_default();
        let exports = exports.remove(&id).unwrap_or_default();
        let of_request = gather(session, policies, request.record(), &counts, &exports).await?;
        leaves.insert(id, of_request);
    }
    Ok(leaves)
}

async fn gather(
    session: &Session,
    policies: &PolicyHistory,
    record: &Record,
    counts: &RequestCounts,
    exports: &[ExportRecord],
) -> Result<Leaves, Error> {
    let held_items = match counts.waiting_items {
        0 => 0,
        _ => count_held(session, policies, record).await?,
    };
    let mut leaves = Leaves::default();
    for part in &record.parts {
        let leaf = Leaf {
            open_tasks: counts.open_tasks_of(part.kind.task_kinds()),
            held_items: match part.kind {
                RequestKind::Erasure => held_items,
                _ => 0,
            },
            is_ready: is_ready(session, record, part, exports).await?,
        };
        leaves.0.insert(part.kind, leaf);
    }
    Ok(leaves)
}

/// Items that the request waits for. What a law alone keeps is not among them.
async fn count_held(
    session: &Session,
    policies: &PolicyHistory,
    record: &Record,
) -> Result<u64, Error> {
    let (subject, now) = (record.subject_id, session.now());
    let left = session
        .list_waiting_items(subject, record.subject_request_id)
        .await?;
    let holds = session.list_holds(&[subject]).await?.remove(&subject);
    let known = session.load_states(&[subject], &[]).await?.remove(&subject);
    let Some(KnownSubject { state, .. }) = known else {
        return Ok(0);
    };
    let policy = in_force(policies, now)?;
    let (holds, left) = (holds.unwrap_or_default(), left.into_iter().collect());
    Ok(count_waited_for(policy, &state, &holds, &left, now))
}

/// Whether nothing more is to be waited for of a copy: its package is complete, or it went with the
/// person, who was erased by another request meanwhile.
async fn is_ready(
    session: &Session,
    record: &Record,
    part: &Part,
    exports: &[ExportRecord],
) -> Result<bool, Error> {
    let Some(kind) = export_kind(part.kind) else {
        return Ok(false);
    };
    if exports.iter().any(|it| it.kind == kind) {
        let mut of_kind = exports.iter().filter(|it| it.kind == kind);
        return Ok(of_kind.any(|it| it.is_ready() || it.destroyed_at.is_some()));
    }
    if part.state.is_end() || part.state == PartState::Pending {
        return Ok(false);
    }
    let subject = session.find_subject(record.subject_id).await?;
    Ok(subject.is_none_or(|subject| subject.erased_at.is_some()))
}

/// The package that answers a part.
pub(super) fn export_kind(kind: RequestKind) -> Option<ExportKind> {
    match kind {
        RequestKind::Access => Some(ExportKind::Access),
        RequestKind::Portability => Some(ExportKind::Portability),
        RequestKind::Erasure
        | RequestKind::Rectification
        | RequestKind::Restriction
        | RequestKind::Objection
        | RequestKind::Withdrawal => None,
    }
}
