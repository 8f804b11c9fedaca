//! What is known of people, bounded by a budget of bytes: what was asked for lately stays.
//!
//! Whatever is put in was read from a state that was opened after a [`Mark`], and nothing of it was forgotten
//! since: so what is here is what the database has, as far as this process has heard. A person's state and
//! where an identifier leads to are forgotten apart; an identifier's entry names the very states that it was
//! read with, so it does not outlast one of them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use futures::future::BoxFuture;
use jiff::Timestamp;
use quick_cache::{Weighter, sync::Cache};
use smallvec::SmallVec;

pub use super::forgotten::Mark;
use super::{
    forgotten::{Forgettings, Forgotten},
    held::Held,
    lease::{Instants, Lease},
    policies::KnownPolicies,
    spellings::Spellings,
    vocabulary::Vocabulary,
};
use crate::{
    domain::{
        compact::{self, Names},
        id::SubjectId,
        policy::dense::DensePolicy,
    },
    runtime::clock::Clock,
    store::{Changes, TimeSource, Witness, state::KnownSubject},
};

/// Of the budget, what the identifiers have: one part in so many.
const IDENTIFIERS_PART: u64 = 5;
/// Of the budget, what identifiers as they were spelt have: one part in so many.
const SPELLINGS_PART: u64 = 10;
/// What one entry is taken to weigh when the tables are laid out.
const TYPICAL_BYTES: u64 = 160;
/// What an identifier's entry weighs that leads to one person: the key and the slot in the tables.
const IDENTIFIER_BYTES: u64 = 104;
/// A packed state that is longer, in bytes, is read anew each time: it would push out many others, and take long
/// to read through.
pub const STATE_BYTES_MAX: usize = 1 << 16;

/// How many people are remembered as having more than that.
const LARGE_MAX: usize = 10_000;

/// Whom an identifier leads to, by which readings of them.
type Leads = SmallVec<[(SubjectId, u64); 1]>;

/// What is known in memory.
pub struct Memory {
    lease: Lease,
    clock: Arc<dyn Clock>,
    time_source: TimeSource,
    policies: ArcSwapOption<KnownPolicies>,
    vocabulary: Vocabulary,
    subjects: Cache<SubjectId, Held, SubjectBytes>,
    identifiers: Cache<[u8; 32], Leads, IdentifierBytes>,
    spellings: Spellings,
    /// Who was found to have more than is held, or what cannot be.
    large: Cache<SubjectId, ()>,
    forgettings: Mutex<Forgettings>,
    readings: AtomicU64,
}

/// Whom a question is about, with what is known of them.
pub type People = SmallVec<[(SubjectId, Held); 1]>;

#[derive(Clone)]
struct SubjectBytes;

impl Weighter<SubjectId, Held> for SubjectBytes {
    fn weight(&self, _: &SubjectId, held: &Held) -> u64 {
        held.weight()
    }
}

#[derive(Clone)]
struct IdentifierBytes;

impl Weighter<[u8; 32], Leads> for IdentifierBytes {
    fn weight(&self, _: &[u8; 32], leads: &Leads) -> u64 {
        of_identifier(leads)
    }
}

fn of_identifier(leads: &Leads) -> u64 {
    let others = leads.len().saturating_sub(1) * size_of::<(SubjectId, u64)>();
    IDENTIFIER_BYTES + others as u64
}

impl Memory {
    /// An empty memory of `budget` bytes at most, answered from while `lease` holds.
    pub fn new(budget: u64, lease: Lease, clock: Arc<dyn Clock>, time_source: TimeSource) -> Self {
        let of_identifiers = budget / IDENTIFIERS_PART;
        let of_spellings = budget / SPELLINGS_PART;
        let of_subjects = budget - of_identifiers - of_spellings;
        let entries = |bytes: u64, each: u64| usize::try_from(bytes / each).unwrap_or(usize::MAX);
        Self {
            lease,
            clock,
            time_source,
            policies: ArcSwapOption::empty(),
            vocabulary: Vocabulary::default(),
            subjects: Cache::with_weighter(
                entries(of_subjects, TYPICAL_BYTES),
                of_subjects,
                SubjectBytes,
            ),
            identifiers: Cache::with_weighter(
                entries(of_identifiers, IDENTIFIER_BYTES),
                of_identifiers,
                IdentifierBytes,
            ),
            spellings: Spellings::new(of_spellings),
            large: Cache::new(LARGE_MAX),
            forgettings: Mutex::default(),
            readings: AtomicU64::new(0),
        }
    }

    /// Whether it may be answered from, and then by which instants. Ask after the question has come.
    pub fn may_answer(&self) -> Option<Instants> {
        if !self.lease.holds() {
            return None;
        }
        let ours = |now: Timestamp| Instants {
            earliest: now,
            latest: now,
        };
        Some(match self.time_source {
            TimeSource::Database if self.is_alone() => ours(self.clock.now()),
            TimeSource::Database => self.lease.now(),
            TimeSource::Caller => ours(self.clock.now()),
        })
    }

    /// The policies, as far as they are known.
    pub fn policies(&self) -> Option<Arc<KnownPolicies>> {
        self.policies.load_full()
    }

    /// The policy in force at `now`, as tables; `None`: it has to be asked in names.
    pub fn dense<'p>(
        &self,
        policies: &'p KnownPolicies,
        now: Timestamp,
    ) -> Option<&'p DensePolicy> {
        policies.dense(&self.vocabulary, now)
    }

    /// The names of what is held.
    pub fn names(&self) -> Arc<Names> {
        self.vocabulary.names()
    }

    /// What is known of a subject.
    pub fn subject(&self, id: SubjectId) -> Option<Held> {
        self.subjects.get(&id)
    }

    /// What is known of everybody whom an identifier leads to. `None`: not known of each of them.
    pub fn identified(&self, hash: &[u8; 32]) -> Option<People> {
        let leads = self.identifiers.get(hash)?;
        let states = leads.iter().map(|(id, reading)| {
            let held = self.subjects.get(id)?;
            (held.reading() == *reading).then_some((*id, held))
        });
        states.collect()
    }

    /// Identifiers as they were spelt.
    pub fn spellings(&self) -> &Spellings {
        &self.spellings
    }

    /// Whether somebody was found to have more than is held.
    pub fn is_large(&self, id: SubjectId) -> bool {
        self.large.get(&id).is_some()
    }

    /// A reading begins: what it reads comes from a state that is opened after this.
    pub fn mark(&self) -> Mark {
        self.forgettings().mark()
    }

    /// Puts in what was read after `mark`: states, and what each of these identifiers leads to. What was
    /// forgotten meanwhile stays out.
    pub fn learn(
        &self,
        mark: Mark,
        states: impl IntoIterator<Item = Arc<KnownSubject>>,
        identifiers: impl IntoIterator<Item = ([u8; 32], Vec<SubjectId>)>,
    ) {
        let packed: Vec<_> = states.into_iter().map(|known| self.pack(&known)).collect();
        let forgettings = self.forgettings();
        for (id, held) in packed {
            match held {
                Some(held) if forgettings.admits(mark, Forgotten::Subject(id)) => {
                    self.subjects.insert(id, held);
                }
                Some(_) => {}
                None => self.large.insert(id, ()),
            }
        }
        for (hash, subjects) in identifiers {
            // Who was taken off the identifier was forgotten, and may have been read anew since.
            let leads: Option<Leads> = subjects
                .into_iter()
                .map(|id| {
                    let is_as_read = forgettings.admits(mark, Forgotten::Subject(id));
                    let held = self.subjects.get(&id).filter(|_| is_as_read)?;
                    Some((id, held.reading()))
                })
                .collect();
            let leads = leads.filter(|leads| !leads.is_empty());
            if let Some(leads) = leads
                && forgettings.admits(mark, Forgotten::Identifier(hash))
            {
                self.identifiers.insert(hash, leads);
            }
        }
    }

    /// A state as it is held, unless it is too large for that.
    fn pack(&self, known: &KnownSubject) -> (SubjectId, Option<Held>) {
        let KnownSubject { state, revision } = known;
        let packed = self
            .vocabulary
            .number(|numbering| compact::write(state, *revision, numbering));
        let packed = packed.filter(|packed| packed.len() <= STATE_BYTES_MAX);
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        let held = packed.map(|packed| Held::new(reading, &packed));
        (state.subject_id, held)
    }

    /// Puts in the policies that were read after `mark`.
    pub fn learn_policies(&self, mark: Mark, policies: KnownPolicies) {
        // As tables before anybody asks.
        if let Some(Instants { earliest, .. }) = self.may_answer() {
            self.dense(&policies, earliest);
        }
        let forgettings = self.forgettings();
        if forgettings.admits(mark, Forgotten::Policies) {
            self.policies.store(Some(Arc::new(policies)));
        }
    }

    /// Forgets what changed.
    pub fn forget(&self, changes: &Changes) {
        let mut forgettings = self.forgettings();
        for id in &changes.subjects {
            forgettings.note(Forgotten::Subject(*id));
            self.subjects.remove(id);
        }
        for hash in &changes.identifiers {
            // A hash of another length is none of ours.
            let Ok(hash) = <[u8; 32]>::try_from(hash.as_slice()) else {
                continue;
            };
            forgettings.note(Forgotten::Identifier(hash));
            self.identifiers.remove(&hash);
        }
        if changes.policies {
            forgettings.note(Forgotten::Policies);
            self.policies.store(None);
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut forgettings = self.forgettings();
        forgettings.note(Forgotten::Everything);
        self.policies.store(None);
        self.subjects.clear();
        self.identifiers.clear();
    }

    /// How many states are held.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> u64 {
        self.subjects.weight() + self.identifiers.weight()
    }

    /// The right to answer from it.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    fn is_alone(&self) -> bool {
        self.lease.is_forever()
    }

    fn forgettings(&self) -> MutexGuard<'_, Forgettings> {
        self.forgettings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where there is one process only, it is all that has to forget.
impl Witness for Memory {
    fn forget(&self, changes: &Changes) {
        Self::forget(self, changes);
    }

    fn settle<'w>(&'w self, _: Option<&'w Changes>) -> BoxFuture<'w, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests;
