//! Consent that is taken back by a request of the person (Art. 7(3)), in the request's transaction.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{statement::CheckedStatement, withdrawal::take_back};
use crate::{
    app::{
        effect::Effect,
        error::{Error, Missing},
    },
    domain::{
        consent::{
            ConsentChoice, EvidenceMethod, statement::StatedEvidence, withdrawal::everything,
        },
        id::{SubjectId, SubjectRequestId},
        name::{Purpose, Source},
        policy::history::PolicyHistory,
    },
    store::Tx,
};

/// That a person asked to take consent back.
pub(in crate::app) struct AskedBack<'a> {
    /// The person; held.
    pub subject_id: SubjectId,
    /// For which purposes.
    pub purposes: &'a [Purpose],
    /// For every other purpose as well.
    pub all_purposes: bool,
    /// When the person said so.
    pub said_at: Timestamp,
    /// Who records it.
    pub by: &'a Source,
    /// The request.
    pub subject_request_id: SubjectRequestId,
}

/// Takes the consent back. A yes that the person gave after having asked is not reached: it is the later
/// word.
pub(in crate::app) async fn withdraw_by_request(
    tx: &mut Tx,
    policies: &PolicyHistory,
    asked: &AskedBack<'_>,
) -> Result<Effect, Error> {
    let subject = asked.subject_id;
    let mut purposes: BTreeSet<_> = asked.purposes.iter().cloned().collect();
    if asked.all_purposes {
        let facts = tx.list_consent_facts(&[subject]).await?.remove(&subject);
        purposes.extend(everything(policies, &facts.unwrap_or_default()));
    }
    let in_force = policies.in_force(asked.said_at);
    // The first version speaks for the time before it: taking consent back fails for want of nothing.
    let policy = in_force.or_else(|| policies.versions().first());
    let policy = policy.ok_or(Error::NotFound(Missing::Policy))?;
    let evidence = StatedEvidence {
        reference: format!("subject request {}", asked.subject_request_id),
        ..StatedEvidence::by(EvidenceMethod::NotStated)
    };
    let statement = CheckedStatement {
        purposes: purposes.into_iter().collect(),
        processors: Vec::new(),
        choice: ConsentChoice::Withdrawn,
        evidence: evidence.resolved(policy.version(), asked.by),
        occurred_at: asked.said_at,
        expires_at: None,
        recorded_by: asked.by.clone(),
    };
    let request = Some(asked.subject_request_id);
    let (_, effect) = take_back(tx, policies, subject, &statement, request).await?;
    Ok(effect)
}
