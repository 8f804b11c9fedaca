//! The policy in force as tables: what covers a data category for a purpose is found by two numbers, however long
//! the policy is. What is asked for seldom is worked out when it first is, and kept.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use super::{
    compile::CompiledPolicy,
    history::{CellRef, PolicyHistory},
    model::{Activity, Policy, Retention, RetentionKind},
};
use crate::domain::{
    compact::{Names, Number},
    consent::EvidenceMethod,
    name::{DataCategory, Purpose, SubjectCategory},
};

/// Marks what is in no table.
const NOWHERE: u32 = u32::MAX;

/// A version of the policy, as it is asked when it is in force.
#[derive(Debug)]
pub struct DensePolicy {
    history: Arc<PolicyHistory>,
    /// Its place in the history.
    place: usize,
    /// By the number of a name, its place in the catalogue.
    data: Vec<u32>,
    purposes: Vec<u32>,
    processors: Vec<u32>,
    /// The place of a version of this name in the history.
    versions: Vec<u32>,
    names: Catalogue,
    /// By data category and purpose, where its cells begin.
    uses: Vec<u32>,
    cells: Vec<Cell>,
    /// By data category and subject category.
    covering: Vec<OnceLock<Box<[u32]>>>,
    ceilings: Vec<Ceiling>,
    subjects: Vec<u32>,
}

/// The names of a catalogue, in its order.
#[derive(Debug)]
struct Catalogue {
    data: Vec<DataCategory>,
    purposes: Vec<PurposeEntry>,
    subjects: Vec<SubjectCategory>,
}

#[derive(Debug)]
struct PurposeEntry {
    name: Purpose,
    is_marketing: bool,
    /// By the place of a method, whether a yes in this way counts.
    accepts: u16,
}

/// An activity in one of its subject categories, for one data category and its purpose.
#[derive(Debug)]
pub struct Cell {
    /// The activity.
    pub activity: Arc<Activity>,
    /// The number of the subject category.
    pub category: Number,
    /// Its place in the catalogue.
    subject: u32,
    recipients: Box<[Recipient]>,
    /// The first version from which on a consent still speaks of this cell.
    speaks_since: Since,
}

/// A processor that a sharing statement names for a cell.
#[derive(Debug)]
struct Recipient {
    processor: u32,
    speaks_since: Since,
}

/// A place in the history, once it is known.
#[derive(Debug)]
struct Since(AtomicU32);

/// A ceiling on how long something is kept.
#[derive(Debug)]
pub struct Ceiling {
    /// The place of its processor; [`NOWHERE`]: it is the registry's own.
    processor: u32,
    /// Its place in the policy.
    rule: u32,
    /// Whose activity counts; empty: everybody's.
    sources: Box<[Number]>,
    /// Of whom; empty: of everybody.
    subjects: Box<[Number]>,
}

/// What is asked about, by its places in the tables.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    purpose: usize,
    processor: Option<u32>,
}

impl DensePolicy {
    /// The version at `place` of the history, as tables. `None`: there are more names than have numbers, or no
    /// such version.
    pub fn compile(
        history: &Arc<PolicyHistory>,
        place: usize,
        mut number: impl FnMut(&str) -> Option<Number>,
    ) -> Option<Self> {
        let compiled = history.versions().get(place)?.clone();
        let policy = compiled.policy();
        let (data, data_names) = index(policy.data_categories.keys(), &mut number)?;
        let (purposes, purpose_names) = index(policy.purposes.keys(), &mut number)?;
        let (processors, _) = index(policy.processors.keys(), &mut number)?;
        let (subjects, subject_names) = index(policy.subject_categories.keys(), &mut number)?;
        let versions = history.versions().iter().map(|it| it.version());
        let (versions, _) = index(versions, &mut number)?;
        let purpose_names = purpose_names.into_iter();
        let names = Catalogue {
            purposes: purpose_names
                .map(|name| PurposeEntry::of(&compiled, name))
                .collect(),
            data: data_names,
            subjects: subject_names,
        };
        let pairs = names.data.len() * names.subjects.len();
        let mut dense = Self {
            history: history.clone(),
            place,
            data,
            purposes,
            processors,
            versions,
            names,
            uses: Vec::new(),
            cells: Vec::new(),
            covering: std::iter::repeat_with(OnceLock::new).take(pairs).collect(),
            subjects,
            ceilings: Vec::new(),
        };
        dense.ceilings = dense.read_ceilings(policy, &mut number)?;
        dense.lay_out(&compiled, &mut number)?;
        Some(dense)
    }

    fn lay_out(
        &mut self,
        policy: &CompiledPolicy,
        number: &mut impl FnMut(&str) -> Option<Number>,
    ) -> Option<()> {
        let mut uses = Vec::with_capacity(self.names.data.len() * self.names.purposes.len() + 1);
        let mut cells = Vec::new();
        for data in &self.names.data {
            for purpose in &self.names.purposes {
                uses.push(u32::try_from(cells.len()).ok()?);
                for activity in policy.activities(data, &purpose.name) {
                    for category in &activity.subjects {
                        let category_number = number(category.as_str())?;
                        cells.push(Cell {
                            activity: activity.clone(),
                            category: category_number,
                            subject: at(&self.subjects, category_number)?,
                            recipients: self.recipients(
                                policy,
                                category,
                                data,
                                &purpose.name,
                                number,
                            )?,
                            speaks_since: Since::unknown(),
                        });
                    }
                }
            }
        }
        uses.push(u32::try_from(cells.len()).ok()?);
        (self.uses, self.cells) = (uses, cells);
        Some(())
    }

    fn recipients(
        &self,
        policy: &CompiledPolicy,
        category: &SubjectCategory,
        data: &DataCategory,
        purpose: &Purpose,
        number: &mut impl FnMut(&str) -> Option<Number>,
    ) -> Option<Box<[Recipient]>> {
        let named = policy.recipients(category, data, purpose);
        let mut places = Vec::new();
        for processor in named {
            // A statement may name a processor that the catalogue lacks; no check gets that far.
            places.extend(at(&self.processors, number(processor.as_str())?));
        }
        places.sort_unstable();
        let recipients = places.into_iter().map(|processor| Recipient {
            processor,
            speaks_since: Since::unknown(),
        });
        Some(recipients.collect())
    }

    /// The policy.
    pub fn compiled(&self) -> &Arc<CompiledPolicy> {
        &self.history.versions()[self.place]
    }

    /// All versions.
    pub fn history(&self) -> &Arc<PolicyHistory> {
        &self.history
    }

    /// The use of something for a purpose, by a processor or else by the controller. `None`: the policy has no
    /// such purpose or processor.
    pub fn usage(&self, names: &Names, purpose: &str, processor: Option<&str>) -> Option<Use> {
        let purpose = at(&self.purposes, names.number(purpose)?)?;
        let processor = match processor {
            Some(processor) => Some(at(&self.processors, names.number(processor)?)?),
            None => None,
        };
        Some(Use {
            purpose: purpose as usize,
            processor,
        })
    }

    /// The place of a data category. `None`: the policy has none of this name.
    pub fn data(&self, number: Number) -> Option<usize> {
        at(&self.data, number).map(|place| place as usize)
    }

    /// The data category at a place.
    pub fn data_name(&self, place: usize) -> &DataCategory {
        &self.names.data[place]
    }

    /// What covers data of this place for a use: activities in file order, each with its subject categories.
    pub fn cells(&self, data: usize, usage: Use) -> &[Cell] {
        let place = data * self.names.purposes.len() + usage.purpose;
        let [from, to] = [self.uses[place], self.uses[place + 1]];
        &self.cells[from as usize..to as usize]
    }

    /// Whether the purpose is direct marketing.
    pub fn is_marketing(&self, usage: Use) -> bool {
        self.names.purposes[usage.purpose].is_marketing
    }

    /// Whether a yes in this way counts for the purpose.
    pub fn accepts(&self, usage: Use, method: EvidenceMethod) -> bool {
        self.names.purposes[usage.purpose].accepts & bit(method) != 0
    }

    /// Whether a sharing statement names the processor of the use for this cell; so for the controller itself.
    pub fn shares(&self, cell: &Cell, usage: Use) -> bool {
        usage
            .processor
            .is_none_or(|it| cell.recipient(it).is_some())
    }

    /// The ceilings on items of this data in the cell's subject category: the registry's own, and those of the
    /// use's processor.
    pub fn ceilings(&self, data: usize, cell: &Cell, usage: Use) -> impl Iterator<Item = &Ceiling> {
        let place = data * self.names.subjects.len() + cell.subject as usize;
        let covering = self.covering[place].get_or_init(|| self.find_covering(data, cell));
        let ceilings = covering.iter().map(|place| &self.ceilings[*place as usize]);
        ceilings.filter(move |it| it.processor == NOWHERE || Some(it.processor) == usage.processor)
    }

    fn find_covering(&self, data: usize, cell: &Cell) -> Box<[u32]> {
        let data = &self.names.data[data];
        let covering = self.ceilings.iter().zip(0_u32..).filter(|(ceiling, _)| {
            let rule = self.rule(ceiling);
            (rule.data.is_empty() || rule.data.contains(data)) && ceiling.covers(cell.category)
        });
        covering.map(|(_, place)| place).collect()
    }

    /// The rule of a ceiling.
    pub fn rule(&self, ceiling: &Ceiling) -> &Retention {
        &self.compiled().policy().retention[ceiling.rule as usize]
    }

    fn read_ceilings(
        &self,
        policy: &Policy,
        number: &mut impl FnMut(&str) -> Option<Number>,
    ) -> Option<Vec<Ceiling>> {
        let rules = policy.retention.iter().zip(0..);
        let maxima = rules.filter(|(rule, _)| rule.kind == RetentionKind::Maximum);
        let mut ceilings = Vec::new();
        for (rule, place) in maxima {
            let processor = match &rule.processor {
                Some(processor) => at(&self.processors, number(processor.as_str())?)?,
                None => NOWHERE,
            };
            ceilings.push(Ceiling {
                processor,
                rule: place,
                sources: numbers(&rule.activity_sources, number)?,
                subjects: numbers(&rule.subjects, number)?,
            });
        }
        Some(ceilings)
    }

    /// Whether a consent to the version of this name still speaks of the cell. `None`: that version comes after
    /// this one, and the way back has to be looked at.
    pub fn speaks_of(&self, version: Number, data: usize, cell: &Cell, usage: Use) -> Option<bool> {
        let Some(consented) = at(&self.versions, version) else {
            return Some(false);
        };
        if consented as usize > self.place {
            return None;
        }
        let since = match usage.processor {
            Some(processor) => &cell.recipient(processor)?.speaks_since,
            None => &cell.speaks_since,
        };
        Some(consented >= since.get_or(|| self.since(data, cell, usage)))
    }

    /// The first version from which on, up to this one, nothing of the cell has changed.
    fn since(&self, data: usize, cell: &Cell, usage: Use) -> u32 {
        let policy = self.compiled().policy();
        let processor = usage
            .processor
            .and_then(|it| policy.processors.keys().nth(it as usize));
        let cell = CellRef {
            category: &self.names.subjects[cell.subject as usize],
            data: &self.names.data[data],
            purpose: &self.names.purposes[usage.purpose].name,
            processor,
        };
        let passed = self.history.versions()[..=self.place].windows(2).rev();
        let unchanged = passed.take_while(|pair| !cell.changed(&pair[0], &pair[1]));
        u32::try_from(self.place - unchanged.count()).unwrap_or(NOWHERE)
    }
}

impl Ceiling {
    /// Whether activity that this source has seen counts.
    pub fn counts_activity_of(&self, source: Number) -> bool {
        self.sources.is_empty() || self.sources.contains(&source)
    }

    /// Whether it is about people of this category.
    pub fn covers(&self, category: Number) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&category)
    }
}

impl Cell {
    fn recipient(&self, processor: u32) -> Option<&Recipient> {
        let place = self
            .recipients
            .binary_search_by_key(&processor, |it| it.processor);
        self.recipients.get(place.ok()?)
    }
}

impl PurposeEntry {
    fn of(policy: &CompiledPolicy, name: Purpose) -> Self {
        let entry = policy.purpose(&name);
        let methods = EvidenceMethod::ALL.iter();
        let accepted = methods.filter(|method| policy.accepts(&name, **method));
        Self {
            is_marketing: entry.is_some_and(|it| it.direct_marketing),
            accepts: accepted.fold(0, |all, method| all | bit(*method)),
            name,
        }
    }
}

impl Since {
    fn unknown() -> Self {
        Self(AtomicU32::new(NOWHERE))
    }

    /// Two who ask at once find the same.
    fn get_or(&self, find: impl FnOnce() -> u32) -> u32 {
        match self.0.load(Ordering::Relaxed) {
            NOWHERE => {
                let found = find();
                self.0.store(found, Ordering::Relaxed);
                found
            }
            known => known,
        }
    }
}

fn bit(method: EvidenceMethod) -> u16 {
    1 << (method as u16)
}

fn at(table: &[u32], number: Number) -> Option<u32> {
    let place = table.get(usize::from(number)).copied();
    place.filter(|place| *place != NOWHERE)
}

fn numbers<N: AsRef<str>>(
    names: &[N],
    number: &mut impl FnMut(&str) -> Option<Number>,
) -> Option<Box<[Number]>> {
    names.iter().map(|name| number(name.as_ref())).collect()
}

/// The places of names in their order, by their numbers.
fn index<'n, N: Clone + AsRef<str> + 'n>(
    names: impl Iterator<Item = &'n N>,
    number: &mut impl FnMut(&str) -> Option<Number>,
) -> Option<(Vec<u32>, Vec<N>)> {
    let (mut places, mut list) = (Vec::new(), Vec::new());
    for (name, place) in names.zip(0..) {
        let number = usize::from(number(name.as_ref())?);
        if places.len() <= number {
            places.resize(number + 1, NOWHERE);
        }
        places[number] = place;
        list.push(name.clone());
    }
    Some((places, list))
}
