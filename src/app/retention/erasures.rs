//! What erasures had to leave, and what of it waits no longer.

use jiff::Timestamp;

use crate::{
    app::{error::Error, registry::Registry},
    domain::{
        id::SubjectId,
        policy::compile::CompiledPolicy,
        retention::purge::{Purge, Surroundings},
        subject::SubjectState,
    },
    store::Session,
};

/// Subjects of one page.
pub(super) const PAGE: u64 = 500;

/// Items that an erasure had to leave and that nothing keeps any longer.
pub(super) fn due(
    _policy: &CompiledPolicy,
    _subject: &SubjectState,
    _known: Surroundings<'_>,
    _at: Timestamp,
) -> Vec<Purge> {
    Vec::new()
}

/// Subjects behind `after` of whom an erasure had to leave something, ascending, `limit` at most.
#[expect(
    clippy::unused_async,
    reason = "the store lists them once erasures leave something"
)]
pub(super) async fn list_retained_subjects(
    _session: &Session,
    _after: Option<SubjectId>,
    _limit: u64,
) -> Result<Vec<SubjectId>, Error> {
    Ok(Vec::new())
}

/// Goes on with the erasure of a subject. Returns how many items went.
#[expect(
    clippy::unused_async,
    reason = "erasures are gone on with in the store"
)]
pub(super) async fn resume(_registry: &Registry, _subject: SubjectId) -> Result<u64, Error> {
    Ok(0)
}
