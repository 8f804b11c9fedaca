//! A subject as it was known: of everything that its holder of today has, what was this subject's, was
//! recorded, and how it stood.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{AsOf, PastRow, Recorded, as_known};
use crate::domain::{
    consent::ConsentFact,
    id::{ItemId, SubjectId},
    item::ItemState,
    membership::{MembershipFact, fold},
    name::Source,
    subject::{Objection, Restriction, SubjectState},
};

/// What an item came to be by a change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemVersion {
    /// The item.
    pub item_id: ItemId,
    /// When the change was recorded.
    pub recorded_at: Timestamp,
    /// The order of changes of one instant.
    pub place: i64,
    /// The item after it; `None`: it is no more.
    pub state: Option<ItemState>,
}

/// The first and the latest activity that was heard of on one day: enough to count years from, without a
/// row for every click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityDay {
    /// Who saw the subject.
    pub source: Source,
    /// The first activity, and when it was heard of.
    pub first: (Timestamp, Timestamp),
    /// The latest, and when it was heard of.
    pub last: (Timestamp, Timestamp),
}

/// Everything that is kept of a subject of today and of those that were merged into it.
#[derive(Clone, Debug, Default)]
pub struct SubjectHistory {
    /// When it was erased, if it was.
    pub erased_at: Option<Timestamp>,
    /// Memberships began and ended.
    pub memberships: Vec<Recorded<MembershipFact>>,
    /// Changes of items, in no order.
    pub items: Vec<ItemVersion>,
    /// Consent facts.
    pub consents: Vec<Recorded<ConsentFact>>,
    /// Objections as they stand.
    pub objections: Vec<Recorded<Objection>>,
    /// Restrictions as they stand.
    pub restrictions: Vec<Recorded<Restriction>>,
    /// How rows stood before they were changed.
    pub past: HashMap<Uuid, Vec<PastRow>>,
    /// Activity of each subject that there was.
    pub activity: HashMap<SubjectId, Vec<ActivityDay>>,
}

impl SubjectHistory {
    /// What was known of `subject`, which led its own life then, of what `holder` holds today.
    ///
    /// An erased person has no past before the erasure: all that is left of them answers for what happened
    /// since.
    pub fn state_of(&self, subject: SubjectId, holder: SubjectId, as_of: AsOf) -> SubjectState {
        if self.erased_at.is_some_and(|erased| as_of.used_at < erased) {
            return SubjectState {
                erased_at: self.erased_at,
                ..SubjectState::new(subject)
            };
        }
        let then = Then {
            history: self,
            subject,
            holder,
            known_at: as_of.known_at,
        };
        let facts: Vec<_> = then
            .known(&self.memberships)
            .map(|(fact, _)| fact)
            .collect();
        let consents = then.known(&self.consents).map(|(fact, _)| fact.clone());
        SubjectState {
            subject_id: subject,
            erased_at: self.erased_at,
            memberships: fold(facts),
            items: then.items().into(),
            consents: consents.collect(),
            objections: then.known(&self.objections).map(objection).collect(),
            restrictions: then.known(&self.restrictions).map(restriction).collect(),
            last_activity: then.activity(),
        }
    }
}

/// How a row of the subject's stood; `None`: as today.
struct Stood<'h>(Option<&'h PastRow>);

/// A history, seen from an instant.
struct Then<'h> {
    history: &'h SubjectHistory,
    subject: SubjectId,
    holder: SubjectId,
    known_at: Timestamp,
}

impl<'h> Then<'h> {
    /// Whether a row was the subject's, and how it stood if not as today.
    fn stood(&self, row: Uuid) -> Option<Stood<'h>> {
        let past = self.history.past.get(&row);
        let stood = past.and_then(|past| as_known(past, self.known_at));
        let held_by = stood.map_or(self.holder, |stood| stood.held_by);
        (held_by == self.subject).then_some(Stood(stood))
    }

    /// The rows that were recorded, with how they stood if not as today.
    fn known<T>(&self, rows: &'h [Recorded<T>]) -> impl Iterator<Item = (&'h T, Stood<'h>)> {
        let recorded = rows.iter().filter(|row| row.recorded_at <= self.known_at);
        recorded.filter_map(|row| Some((&row.value, self.stood(row.row_id)?)))
    }

    /// The items that lived.
    fn items(&self) -> Vec<ItemState> {
        let mut latest = BTreeMap::<ItemId, &ItemVersion>::new();
        let versions = self.history.items.iter();
        for version in versions.filter(|it| it.recorded_at <= self.known_at) {
            let known = latest.entry(version.item_id).or_insert(version);
            if order(version) > order(known) {
                *known = version;
            }
        }
        let held = latest
            .into_values()
            .filter(|it| self.stood(it.item_id.into()).is_some());
        held.filter_map(|version| version.state.clone()).collect()
    }

    fn activity(&self) -> BTreeMap<Source, Timestamp> {
        let mut latest = BTreeMap::<Source, Timestamp>::new();
        let days = self.history.activity.get(&self.subject);
        for day in days.into_iter().flatten() {
            // Between the two of a day the earlier counts: too little activity denies, too much would allow.
            let known = [day.last, day.first].into_iter();
            let known = known.filter(|(_, heard)| *heard <= self.known_at);
            if let Some(at) = known.map(|(at, _)| at).max() {
                let last = latest.entry(day.source.clone()).or_insert(at);
                *last = at.max(*last);
            }
        }
        latest
    }
}

/// The order of an item's changes. Of those of one instant the end of the item is the last.
fn order(version: &ItemVersion) -> (Timestamp, Reverse<bool>, i64) {
    let lives = version.state.is_some();
    (version.recorded_at, Reverse(lives), version.place)
}

fn objection((today, Stood(stood)): (&Objection, Stood<'_>)) -> Objection {
    let Some(stood) = stood else {
        return today.clone();
    };
    Objection {
        occurred_at: stood.began_at.unwrap_or(today.occurred_at),
        rejected_at: stood.ended_at,
        ..today.clone()
    }
}

fn restriction((today, Stood(stood)): (&Restriction, Stood<'_>)) -> Restriction {
    let Some(stood) = stood else {
        return today.clone();
    };
    Restriction {
        started_at: stood.began_at.unwrap_or(today.started_at),
        lifted_at: stood.ended_at,
        ..today.clone()
    }
}
