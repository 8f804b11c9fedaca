//! People as memory holds them, made without a database: the one file that knows how `registry::snapshot` is
//! filled and read.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use registry::{
    cli::compose::system_clock,
    domain::{
        consent::{ConsentChoice, ConsentFact, EvidenceMethod},
        decision::{
            Effect, Query,
            dense::{self, Asked},
        },
        id::SubjectId,
        item::ItemState,
        policy::{compile::CompiledPolicy, history::PolicyHistory, model::Policy},
        revision::Revision,
        subject::{Membership, SubjectState},
    },
    snapshot::{KnownPolicies, Lease, Memory},
    store::{TimeSource, state::KnownSubject},
};
use uuid::Uuid;

use crate::people::{CATEGORY, ITEMS, PURPOSES};

/// More than any state takes, so that nobody is pushed out.
const BUDGET_PER_PERSON: u64 = 320;
/// Spreads numbers over all ids.
const SPREAD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
/// When everything of everybody was recorded.
const RECORDED: &str = "2026-01-15T12:00:00Z";
/// When it is asked.
const NOW: &str = "2026-06-01T12:00:00Z";

/// The id of a person.
pub fn subject_id(number: usize) -> SubjectId {
    SubjectId(Uuid::from_u128((number as u128 + 1).wrapping_mul(SPREAD)))
}

/// A memory with people in it.
pub struct Known {
    memory: Memory,
    query: Query,
    now: Timestamp,
}

impl Known {
    /// An empty one under a policy, with room for so many people.
    pub fn new(people: usize, policy: Policy) -> Result<Self> {
        let clock = system_clock();
        let budget = BUDGET_PER_PERSON * (people as u64 + 1_000);
        let memory = Memory::new(budget, Lease::forever(), clock, TimeSource::Caller);
        let policy = CompiledPolicy::compile(policy).map_err(|_| anyhow!("the policy"))?;
        let history = PolicyHistory::new(vec![Arc::new(policy)]);
        let policies = KnownPolicies::new(Arc::new(history), Revision::after_event(1));
        memory.learn_policies(memory.mark(), policies);
        let query = Query {
            data_categories: vec!["email_address".parse()?],
            item_ids: Vec::new(),
            purpose: "newsletter".parse()?,
            processor: Some("aweber".parse()?),
        };
        let now = NOW.parse()?;
        Ok(Self { memory, query, now })
    }

    /// Learns the first `people` people.
    pub fn learn(&self, people: usize) -> Result<()> {
        for number in 0..people {
            let known = Arc::new(person(number)?);
            self.memory.learn(self.memory.mark(), [known], []);
        }
        Ok(())
    }

    /// Learns the identifiers of people who are there, one each.
    pub fn learn_identifiers(&self, people: usize) {
        for number in 0..people {
            let half = subject_id(number).0.into_bytes();
            let mut hash = [0; 32];
            hash[..16].copy_from_slice(&half);
            hash[16..].copy_from_slice(&half);
            let leads = (hash, vec![subject_id(number)]);
            self.memory.learn(self.memory.mark(), [], [leads]);
        }
    }

    /// Decides about a person from memory: whether it is allowed.
    pub fn decide(&self, id: SubjectId) -> Option<bool> {
        let policies = self.memory.policies()?;
        let held = self.memory.subject(id)?;
        let policy = self.memory.dense(&policies, self.now)?;
        let (names, asked) = (self.memory.names(), Asked::of(&self.query)?);
        let (decision, _) = dense::decide(policy, &names, held.bytes(), &asked, self.now)?;
        Some(decision.effect == Effect::Allow)
    }

    /// How many people are there.
    pub fn len(&self) -> usize {
        self.memory.len()
    }
}

/// As the store reads a person: each name anew.
fn person(number: usize) -> Result<KnownSubject> {
    let (id, at) = (subject_id(number), RECORDED.parse()?);
    // The ids of one registration count up.
    let thing = |place: usize| Uuid::from_u128(id.0.as_u128().wrapping_add(place as u128 + 1));
    let items = ITEMS.iter().enumerate().map(|(place, (data, _))| {
        Ok(ItemState {
            item_id: thing(place).into(),
            subject_category: CATEGORY.parse()?,
            data_category: data.parse()?,
            source: "web".parse()?,
            collected_at: at,
            policy_version: "2018-05-24".parse()?,
            purposes: Vec::new(),
            retained_for: None,
        })
    });
    let consents = PURPOSES.iter().enumerate().map(|(place, purpose)| {
        Ok(ConsentFact {
            consent_id: thing(ITEMS.len() + place).into(),
            purpose: purpose.parse()?,
            processors: Vec::new(),
            choice: ConsentChoice::Given,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: "2018-05-24".parse()?,
            occurred_at: at,
            recorded_at: at,
            expires_at: None,
        })
    });
    let membership = Membership {
        category: CATEGORY.parse()?,
        started_at: at,
        ended_at: None,
    };
    let state = SubjectState {
        memberships: vec![membership],
        items: items.collect::<Result<Vec<_>>>()?.into(),
        consents: consents.collect::<Result<_>>()?,
        ..SubjectState::new(id)
    };
    let revision = Revision::after_event(1);
    Ok(KnownSubject { state, revision })
}
