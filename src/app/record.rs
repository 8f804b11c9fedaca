//! The collected values themselves: handed out for a purpose, corrected, deleted.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    decision::{Answer, Evidence, permit},
    effect::Effect,
    error::{Error, Missing},
    hold::note_held,
    registry::{AHEAD_MAX, Call, Change, Registry, Written, in_force},
    resolve::{resolve, resolve_locked},
    task::{Inform, inform_recipients},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        decision::{self, Query},
        event::{Event, EventKind},
        id::{ItemId, SubjectId},
        item::{Content, Item, ItemState},
        journal::JournalKind,
        name::{DataCategory, Processor, Purpose},
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        retention::purge::{Obligation, obligations},
        revision::Revision,
        subject_ref::SubjectRef,
        task::{TaskCause, TaskKind},
        violation::Violations,
    },
    store::{Session, Tx},
};

/// Items that are read at once: contents are large, and a page of them is held in memory.
pub const FETCH_PAGE: usize = 16;

/// What is wanted of a subject, and what for.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Whose data.
    pub subject: SubjectRef,
    /// What for.
    pub purpose: Purpose,
    /// For whom; `None`: the controller itself.
    pub processor: Option<Processor>,
    /// Which data, all of it or nothing; empty: whatever is lawful.
    pub data_categories: Vec<DataCategory>,
    /// A state that the answer must include.
    pub at_least_as_fresh: Option<Revision>,
}

/// A fetch that was decided, kept and audited. Its items are read page by page.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The decision.
    pub answer: Answer,
    /// What the decision covers.
    pub item_ids: Vec<ItemId>,
    subject: SubjectId,
    query: Query,
}

/// A correction.
#[derive(Clone, Debug)]
pub struct Correct {
    /// Whose item.
    pub subject: SubjectRef,
    /// Which one.
    pub item_id: ItemId,
    /// What it holds from now on.
    pub content: Content,
    /// When the person said so; `None`: now.
    pub corrected_at: Option<Timestamp>,
}

/// Items to be deleted.
#[derive(Clone, Debug)]
pub struct Delete {
    /// Whose items.
    pub subject: SubjectRef,
    /// Single items.
    pub item_ids: Vec<ItemId>,
    /// Every item of these.
    pub data_categories: Vec<DataCategory>,
}

/// An item that was corrected, without key and content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Corrected {
    /// Whose item.
    pub subject_id: SubjectId,
    /// What it is now.
    pub item: ItemState,
}

impl Registry {
    /// Decides on a fetch, keeps the decision and notes in the log which items are handed out.
    pub async fn fetch_records(&self, caller: Arc<Caller>, fetch: Fetch) -> Result<Fetched, Error> {
        permit(&caller, &fetch.purpose, fetch.processor.as_ref())?;
        let action = Action::FetchRecords;
        let view = self.view(&caller, action, fetch.at_least_as_fresh).await?;
        let found = resolve(&view.snapshot, view.in_force()?, &fetch.subject, "subject").await?;
        let id = found.subject_id;
        let evidence = Evidence::load(
            &view.snapshot,
            &view.policies,
            &[id],
            &fetch.data_categories,
        )
        .await?;
        let query = wanted(&evidence, id, fetch);
        let judged = evidence.judge(vec![id], query.clone(), false);
        let mut answer = judged.answer.clone();
        view.snapshot.close().await?;
        let ids = self.keep(caller, action, vec![judged]).await?;
        answer.decision_id = ids.first().copied();
        self.count_decisions([&answer]);
        Ok(Fetched {
            item_ids: answer.item_ids().collect(),
            answer,
            subject: id,
            query,
        })
    }

    /// A page of what was fetched, with content: what is still lawful of `page` when it is read.
    pub async fn read_fetched(
        &self,
        caller: &Caller,
        fetched: &Fetched,
        page: &[ItemId],
    ) -> Result<Vec<Item>, Error> {
        let view = self.view(caller, Action::FetchRecords, None).await?;
        let ids = [fetched.subject];
        let evidence = Evidence::load(
            &view.snapshot,
            &view.policies,
            &ids,
            &fetched.query.data_categories,
        )
        .await?;
        let judged = evidence.judge(ids.to_vec(), fetched.query.clone(), false);
        let lawful: Vec<_> = judged
            .answer
            .item_ids()
            .filter(|id| page.contains(id))
            .collect();
        Ok(view.snapshot.read_items(fetched.subject, &lawful).await?)
    }

    /// Replaces the content of an item (Art. 16). Whoever has it gets a task to do the same (Art. 19).
    pub async fn correct_record(
        &self,
        call: Call,
        correct: Correct,
    ) -> Result<Written<Corrected>, Error> {
        let (caller, correct) = (call.caller.clone(), Arc::new(correct));
        self.change(call, move |tx, policies| {
            let (caller, correct) = (caller.clone(), correct.clone());
            Box::pin(async move { correct_item(tx, policies, &caller, &correct).await })
        })
        .await
    }

    /// Deletes items: content is gone when this returns, a tombstone stays. Whoever has them gets a task
    /// to do the same (Art. 19).
    pub async fn delete_records(
        &self,
        call: Call,
        delete: Delete,
    ) -> Result<Written<Vec<ItemId>>, Error> {
        let (caller, delete) = (call.caller.clone(), Arc::new(delete));
        self.change(call, move |tx, policies| {
            let (caller, delete) = (caller.clone(), delete.clone());
            Box::pin(async move { delete_items(tx, policies, &caller, &delete).await })
        })
        .await
    }

    /// What a deletion would delete.
    pub async fn preview_deletion(
        &self,
        caller: &Caller,
        delete: &Delete,
    ) -> Result<Vec<ItemId>, Error> {
        let view = self.view(caller, Action::DeleteRecords, None).await?;
        let (session, policy) = (&view.snapshot, view.in_force()?);
        let found = resolve(session, policy, &delete.subject, "subject").await?;
        let doomed = doomed_items(session, policy, caller, found.subject_id, delete).await?;
        Ok(doomed.iter().map(|state| state.item_id).collect())
    }
}

/// The question of a fetch. Without data categories: those for which it is lawful; when there is
/// none, those that the policy knows for the purpose, so that the answer says why.
fn wanted(evidence: &Evidence<'_>, id: SubjectId, fetch: Fetch) -> Query {
    let mut query = Query {
        data_categories: fetch.data_categories,
        item_ids: Vec::new(),
        purpose: fetch.purpose,
        processor: fetch.processor,
    };
    if !query.data_categories.is_empty() {
        return query;
    }
    query.data_categories = data_of_purpose(evidence, &query.purpose);
    let judged = evidence.judge(vec![id], query.clone(), false);
    let answers = judged.answer.decision.per_category.into_iter();
    let lawful: Vec<_> = answers
        .filter(|category| category.effect == decision::Effect::Allow)
        .map(|category| category.data_category)
        .collect();
    if !lawful.is_empty() {
        query.data_categories = lawful;
    }
    query
}

fn data_of_purpose(evidence: &Evidence<'_>, purpose: &Purpose) -> Vec<DataCategory> {
    let Ok(policy) = in_force(evidence.policies, evidence.now) else {
        return Vec::new();
    };
    let activities = policy.policy().activities.iter();
    let data = activities
        .filter(|activity| activity.purpose == *purpose)
        .flat_map(|activity| &activity.data);
    let mut seen = std::collections::BTreeSet::new();
    data.filter(|data| seen.insert(*data)).cloned().collect()
}

async fn correct_item(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    correct: &Correct,
) -> Result<Change<Corrected>, Error> {
    let subject = lock(tx, policies, &correct.subject).await?;
    let held = tx.list_item_states(&[subject], &[]).await?;
    let mut held = held.into_values().flatten();
    let held = held
        .find(|state| state.item_id == correct.item_id)
        .ok_or(Error::NotFound(Missing::Item))?;
    refuse_retained(&held)?;
    may_change(caller, &held, "item_id")?;
    let corrected_at = match correct.corrected_at {
        Some(at) => in_time(at, held.collected_at, tx.now())?,
        // A correction made now never loses to a collection a little ahead of the clock.
        None => tx.now().max(held.collected_at),
    };
    let inform = Inform {
        right_values: [(correct.item_id, correct.content.clone())].into(),
        ..Inform::new(
            subject,
            TaskKind::Rectify,
            TaskCause::Correction,
            vec![held],
        )
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    let item = tx
        .correct_item(subject, correct.item_id, &correct.content, corrected_at)
        .await?
        .ok_or(Error::NotFound(Missing::Item))?;
    let items = std::slice::from_ref(&item);
    let event = changed(tx, EventKind::ItemCorrected, subject, items).await?;
    let audit = AuditDetail {
        task_ids: informed.task_ids,
        ..audit(subject, items)
    };
    let corrected = Corrected {
        subject_id: subject,
        item,
    };
    let mut change = Change::new(corrected, audit).event(event);
    change.events.extend(informed.events);
    Ok(change)
}

async fn delete_items(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    delete: &Delete,
) -> Result<Change<Vec<ItemId>>, Error> {
    let subject = lock(tx, policies, &delete.subject).await?;
    let policy = in_force(policies, tx.now())?;
    let doomed = doomed_items(tx, policy, caller, subject, delete).await?;
    let ids: Vec<_> = doomed.iter().map(|state| state.item_id).collect();
    if doomed.is_empty() {
        return Ok(Change::new(ids, audit(subject, &doomed)));
    }
    let effect = destroy_items(tx, policies, subject, doomed, TaskCause::Deletion).await?;
    let mut change = Change::of_many(ids, effect.audit);
    change.events = effect.events;
    change.journal = effect.journal;
    Ok(change)
}

/// Destroys items and tells everybody who has them. The subject is held.
pub(super) async fn destroy_items(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
    doomed: Vec<ItemState>,
    cause: TaskCause,
) -> Result<Effect, Error> {
    let ids: Vec<_> = doomed.iter().map(|state| state.item_id).collect();
    let audit = audit(subject, &doomed);
    let mut events = vec![changed(tx, EventKind::ItemsDeleted, subject, &doomed).await?];
    let deleted = JournalKind::deleted(&doomed, tx.now());
    let inform = Inform::new(subject, TaskKind::Erase, cause, doomed);
    let informed = inform_recipients(tx, policies, inform).await?;
    tx.delete_items(subject, &ids).await?;
    events.extend(informed.events);
    Ok(Effect {
        events,
        audit: vec![AuditDetail {
            task_ids: informed.task_ids.clone(),
            ..audit
        }],
        journal: vec![(subject, deleted)],
        task_ids: informed.task_ids,
        ..Effect::default()
    })
}

/// The live items that a deletion names: all of the ids, and whatever there is of the categories.
async fn doomed_items(
    session: &Session,
    policy: &CompiledPolicy,
    caller: &Caller,
    subject: SubjectId,
    delete: &Delete,
) -> Result<Vec<ItemState>, Error> {
    let held = session.list_item_states(&[subject], &[]).await?;
    let mut doomed: Vec<_> = held.into_values().flatten().collect();
    let is_held = |id: &ItemId| doomed.iter().any(|state| state.item_id == *id);
    if !delete.item_ids.iter().all(is_held) {
        return Err(Error::NotFound(Missing::Item));
    }
    // What stays after an erasure is no record any more that a category would mean.
    doomed.retain(|state| {
        delete.item_ids.contains(&state.item_id)
            || delete.data_categories.contains(&state.data_category) && !state.is_retained()
    });
    for state in &doomed {
        refuse_retained(state)?;
    }
    for state in &doomed {
        let by_id = delete.item_ids.contains(&state.item_id);
        may_change(
            caller,
            state,
            if by_id { "item_ids" } else { "data_categories" },
        )?;
    }
    refuse_kept(session, policy, subject, delete, &doomed).await?;
    Ok(doomed)
}

/// Refuses a deletion of what must be kept (Art. 17(3)), item by item: by a legal hold or by law.
async fn refuse_kept(
    session: &Session,
    policy: &CompiledPolicy,
    subject: SubjectId,
    delete: &Delete,
    doomed: &[ItemState],
) -> Result<(), Error> {
    if doomed.is_empty() {
        return Ok(());
    }
    let mut kept = Violations::default();
    let field = |state: &ItemState| field_of(delete, state);
    note_held(session, subject, doomed, field, &mut kept).await?;
    let mut known = session.load_states(&[subject], &[]).await?;
    if let Some(known) = known.remove(&subject) {
        let now = session.now();
        for item in doomed {
            let obligations = obligations(policy, &known.state, item);
            for obligation in obligations.iter().filter(|it| it.stands(now)) {
                kept.add(field(item), required(obligation));
            }
        }
    }
    if kept.is_empty() {
        Ok(())
    } else {
        Err(Error::Kept(kept))
    }
}

fn required(obligation: &Obligation) -> String {
    let until = match obligation.until {
        Some(until) => format!("until {until}"),
        None => "with no end in sight yet".to_owned(),
    };
    format!(
        "must be kept {until}, by {}: {} (GDPR Art. 17(3)(b))",
        obligation.rule, obligation.ground
    )
}

/// The field of a deletion that names the item, with its place.
fn field_of(delete: &Delete, state: &ItemState) -> String {
    let by_id = delete.item_ids.iter().position(|id| *id == state.item_id);
    if let Some(index) = by_id {
        return format!("item_ids[{index}]");
    }
    let mut data = delete.data_categories.iter();
    let index = data.position(|data| *data == state.data_category);
    format!("data_categories[{}]", index.unwrap_or_default())
}

/// What stays after an erasure stays as it is, until nothing keeps it any more: it goes by itself.
fn refuse_retained(item: &ItemState) -> Result<(), Error> {
    if item.is_retained() {
        return Err(Error::IllegalTransition(
            "the item was erased and stays only because the law or a legal hold keeps it; it goes by itself",
        ));
    }
    Ok(())
}

/// Who may speak for a source may change what it collected, and nobody else.
fn may_change(caller: &Caller, item: &ItemState, field: &str) -> Result<(), Error> {
    if caller.may_speak_for_source(&item.source) {
        return Ok(());
    }
    Err(Error::ClaimMissing {
        claim: "sources",
        field: field.to_owned(),
    })
}

async fn lock(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: &SubjectRef,
) -> Result<SubjectId, Error> {
    let policy = in_force(policies, tx.now())?;
    let held = resolve_locked(tx, policy, subject, "subject").await?;
    Ok(held.subject_id)
}

fn in_time(at: Timestamp, collected_at: Timestamp, now: Timestamp) -> Result<Timestamp, Error> {
    let rule = if at.duration_since(now) > AHEAD_MAX {
        "must not be more than five minutes ahead"
    } else if at < collected_at {
        "must not be earlier than the item's collected_at"
    } else {
        return Ok(at);
    };
    Err(Error::invalid("corrected_at", rule))
}

/// What others hear of: those who have these items are named, since it concerns them (Art. 19).
pub(super) async fn changed(
    session: &Session,
    kind: EventKind,
    subject: SubjectId,
    items: &[ItemState],
) -> Result<Event, Error> {
    let item_ids: Vec<_> = items.iter().map(|state| state.item_id).collect();
    Ok(Event {
        data_categories: data_categories(items),
        processors: session.list_recipients(subject, &item_ids).await?,
        item_ids,
        ..Event::new(kind, Some(subject))
    })
}

pub(super) fn audit(subject: SubjectId, items: &[ItemState]) -> AuditDetail {
    AuditDetail {
        data_categories: data_categories(items),
        item_ids: items.iter().map(|state| state.item_id).collect(),
        ..AuditDetail::of(subject)
    }
}

pub(super) fn data_categories(items: &[ItemState]) -> Vec<DataCategory> {
    let mut data: Vec<_> = items.iter().map(|it| it.data_category.clone()).collect();
    data.sort_unstable();
    data.dedup();
    data
}

#[cfg(test)]
mod tests;
