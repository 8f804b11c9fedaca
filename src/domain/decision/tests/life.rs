//! A life under a policy, told fact by fact, and the questions asked of it.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    decision::{Decision, Query, decide},
    id::{ConsentId, ItemId, ObjectionId, RestrictionId, SubjectId},
    item::ItemState,
    policy::{compile::CompiledPolicy, format::parse_yaml, history::PolicyHistory},
    subject::{Membership, Objection, Restriction, SubjectState},
};

/// When questions are asked, unless a test says otherwise.
pub(super) const NOW: &str = "2024-06-01T12:00:00Z";

pub(super) struct Life {
    pub(super) policies: PolicyHistory,
    pub(super) subject: SubjectState,
    next_id: u128,
}

pub(super) fn at(text: &str) -> Timestamp {
    let whole = format!("{text}T00:00:00Z");
    let instant = text.parse().or_else(|_| whole.parse());
    instant.expect("a day or an instant of this test")
}

pub(super) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name of this test")
}

pub(super) fn names<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| name(text)).collect()
}

pub(super) fn query(data: &[&str], purpose: &str, processor: Option<&str>) -> Query {
    Query {
        data_categories: names(data),
        item_ids: Vec::new(),
        purpose: name(purpose),
        processor: processor.map(name),
    }
}

/// An answer in three words: `ALLOW LAWFUL consent`; of a no the first two.
pub(super) fn in_words(decision: &Decision) -> String {
    use crate::domain::{decision::Effect, policy::model::LawfulBasis};
    let basis = decision.lawful_basis.map(|basis| match basis {
        LawfulBasis::Consent => "consent",
        LawfulBasis::Contract => "contract",
        LawfulBasis::LegalObligation => "legal obligation",
        LawfulBasis::VitalInterests => "vital interests",
        LawfulBasis::PublicTask => "public task",
        LawfulBasis::LegitimateInterests => "legitimate interests",
    });
    match (decision.effect, basis) {
        (Effect::Allow, Some(basis)) => format!("ALLOW {} {basis}", decision.reason),
        (Effect::Allow, None) => format!("ALLOW {} without basis", decision.reason),
        (Effect::Deny, _) => format!("DENY {}", decision.reason),
    }
}

impl Life {
    pub(super) fn under(versions: &[&str]) -> Self {
        let compile = |text: &&str| {
            let (policy, _) = parse_yaml(text).expect("a policy of the right shape");
            Arc::new(CompiledPolicy::compile(policy).expect("a policy without errors"))
        };
        Self {
            policies: PolicyHistory::new(versions.iter().map(compile).collect()),
            subject: SubjectState::new(SubjectId(Uuid::from_u128(1))),
            next_id: 100,
        }
    }

    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    pub(super) fn joined(&mut self, category: &str, started_at: &str) -> &mut Membership {
        self.subject.memberships.push(Membership {
            category: name(category),
            started_at: at(started_at),
            ended_at: None,
        });
        self.subject.memberships.last_mut().expect("just pushed")
    }

    pub(super) fn collected(
        &mut self,
        category: &str,
        data: &str,
        collected_at: &str,
    ) -> &mut ItemState {
        let item_id = ItemId(self.id());
        self.subject.items.push(ItemState {
            item_id,
            subject_category: name(category),
            data_category: name(data),
            source: name("web"),
            collected_at: at(collected_at),
            policy_version: name("2024"),
            purposes: Vec::new(),
            retained_for: None,
        });
        self.subject.items.last_mut().expect("just pushed")
    }

    pub(super) fn said(
        &mut self,
        choice: ConsentChoice,
        purpose: &str,
        occurred_at: &str,
    ) -> &mut ConsentFact {
        let consent_id = ConsentId(self.id());
        let version = self.policies.in_force(at(occurred_at));
        self.subject.consents.push(ConsentFact {
            consent_id,
            purpose: name(purpose),
            processors: Vec::new(),
            choice,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: version.map_or(name("none"), |policy| policy.version().clone()),
            occurred_at: at(occurred_at),
            recorded_at: at(occurred_at),
            expires_at: None,
        });
        self.subject.consents.last_mut().expect("just pushed")
    }

    pub(super) fn gave(&mut self, purpose: &str, occurred_at: &str) -> &mut ConsentFact {
        self.said(ConsentChoice::Given, purpose, occurred_at)
    }

    pub(super) fn withdrew(&mut self, purpose: &str, occurred_at: &str) -> &mut ConsentFact {
        self.said(ConsentChoice::Withdrawn, purpose, occurred_at)
    }

    pub(super) fn refused(&mut self, purpose: &str, occurred_at: &str) -> &mut ConsentFact {
        self.said(ConsentChoice::Refused, purpose, occurred_at)
    }

    pub(super) fn objected(&mut self, purpose: &str, occurred_at: &str) -> &mut Objection {
        let objection_id = ObjectionId(self.id());
        self.subject.objections.push(Objection {
            objection_id,
            purpose: name(purpose),
            occurred_at: at(occurred_at),
            rejected_at: None,
        });
        self.subject.objections.last_mut().expect("just pushed")
    }

    pub(super) fn restricted(&mut self, data: &[&str], started_at: &str) -> &mut Restriction {
        let restriction_id = RestrictionId(self.id());
        self.subject.restrictions.push(Restriction {
            restriction_id,
            data_categories: names(data),
            started_at: at(started_at),
            lifted_at: None,
        });
        self.subject.restrictions.last_mut().expect("just pushed")
    }

    pub(super) fn decision(&self, query: &Query, now: &str) -> Decision {
        decide(&self.policies, Some(&self.subject), query, at(now), false)
    }

    /// The answer for the controller itself, in words.
    pub(super) fn ask(&self, data: &str, purpose: &str) -> String {
        in_words(&self.decision(&query(&[data], purpose, None), NOW))
    }

    /// The answer for a processor, in words.
    pub(super) fn ask_for(&self, data: &str, purpose: &str, processor: &str) -> String {
        in_words(&self.decision(&query(&[data], purpose, Some(processor)), NOW))
    }

    /// The answer for the controller itself at another time, in words.
    pub(super) fn ask_on(&self, now: &str, data: &str, purpose: &str) -> String {
        in_words(&self.decision(&query(&[data], purpose, None), now))
    }
}
