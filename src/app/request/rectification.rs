//! Right values are put in place (Art. 16), and whoever has the wrong ones is told (Art. 19).

use std::collections::HashMap;

use crate::{
    app::{
        effect::Effect,
        error::Error,
        record::{audit, changed},
        task::{Inform, inform_recipients},
    },
    domain::{
        audit::AuditDetail,
        event::EventKind,
        item::ItemState,
        policy::history::PolicyHistory,
        request::{Correction, record::Record},
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// Puts the right values of a request in place. The person asked for it, so that no source's claim is
/// needed. Items that are gone meanwhile, or that stay on a legal ground alone, are left as they are. The
/// subject is held.
pub(super) async fn rectify(
    tx: &mut Tx,
    policies: &PolicyHistory,
    record: &Record,
) -> Result<Effect, Error> {
    let subject = record.subject_id;
    let corrections = tx.read_corrections(record).await?;
    let mut right: HashMap<_, _> = corrections
        .into_iter()
        .map(|Correction { item_id, content }| (item_id, content))
        .collect();
    let mut items = tx.list_item_states(&[subject], &[]).await?;
    let mut items = items.remove(&subject).unwrap_or_default();
    items.retain(|item| right.contains_key(&item.item_id) && !item.is_retained());
    right.retain(|id, _| items.iter().any(|item| item.item_id == *id));
    if items.is_empty() {
        return Ok(Effect::default());
    }
    // Before the items change: what names them to the recipients is read from them.
    let inform = Inform {
        right_values: right.clone(),
        subject_request_id: Some(record.subject_request_id),
        ..Inform::new(
            subject,
            TaskKind::Rectify,
            TaskCause::Request,
            items.clone(),
        )
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    let mut corrected = Vec::<ItemState>::with_capacity(items.len());
    for item in &items {
        let Some(content) = right.get(&item.item_id) else {
            continue;
        };
        // It never loses to a collection a little ahead of the clock.
        let corrected_at = tx.now().max(item.collected_at);
        let item = tx
            .correct_item(subject, item.item_id, content, corrected_at)
            .await?;
        corrected.extend(item);
    }
    let mut effect = Effect {
        events: vec![changed(tx, EventKind::ItemCorrected, subject, &corrected).await?],
        audit: vec![AuditDetail {
            outcome: EventKind::ItemCorrected.as_str().to_owned(),
            ..audit(subject, &corrected)
        }],
        task_ids: informed.task_ids,
        ..Effect::default()
    };
    effect.events.extend(informed.events);
    Ok(effect)
}
