//! Subjects: who a person is to the registry. Whatever takes something away here counts in every
//! check that starts after it has returned.

mod identifier;
mod role;

use jiff::Timestamp;

use super::{
    error::{Error, Missing},
    merge::{check_size, merge_subject},
    registry::{Call, Change, Registry, Written, in_force},
    resolve::{identifier_key, resolve, resolve_locked},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        id::SubjectId,
        policy::{compile::CompiledPolicy, model::IdentifierKind},
        revision::Revision,
        subject::Membership,
        subject_ref::{Identifier, SubjectRef},
    },
    store::{Session, Tx, identifier::IdentifierKey, subject::SubjectRecord},
};

/// A person with identifiers and roles. Personal data.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The id.
    pub subject_id: SubjectId,
    /// The roles, past ones included, earliest start first.
    pub memberships: Vec<Membership>,
    /// The identifiers, in the order in which they were linked.
    pub identifiers: Vec<SubjectIdentifier>,
    /// When the registry first knew of the person.
    pub created_at: Timestamp,
    /// Ids that were merged into this one.
    pub merged_ids: Vec<SubjectId>,
}

/// An identifier of a person.
#[derive(Clone, Debug)]
pub struct SubjectIdentifier {
    /// Type and value.
    pub identifier: Identifier,
    /// What the type leads to; `None`: the policy in force no longer has the type.
    pub kind: Option<IdentifierKind>,
    /// When it was linked.
    pub linked_at: Timestamp,
}

impl Registry {
    /// A person. The reading is audited, since identifiers are personal data.
    pub async fn get_subject(
        &self,
        call: Call,
        subject: &SubjectRef,
        revision: Option<Revision>,
    ) -> Result<(Subject, Revision), Error> {
        let subject = subject.clone();
        self.read_audited(&call.caller, call.action, revision, move |tx, policies| {
            let subject = subject.clone();
            Box::pin(async move {
                let policy = in_force(policies, tx.now())?;
                // Held, since it is read in several steps.
                let record = resolve_locked(tx, policy, &subject, "subject").await?;
                let audit = AuditDetail::of(record.subject_id);
                Ok((read(tx, policy, record).await?, audit))
            })
        })
        .await
    }

    /// Makes two subjects one: everything of `from` moves to `into`, and its id leads there.
    pub async fn merge_subjects(
        &self,
        call: Call,
        into: SubjectRef,
        from: SubjectRef,
    ) -> Result<Written<Subject>, Error> {
        let caller = call.caller.clone();
        let merged = self
            .change(call.clone(), move |tx, policies| {
                let (caller, into, from) = (caller.clone(), into.clone(), from.clone());
                Box::pin(async move {
                    let policy = in_force(policies, tx.now())?;
                    let (into, from) = hold_both(tx, policy, &into, &from).await?;
                    check_size(tx, from).await?;
                    let event = merge_subject(tx, policies, &caller, from, into).await?;
                    let audit = vec![AuditDetail::of(from), AuditDetail::of(into)];
                    Ok(Change::of_many(into, audit).event(event))
                })
            })
            .await?;
        if let Err(error) = self.store.complete_key_destructions(self.clock_now()).await {
            tracing::warn!(%error, "a key outlives its subject until the next upkeep");
        }
        self.show(&call.caller, call.action, merged).await
    }

    /// The subject of a change as it is now: an answer that was remembered holds ids only.
    async fn show(
        &self,
        caller: &Caller,
        action: Action,
        written: Written<SubjectId>,
    ) -> Result<Written<Subject>, Error> {
        let view = self.view(caller, action, None).await?;
        let record = view.snapshot.find_subject(written.value).await?;
        let record = record.ok_or(Error::NotFound(Missing::Subject))?;
        let subject = read(&view.snapshot, view.in_force()?, record).await?;
        view.snapshot.close().await?;
        Ok(Written {
            value: subject,
            revision: written.revision,
            replayed: written.replayed,
        })
    }
}

async fn read(
    session: &Session,
    policy: &CompiledPolicy,
    record: SubjectRecord,
) -> Result<Subject, Error> {
    let id = record.subject_id;
    let mut memberships = session.list_memberships(&[id]).await?;
    let identifiers = session.read_identifiers(id).await?.into_iter();
    let identifiers = identifiers.map(|(link, value)| SubjectIdentifier {
        kind: policy
            .identifier_type(&link.identifier_type)
            .map(|entry| entry.kind),
        linked_at: link.linked_at,
        identifier: Identifier {
            identifier_type: link.identifier_type,
            value,
        },
    });
    Ok(Subject {
        subject_id: id,
        memberships: memberships.remove(&id).unwrap_or_default(),
        identifiers: identifiers.collect(),
        created_at: record.created_at,
        merged_ids: session.list_merged(id).await?,
    })
}

/// Holds the two subjects of a merge, in the order of their ids, whichever is which.
async fn hold_both(
    tx: &mut Tx,
    policy: &CompiledPolicy,
    into: &SubjectRef,
    from: &SubjectRef,
) -> Result<(SubjectId, SubjectId), Error> {
    let mut keys = named_key(policy, into, "into")?;
    keys.extend(named_key(policy, from, "from")?);
    tx.lock_identifiers(&keys).await?;
    let found = [
        resolve(tx, policy, into, "into").await?,
        resolve(tx, policy, from, "from").await?,
    ];
    if found.iter().any(|record| record.erased_at.is_some()) {
        return Err(Error::IllegalTransition(
            "an erased subject cannot be merged",
        ));
    }
    tx.lock_subjects(&found.map(|record| record.subject_id))
        .await?;
    let into = resolve_locked(tx, policy, into, "into").await?.subject_id;
    let from = resolve_locked(tx, policy, from, "from").await?.subject_id;
    if into == from {
        return Err(Error::invalid("from", "leads to the same subject as into"));
    }
    Ok((into, from))
}

/// The identifier by which a subject is named, if it is.
fn named_key(
    policy: &CompiledPolicy,
    reference: &SubjectRef,
    field: &str,
) -> Result<Vec<IdentifierKey>, Error> {
    match reference {
        SubjectRef::Id(_) => Ok(Vec::new()),
        SubjectRef::Identifier(identifier) => Ok(vec![identifier_key(
            policy,
            identifier,
            &format!("{field}.identifier"),
        )?]),
    }
}

#[cfg(test)]
mod tests;
