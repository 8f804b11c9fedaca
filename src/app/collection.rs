//! Collection: what services say they collected, and from whom.
//!
//! `check` holds a registration against the policy, `known` is what the registry knows of everyone
//! concerned, `register` brings the two together; `import` does so for many at once, and so
//! does `group` for those that are called at the same time.

mod check;
mod group;
pub mod import;
mod known;
mod register;
mod writes;

pub(super) use check::no_category;
pub(super) use group::Groups;
pub(super) use known::{SUPPRESSED, profile};

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::Error,
    registry::{AHEAD_MAX, Call, Change, Registry, Written, in_force},
    resolve::resolve_locked,
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        consent::statement::ConsentStatement,
        event::{Event, EventKind},
        id::{ConsentId, ItemId, SubjectId},
        item::{Content, ItemKey},
        name::{DataCategory, IdentifierType, PolicyVersion, Purpose, Source, SubjectCategory},
        subject_ref::{Identifier, SubjectRef},
    },
    store::Tx,
};

/// What was collected from one person in one role at one time.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The person.
    pub subject: SubjectRef,
    /// Further identifiers of the same person.
    pub identifiers: Vec<Identifier>,
    /// The role in which the person met the controller.
    pub subject_category: SubjectCategory,
    /// What was collected.
    pub items: Vec<CollectedItem>,
    /// What the person was asked and answered.
    pub consents: Vec<ConsentStatement>,
    /// When; `None`: now.
    pub collected_at: Option<Timestamp>,
    /// Whether the person was erased and has come back of their own accord.
    pub returning_subject: bool,
}

/// One value as it was collected.
#[derive(Clone, Debug)]
pub struct CollectedItem {
    /// The role, if it is said again; another one than the registration's is refused.
    pub subject_category: Option<SubjectCategory>,
    /// What it is.
    pub data_category: DataCategory,
    /// What tells it from others of its category.
    pub key: ItemKey,
    /// The value; `None`: only the fact of collection is kept.
    pub content: Option<Content>,
    /// Who collected it; `None`: the caller.
    pub source: Option<Source>,
    /// When; `None`: with the registration.
    pub collected_at: Option<Timestamp>,
    /// What it may be used for; empty: whatever the policy says.
    pub purposes: Vec<Purpose>,
}

/// What was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The person; `None` in a preview for somebody who is not known.
    pub subject_id: Option<SubjectId>,
    /// Whether the person was not known before.
    pub subject_created: bool,
    /// The items, in the order of the registration.
    pub items: Vec<RegisteredItem>,
    /// The consent facts, in the order of the statements and of their purposes.
    pub consent_ids: Vec<ConsentId>,
    /// Identifiers that were left out.
    pub unlinked: Vec<UnlinkedIdentifier>,
}

/// An item without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredItem {
    /// Its id; `None` in a preview.
    pub item_id: Option<ItemId>,
    /// The role in which it was collected.
    pub subject_category: SubjectCategory,
    /// What it is.
    pub data_category: DataCategory,
    /// Who collected it.
    pub source: Source,
    /// When it was collected.
    pub collected_at: Timestamp,
    /// The policy under which it was collected.
    pub policy_version: PolicyVersion,
    /// What it may be used for; empty: whatever the policy says.
    pub purposes: Vec<Purpose>,
}

/// An identifier that was not linked, so that the registration is not lost over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkedIdentifier {
    /// Its type.
    pub identifier_type: IdentifierType,
    /// Where it stood: `identifiers[1]`, or `subject`.
    pub field: String,
    /// Why.
    #[serde(default)]
    pub reason: UnlinkedReason,
}

/// Why an identifier was not linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnlinkedReason {
    /// A device that belongs to somebody else and was left there.
    #[default]
    DeviceOfAnother,
    /// It belongs to a person who was erased.
    Suppressed,
}

/// An activity as it is known now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastActivity {
    /// The person.
    pub subject_id: SubjectId,
    /// The latest activity seen by the source.
    pub at: Timestamp,
}

impl Registry {
    /// Registers what was collected, all of it or nothing.
    pub async fn register_collection(
        &self,
        call: Call,
        registration: Registration,
    ) -> Result<Written<Registered>, Error> {
        self.register_in_group(call, Arc::new(registration)).await
    }

    /// Registers in a transaction of its own, however long that has to wait for others.
    async fn register_alone(
        &self,
        call: Call,
        registration: Arc<Registration>,
    ) -> Result<Written<Registered>, Error> {
        let caller = call.caller.clone();
        self.change(call, move |tx, policies| {
            let (caller, registration) = (caller.clone(), registration.clone());
            Box::pin(async move {
                let registrations = [(&*caller, &*registration)];
                let outcomes = register::all(tx, policies, &registrations).await?;
                let outcome = outcomes.into_iter().next();
                outcome.ok_or_else(|| Error::Internal("a registration got lost".into()))?
            })
        })
        .await
    }

    /// Whether this may be collected, and whom it would go to. Changes nothing.
    pub async fn preview_collection(
        &self,
        caller: &Caller,
        registration: &Registration,
    ) -> Result<Registered, Error> {
        let view = self.view(caller, Action::RegisterCollection, None).await?;
        let now = view.now();
        let checked = check::check(&view.policies, now, caller, registration)?;
        let policy = view.in_force()?;
        let known = known::Known::view(&view.snapshot, policy, &[&checked]).await?;
        view.snapshot.close().await?;
        known.preview(&checked)
    }

    /// Notes that the person was active. An instant earlier than the latest known one changes nothing.
    pub async fn record_activity(
        &self,
        call: Call,
        subject: SubjectRef,
        source: Option<Source>,
        at: Option<Timestamp>,
    ) -> Result<Written<LastActivity>, Error> {
        let source = source.unwrap_or_else(|| call.caller.service.clone());
        if !call.caller.may_speak_for_source(&source) {
            return Err(Error::ClaimMissing {
                claim: "sources",
                field: "source".into(),
            });
        }
        self.change(call, move |tx, policies| {
            let (subject, source) = (subject.clone(), source.clone());
            Box::pin(async move {
                let policy = in_force(policies, tx.now())?;
                let at = not_ahead(tx, "at", at)?;
                let subject = resolve_locked(tx, policy, &subject, "subject").await?;
                note_activity(tx, subject.subject_id, &source, at).await
            })
        })
        .await
    }
}

async fn note_activity(
    tx: &mut Tx,
    subject_id: SubjectId,
    source: &Source,
    at: Timestamp,
) -> Result<Change<LastActivity>, Error> {
    let (latest, is_later) = tx.record_activity(subject_id, source, at).await?;
    let known = LastActivity {
        subject_id,
        at: latest,
    };
    let change = Change::new(known, AuditDetail::of(subject_id));
    if is_later {
        Ok(change.event(Event::new(EventKind::ActivityRecorded, Some(subject_id))))
    } else {
        Ok(change)
    }
}

/// The instant given, or now. One that is too far ahead of the registry's clock is refused.
pub(super) fn not_ahead(tx: &Tx, field: &str, at: Option<Timestamp>) -> Result<Timestamp, Error> {
    let now = tx.now();
    match at {
        Some(at) if at > now + AHEAD_MAX => Err(Error::invalid(field, AHEAD)),
        at => Ok(at.unwrap_or(now)),
    }
}

/// What is said of an instant that is too far ahead.
pub(super) const AHEAD: &str = "is more than five minutes ahead of the registry's clock";

#[cfg(test)]
pub(super) mod tests;
