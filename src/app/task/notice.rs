//! What recipients are told later: of items that stay with them for as long as they stay here. When the
//! items go the person is erased, so what names the person is kept apart until then, and goes with them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::inform::{AlreadyTold, Inform, Informed, identifiers, make, portions, told};
use crate::{
    app::error::Error,
    domain::{
        id::{ItemId, NoticeId, SubjectId, SubjectRequestId},
        item::ItemState,
        policy::history::PolicyHistory,
        task::{TaskCause, TaskItem, TaskKind, TaskPayload},
    },
    store::{Session, Tx, notice::Notice},
};

/// Who was told of which items that stay, by the erasures that had to leave them. An item that was
/// collected again after an erasure is another matter, under the same id.
pub(in crate::app) async fn already_told(
    session: &Session,
    subject: SubjectId,
) -> Result<AlreadyTold, Error> {
    let erasures = session.list_erasures(subject).await?.into_iter();
    let kept: HashMap<_, HashSet<_>> = erasures
        .map(|erasure| {
            let items = erasure.kept.into_iter().flat_map(|kept| kept.item_ids);
            (erasure.subject_request_id, items.collect())
        })
        .collect();
    let mut told = AlreadyTold::new();
    for task in session.list_tasks_of_kind(subject, TaskKind::Erase).await? {
        let request = task.subject_request_id.as_ref();
        if let Some(kept) = request.and_then(|request| kept.get(request)) {
            let items = task.item_ids.into_iter().filter(|id| kept.contains(id));
            told.entry(task.recipient).or_default().extend(items);
        }
    }
    Ok(told)
}

/// Keeps what those recipients will be told. Call it before the items change and before the person is
/// erased. The subject is held.
pub(in crate::app) async fn prepare_notices(
    tx: &mut Tx,
    policies: &PolicyHistory,
    inform: Inform,
    request: SubjectRequestId,
) -> Result<(), Error> {
    let later = Inform {
        is_later: true,
        ..inform
    };
    let told = told(tx, policies, &later).await?;
    if told.is_empty() {
        return Ok(());
    }
    let identifiers = identifiers(tx, later.subject_id).await?;
    for (recipient, told) in told {
        for items in portions(told.items, TaskKind::Erase) {
            let notice = Notice {
                notice_id: NoticeId(tx.new_key_id().await?),
                subject_id: later.subject_id,
                subject_request_id: request,
                recipient: recipient.clone(),
                item_ids: ids(&items),
            };
            let payload = TaskPayload {
                identifiers: identifiers.clone(),
                items,
            };
            tx.put_notice(&notice, &payload).await?;
        }
    }
    Ok(())
}

/// Makes the tasks for what goes now, of everybody who was to be told later. The subject is held.
pub(in crate::app) async fn send_notices(
    tx: &mut Tx,
    subject: SubjectId,
    going: &[ItemState],
) -> Result<Informed, Error> {
    let going: HashMap<_, _> = going.iter().map(|item| (item.item_id, item)).collect();
    let mut informed = Informed::default();
    for notice in tx.list_notices(subject).await? {
        if notice.item_ids.iter().any(|id| going.contains_key(id)) {
            send(tx, notice, &going, &mut informed).await?;
        }
    }
    Ok(informed)
}

async fn send(
    tx: &mut Tx,
    notice: Notice,
    going: &HashMap<ItemId, &ItemState>,
    informed: &mut Informed,
) -> Result<(), Error> {
    let Some(TaskPayload { identifiers, items }) = tx.read_notice(notice.notice_id).await? else {
        // Its key is lost with a restored backup: nobody knows any more whom to name.
        tracing::error!(
            notice_id = %notice.notice_id,
            "the key of a notice is gone: a recipient is not told that items are to be erased"
        );
        return Ok(tx.remove_notice(&notice).await?);
    };
    let is_going = |item: &TaskItem| going.contains_key(&item.item_id);
    let (items, later): (Vec<_>, Vec<_>) = items.into_iter().partition(is_going);
    let states = items.iter().filter_map(|item| going.get(&item.item_id));
    let states = states.map(|item| (*item).clone()).collect();
    let inform = Inform {
        subject_request_id: Some(notice.subject_request_id),
        ..Inform::new(
            notice.subject_id,
            TaskKind::Erase,
            TaskCause::Request,
            states,
        )
    };
    let task = make(tx, &inform, notice.recipient.clone(), &items).await?;
    informed.note(&task);
    let payload = TaskPayload {
        identifiers: identifiers.clone(),
        items,
    };
    tx.insert_tasks(&[(task, payload)]).await?;
    if later.is_empty() {
        return Ok(tx.remove_notice(&notice).await?);
    }
    let rest = Notice {
        item_ids: ids(&later),
        ..notice
    };
    let payload = TaskPayload {
        identifiers,
        items: later,
    };
    Ok(tx.put_notice(&rest, &payload).await?)
}

fn ids(items: &[TaskItem]) -> Vec<ItemId> {
    let ids: BTreeSet<_> = items.iter().map(|item| item.item_id).collect();
    ids.into_iter().collect()
}
