//! What has stayed after erasures, looked at again: what nothing keeps any more goes, and what stays
//! stays on the grounds of now.

use std::collections::BTreeMap;

use super::{Held, ordinary, traces::Traced};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        registry::Registry,
        task::{Inform, already_told, inform_recipients, send_notices},
    },
    domain::{
        audit::{AuditDetail, Chore},
        erasure::{PlannedItem, review},
        id::{ItemId, SubjectId, SubjectRequestId},
        item::ItemState,
        policy::history::PolicyHistory,
        task::{TaskCause, TaskKind},
    },
    store::{Tx, item::RetainedItems},
};

/// What goes and what stays on other grounds, of the items that wait for one request.
#[derive(Default)]
struct Waiting {
    going: Vec<ItemState>,
    staying: Vec<ItemState>,
}

type ByRequest = BTreeMap<Option<SubjectRequestId>, Waiting>;

/// Lets go of what has stayed of a person and nothing keeps any more. `None`: there was nothing to do.
/// Once committed, call [`Registry::complete_erasures`].
pub(in crate::app) async fn resume(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
) -> Result<Option<Effect>, Error> {
    let Some(record) = tx.lock_subject(subject).await? else {
        return Ok(None);
    };
    let subject = record.subject_id;
    let held = Held::load(tx, policies, subject).await?;
    let reviewed = review(&held.policy, &held.state, &held.holds, tx.now());
    let waiting = by_request(tx, subject, &reviewed).await?;
    if waiting.is_empty() {
        return Ok(None);
    }
    let mut effect = Effect::default();
    tell(tx, policies, &held, &waiting, &mut effect).await?;
    for (request, Waiting { going, staying }) in &waiting {
        let retained = RetainedItems {
            subject,
            items: staying,
            retained_by: *request,
            subject_lives: held.lives(),
        };
        tx.retain_items(retained).await?;
        let gone: Vec<ItemId> = going.iter().map(|item| item.item_id).collect();
        tx.delete_items(subject, &gone).await?;
        let traced = Traced {
            subject,
            request: *request,
            gone: going,
            staying,
        };
        traced.items_erased(tx, &mut effect).await?;
    }
    for mut erasure in tx.list_erasures(subject).await? {
        if erasure.review(&reviewed, tx.now()) {
            tx.put_erasure(&erasure).await?;
        }
    }
    effect.subjects.push(subject);
    Ok(Some(effect))
}

/// What has changed, by the request that waits for it.
async fn by_request(
    tx: &Tx,
    subject: SubjectId,
    reviewed: &[PlannedItem],
) -> Result<ByRequest, Error> {
    let mut by_request = ByRequest::new();
    if reviewed.is_empty() {
        return Ok(by_request);
    }
    let waits_for = tx.list_waiting_requests(subject).await?;
    for one in reviewed {
        let grounds = one.retained_for();
        if grounds.is_some() && grounds == one.item.retained_for {
            continue;
        }
        let request = waits_for.get(&one.item.item_id).copied().flatten();
        let waiting = by_request.entry(request).or_default();
        match grounds {
            None => waiting.going.push(ordinary(&one.item)),
            retained_for => waiting.staying.push(ItemState {
                retained_for,
                ..one.item.clone()
            }),
        }
    }
    Ok(by_request)
}

/// Tells whoever has what goes and was not told yet.
async fn tell(
    tx: &mut Tx,
    policies: &PolicyHistory,
    held: &Held,
    waiting: &ByRequest,
    effect: &mut Effect,
) -> Result<(), Error> {
    let subject = held.state.subject_id;
    for (request, Waiting { going, .. }) in waiting {
        if going.is_empty() {
            continue;
        }
        let informed = if held.lives() {
            let inform = Inform {
                subject_request_id: *request,
                already_told: already_told(tx, subject).await?,
                ..Inform::new(subject, TaskKind::Erase, TaskCause::Request, going.clone())
            };
            inform_recipients(tx, policies, inform).await?
        } else {
            send_notices(tx, subject, going).await?
        };
        effect.task_ids.extend(informed.task_ids);
        effect.events.extend(informed.events);
    }
    Ok(())
}

impl Registry {
    /// Lets go of what has stayed of a person and nothing keeps any more. What goes is gone when this
    /// returns. Says whether anything changed.
    pub async fn resume_erasure(&self, subject: SubjectId) -> Result<bool, Error> {
        let done = self
            .do_chore(Chore::CompleteErasure, move |tx, policies| {
                Box::pin(async move {
                    let resumed = super::resume(tx, policies, subject).await?;
                    Ok(resumed.map(|effect| effect.change((), AuditDetail::of(subject))))
                })
            })
            .await?;
        if done.is_none() {
            return Ok(false);
        }
        self.complete_erasures().await?;
        self.ended.notify_one();
        Ok(true)
    }
}
