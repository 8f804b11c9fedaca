//! Processing is restricted (Art. 18): the check heeds it at once, and whoever has the data is told to keep
//! it and not to use it.

use super::carry_out::Done;
use crate::{
    app::{
        effect::Effect,
        error::Error,
        task::{Inform, inform_recipients},
    },
    domain::{
        audit::AuditDetail,
        event::{Event, EventKind},
        id::RestrictionId,
        journal::JournalKind,
        policy::history::PolicyHistory,
        request::{part::RestrictionMade, record::Record},
        subject::Restriction,
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// Makes the restriction of a request. It begins now, whenever the person asked: a consent counts against
/// it only if it is later than the restriction itself (Art. 18(2)). The subject is held.
pub(super) async fn restrict(
    tx: &mut Tx,
    policies: &PolicyHistory,
    record: &Record,
) -> Result<Done, Error> {
    let (subject, request) = (record.subject_id, record.subject_request_id);
    let data = &record.scope.data_categories;
    let restriction = Restriction {
        restriction_id: RestrictionId(tx.new_id()),
        data_categories: data.clone(),
        started_at: tx.now(),
        lifted_at: None,
    };
    tx.insert_restriction(subject, request, &restriction)
        .await?;
    let items = tx.list_item_states(&[subject], data).await?;
    let inform = Inform {
        subject_request_id: Some(request),
        ..Inform::new(
            subject,
            TaskKind::Restrict,
            TaskCause::Request,
            items.into_values().flatten().collect(),
        )
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    let event = Event {
        data_categories: data.clone(),
        ..Event::new(EventKind::RestrictionApplied, Some(subject))
    };
    let audit = AuditDetail {
        data_categories: data.clone(),
        outcome: EventKind::RestrictionApplied.as_str().to_owned(),
        ..AuditDetail::of(subject)
    };
    let restricted = JournalKind::Restricted {
        restriction_id: restriction.restriction_id,
        data_categories: data.clone(),
        started_at: restriction.started_at,
        subject_request_id: Some(request),
    };
    let mut effect = Effect {
        events: vec![event],
        audit: vec![audit],
        journal: vec![(subject, restricted)],
        task_ids: informed.task_ids,
        ..Effect::default()
    };
    effect.events.extend(informed.events);
    Ok(Done {
        effect,
        objections: Vec::new(),
        restriction: Some(RestrictionMade {
            restriction_id: restriction.restriction_id,
            lifted_at: None,
        }),
    })
}
