//! From what a caller names to subjects. Reading takes what is committed; writing first makes
//! everyone wait who names the same, then holds the subjects.

use std::collections::HashMap;

use crate::{
    app::error::{Error, Missing},
    domain::{
        id::SubjectId,
        identifier::{self, NormalisedIdentifier},
        name::IdentifierType,
        policy::{compile::CompiledPolicy, model::IdentifierTypeEntry},
        subject_ref::{Identifier, SubjectRef},
        violation::Violations,
    },
    store::{Session, Tx, identifier::IdentifierKey, subject::SubjectRecord},
};

/// The one living subject that `reference` leads to. Paths of violations begin with `field`.
pub(super) async fn resolve(
    session: &Session,
    policy: &CompiledPolicy,
    reference: &SubjectRef,
    field: &str,
) -> Result<SubjectRecord, Error> {
    one(resolve_all(session, policy, reference, field).await?)
}

/// Every living subject that `reference` leads to, oldest first; none when it leads nowhere.
pub(super) async fn resolve_all(
    session: &Session,
    policy: &CompiledPolicy,
    reference: &SubjectRef,
    field: &str,
) -> Result<Vec<SubjectRecord>, Error> {
    match reference {
        SubjectRef::Id(id) => Ok(session.find_subject(*id).await?.into_iter().collect()),
        SubjectRef::Identifier(identifier) => {
            let key = identifier_key(policy, identifier, &format!("{field}.identifier"))?;
            let ids = session.find_identified(&key).await?;
            Ok(session.list_subjects(&ids).await?)
        }
    }
}

/// As [`resolve_all`], for many references at once: two queries in all. The answers stand in the
/// order of the references; `field` names the path of each by its place.
pub(super) async fn resolve_each(
    session: &Session,
    policy: &CompiledPolicy,
    references: &[&SubjectRef],
    field: impl Fn(usize) -> String,
) -> Result<Vec<Result<Vec<SubjectRecord>, Error>>, Error> {
    let keys: Vec<_> = references
        .iter()
        .enumerate()
        .map(|(place, reference)| match reference {
            SubjectRef::Id(_) => Ok(None),
            SubjectRef::Identifier(identifier) => {
                let field = format!("{}.identifier", field(place));
                identifier_key(policy, identifier, &field).map(Some)
            }
        })
        .collect();
    let wanted: Vec<_> = keys.iter().flatten().flatten().cloned().collect();
    let identified = session.list_identified(&wanted).await?;
    let named = references.iter().filter_map(|reference| match reference {
        SubjectRef::Id(id) => Some(*id),
        SubjectRef::Identifier(_) => None,
    });
    let ids: Vec<_> = named
        .chain(identified.values().flatten().copied())
        .collect();
    let known = survivors(session, &ids).await?;
    let found = |ids: &[SubjectId]| ids.iter().filter_map(|id| known.get(id).cloned()).collect();
    let answers = references
        .iter()
        .zip(keys)
        .map(|(reference, key)| match reference {
            SubjectRef::Id(id) => Ok(found(&[*id])),
            SubjectRef::Identifier(_) => {
                let ids = key?.and_then(|key| identified.get(&key));
                Ok(found(ids.map_or(&[][..], Vec::as_slice)))
            }
        });
    Ok(answers.collect())
}

/// The living subject that each id leads to. Unknown ones are left out.
pub(super) async fn survivors(
    session: &Session,
    ids: &[SubjectId],
) -> Result<HashMap<SubjectId, SubjectRecord>, Error> {
    let living = session.list_subjects(ids).await?;
    let mut known: HashMap<_, _> = living
        .into_iter()
        .map(|record| (record.subject_id, record))
        .collect();
    for id in ids {
        // What is not living was merged away or never was: rare enough to ask one by one.
        if !known.contains_key(id)
            && let Some(record) = session.find_subject(*id).await?
        {
            known.insert(*id, record);
        }
    }
    Ok(known)
}

/// As [`resolve`], for a change: the subject is held until the end of the transaction, and so is
/// the way that led to it.
pub(super) async fn resolve_locked(
    tx: &mut Tx,
    policy: &CompiledPolicy,
    reference: &SubjectRef,
    field: &str,
) -> Result<SubjectRecord, Error> {
    one(resolve_all_locked(tx, policy, reference, field).await?)
}

/// As [`resolve_all`], for a change: the subjects are held until the end of the transaction, and so
/// is the way that led to them. Erased subjects are left out: nothing of theirs can change.
pub(super) async fn resolve_all_locked(
    tx: &mut Tx,
    policy: &CompiledPolicy,
    reference: &SubjectRef,
    field: &str,
) -> Result<Vec<SubjectRecord>, Error> {
    let mut ids = match reference {
        SubjectRef::Id(id) => vec![*id],
        SubjectRef::Identifier(identifier) => {
            let key = identifier_key(policy, identifier, &format!("{field}.identifier"))?;
            tx.lock_identifiers(std::slice::from_ref(&key)).await?;
            tx.find_identified(&key).await?
        }
    };
    ids.sort_unstable();
    let mut held = Vec::<SubjectRecord>::with_capacity(ids.len());
    for id in ids {
        let Some(record) = tx.lock_subject(id).await? else {
            continue;
        };
        // Two that were merged while this one waited lead to the same survivor.
        let is_new = held.iter().all(|one| one.subject_id != record.subject_id);
        if is_new && record.erased_at.is_none() {
            held.push(record);
        }
    }
    Ok(held)
}

fn one(mut found: Vec<SubjectRecord>) -> Result<SubjectRecord, Error> {
    match (found.pop(), found.len()) {
        (Some(subject), 0) => Ok(subject),
        (Some(_), others) => Err(Error::SubjectAmbiguous(others + 1)),
        (None, _) => Err(Error::NotFound(Missing::Subject)),
    }
}

/// An identifier in the form in which it is looked for, by the rules of `policy`. Paths of
/// violations begin with `field`, the path of the identifier.
pub(super) fn identifier_key(
    policy: &CompiledPolicy,
    identifier: &Identifier,
    field: &str,
) -> Result<IdentifierKey, Error> {
    let mut violations = Violations::default();
    match declared(policy, identifier, field, &mut violations) {
        Some((_, normalised)) => Ok((identifier.identifier_type.clone(), normalised)),
        None => Err(violations.into()),
    }
}

/// The type's entry and the value as it is compared; `None`: what is wrong is noted, under paths
/// that begin with `field`, the path of the identifier.
pub(super) fn declared<'p>(
    policy: &'p CompiledPolicy,
    identifier: &Identifier,
    field: &str,
    violations: &mut Violations,
) -> Option<(&'p IdentifierTypeEntry, NormalisedIdentifier)> {
    let Some(entry) = policy.identifier_type(&identifier.identifier_type) else {
        let types = policy.policy().identifier_types.keys();
        let names: Vec<_> = types.map(IdentifierType::as_str).collect();
        violations.add(
            format!("{field}.type"),
            format!(
                "is no identifier type of policy version {}, which has {}",
                policy.version(),
                names.join(", ")
            ),
        );
        return None;
    };
    match identifier::normalise(entry.normalise, identifier.value.expose()) {
        Ok(normalised) => Some((entry, normalised)),
        Err(error) => {
            violations.add(format!("{field}.value"), error);
            None
        }
    }
}
