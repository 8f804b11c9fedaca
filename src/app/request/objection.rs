//! A person objects to purposes (Art. 21): the check heeds it at once, and whoever has the data for such a
//! purpose is told to stop.

use super::carry_out::{Done, said_at};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        task::{Inform, inform_recipients},
    },
    domain::{
        audit::AuditDetail,
        event::{Event, EventKind},
        id::{ObjectionId, SubjectId},
        journal::JournalKind,
        policy::history::PolicyHistory,
        request::{part::ObjectionMade, record::Record},
        subject::Objection,
        task::{TaskCause, TaskKind},
    },
    store::Tx,
};

/// Makes the objections of a request, undecided. The subject is held.
pub(super) async fn object(
    tx: &mut Tx,
    policies: &PolicyHistory,
    record: &Record,
) -> Result<Done, Error> {
    let subject = record.subject_id;
    let occurred_at = said_at(record, tx.now());
    let purposes = &record.scope.purposes;
    let made = purposes.iter().map(|purpose| {
        let objection = Objection {
            objection_id: ObjectionId(tx.new_id()),
            purpose: purpose.clone(),
            occurred_at,
            rejected_at: None,
        };
        (subject, objection)
    });
    let made: Vec<_> = made.collect();
    tx.insert_objections(Some(record.subject_request_id), &made)
        .await?;
    let items = tx.list_item_states(&[subject], &[]).await?;
    let inform = Inform {
        purposes: purposes.clone(),
        subject_request_id: Some(record.subject_request_id),
        ..Inform::new(
            subject,
            TaskKind::Stop,
            TaskCause::Request,
            items.into_values().flatten().collect(),
        )
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    let event = Event {
        purposes: purposes.clone(),
        ..Event::new(EventKind::ObjectionRecorded, Some(subject))
    };
    let audit = AuditDetail {
        purposes: purposes.clone(),
        outcome: EventKind::ObjectionRecorded.as_str().to_owned(),
        ..AuditDetail::of(subject)
    };
    let mut effect = Effect {
        events: vec![event],
        audit: vec![audit],
        journal: kept(record, &made),
        task_ids: informed.task_ids,
        ..Effect::default()
    };
    effect.events.extend(informed.events);
    let objections = made.into_iter().map(|(_, made)| ObjectionMade {
        objection_id: made.objection_id,
        purpose: made.purpose,
        decided: None,
    });
    Ok(Done {
        effect,
        objections: objections.collect(),
        restriction: None,
    })
}

fn kept(record: &Record, made: &[(SubjectId, Objection)]) -> Vec<(SubjectId, JournalKind)> {
    let kept = made.iter().map(|(subject, objection)| {
        let objected = JournalKind::Objected {
            objection_id: objection.objection_id,
            purpose: objection.purpose.clone(),
            occurred_at: objection.occurred_at,
            subject_request_id: Some(record.subject_request_id),
        };
        (*subject, objected)
    });
    kept.collect()
}
