//! Identifiers of a subject: linked, and taken off.

use super::{Subject, named_key};
use crate::{
    app::{
        collection::{SUPPRESSED, profile},
        effect::Effect,
        error::{Error, Missing},
        merge::{check_size, merge_subject},
        registry::{Call, Change, Registry, Written, in_force},
        resolve::{declared, identifier_key, resolve_locked},
        restore::apply_waiting,
    },
    domain::{
        audit::AuditDetail,
        caller::Caller,
        event::{Event, EventKind},
        id::SubjectId,
        identifier::NormalisedIdentifier,
        journal::JournalKind,
        matching::{self, Conflict, Match, Presented},
        policy::{compile::CompiledPolicy, history::PolicyHistory, model::IdentifierKind},
        subject_ref::{Identifier, SubjectRef},
        violation::Violations,
    },
    store::{Tx, identifier::NewIdentifier},
};

impl Registry {
    /// Links a further identifier. A device that is known by nothing else is merged into the
    /// subject; an account or device of somebody else is a conflict.
    pub async fn link_identifier(
        &self,
        call: Call,
        subject: SubjectRef,
        identifier: Identifier,
    ) -> Result<Written<Subject>, Error> {
        let caller = call.caller.clone();
        let linked = self
            .change(call.clone(), move |tx, policies| {
                let (caller, subject) = (caller.clone(), subject.clone());
                let identifier = identifier.clone();
                Box::pin(async move {
                    let policy = in_force(policies, tx.now())?;
                    let subject = hold(tx, policy, &subject, &identifier).await?;
                    let mut link = Link {
                        tx,
                        policies,
                        policy,
                        caller: &caller,
                        subject,
                    };
                    let linked = link.link(&identifier).await?;
                    let mut change = Change::new(subject, AuditDetail::of(subject));
                    change.join(linked);
                    Ok(change)
                })
            })
            .await?;
        self.show(&call.caller, call.action, linked).await
    }

    /// Takes an identifier off a subject; its value is destroyed.
    pub async fn unlink_identifier(
        &self,
        call: Call,
        subject: SubjectRef,
        identifier: Identifier,
    ) -> Result<Written<Subject>, Error> {
        let unlinked = self
            .change(call.clone(), move |tx, policies| {
                let (subject, identifier) = (subject.clone(), identifier.clone());
                Box::pin(async move {
                    let policy = in_force(policies, tx.now())?;
                    let subject = hold(tx, policy, &subject, &identifier).await?;
                    let key = identifier_key(policy, &identifier, "identifier")?;
                    if !tx.unlink_identifier(subject, &key).await? {
                        return Err(Error::NotFound(Missing::Identifier));
                    }
                    let event = Event::new(EventKind::IdentifierUnlinked, Some(subject));
                    let unlinked = JournalKind::IdentifiersUnlinked {
                        identifiers: tx.hash_identifier(&key),
                    };
                    Ok(Change::new(subject, AuditDetail::of(subject))
                        .event(event)
                        .journal(subject, unlinked))
                })
            })
            .await?;
        self.show(&call.caller, call.action, unlinked).await
    }
}

/// Holds the subject, and before it every identifier that the call names.
async fn hold(
    tx: &mut Tx,
    policy: &CompiledPolicy,
    subject: &SubjectRef,
    identifier: &Identifier,
) -> Result<SubjectId, Error> {
    let mut keys = named_key(policy, subject, "subject")?;
    keys.push(identifier_key(policy, identifier, "identifier")?);
    tx.lock_identifiers(&keys).await?;
    Ok(resolve_locked(tx, policy, subject, "subject")
        .await?
        .subject_id)
}

struct Link<'a> {
    tx: &'a mut Tx,
    policies: &'a PolicyHistory,
    policy: &'a CompiledPolicy,
    caller: &'a Caller,
    subject: SubjectId,
}

impl Link<'_> {
    async fn link(&mut self, identifier: &Identifier) -> Result<Effect, Error> {
        let mut violations = Violations::default();
        let declared = declared(self.policy, identifier, "identifier", &mut violations);
        let Some((entry, normalised)) = declared else {
            return Err(violations.into());
        };
        let key = (identifier.identifier_type.clone(), normalised);
        let leads_to = self.tx.find_identified(&key).await?;
        if leads_to.is_empty() {
            let suppressed = self.tx.list_suppressed(std::slice::from_ref(&key)).await?;
            if !suppressed.is_empty() {
                let refused = Violations::one("identifier", SUPPRESSED);
                return Err(Error::IdentifierSuppressed(refused));
            }
        }
        let presented = Presented {
            identifier_type: identifier.identifier_type.clone(),
            kind: entry.kind,
            leads_to,
        };
        let matched = self.matched(&presented).await?;
        let mut effect = Effect::default();
        for from in matched.merge {
            check_size(self.tx, from).await?;
            let (policies, caller) = (self.policies, self.caller);
            let merged = merge_subject(self.tx, policies, caller, from, self.subject).await?;
            effect.events.push(merged);
        }
        if !matched.link.is_empty() {
            let mut waiting = self.tx.list_waiting(std::slice::from_ref(&key)).await?;
            let waiting = waiting.remove(&key).unwrap_or_default();
            self.put(identifier, key.1, entry.kind).await?;
            let linked = Event::new(EventKind::IdentifierLinked, Some(self.subject));
            effect.events.push(linked);
            effect.join(apply_waiting(self.tx, self.subject, &waiting).await?);
        }
        Ok(effect)
    }

    async fn matched(&mut self, presented: &Presented) -> Result<Match, Error> {
        let holders = &presented.leads_to;
        let held = self.tx.lock_subjects(holders).await?;
        let mut links = self.tx.list_identifiers(holders).await?;
        let profiles = held.into_iter().map(|(id, record)| {
            let links = links.remove(&id).unwrap_or_default();
            (id, profile(&record, &links, self.policy))
        });
        let presented = std::slice::from_ref(presented);
        let matched = matching::choose(Some(self.subject), presented, &profiles.collect())
            .map_err(|Conflict { subjects }| Error::IdentifierConflict { subjects })?;
        if matched.left.is_empty() {
            return Ok(matched);
        }
        let mut subjects = vec![self.subject];
        subjects.extend(holders);
        Err(Error::IdentifierConflict { subjects })
    }

    async fn put(
        &mut self,
        identifier: &Identifier,
        normalised: NormalisedIdentifier,
        kind: IdentifierKind,
    ) -> Result<(), Error> {
        let link = NewIdentifier {
            subject_id: self.subject,
            identifier_type: identifier.identifier_type.clone(),
            value: identifier.value.clone(),
            normalised,
            shared: kind == IdentifierKind::Contact,
            leads_elsewhere: true,
        };
        let by = self.caller.service.as_str();
        Ok(self.tx.link_identifiers(&[link], by).await?)
    }
}
