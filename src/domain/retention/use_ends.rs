//! When the uses of a person's items end: the instants by which a check answers `RETENTION_EXPIRED`.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{
    Usage, ends_at, first_end,
    purge::{concerns, processors_with_maxima},
};
use crate::domain::{
    decision::standing,
    item::ItemState,
    name::{Processor, Purpose},
    policy::{
        compile::CompiledPolicy,
        model::{LawfulBasis, RetentionKind},
    },
    subject::SubjectState,
};

/// The end of a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseEnd<'a> {
    /// Of this item.
    pub item: &'a ItemState,
    /// `None`: by the registry's own rules, for everybody. `Some`: by this processor, whose own rule ends
    /// earlier.
    pub processor: Option<Processor>,
    /// For this purpose; `None`: no activity uses the item at all.
    pub purpose: Option<Purpose>,
    /// When; it may have passed.
    pub at: Timestamp,
}

/// By purpose; `None` behind it: no end.
type Ends = BTreeMap<Option<Purpose>, Option<Timestamp>>;

/// Every end of a use that is known at `now`. What an erasure had to leave is the erasure's.
pub fn use_ends<'a>(
    policy: &CompiledPolicy,
    subject: &'a SubjectState,
    now: Timestamp,
) -> Vec<UseEnd<'a>> {
    let mut rules = policy.policy().retention.iter();
    if subject.erased_at.is_some() || !rules.any(|rule| rule.kind == RetentionKind::Maximum) {
        return Vec::new();
    }
    let processors: Vec<_> = processors_with_maxima(policy).into_iter().collect();
    let mut withdrawals = Withdrawals {
        policy,
        subject,
        now,
        known: HashMap::new(),
    };
    let mut found = Vec::new();
    for item in subject.items.iter().filter(|item| !item.is_retained()) {
        let own = withdrawals.ends(item, None);
        for (purpose, at) in &own {
            found.extend(at.map(|at| UseEnd {
                item,
                processor: None,
                purpose: purpose.clone(),
                at,
            }));
        }
        for processor in &processors {
            for (purpose, at) in withdrawals.ends(item, Some(processor)) {
                let until = own.get(&purpose).copied().flatten();
                let earlier = at.filter(|at| until.is_none_or(|until| *at < until));
                found.extend(earlier.map(|at| UseEnd {
                    item,
                    processor: Some(processor.clone()),
                    purpose,
                    at,
                }));
            }
        }
    }
    found
}

/// When consents were withdrawn, by the activity's place and the processor: found out once, not for each item.
struct Withdrawals<'a> {
    policy: &'a CompiledPolicy,
    subject: &'a SubjectState,
    now: Timestamp,
    known: HashMap<(usize, Option<Processor>), Option<Timestamp>>,
}

impl Withdrawals<'_> {
    /// Of several activities with one purpose the last end counts, as in a check.
    fn ends(&mut self, item: &ItemState, processor: Option<&Processor>) -> Ends {
        let (policy, subject, now) = (self.policy, self.subject, self.now);
        let mut ends = Ends::new();
        for (place, activity) in policy.policy().activities.iter().enumerate() {
            if !concerns(policy, activity, item, processor) {
                continue;
            }
            let known = self.known.entry((place, processor.cloned()));
            let withdrawn_at = *known.or_insert_with(|| {
                standing(policy, subject, activity, processor, now).withdrawn_at
            });
            let usage = Usage {
                processor,
                withdrawn_at,
                is_required_by_law: activity.lawful_basis == Some(LawfulBasis::LegalObligation),
            };
            let at = ends_at(policy, subject, item, usage);
            let end = ends.entry(Some(activity.purpose.clone())).or_insert(at);
            *end = end.zip(at).map(|(one, other)| one.max(other));
        }
        if ends.is_empty() && processor.is_none() {
            let end = first_end(policy, subject, item, None, None);
            ends.insert(None, end.map(|(at, _)| at));
        }
        ends
    }
}
