//! Carrying out what is due of one subject: a deletion like any other, and what processors are told.

use std::collections::BTreeMap;

use super::plan;
use crate::{
    app::{
        effect::Effect,
        error::Error,
        record::{data_categories, destroy_items},
        registry::{Change, Registry, in_force},
        task::{Inform, inform_recipients},
    },
    domain::{
        audit::{AuditDetail, Chore},
        id::SubjectId,
        item::ItemState,
        name::{PolicyVersion, Processor},
        policy::history::PolicyHistory,
        retention::purge::{PurgeReason, Told},
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// Items that one transaction is about: it holds up whoever waits for the subject, and on SQLite
/// everybody.
pub(super) const PORTION: usize = 500;

/// What was done to one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Purged {
    /// Items that were deleted.
    pub(super) items: u64,
    /// Items of which a processor was told.
    pub(super) told: u64,
    /// Whether there is more to be done.
    pub(super) more: bool,
}

impl Registry {
    /// Carries out a portion of what is due of a subject. What is due is decided anew, with the subject
    /// held: an activity or a hold of meanwhile wins, and what another replica has done is done.
    pub(super) async fn purge_portion(&self, subject: SubjectId) -> Result<Purged, Error> {
        let done = self.do_chore(Chore::PurgeItems, move |tx, policies| {
            Box::pin(async move { purge_held(tx, policies, subject).await })
        });
        Ok(done.await?.unwrap_or_default())
    }
}

async fn purge_held(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
) -> Result<Option<Change<Purged>>, Error> {
    let Some(held) = tx.lock_subject(subject).await? else {
        return Ok(None);
    };
    let subject = held.subject_id;
    let policy = in_force(policies, tx.now())?;
    let mut plans = plan(tx, policy, &[subject], tx.now()).await?;
    let mut due = plans.pop().map(|(_, plan)| plan.due).unwrap_or_default();
    if due.is_empty() {
        return Ok(None);
    }
    let mut purged = Purged {
        more: due.len() > PORTION,
        ..Purged::default()
    };
    due.truncate(PORTION);
    let mut doomed = Vec::new();
    let mut to_tell = BTreeMap::<Processor, Vec<ItemState>>::new();
    for purge in due {
        match purge.processor {
            None => doomed.push(purge.item),
            Some(processor) => to_tell.entry(processor).or_default().push(purge.item),
        }
    }
    let version = policy.version();
    let mut effect = Effect::default();
    if !doomed.is_empty() {
        purged.items = doomed.len() as u64;
        let mut deleted =
            destroy_items(tx, policies, subject, doomed, TaskCause::Retention).await?;
        for audit in &mut deleted.audit {
            audit.policy_version = Some(version.clone());
            PurgeReason::RetentionExpired
                .as_str()
                .clone_into(&mut audit.outcome);
        }
        effect.join(deleted);
    }
    for (processor, items) in to_tell {
        purged.told += items.len() as u64;
        effect.join(tell(tx, policies, subject, version, processor, items).await?);
    }
    Ok(Some(change(purged, effect)))
}

fn change(purged: Purged, effect: Effect) -> Change<Purged> {
    let mut change = Change::of_many(purged, effect.audit);
    change.events = effect.events;
    change.journal = effect.journal;
    change
}

/// Tells a processor to erase what it has for longer than it may.
async fn tell(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: SubjectId,
    version: &PolicyVersion,
    processor: Processor,
    items: Vec<ItemState>,
) -> Result<Effect, Error> {
    let audit = AuditDetail {
        data_categories: data_categories(&items),
        item_ids: items.iter().map(|item| item.item_id).collect(),
        processors: vec![processor.clone()],
        policy_version: Some(version.clone()),
        outcome: PurgeReason::ProcessorRetentionExpired.as_str().to_owned(),
        ..AuditDetail::of(subject)
    };
    let told: Vec<_> = items
        .iter()
        .map(|item| Told {
            item_id: item.item_id,
            processor: processor.clone(),
            collected_at: item.collected_at,
        })
        .collect();
    let inform = Inform {
        only: vec![processor],
        ..Inform::new(subject, TaskKind::Erase, TaskCause::Retention, items)
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    tx.note_processor_purges(subject, &told).await?;
    Ok(Effect {
        events: informed.events,
        audit: vec![AuditDetail {
            task_ids: informed.task_ids.clone(),
            ..audit
        }],
        task_ids: informed.task_ids,
        ..Effect::default()
    })
}
