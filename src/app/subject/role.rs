//! Roles of a subject: when it came into a subject category, and when it left.

use jiff::Timestamp;

use super::Subject;
use crate::{
    app::{
        collection::{no_category, not_ahead},
        error::{Error, Missing},
        registry::{Call, Change, Registry, Written, in_force},
        resolve::resolve_locked,
    },
    domain::{
        audit::AuditDetail,
        caller::Caller,
        event::{Event, EventKind},
        id::SubjectId,
        journal::JournalKind,
        membership::{self, MembershipFact},
        name::SubjectCategory,
        policy::compile::CompiledPolicy,
        subject_ref::SubjectRef,
    },
    store::Tx,
};

impl Registry {
    /// Puts a subject into a subject category. One that is in it already stays in it unchanged,
    /// unless the new start is earlier.
    pub async fn add_subject_category(
        &self,
        call: Call,
        subject: SubjectRef,
        category: SubjectCategory,
        started_at: Option<Timestamp>,
    ) -> Result<Written<Subject>, Error> {
        let caller = call.caller.clone();
        let added = self
            .change(call.clone(), move |tx, policies| {
                let (caller, subject) = (caller.clone(), subject.clone());
                let category = category.clone();
                Box::pin(async move {
                    let policy = in_force(policies, tx.now())?;
                    known_category(policy, &category)?;
                    let at = not_ahead(tx, "started_at", started_at)?;
                    let subject = resolve_locked(tx, policy, &subject, "subject").await?;
                    begin(tx, &caller, subject.subject_id, category, at).await
                })
            })
            .await?;
        self.show(&call.caller, call.action, added).await
    }

    /// Ends a subject's time in a subject category. An instant to come is a known end.
    pub async fn end_subject_category(
        &self,
        call: Call,
        subject: SubjectRef,
        category: SubjectCategory,
        ended_at: Option<Timestamp>,
    ) -> Result<Written<Subject>, Error> {
        let caller = call.caller.clone();
        let ended = self
            .change(call.clone(), move |tx, policies| {
                let (caller, subject) = (caller.clone(), subject.clone());
                let category = category.clone();
                Box::pin(async move {
                    let policy = in_force(policies, tx.now())?;
                    let subject = resolve_locked(tx, policy, &subject, "subject").await?;
                    end(tx, &caller, subject.subject_id, category, ended_at).await
                })
            })
            .await?;
        self.show(&call.caller, call.action, ended).await
    }
}

async fn begin(
    tx: &mut Tx,
    caller: &Caller,
    subject: SubjectId,
    category: SubjectCategory,
    at: Timestamp,
) -> Result<Change<SubjectId>, Error> {
    let facts = facts(tx, subject).await?;
    let change = Change::new(subject, AuditDetail::of(subject));
    if membership::is_member(&facts, &category, at) {
        return Ok(change);
    }
    append(tx, caller, subject, (category.clone(), true, at)).await?;
    Ok(change.event(Event {
        subject_category: Some(category),
        ..Event::new(EventKind::CategoryAdded, Some(subject))
    }))
}

async fn end(
    tx: &mut Tx,
    caller: &Caller,
    subject: SubjectId,
    category: SubjectCategory,
    ended_at: Option<Timestamp>,
) -> Result<Change<SubjectId>, Error> {
    let facts = facts(tx, subject).await?;
    let at =
        membership::end_at(&facts, &category, ended_at, tx.now()).map_err(
            |refused| match refused {
                membership::EndRefused::NoMember => Error::NotFound(Missing::SubjectCategory),
                refused => Error::invalid("ended_at", refused),
            },
        )?;
    append(tx, caller, subject, (category.clone(), false, at)).await?;
    let event = Event {
        subject_category: Some(category.clone()),
        ..Event::new(EventKind::CategoryEnded, Some(subject))
    };
    let ended = JournalKind::CategoryEnded {
        subject_category: category,
        ended_at: at,
    };
    Ok(Change::new(subject, AuditDetail::of(subject))
        .event(event)
        .journal(subject, ended))
}

async fn facts(tx: &Tx, subject: SubjectId) -> Result<Vec<MembershipFact>, Error> {
    let mut facts = tx.list_membership_facts(&[subject]).await?;
    Ok(facts.remove(&subject).unwrap_or_default())
}

async fn append(
    tx: &mut Tx,
    caller: &Caller,
    subject: SubjectId,
    (category, began, occurred_at): (SubjectCategory, bool, Timestamp),
) -> Result<(), Error> {
    let fact = MembershipFact {
        category,
        began,
        occurred_at,
        recorded_at: tx.now(),
    };
    let by = caller.service.as_str();
    Ok(tx.append_membership_facts(&[(subject, fact)], by).await?)
}

/// That the policy has the category.
fn known_category(policy: &CompiledPolicy, category: &SubjectCategory) -> Result<(), Error> {
    if policy.subject_category(category).is_some() {
        return Ok(());
    }
    Err(Error::invalid("subject_category", no_category(policy)))
}
