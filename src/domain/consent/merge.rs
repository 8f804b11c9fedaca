//! Merging two histories that turn out to be one person's: of two answers the denial wins.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    ConsentFact,
    fold::{self, Answer},
};
use crate::domain::name::{Processor, Purpose};

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
