//! Requests of data subjects (Chapter III GDPR): recorded, verified, carried out, and followed until the
//! last recipient has come to an end.
//!
//! A step holds the person first and the request next, takes one transition of `domain::request::life`,
//! and keeps what became of it. What takes a permission away is done in the transaction of
//! [`Registry::verify_identity`]; what had to wait goes on by [`Registry::advance_requests`]. Both carry
//! parts out by the same loop ([`carry_out`]).
//!
//! The claims of a token bound what a service may speak for; here the person speaks, and whoever has the
//! scope `requests` passes it on.

mod advance;
mod carry_out;
mod create;
mod held;
mod leaves;
mod objection;
mod rectification;
mod restriction;
mod ruling;
mod show;
mod step;
#[cfg(test)]
mod tests;
mod verify;

use jiff::Timestamp;

use super::{
    effect::Effect,
    error::Error,
    registry::{Change, Registry, in_force},
};
use crate::{
    domain::{
        audit::AuditDetail,
        deadline::{Calendar, PublicHolidays},
        event::{Event, EventKind},
        export::record::ExportRecord,
        id::SubjectRequestId,
        policy::history::PolicyHistory,
        request::{RequestState, life::AnyRequest, record::Record},
    },
    store::Tx,
};

pub use create::CreateRequest;
pub use ruling::DecideObjection;
pub use show::ListRequests;

/// A request and what others have done for it so far. No personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// How far it has come.
    pub state: RequestState,
    /// What is recorded of it.
    pub record: Record,
    /// Its packages.
    pub exports: Vec<ExportRecord>,
    /// Its tasks that have not come to an end.
    pub open_tasks: u64,
    /// Its tasks that ended without the recipient's word.
    pub unconfirmed_tasks: u64,
    /// Items that would have been erased and must stay for now.
    pub waiting_items: u64,
    /// When this was so.
    pub now: Timestamp,
}

impl Registry {
    /// Waits until a request may go on in this process, `at_most` long.
    pub async fn wait_for_requests(&self, at_most: std::time::Duration) {
        // Running out is as good as being woken: another replica may have ended a task.
        drop(tokio::time::timeout(at_most, self.requests.notified()).await);
    }
}

/// By what deadlines are counted at `at`.
fn calendar<'a>(
    policies: &'a PolicyHistory,
    holidays: &'a PublicHolidays,
    at: Timestamp,
) -> Result<Calendar<'a>, Error> {
    let zone = in_force(policies, at)?.time_zone();
    Ok(Calendar { zone, holidays })
}

/// Keeps a request that went a step further. The request is held.
async fn keep(
    tx: &mut Tx,
    request: &AnyRequest,
    effect: Effect,
) -> Result<Change<SubjectRequestId>, Error> {
    tx.update_request(request).await?;
    let outcome = request.state().as_str();
    Ok(told(request, EventKind::RequestChanged, effect, outcome))
}

/// What others hear of a step, and what the log says of it.
fn told(
    request: &AnyRequest,
    kind: EventKind,
    mut effect: Effect,
    outcome: &str,
) -> Change<SubjectRequestId> {
    let record = request.record();
    let id = record.subject_request_id;
    for event in &mut effect.events {
        event.subject_request_id = Some(id);
    }
    for detail in &mut effect.audit {
        detail.subject_request_id = Some(id);
    }
    let item_ids = || {
        let named = record.scope.item_ids.iter();
        named.chain(&record.scope.corrected_items).copied()
    };
    effect.events.push(Event {
        data_categories: record.scope.data_categories.clone(),
        item_ids: item_ids().collect(),
        purposes: record.scope.purposes.clone(),
        subject_request_id: Some(id),
        ..Event::new(kind, Some(record.subject_id))
    });
    let whole = AuditDetail {
        data_categories: record.scope.data_categories.clone(),
        item_ids: item_ids().collect(),
        purposes: record.scope.purposes.clone(),
        subject_request_id: Some(id),
        outcome: outcome.to_owned(),
        ..AuditDetail::of(record.subject_id)
    };
    effect.change(id, whole)
}
