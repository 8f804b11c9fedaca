//! Retention: what goes because its time has run out (Art. 5(1)(e)), swept without anybody asking, and
//! shown beforehand to whoever asks.

mod erasures;
mod preview;
mod purge;
mod sweep;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    error::Error,
    registry::{Registry, in_force},
};
use crate::{
    domain::{
        id::SubjectId,
        name::DataCategory,
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        retention::{
            Suspect,
            purge::{PurgePlan, Surroundings, processors_with_maxima, purge_plan},
            suspects,
        },
    },
    store::Session,
};

pub use preview::{
    AS_OF_YEARS_MAX, PreviewPurge, PurgeCount, PurgePreview, SAMPLE_DEFAULT, SAMPLE_MAX,
};
pub use sweep::Swept;

/// Subjects of one page.
const PAGE_SUBJECTS: u64 = 500;
/// Subjects whose states are in memory at once.
const LOADED_SUBJECTS: usize = 50;

/// The plans of a page of subjects.
struct Page {
    /// Those of whom something goes or is held.
    plans: Vec<(SubjectId, PurgePlan)>,
    /// The last subject that was looked at.
    last: Option<SubjectId>,
    /// Whether nobody is left behind it.
    is_last: bool,
}

/// Plans for the subjects behind `after`, as at `at`.
async fn plan_page(
    session: &Session,
    policies: &PolicyHistory,
    after: Option<SubjectId>,
    at: Timestamp,
) -> Result<Page, Error> {
    let policy = in_force(policies, at)?;
    let ids = session.page_subjects(after, PAGE_SUBJECTS).await?;
    let mut page = Page {
        plans: Vec::new(),
        last: ids.last().copied(),
        is_last: (ids.len() as u64) < PAGE_SUBJECTS,
    };
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(page);
    };
    let suspects = suspects(policy, at);
    let suspected = session.list_suspects(*first, *last, &suspects).await?;
    for ids in suspected.chunks(LOADED_SUBJECTS) {
        page.plans.extend(plan(session, policy, ids, at).await?);
    }
    for (subject, due) in erasures::due(session, policy, after, *last, at).await? {
        match page.plans.iter_mut().find(|(id, _)| *id == subject) {
            Some((_, plan)) => plan.due.extend(due),
            None => page.plans.push((
                subject,
                PurgePlan {
                    due,
                    ..PurgePlan::default()
                },
            )),
        }
    }
    Ok(page)
}

/// Plans for these subjects, as at `at`. One of whom nothing goes and nothing is held is left out.
async fn plan(
    session: &Session,
    policy: &CompiledPolicy,
    ids: &[SubjectId],
    at: Timestamp,
) -> Result<Vec<(SubjectId, PurgePlan)>, Error> {
    let data = data_of(&suspects(policy, at));
    let states = session.load_states(ids, &data).await?;
    let holds = session.list_holds(ids).await?;
    let processors: Vec<_> = processors_with_maxima(policy).into_iter().collect();
    let disclosed = session.list_disclosed(ids, &processors).await?;
    let told = session.list_processor_purges(ids).await?;
    let mut plans = Vec::new();
    for id in ids {
        let Some(known) = states.get(id) else {
            continue;
        };
        let surroundings = Surroundings {
            holds: holds.get(id).map_or(&[], Vec::as_slice),
            disclosed: disclosed.get(id).map_or(&[], Vec::as_slice),
            told: told.get(id).map_or(&[], Vec::as_slice),
        };
        let plan = purge_plan(policy, &known.state, surroundings, at);
        if plan != PurgePlan::default() {
            plans.push((*id, plan));
        }
    }
    Ok(plans)
}

/// The data categories that the suspects are of; none: any.
fn data_of(suspects: &[Suspect]) -> Vec<DataCategory> {
    if suspects.iter().any(|suspect| suspect.data.is_empty()) {
        return Vec::new();
    }
    let data = suspects.iter().flat_map(|suspect| suspect.data.clone());
    let data: std::collections::BTreeSet<_> = data.collect();
    data.into_iter().collect()
}

impl Registry {
    /// Waits until something in this process may let what waited go on, `at_most` long. Says whether it
    /// was that.
    pub async fn wait_for_due(&self, at_most: Duration) -> bool {
        let woken = tokio::time::timeout(at_most, self.due.notified()).await;
        woken.is_ok()
    }

    /// How long ago a sweep came to its end, on whichever replica; `None`: never.
    pub async fn since_last_sweep(&self) -> Result<Option<SignedDuration>, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let sweep = snapshot.find_sweep(sweep::NAME).await?;
        let now = snapshot.now();
        snapshot.close().await?;
        let ended = sweep.and_then(|sweep| sweep.finished_at);
        Ok(ended.map(|at| now.duration_since(at)))
    }
}
