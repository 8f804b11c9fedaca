//! What ends by itself and is told of: a consent that runs out, the retention of an item.
//!
//! The instants are those of the decision and of nobody else: a check that is asked at the instant answers
//! `CONSENT_EXPIRED` or `RETENTION_EXPIRED`. What was told is kept and compared with what has ended now, so that
//! it does not matter when somebody looks, nor how often; what came back to life, since a person was active or
//! said yes anew, and ends again later is told again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    decision::consent_ends,
    event::{Event, EventKind},
    id::ItemId,
    name::{DataCategory, Processor, Purpose},
    policy::compile::CompiledPolicy,
    retention::use_ends,
    subject::SubjectState,
};

/// Items that one event names at most.
pub const ITEMS_PER_EVENT_MAX: usize = 500;

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiryKind {
    /// A consent.
    Consent,
    /// The retention of an item.
    Retention,
}

impl ExpiryKind {
    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "CONSENT",
            Self::Retention => "RETENTION",
        }
    }

    /// The kind of this name.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Consent, Self::Retention]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// The thing that ends, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiryKey {
    /// What kind of thing.
    pub kind: ExpiryKind,
    /// The consent or the item.
    pub thing_id: Uuid,
    /// The processor whose own retention ends; `None` otherwise.
    pub processor: Option<Processor>,
}

/// That something was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Of what.
    pub key: ExpiryKey,
    /// For which purposes it has ended.
    pub purposes: Vec<Purpose>,
    /// When it was told last.
    pub announced_at: Timestamp,
}

/// What comes of a look at a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What is told.
    pub events: Vec<Event>,
    /// The things of which something else is to be kept than before.
    pub changed: BTreeSet<Uuid>,
    /// What is to be kept of them.
    pub kept: Vec<Announced>,
    /// When something ends next.
    pub due_at: Option<Timestamp>,
}

/// An end, as it is told.
struct End {
    key: ExpiryKey,
    purpose: Option<Purpose>,
    at: Timestamp,
    data: Option<DataCategory>,
    /// The processors that a consent is limited to.
    limited_to: Vec<Processor>,
}

/// Looks at a subject at `now`: what has ended and was not told of, and when to look again if nothing changes
/// meanwhile.
pub fn expiries(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    announced: &[Announced],
    now: Timestamp,
) -> Look {
    let (ended, ahead): (Vec<_>, Vec<_>) = ends(policy, subject, now)
        .into_iter()
        .partition(|end| end.at <= now);
    let spoken = subject.consents.iter().map(|fact| fact.occurred_at);
    let ahead = ahead.into_iter().map(|end| end.at);
    let due_at = ahead.chain(spoken.filter(|at| *at > now)).min();
    let before: BTreeMap<_, _> = announced.iter().map(|one| (&one.key, one)).collect();
    let mut kept = BTreeMap::<ExpiryKey, Announced>::new();
    let mut news = Vec::new();
    for end in ended {
        let known = before.get(&end.key).copied();
        let kept = kept.entry(end.key.clone()).or_insert_with(|| Announced {
            key: end.key.clone(),
            purposes: Vec::new(),
            announced_at: known.map_or(now, |known| known.announced_at),
        });
        kept.purposes.extend(end.purpose.clone());
        if !is_known(known, &end) {
            kept.announced_at = now;
            news.push(end);
        }
    }
    let changed = changed(announced, &kept);
    let kept = kept.into_values();
    Look {
        events: tell(policy, subject, news),
        kept: kept
            .filter(|one| changed.contains(&one.key.thing_id))
            .collect(),
        changed,
        due_at,
    }
}

/// Whether it was told of this end, and not only of an earlier one.
fn is_known(known: Option<&Announced>, end: &End) -> bool {
    known.is_some_and(|known| {
        let is_same = end.at <= known.announced_at;
        is_same
            && end
                .purpose
                .as_ref()
                .is_none_or(|it| known.purposes.contains(it))
    })
}

fn changed(before: &[Announced], after: &BTreeMap<ExpiryKey, Announced>) -> BTreeSet<Uuid> {
    let gone = before
        .iter()
        .filter(|one| after.get(&one.key) != Some(*one));
    let known: BTreeSet<_> = before.iter().map(|one| &one.key).collect();
    let new = after.values().filter(|one| !known.contains(&one.key));
    gone.chain(new).map(|one| one.key.thing_id).collect()
}

/// In a stable order, and of each thing each purpose once.
fn ends(policy: &CompiledPolicy, subject: &SubjectState, now: Timestamp) -> Vec<End> {
    if subject.erased_at.is_some() {
        return Vec::new();
    }
    let consents = consent_ends(policy, subject, now).into_iter();
    let consents = consents.map(|(fact, at)| End {
        key: ExpiryKey {
            kind: ExpiryKind::Consent,
            thing_id: fact.consent_id.0,
            processor: None,
        },
        purpose: Some(fact.purpose.clone()),
        at,
        data: None,
        limited_to: fact.processors.clone(),
    });
    let uses = use_ends(policy, subject, now).into_iter();
    let uses = uses.map(|end| End {
        key: ExpiryKey {
            kind: ExpiryKind::Retention,
            thing_id: end.item.item_id.0,
            processor: end.processor,
        },
        purpose: end.purpose,
        at: end.at,
        data: Some(end.item.data_category.clone()),
        limited_to: Vec::new(),
    });
    consents.chain(uses).collect()
}

/// One event for each consent; items that ended for the same purposes, and for the same processor, share one.
fn tell(policy: &CompiledPolicy, subject: &SubjectState, news: Vec<End>) -> Vec<Event> {
    let told = |kind| Event {
        policy_version: Some(policy.version().clone()),
        ..Event::new(kind, Some(subject.subject_id))
    };
    let mut events = Vec::new();
    let mut items = BTreeMap::<ExpiryKey, (DataCategory, BTreeSet<Purpose>)>::new();
    for end in news {
        match end.data {
            None => events.push(Event {
                consent_ids: vec![super::id::ConsentId(end.key.thing_id)],
                purposes: end.purpose.into_iter().collect(),
                processors: end.limited_to,
                ..told(EventKind::ConsentExpired)
            }),
            Some(data) => {
                let item = items.entry(end.key);
                let (_, purposes) = item.or_insert_with(|| (data, BTreeSet::new()));
                purposes.extend(end.purpose);
            }
        }
    }
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for (key, (data, purposes)) in items {
        let alike = groups.entry((key.processor, purposes)).or_default();
        alike.push((ItemId(key.thing_id), data));
    }
    for ((processor, purposes), items) in groups {
        events.extend(items.chunks(ITEMS_PER_EVENT_MAX).map(|items| {
            let data: BTreeSet<_> = items.iter().map(|(_, data)| data.clone()).collect();
            Event {
                item_ids: items.iter().map(|(id, _)| *id).collect(),
                data_categories: data.into_iter().collect(),
                purposes: purposes.iter().cloned().collect(),
                processors: processor.iter().cloned().collect(),
                ..told(EventKind::RetentionEnded)
            }
        }));
    }
    events
}

#[cfg(test)]
mod tests;
