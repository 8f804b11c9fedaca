//! Merging two histories that turn out to be one person's: of two answers the denial wins.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    ConsentChoice, ConsentFact,
    fold::{self, Answer},
};
use crate::domain::{
    decision::is_affirmative,
    id::{ObjectionId, RestrictionId},
    name::{Processor, Purpose},
    policy::compile::CompiledPolicy,
    subject::{Objection, Restriction, SubjectState},
};

/// A denial that one of the two histories ends in and that both together would lose. It is to be
/// appended to the merged history as a fact of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedDenial<'a> {
    /// The fact that denied: its purpose, choice and evidence are to be repeated.
    pub fact: &'a ConsentFact,
    /// The processors of the new fact; empty: the controller and every processor.
    pub processors: Vec<Processor>,
    /// The time of the new fact.
    pub occurred_at: Timestamp,
}

/// The denials to append when two histories become one, so that the answer for each purpose and
/// each recipient is a denial wherever one of the histories ended in a denial.
///
/// `known_processors` are those that any published policy names: a denial can reach every
/// processor but those that a later grant named, and a fact can only list those it denies.
pub fn merge_denials<'a>(
    one: &'a [ConsentFact],
    other: &'a [ConsentFact],
    known_processors: impl IntoIterator<Item = &'a Processor>,
    merged_at: Timestamp,
) -> Vec<InheritedDenial<'a>> {
    let merge = Merge {
        one,
        other,
        both: one.iter().chain(other).cloned().collect(),
        occurred_at: last_word(one, other, merged_at),
    };
    let named = merge.both.iter().flat_map(|fact| &fact.processors).cloned();
    let processors: BTreeSet<_> = known_processors.into_iter().cloned().chain(named).collect();
    let purposes: BTreeSet<_> = merge.both.iter().map(|fact| &fact.purpose).collect();
    purposes
        .into_iter()
        .flat_map(|purpose| merge.denials_of(purpose, &processors))
        .collect()
}

/// Objections and restrictions that a later yes of the other history would answer. Nobody who objected
/// or had processing restricted has said that yes, so they count from the merge on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outweighed {
    /// The objections.
    pub objections: Vec<ObjectionId>,
    /// The restrictions.
    pub restrictions: Vec<RestrictionId>,
    /// From when on they count.
    pub from: Timestamp,
}

/// What one of two people said against a use and a yes of the other, said later, would outweigh once
/// they are one. A yes that the person said afterwards has to be said again where it is outweighed for
/// another use: an objection, and a restriction, is to all of them.
pub fn outweighed<'a>(
    policy: &CompiledPolicy,
    one: &SubjectState,
    other: &SubjectState,
    known_processors: impl IntoIterator<Item = &'a Processor>,
    merged_at: Timestamp,
) -> Outweighed {
    let both: Vec<_> = one
        .consents
        .iter()
        .chain(&other.consents)
        .cloned()
        .collect();
    let named = both.iter().flat_map(|fact| &fact.processors).cloned();
    let processors: BTreeSet<_> = known_processors.into_iter().cloned().chain(named).collect();
    let purposes: BTreeSet<_> = both.iter().map(|fact| &fact.purpose).collect();
    let from = last_word(&one.consents, &other.consents, merged_at);
    let uses: Vec<_> = purposes
        .into_iter()
        .flat_map(|purpose| {
            let recipients = processors.iter().map(Some).chain([None]);
            recipients.map(move |recipient| Use {
                purpose,
                recipient,
                at: from,
            })
        })
        .collect();
    let mut found = Outweighed {
        from,
        ..Outweighed::default()
    };
    for state in [one, other] {
        let own = &state.consents;
        let objections = state.objections.iter().filter(|it| {
            let mut uses = uses.iter();
            uses.any(|of| !answers(policy, own, it, *of) && answers(policy, &both, it, *of))
        });
        found
            .objections
            .extend(objections.map(|it| it.objection_id));
        let standing = state
            .restrictions
            .iter()
            .filter(|it| it.lifted_at.is_none_or(|lifted| merged_at < lifted));
        let restrictions = standing.filter(|it| {
            let mut uses = uses.iter();
            uses.any(|of| !permits(own, it, *of) && permits(&both, it, *of))
        });
        found
            .restrictions
            .extend(restrictions.map(|it| it.restriction_id));
    }
    found
}

/// A use of data: what for, and by whom.
#[derive(Clone, Copy)]
struct Use<'a> {
    purpose: &'a Purpose,
    recipient: Option<&'a Processor>,
    at: Timestamp,
}

/// Whether a yes answers an objection.
fn answers(
    policy: &CompiledPolicy,
    facts: &[ConsentFact],
    objection: &Objection,
    of: Use<'_>,
) -> bool {
    let heard = fold::bearing_on(facts, of.purpose, of.recipient, of.at);
    let mut heard = heard.into_iter();
    objection.purpose == *of.purpose
        && heard.any(|it| it.occurred_at > objection.occurred_at && is_affirmative(policy, it))
}

/// Whether the yes that stands permits a use under a restriction.
fn permits(facts: &[ConsentFact], restriction: &Restriction, of: Use<'_>) -> bool {
    let standing = fold::fold(fold::bearing_on(facts, of.purpose, of.recipient, of.at));
    standing.is_some_and(|Answer { fact, .. }| {
        fact.choice == ConsentChoice::Given && fact.occurred_at > restriction.started_at
    })
}

struct Merge<'a> {
    one: &'a [ConsentFact],
    other: &'a [ConsentFact],
    both: Vec<ConsentFact>,
    occurred_at: Timestamp,
}

impl<'a> Merge<'a> {
    /// A denial that stands for the controller stands for every processor too: whatever grant
    /// came later would have been heard for the controller as well. So one fact that names no
    /// processor carries it over. Else the processors are looked at one by one.
    fn denials_of(
        &self,
        purpose: &Purpose,
        processors: &BTreeSet<Processor>,
    ) -> Vec<InheritedDenial<'a>> {
        if let Some(fact) = self.lost_denial(purpose, None) {
            return vec![self.inherit(fact, Vec::new())];
        }
        let mut inherited: Vec<InheritedDenial> = Vec::new();
        for processor in processors {
            let Some(fact) = self.lost_denial(purpose, Some(processor)) else {
                continue;
            };
            match inherited.iter_mut().find(|it| it.fact == fact) {
                Some(same) => same.processors.push(processor.clone()),
                None => inherited.push(self.inherit(fact, vec![processor.clone()])),
            }
        }
        inherited
    }

    /// The denial that one history ends in, unless both together end in one as well.
    fn lost_denial(
        &self,
        purpose: &Purpose,
        processor: Option<&Processor>,
    ) -> Option<&'a ConsentFact> {
        let at = self.occurred_at;
        let denial = denial_of(self.one, purpose, processor, at)
            .or_else(|| denial_of(self.other, purpose, processor, at))?;
        let kept = denial_of(&self.both, purpose, processor, at).is_some();
        (!kept).then_some(denial)
    }

    fn inherit(&self, fact: &'a ConsentFact, processors: Vec<Processor>) -> InheritedDenial<'a> {
        InheritedDenial {
            fact,
            processors,
            occurred_at: self.occurred_at,
        }
    }
}

fn denial_of<'a>(
    facts: &'a [ConsentFact],
    purpose: &Purpose,
    processor: Option<&Processor>,
    at: Timestamp,
) -> Option<&'a ConsentFact> {
    let Answer { fact, .. } = fold::fold(fold::bearing_on(facts, purpose, processor, at))?;
    fact.choice.is_denial().then_some(fact)
}

/// The merge itself, or the last fact where one is dated ahead of it: on a tie the denial wins.
fn last_word(one: &[ConsentFact], other: &[ConsentFact], merged_at: Timestamp) -> Timestamp {
    let said = one.iter().chain(other).map(|fact| fact.occurred_at);
    said.fold(merged_at, Timestamp::max)
}
