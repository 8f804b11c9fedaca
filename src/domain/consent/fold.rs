//! Folding: which of a person's answers stands.

use jiff::Timestamp;

use super::{ConsentChoice, ConsentFact, EvidenceMethod};
use crate::domain::name::{Processor, Purpose};

/// The answer that stands for one purpose and one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The fact that stands.
    pub fact: &'a ConsentFact,
    /// When the consent before it was withdrawn, if a withdrawal stands. A later refusal or a
    /// second withdrawal does not move this instant.
    pub withdrawn_at: Option<Timestamp>,
}

/// The facts that bear on a purpose and a recipient at `now`, in the order in which they take
/// effect. `processor: None` is the controller.
///
/// For a processor: the facts that name it or none. For the controller: the facts that name no
/// processor, and grants that name some (who may pass data on may hold it). A yes counts from its
/// `occurred_at` on; a no counts as soon as it is recorded, lest a clock that is a little behind
/// grants what was just taken away.
pub fn bearing_on<'a>(
    facts: &'a [ConsentFact],
    purpose: &Purpose,
    processor: Option<&Processor>,
    now: Timestamp,
) -> Vec<&'a ConsentFact> {
    let mut heard: Vec<_> = spoken_to(facts, purpose, processor)
        .filter(|fact| fact.choice.is_denial() || fact.occurred_at <= now)
        .collect();
    heard.sort_unstable_by_key(|fact| order(fact));
    heard
}

/// The facts that bear on a purpose and a recipient at any time, in no order.
pub fn spoken_to<'a>(
    facts: &'a [ConsentFact],
    purpose: &Purpose,
    processor: Option<&Processor>,
) -> impl Iterator<Item = &'a ConsentFact> {
    facts.iter().filter(move |fact| {
        let addressed = fact.processors.is_empty()
            || match processor {
                Some(processor) => fact.processors.contains(processor),
                None => fact.choice == ConsentChoice::Given,
            };
        addressed && fact.purpose == *purpose
    })
}

/// Folds facts, in the order of [`bearing_on`], into the answer that stands.
///
/// The latest wins, and on a tie the denial. `IMPLIED_BY_USE`, `PRE_TICKED` and `PENDING` never
/// override a refusal or withdrawal. They do override an earlier yes: the contract names no
/// exception for that, and of two readings the one that denies is safe; the person can say yes
/// again.
pub fn fold<'a>(facts: impl IntoIterator<Item = &'a ConsentFact>) -> Option<Answer<'a>> {
    facts
        .into_iter()
        .fold(None, |standing, fact| match standing {
            Some(answer) if answer.fact.choice.is_denial() && is_no_answer(fact) => Some(answer),
            _ => Some(Answer {
                fact,
                withdrawn_at: withdrawn_at(standing, fact),
            }),
        })
}

fn withdrawn_at(before: Option<Answer>, fact: &ConsentFact) -> Option<Timestamp> {
    if !fact.choice.is_denial() {
        return None;
    }
    let first = before.and_then(|answer| answer.withdrawn_at);
    first.or((fact.choice == ConsentChoice::Withdrawn).then_some(fact.occurred_at))
}

/// What a site notes by itself is no answer to a no (EDPB 05/2020; CJEU C-673/17).
fn is_no_answer(fact: &ConsentFact) -> bool {
    match fact.choice {
        ConsentChoice::Pending => true,
        ConsentChoice::Given => matches!(
            fact.method,
            EvidenceMethod::ImpliedByUse | EvidenceMethod::PreTicked
        ),
        ConsentChoice::Refused | ConsentChoice::Withdrawn => false,
    }
}

/// By the time of the fact; a denial after what it ties with; then by the time of recording, so
/// that of two equal answers the one recorded last stands.
fn order(fact: &ConsentFact) -> impl Ord + use<> {
    (
        fact.occurred_at,
        fact.choice.is_denial(),
        fact.recorded_at,
        fact.consent_id,
    )
}
