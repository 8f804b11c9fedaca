//! What the person said about the purpose, as the rules hear it.

use jiff::Timestamp;

use super::horizon::Horizon;
use crate::domain::{
    calendar,
    consent::{
        ConsentChoice, ConsentFact, EvidenceMethod,
        fold::{self, Answer},
    },
    name::{Processor, Purpose},
    policy::compile::CompiledPolicy,
    subject::SubjectState,
};

/// The answers for one purpose and one recipient.
#[derive(Clone, Debug, Default)]
pub(super) struct Consents<'a> {
    /// With every yes, also one that has run out: for a use that rests on consent, which is then
    /// denied for that.
    pub(super) ever: Answers<'a>,
    /// Without the yeses that have run out: for a use that rests on something else. There an
    /// expired yes lifts no refusal and no objection.
    pub(super) still: Answers<'a>,
}

/// Facts in the order in which they take effect, and the answer that stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers<'a> {
    facts: Vec<&'a ConsentFact>,
    /// The answer that stands.
    pub(super) standing: Option<Answer<'a>>,
}

impl<'a> Answers<'a> {
    fn new(facts: Vec<&'a ConsentFact>) -> Self {
        let standing = fold::fold(facts.iter().copied());
        Self { facts, standing }
    }

    /// The fact that stands, if it is a no.
    pub(super) fn no(&self) -> Option<&'a ConsentFact> {
        self.standing
            .map(|answer| answer.fact)
            .filter(|fact| fact.choice.is_denial())
    }

    /// The fact that stands, if it is a yes of any kind.
    pub(super) fn yes(&self) -> Option<&'a ConsentFact> {
        self.standing
            .map(|answer| answer.fact)
            .filter(|fact| fact.choice == ConsentChoice::Given)
    }

    /// When the consent was withdrawn, if it is.
    pub(super) fn withdrawn_at(&self) -> Option<Timestamp> {
        self.standing.and_then(|answer| answer.withdrawn_at)
    }

    /// Whether the person said yes by an affirmative act after this instant.
    pub(super) fn affirmed_after(&self, policy: &CompiledPolicy, instant: Timestamp) -> bool {
        self.facts
            .iter()
            .any(|fact| fact.occurred_at > instant && is_affirmative(policy, fact))
    }
}

impl<'a> Consents<'a> {
    pub(super) fn hear(
        policy: &CompiledPolicy,
        subject: &'a SubjectState,
        purpose: &Purpose,
        processor: Option<&Processor>,
        now: Timestamp,
    ) -> Self {
        let ever = fold::bearing_on(&subject.consents, purpose, processor, now);
        let still = ever
            .iter()
            .copied()
            .filter(|fact| !has_expired(policy, fact, now))
            .collect();
        Self {
            ever: Answers::new(ever),
            still: Answers::new(still),
        }
    }

    /// Watches what changes by itself: a yes that is still to come, a yes that runs out. One that
    /// does not stand matters only where it lifts a no.
    pub(super) fn watch(
        &self,
        policy: &CompiledPolicy,
        subject: &SubjectState,
        purpose: &Purpose,
        processor: Option<&Processor>,
        horizon: &mut Horizon,
    ) {
        let spoken = fold::spoken_to(&subject.consents, purpose, processor);
        horizon.watch(spoken.map(|fact| fact.occurred_at));
        let contested = self.ever.facts.iter().any(|fact| fact.choice.is_denial())
            || subject.objections.iter().any(|it| it.purpose == *purpose);
        let heard: &[_] = if contested { &self.ever.facts } else { &[] };
        let grants = heard.iter().copied().chain(self.ever.yes());
        horizon.watch(grants.filter_map(|fact| expires_at(policy, fact)));
    }
}

/// When a consent ends by itself: at its own instant, or when the policy's period has passed
/// since it was said; the earlier.
pub(super) fn expires_at(policy: &CompiledPolicy, fact: &ConsentFact) -> Option<Timestamp> {
    let period = policy.policy().consent.expires_after.as_ref();
    let by_policy =
        period.and_then(|period| calendar::end_of(fact.occurred_at, period, policy.time_zone()));
    fact.expires_at.into_iter().chain(by_policy).min()
}

/// Whether the fact is a yes that has run out. A no does not run out.
pub(super) fn has_expired(policy: &CompiledPolicy, fact: &ConsentFact, now: Timestamp) -> bool {
    fact.choice == ConsentChoice::Given
        && expires_at(policy, fact).is_some_and(|expires| expires <= now)
}

/// Whether the fact is a yes by an affirmative act that the policy accepts for its purpose; an
/// imported one must say where the original proof lies (EDPB 05/2020, CJEU C-673/17).
pub(in crate::domain) fn is_affirmative(policy: &CompiledPolicy, fact: &ConsentFact) -> bool {
    fact.choice == ConsentChoice::Given
        && policy.accepts(&fact.purpose, fact.method)
        && (fact.method != EvidenceMethod::Imported || fact.has_reference)
}
