//! Consent: recorded and withdrawn as facts with a time of their own (Art. 7), shown as a history and
//! as receipts.

mod answer;
mod check;
mod form;
mod request;
mod statement;
mod stop;
#[cfg(test)]
mod tests;
mod token;
mod withdrawal;

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{
    error::{Error, Missing},
    page::Page,
    registry::{Call, Change, Registry, Written, in_force},
    resolve::{resolve, resolve_locked},
};
use crate::{
    crypto::signature::Envelope,
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        consent::{
            ConsentRecord,
            receipt::{ConsentReceipt, RECEIPT_TYPE, document},
            statement::ConsentStatement,
        },
        event::EventKind,
        id::{ConsentId, SubjectId},
        journal::JournalKind,
        name::Purpose,
        policy::history::PolicyHistory,
        revision::Revision,
        subject_ref::SubjectRef,
    },
    store::{Session, consent::ConsentPlace},
};

use answer::Told;
pub(super) use request::{AskedBack, withdraw_by_request};
pub(super) use statement::{CheckedStatement, check_statement};
pub(super) use stop::stop_recipients;
pub use token::{
    IssueWithdrawalToken, IssuedToken, TOKEN_LIFETIME_DEFAULT, TOKEN_LIFETIME_MAX,
    TOKEN_LIFETIME_MIN,
};
pub use withdrawal::{Taken, WithdrawConsent, WithdrawalToken, Withdrawer, Withdrawn};

/// Which part of a subject's history is asked for.
#[derive(Clone, Debug)]
pub struct ListConsents {
    /// The person.
    pub subject: SubjectRef,
    /// Of which purposes; empty: of all.
    pub purposes: Vec<Purpose>,
    /// Facts on a page.
    pub page_size: usize,
    /// Where to go on.
    pub page_token: Option<String>,
    /// A state that the answer must include.
    pub at_least_as_fresh: Option<Revision>,
}

/// A receipt, and the same signed.
#[derive(Clone, Debug)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: ConsentReceipt,
    /// What a person may show to others, who verify it without the registry.
    pub envelope: Envelope,
}

impl Registry {
    /// Records what a person answered, one fact for each purpose. The facts come back in the order
    /// of the purposes.
    pub async fn record_consent(
        &self,
        call: Call,
        subject: SubjectRef,
        statement: ConsentStatement,
    ) -> Result<Written<Vec<ConsentRecord>>, Error> {
        let told = Told::by(&call.caller, &statement);
        let caller = call.caller.clone();
        let written = self
            .change(call, move |tx, policies| {
                let (subject, statement) = (subject.clone(), statement.clone());
                let caller = caller.clone();
                Box::pin(async move {
                    let now = tx.now();
                    let checked = check_statement(policies, &statement, &caller, now, "")?;
                    let policy = in_force(policies, now)?;
                    let subject = resolve_locked(tx, policy, &subject, "subject").await?;
                    let subject = subject.subject_id;
                    let stopped = stop_recipients(tx, policies, subject, &checked).await?;
                    let records = statement::append_records(tx, subject, &checked).await?;
                    let facts = answer::short(&records);
                    let event =
                        answer::event(EventKind::ConsentRecorded, subject, &checked, &facts);
                    let mut audit = answer::audit(&event);
                    audit.task_ids = stopped.task_ids;
                    let mut change = Change::new(facts, audit).event(event);
                    change.events.extend(stopped.events);
                    change.journal = JournalKind::denials(&records);
                    Ok(change)
                })
            })
            .await?;
        Ok(Written {
            value: told.in_full(written.value),
            revision: written.revision,
            replayed: written.replayed,
        })
    }

    /// A page of a subject's history, latest recorded first.
    pub async fn list_consents(
        &self,
        caller: &Caller,
        query: ListConsents,
    ) -> Result<Page<ConsentRecord>, Error> {
        let (registry, fresh) = (self.clone(), query.at_least_as_fresh);
        let query = Arc::new(query);
        let read = self.read_audited(caller, Action::ListConsents, fresh, move |tx, policies| {
            let (registry, query) = (registry.clone(), query.clone());
            Box::pin(async move {
                let subject = find_subject(tx, policies, &query.subject).await?;
                let list = list_name(subject, &query.purposes);
                let after = match &query.page_token {
                    Some(token) => Some(place(&registry.open_token(&list, token)?)?),
                    None => None,
                };
                let limit = query.page_size as u64 + 1;
                let facts = tx
                    .list_consents(subject, &query.purposes, after, limit)
                    .await?;
                let page = registry.page(&list, query.page_size, facts, position);
                let audit = shown(subject, &page.entries);
                Ok((page, audit))
            })
        });
        let (page, _) = read.await?;
        Ok(page)
    }

    /// The receipt of one consent fact.
    pub async fn get_consent_receipt(
        &self,
        caller: &Caller,
        subject: &SubjectRef,
        consent: ConsentId,
    ) -> Result<SignedReceipt, Error> {
        let (action, subject) = (Action::GetConsentReceipt, subject.clone());
        let read = self.read_audited(caller, action, None, move |tx, policies| {
            let subject = subject.clone();
            Box::pin(async move {
                let subject = find_subject(tx, policies, &subject).await?;
                let fact = tx
                    .find_consent(subject, consent)
                    .await?
                    .ok_or(Error::NotFound(Missing::Consent))?;
                let audit = shown(subject, std::slice::from_ref(&fact));
                let version = policies.get(&fact.evidence.policy_version);
                // A fact is kept under a published version only, and versions are never taken back.
                let version = version.ok_or(Error::NotFound(Missing::Policy))?.clone();
                let receipt = ConsentReceipt::of(fact, &version, tx.now());
                let payload = document(&receipt, &version);
                Ok(((receipt, payload), audit))
            })
        });
        let ((receipt, payload), _) = read.await?;
        Ok(self.sign_receipt(receipt, &payload))
    }

    fn sign_receipt(&self, receipt: ConsentReceipt, payload: &str) -> SignedReceipt {
        let signing = self.store.key_ring().signing();
        let envelope = signing.sign(RECEIPT_TYPE, payload.as_bytes());
        SignedReceipt { receipt, envelope }
    }
}

/// What the log says of facts that were read: their texts are personal data.
fn shown(subject: SubjectId, facts: &[ConsentRecord]) -> AuditDetail {
    let purposes: BTreeSet<_> = facts.iter().map(|fact| fact.purpose.clone()).collect();
    AuditDetail {
        purposes: purposes.into_iter().collect(),
        consent_ids: facts.iter().map(|fact| fact.consent_id).collect(),
        ..AuditDetail::of(subject)
    }
}

async fn find_subject(
    session: &Session,
    policies: &PolicyHistory,
    subject: &SubjectRef,
) -> Result<SubjectId, Error> {
    let policy = in_force(policies, session.now())?;
    let found = resolve(session, policy, subject, "subject").await?;
    match found.erased_at {
        None => Ok(found.subject_id),
        Some(_) => Err(Error::NotFound(Missing::Subject)),
    }
}

/// Names the list, so that a page token is good for this subject and these purposes only.
fn list_name(subject: SubjectId, purposes: &[Purpose]) -> String {
    let mut name = format!("consents {subject}");
    for purpose in purposes {
        name.push(' ');
        name.push_str(purpose.as_str());
    }
    name
}

fn position(fact: &ConsentRecord) -> String {
    format!("{} {}", fact.recorded_at.as_microsecond(), fact.consent_id)
}

fn place(position: &str) -> Result<ConsentPlace, Error> {
    let read = || {
        let (recorded_at, consent_id) = position.split_once(' ')?;
        Some(ConsentPlace {
            recorded_at: Timestamp::from_microsecond(recorded_at.parse().ok()?).ok()?,
            consent_id: consent_id.parse().ok()?,
        })
    };
    read().ok_or(Error::CursorInvalid)
}
