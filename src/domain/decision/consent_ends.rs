//! When the yeses that a check may rest on end by themselves, apart from any question.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::consents::{Consents, expires_at, is_affirmative};
use crate::domain::{
    consent::ConsentFact, id::ConsentId, name::Processor, policy::compile::CompiledPolicy,
    subject::SubjectState,
};

/// The yeses that stand at `now` for the controller or for some processor, each with the instant at which it
/// ends by itself, which may have passed. One by no affirmative act permits nothing, and none of it ends.
pub fn consent_ends<'a>(
    policy: &CompiledPolicy,
    subject: &'a SubjectState,
    now: Timestamp,
) -> Vec<(&'a ConsentFact, Timestamp)> {
    let purposes: BTreeSet<_> = subject.consents.iter().map(|fact| &fact.purpose).collect();
    let mut standing = BTreeMap::<ConsentId, &ConsentFact>::new();
    for purpose in purposes {
        for recipient in recipients(policy, subject) {
            let heard = Consents::hear(policy, subject, purpose, recipient.as_ref(), now);
            let yes = heard.ever.yes().filter(|yes| is_affirmative(policy, yes));
            standing.extend(yes.map(|yes| (yes.consent_id, yes)));
        }
    }
    let ends = standing.into_values();
    ends.filter_map(|yes| Some((yes, expires_at(policy, yes)?)))
        .collect()
}

/// The controller, every processor that a fact names, and one for all those that none does.
fn recipients(policy: &CompiledPolicy, subject: &SubjectState) -> Vec<Option<Processor>> {
    let facts = subject.consents.iter();
    let named: BTreeSet<_> = facts.flat_map(|fact| &fact.processors).collect();
    let mut others = policy.policy().processors.keys();
    let other = others.find(|processor| !named.contains(processor));
    let processors = named.iter().copied().chain(other).cloned();
    [None].into_iter().chain(processors.map(Some)).collect()
}
