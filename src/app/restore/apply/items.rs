//! Deletions and erasures, applied to items that a restored backup has again.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Applied;
use crate::{
    app::{error::Error, export::destroy_exports},
    domain::{
        event::{Event, EventKind},
        id::{ItemId, SubjectId, SubjectRequestId},
        item::ItemState,
        journal::{DeletedItem, ErasedSubject, RetainedItem},
        suppression::Suppression,
    },
    store::{Tx, item::RetainedItems},
};

/// Deletes those that are still what the deletion meant.
pub(super) async fn delete_again(
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
pub(super) async fn retain_again(
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
pub(super) async fn erase_again(
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
pub(in crate::app::restore) async fn erase_without_key(
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
