//! What belongs into a portable package (Art. 20(1)): what the person provided, where it is
//! processed on consent or for a contract.
//!
//! *Provided* is read as the Article 29 Working Party reads it (WP 242 rev.01, endorsed by the EDPB):
//! what the person gave knowingly, and what was observed of the person's use of a service; not what
//! the controller derived or inferred from either. The registry knows of an item under which policy it
//! was collected: what that policy declares as collected from people of its role counts as provided.
//! Whatever else a service registered is its own work.
//!
//! *Processed on consent or contract* is for the decision to say: there is a purpose for which it
//! allows the controller the very item, on consent that is given (Art. 6(1)(a), or Art. 9(2)(a) for a
//! special category) or on contract (Art. 6(1)(b)). A restriction does not matter here: it suspends
//! the use and leaves the basis as it was (Art. 18(1)), and handing the data to the person is what the
//! person asks for.

use jiff::Timestamp;

use super::{
    describe::{Describer, HandedOver, content_part, covers},
    model::{PortableItem, PortableUse},
    words,
};
use crate::domain::{
    decision::{Effect, Query, decide},
    item::{Item, ItemState},
    name::Purpose,
    policy::{
        compile::CompiledPolicy,
        history::PolicyHistory,
        model::{Activity, LawfulBasis},
    },
    subject::SubjectState,
};

/// Where consent to the use of a special category stands.
const EXPLICIT_CONSENT: &str = "GDPR Art. 9(2)(a)";

/// Judges items of one person.
pub struct Portability<'a> {
    policies: &'a PolicyHistory,
    policy: &'a CompiledPolicy,
    subject: SubjectState,
    now: Timestamp,
}

/// A use that makes an item portable.
struct Use<'a> {
    purpose: &'a Purpose,
    basis: LawfulBasis,
    article: &'static str,
}

impl<'a> Portability<'a> {
    /// `policy` is the one in force at `now`; `subject` knows the items that are judged.
    pub fn new(
        policies: &'a PolicyHistory,
        policy: &'a CompiledPolicy,
        subject: &SubjectState,
        now: Timestamp,
    ) -> Self {
        let mut subject = subject.clone();
        subject.restrictions.clear();
        Self {
            policies,
            policy,
            subject,
            now,
        }
    }

    /// Whether an item belongs into the package.
    pub fn is_portable(&self, state: &ItemState) -> bool {
        self.is_provided(state) && !self.uses(state).is_empty()
    }

    /// The item as it stands in the package; `None`: it does not belong there.
    pub fn item(
        &self,
        describer: &Describer<'_>,
        item: Item,
        handed_over: Option<HandedOver>,
    ) -> Option<PortableItem> {
        let uses = self.uses(&item.state);
        if uses.is_empty() || !self.is_provided(&item.state) {
            return None;
        }
        let processed_for = uses.iter().map(|one| PortableUse {
            purpose: describer.purpose(one.purpose),
            lawful_basis: one.basis,
            article: one.article,
        });
        let processed_for = processed_for.collect();
        let Item {
            state,
            key,
            content,
        } = item;
        Some(PortableItem {
            item_id: state.item_id,
            data_category: describer.data_category(&state.data_category),
            subject_category: describer.role(&state),
            collected_at: state.collected_at,
            item_key: key.expose().to_owned(),
            content: content_part(content, &state.source, handed_over),
            processed_for,
            source: state.source,
        })
    }

    /// An item of a version that is not known any more is provided if it is by today's.
    fn is_provided(&self, state: &ItemState) -> bool {
        let own = self.policies.get(&state.policy_version);
        own.map_or(self.policy, AsRef::as_ref)
            .collects(&state.subject_category, &state.data_category)
    }

    fn uses(&self, state: &ItemState) -> Vec<Use<'a>> {
        let activities = self.policy.policy().activities.iter();
        let mut uses = Vec::<Use<'a>>::new();
        for activity in activities.filter(|activity| covers(activity, state)) {
            let known = |one: &Use| *one.purpose == activity.purpose;
            let Some((basis, article)) = self.makes_portable(activity, state) else {
                continue;
            };
            if !uses.iter().any(known) && self.is_allowed(activity, state) {
                uses.push(Use {
                    purpose: &activity.purpose,
                    basis,
                    article,
                });
            }
        }
        uses
    }

    fn makes_portable(
        &self,
        activity: &Activity,
        state: &ItemState,
    ) -> Option<(LawfulBasis, &'static str)> {
        let basis = activity.lawful_basis?;
        if matches!(basis, LawfulBasis::Consent | LawfulBasis::Contract) {
            return Some((basis, words::article(basis)));
        }
        let special = self
            .policy
            .data_category(&state.data_category)
            .is_some_and(|entry| entry.special.is_some());
        (special && activity.also_requires_consent).then_some((basis, EXPLICIT_CONSENT))
    }

    /// There is one basis for the item's role, data and purpose, so a yes is a yes on this one.
    fn is_allowed(&self, activity: &Activity, state: &ItemState) -> bool {
        let query = Query {
            data_categories: Vec::new(),
            item_ids: vec![state.item_id],
            purpose: activity.purpose.clone(),
            processor: None,
        };
        let answer = decide(self.policies, Some(&self.subject), &query, self.now, false);
        answer.effect == Effect::Allow
    }
}
