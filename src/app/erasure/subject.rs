//! The end of a person as a whole: nothing leads there any more, and nothing that is left can be read.

use std::collections::HashSet;

use super::Held;
use crate::{
    app::{error::Error, export::destroy_exports, resolve::declared},
    domain::{
        id::{SubjectId, SubjectRequestId},
        journal::HashedIdentifier,
        name::Purpose,
        policy::compile::CompiledPolicy,
        subject_ref::Identifier,
        suppression::{Suppression, refused_marketing},
        violation::Violations,
    },
    store::Tx,
};

/// What is left of a person who was erased.
pub(super) struct Ended {
    /// How many identifiers there were.
    pub(super) identifiers: u64,
    /// Their keyed hashes.
    pub(super) suppressed: Vec<HashedIdentifier>,
    /// The direct marketing that the person had said no to.
    pub(super) objected: Vec<Purpose>,
}

/// Ends the person. What the decision needs for the items that stay is left as it is: memberships,
/// consents, objections and restrictions without their texts.
pub(super) async fn end(
    tx: &mut Tx,
    held: &Held,
    request: SubjectRequestId,
) -> Result<Ended, Error> {
    let subject = held.state.subject_id;
    let (identifiers, suppressed) = hashes(tx, &held.policy, subject).await?;
    let suppression = Suppression {
        suppressed_at: tx.now(),
        objected: refused_marketing(&held.policy, &held.state),
    };
    tx.suppress(&suppressed, &suppression).await?;
    tx.unlink_everything(subject).await?;
    tx.destroy_texts(subject).await?;
    destroy_exports(tx, subject, request).await?;
    tx.restore_erasure(subject, tx.now()).await?;
    let objected = suppression.objected.into_iter();
    Ok(Ended {
        identifiers,
        suppressed,
        objected: objected.map(|(purpose, _)| purpose).collect(),
    })
}

/// How many identifiers lead to a person, and their hashes, each once: those that they are found by, and
/// of a type that the policy knows one under each key of the index, so that they are found after a
/// rotation too.
async fn hashes(
    tx: &Tx,
    policy: &CompiledPolicy,
    subject: SubjectId,
) -> Result<(u64, Vec<HashedIdentifier>), Error> {
    let mut hashes = tx.list_identifier_hashes(subject).await?;
    let identifiers = tx.read_identifiers(subject).await?;
    let count = identifiers.len() as u64;
    for (linked, value) in identifiers {
        let identifier = Identifier {
            identifier_type: linked.identifier_type,
            value,
        };
        let mut unknown = Violations::default();
        if let Some((_, normalised)) = declared(policy, &identifier, "identifier", &mut unknown) {
            hashes.extend(tx.hash_identifier(&(identifier.identifier_type, normalised)));
        }
    }
    let mut seen = HashSet::new();
    hashes.retain(|hash| seen.insert(hash.clone()));
    Ok((count, hashes))
}
