//! Telling of what ends by itself. Nothing of a person changes by that, so no entry of the log and no revision
//! of the subject comes of it: the events, what was told, and when to look again are one transaction.
//!
//! Told are a consent that runs out, a retention that ends, and a policy that comes into force. A membership, a
//! restriction and an objection have no end of their own: whoever ends them calls, and the call is told of.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{error::Error, registry::Registry};
use crate::{
    domain::{expiry::expiries, id::SubjectId, policy::history::PolicyHistory},
    store::Tx,
};

/// Subjects that are looked at in one transaction at most.
pub const SUBJECTS_PER_ROUND_MAX: usize = 100;
/// How long a subject waits that cannot be read: it must not keep the others waiting.
const POSTPONED: SignedDuration = SignedDuration::from_hours(1);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Events that were written.
    pub events: u64,
    /// Whether somebody is left to look at.
    pub more: bool,
}

impl Registry {
    /// One round: looks at a bounded number of subjects that are due and tells of what has ended, each once.
    /// Safe to run on several replicas at once: each looks at those whom nobody else holds.
    pub async fn announce_expiries(&self) -> Result<Announcement, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let policies = self.store.policies(&snapshot).await?;
        let in_force = snapshot.list_new_in_force().await?;
        let from = in_force_from(&policies, snapshot.now());
        let limit = SUBJECTS_PER_ROUND_MAX as u64;
        let due: Arc<[_]> = snapshot.list_expiring(from, limit).await?.into();
        snapshot.close().await?;
        let mut done = Announcement {
            events: 0,
            more: due.len() == SUBJECTS_PER_ROUND_MAX,
        };
        if !in_force.is_empty() {
            let told = self.store.write("announce_policies", self.clock_now(), {
                move |tx| {
                    let in_force = in_force.clone();
                    Box::pin(async move { Ok::<_, Error>(tx.announce_policies(&in_force).await?) })
                }
            });
            done.events += told.await?;
        }
        if !due.is_empty() {
            done.events += self.look_at_due(due).await?;
        }
        if done.events > 0 {
            self.changed.notify_one();
        }
        Ok(done)
    }

    /// All at once; if one of them cannot be read, one by one, and that one is put off.
    async fn look_at_due(&self, due: Arc<[SubjectId]>) -> Result<u64, Error> {
        match self.look_at_all(due.clone()).await {
            Err(Error::Internal(_)) => {}
            looked => return looked,
        }
        let mut events = 0;
        for id in due.iter() {
            match self.look_at_all([*id].into()).await {
                Ok(told) => events += told,
                Err(Error::Internal(text)) => {
                    tracing::error!(error = text, "a subject cannot be looked at for what ends");
                    self.postpone(*id).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(events)
    }

    async fn look_at_all(&self, due: Arc<[SubjectId]>) -> Result<u64, Error> {
        let store = self.store.clone();
        let told = self
            .store
            .write("announce_expiries", self.clock_now(), move |tx| {
                let (store, due) = (store.clone(), due.clone());
                Box::pin(async move {
                    let policies = store.policies(tx).await?;
                    look_at(tx, &policies, &due).await
                })
            });
        told.await
    }

    async fn postpone(&self, id: SubjectId) -> Result<(), Error> {
        let store = self.store.clone();
        let postponed = self
            .store
            .write("postpone_expiry", self.clock_now(), move |tx| {
                let store = store.clone();
                Box::pin(async move {
                    let policies = store.policies(tx).await?;
                    let from = in_force_from(&policies, tx.now());
                    let later = tx.now().checked_add(POSTPONED).ok();
                    tx.hold_subjects(&[id]).await?;
                    Ok::<_, Error>(tx.schedule_expiries(from, &[(id, later)]).await?)
                })
            });
        postponed.await
    }
}

/// When the policy in force came into force; the beginning of time when none has.
fn in_force_from(policies: &PolicyHistory, now: Timestamp) -> Timestamp {
    let policy = policies.in_force(now);
    policy.map_or(Timestamp::UNIX_EPOCH, |policy| policy.effective_from())
}

async fn look_at(tx: &mut Tx, policies: &PolicyHistory, due: &[SubjectId]) -> Result<u64, Error> {
    let now = tx.now();
    let held = tx.hold_free_subjects(due).await?;
    let (merged, living): (Vec<_>, Vec<_>) =
        held.iter().partition(|record| record.merged_into.is_some());
    let ids = |records: Vec<&crate::store::subject::SubjectRecord>| {
        let ids = records.into_iter().map(|record| record.subject_id);
        ids.collect::<Vec<_>>()
    };
    let (merged, living) = (ids(merged), ids(living));
    if !merged.is_empty() {
        tx.forget_expiries(&merged).await?;
    }
    let (mut next, mut events) = (Vec::new(), Vec::new());
    if let Some(policy) = policies.in_force(now) {
        let states = tx.load_states(&living, &[]).await?;
        let mut announced = tx.list_announced(&living).await?;
        for id in living {
            let Some(known) = states.get(&id) else {
                continue;
            };
            let told = announced.remove(&id).unwrap_or_default();
            let look = expiries(policy, &known.state, &told, now);
            tx.save_expiries(id, &look).await?;
            next.push((id, look.due_at));
            events.extend(look.events);
        }
    } else {
        next.extend(living.into_iter().map(|id| (id, None)));
    }
    let from = in_force_from(policies, now);
    tx.schedule_expiries(from, &next).await?;
    tx.emit(&events).await?;
    Ok(events.len() as u64)
}

#[cfg(test)]
mod tests;
