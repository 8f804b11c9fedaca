//! Requests go on by themselves: a task has ended, a package is complete, a legal hold was released.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    carry_out::carry_out,
    held::hold,
    keep,
    leaves::{leaves_of, list_leaves},
};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        registry::{Change, Registry},
    },
    domain::{
        audit::{Chore, REGISTRY},
        id::SubjectRequestId,
        name::Source,
        policy::history::PolicyHistory,
        request::{advance::Leaves, life::AnyRequest},
    },
    store::{Session, Tx},
};

/// Requests that are looked at in one step.
const PAGE: u64 = 200;

impl Registry {
    /// Moves every request on that can go on, each in a transaction of its own. One that fails is said in
    /// the log, does not hold up the others, and is tried again by the next round. Safe to run on several
    /// replicas at once. Returns how many went on.
    pub async fn advance_requests(&self) -> Result<u64, Error> {
        let (mut count, mut after) = (0, Some(SubjectRequestId(Uuid::nil())));
        while let Some(from) = after {
            let (movable, last) = self.list_movable(from).await?;
            after = last;
            for id in movable {
                if self.stopping.is_cancelled() {
                    return Ok(count);
                }
                match self.advance_request(id).await {
                    Ok(moved) => count += u64::from(moved),
                    Err(error) => {
                        let error = error.for_operators();
                        tracing::warn!(subject_request_id = %id, error, "a request could not go on");
                    }
                }
            }
        }
        if count > 0 {
            self.complete_erasures().await?;
        }
        Ok(count)
    }

    /// Those of the next requests that could go on, and the last one looked at; `None`: there are no more.
    async fn list_movable(
        &self,
        after: SubjectRequestId,
    ) -> Result<(Vec<SubjectRequestId>, Option<SubjectRequestId>), Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let page = snapshot.list_begun_requests(after, PAGE).await?;
        let last = page.last().map(|(id, _)| *id);
        let last = last.filter(|_| page.len() as u64 == PAGE);
        let mut begun = Vec::with_capacity(page.len());
        for (id, request) in page {
            match request {
                Ok(request) => begun.push(request),
                Err(error) => {
                    tracing::error!(subject_request_id = %id, %error, "a request does not read");
                }
            }
        }
        let policies = self.store.policies(&snapshot).await?;
        let leaves = match list_leaves(&snapshot, &policies, &begun).await {
            Ok(leaves) => leaves,
            // One that does not read is not to hold up the others.
            Err(Error::Internal(_)) => one_by_one(&snapshot, &policies, &begun).await,
            Err(error) => return Err(error),
        };
        let now = snapshot.now();
        snapshot.close().await?;
        let movable = begun.iter().filter_map(|request| {
            let id = request.record().subject_request_id;
            let leaves = leaves.get(&id)?;
            request.could_go_on(leaves, now).then_some(id)
        });
        Ok((movable.collect(), last))
    }

    async fn advance_request(&self, id: SubjectRequestId) -> Result<bool, Error> {
        let by: Source = REGISTRY
            .parse()
            .map_err(|_| Error::Internal("the registry's own name is no name".into()))?;
        let moved = self
            .do_chore(Chore::AdvanceRequest, move |tx, policies| {
                let by = by.clone();
                Box::pin(async move { advance(tx, policies, &by, id).await })
            })
            .await?;
        Ok(moved.is_some())
    }
}

/// As [`list_leaves`], when that fails: the leaves of those whose leaves can be read.
async fn one_by_one(
    session: &Session,
    policies: &PolicyHistory,
    requests: &[AnyRequest],
) -> HashMap<SubjectRequestId, Leaves> {
    let mut leaves = HashMap::new();
    for request in requests {
        let id = request.record().subject_request_id;
        match leaves_of(session, policies, request.record()).await {
            Ok(of_request) => drop(leaves.insert(id, of_request)),
            Err(error) => {
                let error = error.for_operators();
                tracing::error!(subject_request_id = %id, error, "what a request waits for does not read");
            }
        }
    }
    leaves
}

async fn advance(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    id: SubjectRequestId,
) -> Result<Option<Change<SubjectRequestId>>, Error> {
    let held = hold(tx, id).await?;
    let before = held.request;
    let (request, effect) = if let Some(underway) = before.underway() {
        carry_out(tx, policies, by, held.is_living, underway).await?
    } else {
        // It was cut short: what had been carried out goes on to its end.
        let leaves = leaves_of(tx, policies, before.record()).await?;
        (before.clone().settle(&leaves, tx.now()), Effect::default())
    };
    // Another replica was faster.
    if request == before {
        return Ok(None);
    }
    keep(tx, &request, effect).await.map(Some)
}
