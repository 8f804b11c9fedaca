//! Erasure (Art. 17): what goes at once is gone when the call returns, what must stay is sealed anew under
//! keys of its own and goes by itself later, and everybody who has the data is told.
//!
//! In this order, in one transaction: whoever has the data gets a task, while it can still be read what
//! names the person to them; what stays is sealed anew; what goes is destroyed; of a person as a whole the
//! identifiers are suppressed and unlinked, every other text goes, and the end of the key is decided.

mod certificate;
mod preview;
mod resume;
mod subject;
#[cfg(test)]
mod tests;
mod traces;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

pub(in crate::app) use self::resume::resume;
use self::traces::Traced;
pub use self::{
    certificate::Certificate,
    preview::{ErasurePreview, PreviewedRecipient},
};
use super::{
    effect::Effect,
    error::{Error, Missing},
    registry::{Registry, in_force},
    task::{Inform, already_told, cancel, inform_recipients, prepare_notices, send_notices},
};
use crate::{
    domain::{
        erasure::{self, ErasurePlan, ErasureScope, record::ErasureRecord},
        event::Event,
        hold::LegalHold,
        id::{ItemId, SubjectId, SubjectRequestId},
        item::ItemState,
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        request::ErasureGround,
        subject::SubjectState,
        task::{TaskCause, TaskKind},
    },
    store::{Session, Tx, item::RetainedItems},
};

/// Items that recipients are told of in one go: what names them is in memory until then.
const TOLD_PAGE: usize = 2_000;

/// An erasure that a request carries out.
#[derive(Clone, Debug)]
pub(in crate::app) struct Erase {
    /// The person; held.
    pub subject_id: SubjectId,
    /// The request.
    pub subject_request_id: SubjectRequestId,
    /// What is to go.
    pub scope: ErasureScope,
    /// Why the person may have it erased.
    pub ground: ErasureGround,
}

/// Carries an erasure out, in the transaction of its request. The subject is held. Once committed, call
/// [`Registry::complete_erasures`] before anybody is answered. Of a person who is erased already what has
/// stayed is looked at again, and waits for this request from now on.
pub(in crate::app) async fn erase(
    tx: &mut Tx,
    policies: &PolicyHistory,
    erase: &Erase,
) -> Result<Effect, Error> {
    let held = Held::load(tx, policies, erase.subject_id).await?;
    let work = Work::new(&held, erase, held.plan(&erase.scope, tx));
    let mut effect = Effect::default();
    work.tell(tx, policies, &mut effect).await?;
    let superseded = cancel_superseded(tx, erase.subject_id, &work.going).await?;
    work.retain(tx).await?;
    let gone: Vec<_> = work.going.iter().map(|item| item.item_id).collect();
    tx.delete_items(erase.subject_id, &gone).await?;
    let ended = if work.ends_subject {
        Some(subject::end(tx, &held, erase.subject_request_id).await?)
    } else {
        None
    };
    let identifiers = ended.as_ref().map_or(0, |ended| ended.identifiers);
    work.write_down(tx, identifiers).await?;
    let traced = Traced {
        subject: erase.subject_id,
        request: Some(erase.subject_request_id),
        gone: &work.going,
        staying: &work.staying,
    };
    match ended {
        Some(ended) => traced.subject_erased(tx, ended, &mut effect).await?,
        None => traced.items_erased(tx, &mut effect).await?,
    }
    effect.events.extend(superseded);
    effect.subjects.push(erase.subject_id);
    Ok(effect)
}

/// What an erasure is planned from, as one session sees it.
struct Held {
    state: SubjectState,
    holds: Vec<LegalHold>,
    policy: Arc<CompiledPolicy>,
}

impl Held {
    async fn load(
        session: &Session,
        policies: &PolicyHistory,
        subject: SubjectId,
    ) -> Result<Self, Error> {
        let mut states = session.load_states(&[subject], &[]).await?;
        let known = states.remove(&subject);
        let known = known.ok_or(Error::NotFound(Missing::Subject))?;
        let mut holds = session.list_holds(&[subject]).await?;
        Ok(Self {
            state: known.state,
            holds: holds.remove(&subject).unwrap_or_default(),
            policy: in_force(policies, session.now())?.clone(),
        })
    }

    fn lives(&self) -> bool {
        self.state.erased_at.is_none()
    }

    fn plan(&self, scope: &ErasureScope, session: &Session) -> ErasurePlan {
        let law = |item: &ItemState| erasure::required(&self.policy, &self.state, item);
        erasure::plan(&self.state, &self.holds, law, scope, session.now())
    }
}

/// One erasure on its way.
struct Work<'a> {
    held: &'a Held,
    erase: &'a Erase,
    plan: ErasurePlan,
    /// What goes, as ordinary items.
    going: Vec<ItemState>,
    /// What stays, with its grounds.
    staying: Vec<ItemState>,
    /// Whether the person is erased by it.
    ends_subject: bool,
}

impl<'a> Work<'a> {
    fn new(held: &'a Held, erase: &'a Erase, plan: ErasurePlan) -> Self {
        Self {
            held,
            erase,
            going: plan.going().map(ordinary).collect(),
            staying: plan.staying().collect(),
            ends_subject: plan.whole_subject && held.lives(),
            plan,
        }
    }

    /// Tells everybody who has the data. Those with whom items stay for as long as they stay here are told
    /// when the items go.
    async fn tell(
        &self,
        tx: &mut Tx,
        policies: &PolicyHistory,
        effect: &mut Effect,
    ) -> Result<(), Error> {
        let (subject, request) = (self.erase.subject_id, self.erase.subject_request_id);
        if !self.held.lives() {
            let informed = send_notices(tx, subject, &self.going).await?;
            effect.task_ids.extend(informed.task_ids);
            effect.events.extend(informed.events);
            return Ok(tx.hand_notices_on(subject, request).await?);
        }
        let was_retained = |it: &erasure::PlannedItem| it.item.is_retained();
        let already_told = if self.plan.items.iter().any(was_retained) {
            already_told(tx, subject).await?
        } else {
            BTreeMap::default()
        };
        let inform = |items: &[ItemState]| Inform {
            subject_request_id: Some(request),
            already_told: already_told.clone(),
            ..Inform::new(subject, TaskKind::Erase, TaskCause::Request, items.to_vec())
        };
        let pages = self.going.chunks(TOLD_PAGE);
        for page in pages.chain(self.staying.chunks(TOLD_PAGE)) {
            let informed = inform_recipients(tx, policies, inform(page)).await?;
            effect.task_ids.extend(informed.task_ids);
            effect.events.extend(informed.events);
        }
        if self.ends_subject {
            for page in self.staying.chunks(TOLD_PAGE) {
                prepare_notices(tx, policies, inform(page), request).await?;
            }
        }
        Ok(())
    }

    async fn retain(&self, tx: &mut Tx) -> Result<(), Error> {
        let retained = RetainedItems {
            subject: self.erase.subject_id,
            items: &self.staying,
            retained_by: Some(self.erase.subject_request_id),
            subject_lives: self.held.lives() && !self.ends_subject,
        };
        Ok(tx.retain_items(retained).await?)
    }

    /// Writes the erasure down, and in earlier ones what has become of the items that stayed then.
    async fn write_down(&self, tx: &mut Tx, identifiers: u64) -> Result<(), Error> {
        let (subject, now) = (self.erase.subject_id, tx.now());
        for mut earlier in tx.list_erasures(subject).await? {
            if earlier.review(&self.plan.items, now) {
                tx.put_erasure(&earlier).await?;
            }
        }
        let mut record = ErasureRecord {
            subject_request_id: self.erase.subject_request_id,
            subject_id: subject,
            erased_at: now,
            ground: self.erase.ground,
            whole_subject: self.plan.whole_subject,
            suppressed_identifiers: identifiers,
            erased: Vec::new(),
            kept: Vec::new(),
        };
        record.note(&self.plan, now);
        Ok(tx.put_erasure(&record).await?)
    }
}

fn ordinary(item: &ItemState) -> ItemState {
    ItemState {
        retained_for: None,
        ..item.clone()
    }
}

/// Ends tasks that make no sense any more: to correct what is gone, to hand over a copy of it.
async fn cancel_superseded(
    tx: &mut Tx,
    subject: SubjectId,
    going: &[ItemState],
) -> Result<Vec<Event>, Error> {
    let going: HashSet<ItemId> = going.iter().map(|item| item.item_id).collect();
    let mut events = Vec::new();
    for task in tx.list_open_tasks(subject).await? {
        let is_about_content = matches!(task.kind, TaskKind::Rectify | TaskKind::ProvideCopy);
        if is_about_content && task.item_ids.iter().all(|id| going.contains(id)) {
            events.extend(cancel(tx, task.task_id).await?);
        }
    }
    Ok(events)
}

impl Registry {
    /// Destroys the keys whose destruction has been committed. An erasure is over when this returns.
    pub(in crate::app) async fn complete_erasures(&self) -> Result<(), Error> {
        self.store
            .complete_key_destructions(self.clock_now())
            .await?;
        Ok(())
    }
}
