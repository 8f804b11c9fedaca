//! A request is recorded.

use std::sync::Arc;

use jiff::Timestamp;

use super::{RequestView, calendar, told};
use crate::{
    app::{
        effect::Effect,
        error::{Error, Missing},
        registry::{Call, Change, Registry, Written, in_force},
        resolve::resolve_locked,
        unjudged::Unjudged,
    },
    domain::{
        deadline::PublicHolidays,
        event::EventKind,
        id::{ItemId, SubjectId, SubjectRequestId},
        name::Channel,
        policy::history::PolicyHistory,
        request::{
            Correction, RequestKind, Scope,
            check::broken_rules,
            life::{AnyRequest, Request},
            part::Part,
            record::{DeadlineClock, Record},
        },
        subject_ref::SubjectRef,
    },
    store::{Session, Tx},
};

/// A request to be recorded.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// What is asked for, in order.
    pub kinds: Vec<RequestKind>,
    /// The person.
    pub subject: SubjectRef,
    /// What it is about.
    pub scope: Scope,
    /// The right values of a rectification: of the items in `scope.corrected_items`.
    pub corrections: Vec<Correction>,
    /// Through which channel it came.
    pub channel: Channel,
    /// When it was received; `None`: now.
    pub received_at: Option<Timestamp>,
}

impl CreateRequest {
    /// What of it only the registry can judge.
    fn unjudged(&self) -> Unjudged {
        let mut unjudged = Unjudged::default();
        for (index, data) in self.scope.data_categories.iter().enumerate() {
            let field = format!("scope.data_categories[{index}]");
            unjudged.data_category(field, data.clone());
        }
        for (index, purpose) in self.scope.purposes.iter().enumerate() {
            unjudged.purpose(format!("scope.purposes[{index}]"), purpose.clone());
        }
        unjudged.subject("subject", &self.subject);
        if let Some(at) = self.received_at {
            unjudged.past("received_at", at);
        }
        unjudged
    }
}

impl Registry {
    /// Records that a person has asked for something. Nothing is done about it yet.
    pub async fn create_request(
        &self,
        call: Call,
        create: CreateRequest,
    ) -> Result<Written<RequestView>, Error> {
        let (asked, create) = (call.clone(), Arc::new(create));
        let holidays = self.holidays.clone();
        let written = self
            .change(call, move |tx, policies| {
                let (create, holidays) = (create.clone(), holidays.clone());
                Box::pin(async move { receive(tx, policies, &holidays, &create).await })
            })
            .await?;
        self.show_request(&asked, written).await
    }
}

async fn receive(
    tx: &mut Tx,
    policies: &PolicyHistory,
    holidays: &PublicHolidays,
    create: &CreateRequest,
) -> Result<Change<SubjectRequestId>, Error> {
    let now = tx.now();
    let kinds: Vec<_> = create.kinds.iter().copied().map(Some).collect();
    let mut wrong = broken_rules(&kinds, &create.scope.filled());
    wrong.extend(create.unjudged().judge(policies, now));
    wrong.or(())?;
    // A caller's clock that is a little ahead means now: a request is not received after it is recorded.
    let received_at = create.received_at.unwrap_or(now).min(now);
    let subject = resolve_locked(tx, in_force(policies, now)?, &create.subject, "subject").await?;
    let subject_id = subject.subject_id;
    items_are_theirs(tx, subject_id, &create.scope).await?;
    let record = Record {
        subject_request_id: SubjectRequestId(tx.new_id()),
        subject_id,
        channel: create.channel.clone(),
        received_at,
        recorded_at: now,
        scope: create.scope.clone(),
        parts: create
            .kinds
            .iter()
            .map(|kind| Part::pending(*kind))
            .collect(),
        clock: DeadlineClock::start(received_at, calendar(policies, holidays, now)?),
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    };
    let request = AnyRequest::from(Request::receive(record));
    tx.insert_request(&request, &create.corrections).await?;
    let outcome = request.state().as_str();
    let effect = Effect::default();
    Ok(told(&request, EventKind::RequestReceived, effect, outcome))
}

async fn items_are_theirs(
    session: &Session,
    subject: SubjectId,
    scope: &Scope,
) -> Result<(), Error> {
    let named: Vec<&ItemId> = scope
        .item_ids
        .iter()
        .chain(&scope.corrected_items)
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let live = session.list_item_states(&[subject], &[]).await?;
    let live: Vec<_> = live.into_values().flatten().map(|it| it.item_id).collect();
    if named.iter().all(|id| live.contains(id)) {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::Item))
    }
}
