//! Packages for people: begun by an access or portability request, written step by step by a worker,
//! downloaded, destroyed when their time has run out.
//!
//! A package is sealed under a key of its own, bound to no subject: it outlives the erasure that its own
//! request asks for ('a copy, then delete me'), and goes with its key when its time has run out or
//! another request erases the person.

mod build;
mod download;
mod expire;
mod page;
mod person;

use std::collections::HashMap;

use super::{
    effect::Effect,
    error::Error,
    registry::in_force,
    task::{Inform, inform_recipients},
};
use crate::{
    domain::{
        audit::AuditDetail,
        export::{
            ExportKind,
            portable::Portability,
            record::ExportRecord,
            writing::{Export, Writing},
        },
        id::{ExportId, SubjectId, SubjectRequestId},
        item::{Content, ItemState},
        policy::history::PolicyHistory,
        request::record::Record,
        task::{TaskCause, TaskKind},
    },
    store::{Session, Tx},
};

pub use download::{Download, OpenedExport};

/// Items that are looked through at once for what lies elsewhere.
const LOOKED_AT: u64 = 50;

/// Begins a package for a request, in its transaction: the subject is held. Holders of what lies
/// elsewhere get a task to hand it over.
pub(in crate::app) async fn begin_export(
    tx: &mut Tx,
    policies: &PolicyHistory,
    request: &Record,
    kind: ExportKind,
) -> Result<Effect, Error> {
    let export = Export {
        record: ExportRecord {
            export_id: ExportId(tx.new_key_id().await?),
            subject_request_id: request.subject_request_id,
            subject_id: request.subject_id,
            kind,
            created_at: tx.now(),
            ready_at: None,
            expires_at: None,
            destroyed_at: None,
            items: 0,
            json: None,
            html: None,
        },
        writing: Writing::of(request.scope.data_categories.clone()),
    };
    tx.insert_export(&export).await?;
    let inform = Inform {
        subject_request_id: Some(request.subject_request_id),
        export_id: Some(export.record.export_id),
        ..Inform::new(
            request.subject_id,
            TaskKind::ProvideCopy,
            TaskCause::Request,
            held_elsewhere(tx, policies, &export).await?,
        )
    };
    let informed = inform_recipients(tx, policies, inform).await?;
    let audit = AuditDetail {
        data_categories: export.writing.data_categories.clone(),
        task_ids: informed.task_ids.clone(),
        ..audit(&export.record)
    };
    Ok(Effect {
        events: informed.events,
        audit: vec![audit],
        task_ids: informed.task_ids,
        ..Effect::default()
    })
}

/// The items that belong into a package and of which only a locator is here.
async fn held_elsewhere(
    tx: &Tx,
    policies: &PolicyHistory,
    export: &Export,
) -> Result<Vec<ItemState>, Error> {
    let policy = in_force(policies, tx.now())?;
    let subject = export.record.subject_id;
    let bare = person::known(tx, subject).await?;
    let mut held = Vec::new();
    for chapter in person::chapters(tx, export).await? {
        let mut after = None;
        loop {
            let data = &chapter.data_category;
            let page = tx.page_item_states(subject, data, after, LOOKED_AT).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.item_id);
            let ids: Vec<_> = page.iter().map(|state| state.item_id).collect();
            let items = tx.read_items(subject, &ids).await?.into_iter();
            let items = items.filter(|item| matches!(item.content, Some(Content::Locator(_))));
            let mut states: Vec<_> = items.map(|item| item.state).collect();
            if export.record.kind == ExportKind::Portability && !states.is_empty() {
                let known = person::with_items(tx, &bare, &chapter, page).await?;
                let portability = Portability::new(policies, policy, &known, tx.now());
                states.retain(|state| portability.is_portable(state));
            }
            held.extend(states);
        }
    }
    Ok(held)
}

/// Destroys the packages of a request that are still being written: it was rejected or taken back. The
/// subject is held.
pub(in crate::app) async fn drop_unfinished(
    tx: &mut Tx,
    request: SubjectRequestId,
) -> Result<(), Error> {
    for record in tx.list_exports_of(&[request]).await? {
        let Some(mut export) = tx.lock_export(record.export_id).await? else {
            continue;
        };
        if !export.record.is_ready() {
            tx.destroy_export(&mut export).await?;
        }
    }
    Ok(())
}

/// Destroys a person's packages, complete or not, but for those of the request that erases the person: a
/// package holds all that was erased. The subject is held.
pub(in crate::app) async fn destroy_exports(
    tx: &mut Tx,
    subject: SubjectId,
    except: SubjectRequestId,
) -> Result<(), Error> {
    for mut export in tx.lock_exports_of(subject).await? {
        if export.record.subject_request_id != except {
            tx.destroy_export(&mut export).await?;
        }
    }
    Ok(())
}

/// The packages of these requests. One without any is left out.
pub(in crate::app) async fn exports_of(
    session: &Session,
    requests: &[SubjectRequestId],
) -> Result<HashMap<SubjectRequestId, Vec<ExportRecord>>, Error> {
    let mut exports = HashMap::<_, Vec<_>>::new();
    for record in session.list_exports_of(requests).await? {
        let of_request = exports.entry(record.subject_request_id).or_default();
        of_request.push(record);
    }
    exports.values_mut().for_each(leave_out_replaced);
    Ok(exports)
}

/// Leaves out what was destroyed unfinished and begun again under another key.
fn leave_out_replaced(records: &mut Vec<ExportRecord>) {
    let is_dropped =
        |record: &ExportRecord| record.ready_at.is_none() && record.destroyed_at.is_some();
    let kept = records.iter().filter(|record| !is_dropped(record));
    let kept: Vec<_> = kept.map(|record| record.kind).collect();
    records.retain(|record| !is_dropped(record) || !kept.contains(&record.kind));
}

/// What the log says of a package.
fn audit(record: &ExportRecord) -> AuditDetail {
    AuditDetail {
        subject_request_id: Some(record.subject_request_id),
        export_id: Some(record.export_id),
        ..AuditDetail::of(record.subject_id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
