//! The sweep over all subjects, page by page. Where it stands is kept, so that it goes on after a crash;
//! one replica at a time is at it. That only saves work: what is due of a subject is decided and done in
//! one transaction that holds the subject, so two sweeps at once do everything once.

use jiff::SignedDuration;
use uuid::Uuid;

use super::{erasures, plan_page};
use crate::{
    app::{error::Error, registry::Registry},
    domain::id::SubjectId,
    store::sweep::Sweep,
};

/// The sweep's name in the store.
pub(super) const NAME: &str = "retention";
/// How long a worker that is not heard of counts as at work. Another one goes on where it stopped.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// Subjects that are worked on between two signs of life.
const SUBJECTS_PER_SIGN: usize = 25;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Items that were deleted.
    pub items: u64,
    /// Items of which a processor was told that its own retention has run out.
    pub told: u64,
    /// Erasures that had to leave something, and let go of some of it now.
    pub erased: u64,
    /// Subjects that could not be worked on; the next sweep tries again, and the log says why.
    pub failed: u64,
}

/// The part in a sweep that this process has taken.
struct Part {
    worker_id: Uuid,
    cursor: Option<SubjectId>,
    /// Whether somebody else had begun it.
    is_resumed: bool,
}

/// How a sweep stands with its worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It goes on.
    Going,
    /// The process is to stop; another one may go on at once.
    Left,
    /// It has come to its end.
    Over,
}

impl Registry {
    /// Sweeps until everything that was due when this was called is done. What an earlier sweep left
    /// unfinished is finished first. `None`: another replica is at it, or has taken over; try again.
    /// A sweep that is told to stop keeps its place.
    pub async fn sweep_retention(&self) -> Result<Option<Swept>, Error> {
        let mut swept = Swept::default();
        let mut worker_id = None;
        loop {
            let Some(part) = self.take_part(worker_id).await? else {
                return Ok(None);
            };
            worker_id = Some(part.worker_id);
            let (worker, is_resumed) = (part.worker_id, part.is_resumed);
            match self.sweep(part, &mut swept).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    // Its place is kept; should this fail as well, the lease runs out.
                    drop(self.leave(worker).await);
                    return Err(error);
                }
            }
            if !is_resumed || self.stopping.is_cancelled() {
                return Ok(Some(swept));
            }
        }
    }

    /// Takes up the sweep where it stands, or begins one.
    async fn take_part(&self, worker_id: Option<Uuid>) -> Result<Option<Part>, Error> {
        self.store
            .write("take_sweep", self.clock_now(), move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    let worker_id = worker_id.unwrap_or_else(|| tx.new_id());
                    let mut sweep = tx.hold_sweep(NAME).await?;
                    let is_resumed = sweep.finished_at.is_none();
                    if !is_resumed {
                        sweep = Sweep::begun(now);
                    } else if sweep.is_anothers(worker_id, now) {
                        return Ok::<_, Error>(None);
                    }
                    sweep.take(worker_id, now, LEASE);
                    tx.save_sweep(NAME, &sweep).await?;
                    Ok(Some(Part {
                        worker_id,
                        cursor: sweep.cursor,
                        is_resumed,
                    }))
                })
            })
            .await
    }

    /// Works from the cursor to the end. `false`: another replica has taken over.
    async fn sweep(&self, part: Part, swept: &mut Swept) -> Result<bool, Error> {
        let Part {
            worker_id,
            mut cursor,
            ..
        } = part;
        loop {
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            let policies = self.store.policies(&snapshot).await?;
            let page = match plan_page(&snapshot, &policies, cursor, snapshot.now()).await {
                // Nothing is kept by a policy that is not in force yet.
                Err(Error::NotFound(_)) => return self.save(worker_id, None, State::Over).await,
                page => page?,
            };
            snapshot.close().await?;
            let due = page.plans.iter().filter(|(_, plan)| !plan.due.is_empty());
            for (place, (subject, _)) in due.enumerate() {
                if self.stopping.is_cancelled() {
                    return self.save(worker_id, cursor, State::Left).await;
                }
                let is_sign_due = place % SUBJECTS_PER_SIGN == SUBJECTS_PER_SIGN - 1;
                if is_sign_due && !self.save(worker_id, cursor, State::Going).await? {
                    return Ok(false);
                }
                self.purge(*subject, swept).await?;
            }
            cursor = page.last.or(cursor);
            if page.is_last {
                self.resume_erasures(swept).await?;
            }
            let state = if page.is_last {
                State::Over
            } else if self.stopping.is_cancelled() {
                State::Left
            } else {
                State::Going
            };
            let is_ours = self.save(worker_id, cursor, state).await?;
            if !is_ours || state != State::Going {
                return Ok(is_ours);
            }
        }
    }

    /// Everything that is due of one subject, a portion at a time. A subject that cannot be worked on
    /// does not keep the others waiting.
    async fn purge(&self, subject: SubjectId, swept: &mut Swept) -> Result<(), Error> {
        loop {
            match self.purge_portion(subject).await {
                Ok(purged) => {
                    swept.items += purged.items;
                    swept.told += purged.told;
                    if !purged.more {
                        return Ok(());
                    }
                }
                Err(Error::Internal(text)) => {
                    tracing::error!(error = text, "a subject's items cannot be purged");
                    swept.failed += 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn resume_erasures(&self, swept: &mut Swept) -> Result<(), Error> {
        let mut after = None;
        loop {
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            let page = erasures::list_retained_subjects(&snapshot, after, erasures::PAGE).await?;
            snapshot.close().await?;
            for subject in &page {
                match self.resume_erasure(*subject).await {
                    Ok(went_on) => swept.erased += u64::from(went_on),
                    Err(Error::Internal(text)) => {
                        tracing::error!(error = text, "an erasure cannot go on");
                        swept.failed += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
            after = page.last().copied();
            if (page.len() as u64) < erasures::PAGE || self.stopping.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Lets another worker go on at once.
    async fn leave(&self, worker_id: Uuid) -> Result<(), Error> {
        self.store
            .write("leave_sweep", self.clock_now(), move |tx| {
                Box::pin(async move {
                    let mut sweep = tx.hold_sweep(NAME).await?;
                    if sweep.worker.is_some_and(|it| it.worker_id == worker_id) {
                        sweep.worker = None;
                        tx.save_sweep(NAME, &sweep).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await
    }

    /// Keeps how far the sweep has come; a sign of life as well. `false`: another replica is at it.
    async fn save(
        &self,
        worker_id: Uuid,
        cursor: Option<SubjectId>,
        state: State,
    ) -> Result<bool, Error> {
        self.store
            .write("save_sweep", self.clock_now(), move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    let mut sweep = tx.hold_sweep(NAME).await?;
                    let is_ours = sweep
                        .worker
                        .is_some_and(|worker| worker.worker_id == worker_id);
                    if !is_ours || sweep.finished_at.is_some() {
                        return Ok::<_, Error>(false);
                    }
                    sweep.cursor = cursor;
                    sweep.take(worker_id, now, LEASE);
                    match state {
                        State::Going => {}
                        State::Left => sweep.worker = None,
                        State::Over => sweep.finished_at = Some(now),
                    }
                    tx.save_sweep(NAME, &sweep).await?;
                    Ok(true)
                })
            })
            .await
    }
}
