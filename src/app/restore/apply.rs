//! One entry of the journal, applied to a database that is older than it. Applying it twice is
//! applying it once.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    app::{error::Error, export::destroy_exports, merge::merge_unjournaled, registry::Change},
    domain::{
        audit::{AuditDetail, REGISTRY},
        consent::ConsentChoice,
        event::{Event, EventKind},
        id::{ItemId, SubjectId, SubjectRequestId},
        item::ItemState,
        journal::{
            DeletedItem, DeniedConsent, ErasedSubject, JournalEntry, JournalKind, RetainedItem,
        },
        membership::MembershipFact,
        name::Source,
        policy::history::PolicyHistory,
        suppression::Suppression,
    },
    store::{Tx, item::RetainedItems, subject::SubjectRecord},
};

/// What the log says of an entry about a subject that the database does not know.
const UNKNOWN: &str = "SUBJECT_UNKNOWN";

/// What became of an entry.
pub(super) struct Applied {
    /// Whether the database knows the subject.
    pub is_known: bool,
    /// What others hear of.
    pub event: Option<Event>,
    /// What the log says.
    pub audit: AuditDetail,
}

impl Applied {
    fn to(event: Event) -> Self {
        let audit = AuditDetail {
            subject_id: event.subject_id,
            data_categories: event.data_categories.clone(),
            purposes: event.purposes.clone(),
            processors: event.processors.clone(),
            item_ids: event.item_ids.clone(),
            consent_ids: event.consent_ids.clone(),
            policy_version: event.policy_version.clone(),
            outcome: event.kind.as_str().to_owned(),
            ..AuditDetail::default()
        };
        Self {
            is_known: true,
            event: Some(event),
            audit,
        }
    }

    /// Nothing was left to do: the subject is erased, or the same has been done on another way.
    fn nothing(subject: SubjectId) -> Self {
        Self {
            is_known: true,
            event: None,
            audit: AuditDetail::of(subject),
        }
    }

    fn unknown(subject: SubjectId) -> Self {
        Self {
            is_known: false,
            event: None,
            audit: AuditDetail {
                outcome: UNKNOWN.to_owned(),
                ..AuditDetail::of(subject)
            },
        }
    }

    /// It alone as a change.
    pub(super) fn change<T>(self, value: T) -> Change<T> {
        let change = Change::new(value, self.audit);
        match self.event {
            Some(event) => change.event(event),
            None => change,
        }
    }
}

/// Applies an entry that the database lacks.
pub(super) async fn apply(
    tx: &mut Tx,
    policies: &PolicyHistory,
    entry: &JournalEntry,
) -> Result<Applied, Error> {
    if let JournalKind::SubjectsMerged { merged } = entry.what {
        return merge_again(tx, policies, merged, entry.subject_id).await;
    }
    if let JournalKind::Erased(erased) = &entry.what {
        // Whoever was erased is not to come back by a late registration, known here or not.
        let objected = erased.objected.iter();
        let suppression = Suppression {
            suppressed_at: erased.erased_at,
            objected: objected
                .map(|purpose| (purpose.clone(), erased.erased_at))
                .collect(),
        };
        tx.suppress(&erased.suppressed, &suppression).await?;
    }
    let Some(SubjectRecord {
        subject_id,
        erased_at,
        ..
    }) = tx.lock_subject(entry.subject_id).await?
    else {
        return Ok(Applied::unknown(entry.subject_id));
    };
    let event = if erased_at.is_some() {
        to_erased(tx, subject_id, entry).await?
    } else {
        to_living(tx, subject_id, entry).await?
    };
    match event {
        Some(event) => Ok(Applied::to(event)),
        None => Ok(Applied::nothing(subject_id)),
    }
}

/// The subject is held and was erased before: what stayed may have gone since, or stay on other grounds.
async fn to_erased(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    match &entry.what {
        JournalKind::ItemsDeleted { items, deleted_at } => {
            delete_again(tx, subject, items, *deleted_at).await
        }
        JournalKind::ItemsRetained {
            items,
            subject_request_id,
        } => retain_again(tx, subject, items, *subject_request_id, false).await,
        _ => Ok(None),
    }
}

/// The subject is held and lives.
async fn to_living(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    let of = |kind| Event::new(kind, Some(subject));
    match &entry.what {
        JournalKind::ConsentDenied(denied) => {
            tx.restore_denial(subject, denied).await?;
            Ok(Some(denial(subject, denied)))
        }
        JournalKind::Objected { purpose, .. } => {
            object_again(tx, subject, entry).await?;
            Ok(Some(Event {
                purposes: vec![purpose.clone()],
                ..of(EventKind::ObjectionRecorded)
            }))
        }
        JournalKind::ObjectionDecided { .. } => {
            object_again(tx, subject, entry).await?;
            Ok(Some(of(EventKind::ObjectionDecided)))
        }
        JournalKind::Restricted {
            data_categories, ..
        } => {
            restrict_again(tx, subject, entry).await?;
            Ok(Some(Event {
                data_categories: data_categories.clone(),
                ..of(EventKind::RestrictionApplied)
            }))
        }
        JournalKind::RestrictionLifted { .. } => {
            restrict_again(tx, subject, entry).await?;
            Ok(Some(of(EventKind::RestrictionLifted)))
        }
        JournalKind::ItemsDeleted { items, deleted_at } => {
            delete_again(tx, subject, items, *deleted_at).await
        }
        JournalKind::ItemsRetained {
            items,
            subject_request_id,
        } => retain_again(tx, subject, items, *subject_request_id, true).await,
        JournalKind::Erased(erased) => erase_again(tx, subject, erased).await.map(Some),
        JournalKind::CategoryEnded { .. } => end_again(tx, subject, entry).await,
        JournalKind::IdentifiersUnlinked { identifiers } => {
            for identifier in identifiers {
                tx.unlink_hashed(subject, identifier, entry.at).await?;
            }
            Ok(Some(of(EventKind::IdentifierUnlinked)))
        }
        JournalKind::SubjectsMerged { .. } => Ok(None),
    }
}

fn denial(subject: SubjectId, denied: &DeniedConsent) -> Event {
    let kind = match denied.choice {
        ConsentChoice::Withdrawn => EventKind::ConsentWithdrawn,
        _ => EventKind::ConsentRecorded,
    };
    Event {
        purposes: vec![denied.purpose.clone()],
        processors: denied.processors.clone(),
        consent_ids: vec![denied.consent_id],
        policy_version: Some(denied.policy_version.clone()),
        ..Event::new(kind, Some(subject))
    }
}

async fn object_again(tx: &mut Tx, subject: SubjectId, entry: &JournalEntry) -> Result<(), Error> {
    match &entry.what {
        JournalKind::Objected {
            objection_id,
            purpose,
            occurred_at,
        } => {
            let instants = [*occurred_at, entry.at];
            tx.restore_objection(subject, *objection_id, purpose, instants)
                .await?;
        }
        JournalKind::ObjectionDecided {
            objection_id,
            rejected_at,
        } => {
            tx.restore_rejection(subject, *objection_id, *rejected_at)
                .await?;
        }
        _ => {}
    }
    Ok(())
}

async fn restrict_again(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<(), Error> {
    match &entry.what {
        JournalKind::Restricted {
            restriction_id,
            data_categories,
            started_at,
        } => {
            let instants = [*started_at, entry.at];
            tx.restore_restriction(subject, *restriction_id, data_categories, instants)
                .await?;
        }
        JournalKind::RestrictionLifted {
            restriction_id,
            lifted_at,
        } => {
            tx.restore_lifting(subject, *restriction_id, *lifted_at)
                .await?;
        }
        _ => {}
    }
    Ok(())
}

/// Deletes those that are still what the deletion meant.
async fn delete_again(
    tx: &mut Tx,
    subject: SubjectId,
    items: &[DeletedItem],
    deleted_at: Timestamp,
) -> Result<Option<Event>, Error> {
    let live = live_items(tx, subject).await?;
    let meant = live
        .iter()
        .filter(|state| items.iter().any(|item| item.means(state, deleted_at)));
    let meant: Vec<_> = meant.map(|state| state.item_id).collect();
    if meant.is_empty() {
        return Ok(None);
    }
    delete(tx, subject, &meant).await.map(Some)
}

async fn live_items(tx: &mut Tx, subject: SubjectId) -> Result<Vec<ItemState>, Error> {
    let mut live = tx.list_item_states(&[subject], &[]).await?;
    Ok(live.remove(&subject).unwrap_or_default())
}

async fn delete(tx: &mut Tx, subject: SubjectId, items: &[ItemId]) -> Result<Event, Error> {
    let processors = tx.list_recipients(subject, items).await?;
    let deleted = tx.delete_items(subject, items).await?;
    let mut data: Vec<_> = deleted.iter().map(|it| it.data_category.clone()).collect();
    data.sort_unstable();
    data.dedup();
    Ok(Event {
        data_categories: data,
        item_ids: items.to_vec(),
        processors,
        ..Event::new(EventKind::ItemsDeleted, Some(subject))
    })
}

/// Lets items stay on their grounds alone. Of a backup in which they are still sealed under their
/// subject's key they are sealed anew, as long as that key is there; what no key opens any more is gone
/// for good, and is deleted.
async fn retain_again(
    tx: &mut Tx,
    subject: SubjectId,
    items: &[RetainedItem],
    request: Option<SubjectRequestId>,
    subject_lives: bool,
) -> Result<Option<Event>, Error> {
    let grounds: HashMap<_, _> = items.iter().map(|it| (it.item_id, &it.purposes)).collect();
    let own: HashMap<_, _> = tx.list_own_keys(subject).await?.into_iter().collect();
    let has_key = tx.has_key(subject).await?;
    let (mut staying, mut lost) = (Vec::new(), Vec::new());
    for state in live_items(tx, subject).await? {
        let Some(purposes) = grounds.get(&state.item_id) else {
            continue;
        };
        let opens = match own.get(&state.item_id) {
            Some(key) => tx.has_own_key(*key).await?,
            None => has_key,
        };
        if opens {
            staying.push(ItemState {
                retained_for: Some((*purposes).clone()),
                ..state
            });
        } else {
            lost.push(state.item_id);
        }
    }
    tx.retain_items(RetainedItems {
        subject,
        items: &staying,
        retained_by: request,
        subject_lives,
    })
    .await?;
    if staying.is_empty() {
        return match lost.as_slice() {
            [] => Ok(None),
            lost => delete(tx, subject, lost).await.map(Some),
        };
    }
    tx.delete_items(subject, &lost).await?;
    let mut data: Vec<_> = staying.iter().map(|it| it.data_category.clone()).collect();
    data.sort_unstable();
    data.dedup();
    Ok(Some(Event {
        data_categories: data,
        item_ids: staying.iter().map(|it| it.item_id).collect(),
        subject_request_id: request,
        ..Event::new(EventKind::RestrictionApplied, Some(subject))
    }))
}

/// Erases as far as a restored database needs it: nothing is left that could be allowed or read but what
/// the law keeps.
async fn erase_again(
    tx: &mut Tx,
    subject: SubjectId,
    erased: &ErasedSubject,
) -> Result<Event, Error> {
    let request = erased.subject_request_id;
    retain_again(tx, subject, &erased.retained, request, false).await?;
    let mut live = live_items(tx, subject).await?;
    let stays = |id: ItemId| erased.retained.iter().any(|it| it.item_id == id);
    live.retain(|state| !stays(state.item_id));
    let ids: Vec<_> = live.iter().map(|state| state.item_id).collect();
    let deleted = delete(tx, subject, &ids).await?;
    tx.unlink_everything(subject).await?;
    tx.destroy_texts(subject).await?;
    let of_none = SubjectRequestId(uuid::Uuid::nil());
    destroy_exports(tx, subject, request.unwrap_or(of_none)).await?;
    tx.restore_erasure(subject, erased.erased_at).await?;
    // The journal does not date a no; whatever it was, a yes after the erasure answers it.
    let objected = erased.objected.iter().cloned();
    let suppression = Suppression {
        suppressed_at: erased.erased_at,
        objected: objected
            .map(|purpose| (purpose, erased.erased_at))
            .collect(),
    };
    tx.suppress(&erased.suppressed, &suppression).await?;
    Ok(Event {
        kind: EventKind::SubjectErased,
        ..deleted
    })
}

/// Erases a subject that lives although its key is destroyed. `None`: it does not live any more.
pub(super) async fn erase_without_key(
    tx: &mut Tx,
    subject: SubjectId,
) -> Result<Option<Applied>, Error> {
    let held = tx.lock_subject(subject).await?;
    let lives =
        held.is_some_and(|record| record.subject_id == subject && record.erased_at.is_none());
    if !lives {
        return Ok(None);
    }
    // What stays after an erasure of some of the data has keys of its own.
    let live = live_items(tx, subject).await?;
    let retained = live.iter().filter(|state| state.is_retained());
    let erased = ErasedSubject {
        erased_at: tx.now(),
        retained: retained.map(RetainedItem::from).collect(),
        subject_request_id: None,
        suppressed: Vec::new(),
        objected: Vec::new(),
    };
    let event = erase_again(tx, subject, &erased).await?;
    Ok(Some(Applied::to(event)))
}

async fn end_again(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    let JournalKind::CategoryEnded {
        subject_category,
        ended_at,
    } = &entry.what
    else {
        return Ok(None);
    };
    let fact = MembershipFact {
        category: subject_category.clone(),
        began: false,
        occurred_at: *ended_at,
        recorded_at: entry.at,
    };
    tx.append_membership_facts(&[(subject, fact)], REGISTRY)
        .await?;
    Ok(Some(Event {
        subject_category: Some(subject_category.clone()),
        ..Event::new(EventKind::CategoryEnded, Some(subject))
    }))
}

/// Merges again where both live apart. A survivor that is not known, or cannot be read, cannot take
/// the other in: then that one stays what it is, and without a key it is erased.
async fn merge_again(
    tx: &mut Tx,
    policies: &PolicyHistory,
    from: SubjectId,
    into: SubjectId,
) -> Result<Applied, Error> {
    let mut both = [from, into];
    both.sort_unstable();
    let held = tx.lock_subjects(&both).await?;
    let (Some(from), Some(into)) = (held.get(&from), held.get(&into)) else {
        return Ok(Applied::unknown(into));
    };
    let is_erased = from.erased_at.is_some() || into.erased_at.is_some();
    let (from, into) = (from.subject_id, into.subject_id);
    if from == into || is_erased || !tx.has_key(into).await? {
        return Ok(Applied::nothing(into));
    }
    let by: Source = REGISTRY
        .parse()
        .map_err(|_| Error::Internal("the registry's own name is no name".into()))?;
    let (event, _) = merge_unjournaled(tx, policies, &by, from, into).await?;
    Ok(Applied::to(event))
}
