//! Reading a packed state, piece by piece or as a whole.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Names, Number, has, unpacked};
use crate::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    id::{ConsentId, ItemId, ObjectionId, RestrictionId, SubjectId},
    item::ItemState,
    revision::Revision,
    subject::{Items, Membership, Objection, Restriction, SubjectState},
};

/// Bytes of an id.
const ID_BYTES: usize = 16;

/// A stay in a subject category. Instants are microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// The category.
    pub category: Number,
    /// When it began.
    pub started: i64,
    /// When it ended, if it did.
    pub ended: Option<i64>,
}

/// What items that were collected together have in common.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'b> {
    /// In which subject category.
    pub category: Number,
    /// When.
    pub collected: i64,
    /// What for; empty: whatever the policy says.
    pub purposes: Numbers<'b>,
    /// The id of the item at hand.
    pub id: Uuid,
    /// Its data category.
    pub data: Number,
}

/// What was said about one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'b> {
    /// Its id.
    pub id: Uuid,
    /// What about.
    pub purpose: Number,
    /// For whom; empty: for everybody.
    pub processors: Numbers<'b>,
    /// What.
    pub choice: ConsentChoice,
    /// How.
    pub method: EvidenceMethod,
    /// Whether it says where its proof lies.
    pub has_reference: bool,
    /// Under which version.
    pub policy_version: Number,
    /// When.
    pub occurred: i64,
    /// When that was recorded.
    pub recorded: i64,
    /// When it ends by itself, if it says so.
    pub expires: Option<i64>,
}

/// A list of names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers<'b> {
    count: usize,
    bytes: &'b [u8],
}

impl<'b> Numbers<'b> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Number> + use<'b> {
        let mut bytes = Cursor { bytes: self.bytes };
        (0..self.count).map_while(move |_| bytes.name())
    }

    /// Whether this is one of them.
    pub fn contains(&self, number: Number) -> bool {
        self.iter().any(|it| it == number)
    }
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
struct Cursor<'b> {
    bytes: &'b [u8],
}

/// A packed state that is read from its beginning. Each part is to be read in turn.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'b> {
    cursor: Cursor<'b>,
    flags: u8,
    revision: Revision,
    zero: i64,
    firsts: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Reads the head.
    pub fn open(bytes: &'b [u8]) -> Option<Self> {
        let mut cursor = Cursor { bytes };
        let flags = cursor.byte()?;
        let revision = Revision::after_event(i64::try_from(cursor.integer()?).ok()?);
        let zero = cursor.signed()?;
        let firsts = cursor.count()?.checked_mul(ID_BYTES)?;
        let firsts = cursor.take(firsts)?;
        Some(Self {
            cursor,
            flags,
            revision,
            zero,
            firsts,
        })
    }

    /// The last committed state in which anything of it changed.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether there is an erasure, an objection, a restriction or an item that is retained.
    pub fn has_what_is_rare(&self) -> bool {
        self.flags != 0
    }

    /// The memberships.
    pub fn memberships(&mut self, mut each: impl FnMut(Stay)) -> Option<()> {
        for _ in 0..self.cursor.count()? {
            each(Stay {
                category: self.cursor.name()?,
                started: self.instant()?,
                ended: self.maybe()?,
            });
        }
        Some(())
    }

    /// The latest activity seen by each source.
    pub fn activity(&mut self, mut each: impl FnMut(Number, i64)) -> Option<()> {
        for _ in 0..self.cursor.count()? {
            each(self.cursor.name()?, self.instant()?);
        }
        Some(())
    }

    /// The items; not for states that have what is rare.
    pub fn items(&mut self, mut each: impl FnMut(Piece<'b>)) -> Option<()> {
        self.item_runs(|_, _, _, piece| each(piece))
    }

    /// Each item with its source, its policy's version, and what it is retained for.
    fn item_runs(
        &mut self,
        mut each: impl FnMut(Number, Number, Option<Numbers<'b>>, Piece<'b>),
    ) -> Option<()> {
        for _ in 0..self.cursor.count()? {
            let count = self.cursor.integer()?;
            let category = self.cursor.name()?;
            let source = self.cursor.name()?;
            let collected = self.instant()?;
            let version = self.cursor.name()?;
            let purposes = self.cursor.names()?;
            let is_retained = self.flags & has::RETAINED_ITEMS != 0 && self.cursor.byte()? == 1;
            let retained_for = if is_retained {
                Some(self.cursor.names()?)
            } else {
                None
            };
            let first = self.id()?;
            for n in 0..u128::from(count) {
                let piece = Piece {
                    category,
                    collected,
                    purposes,
                    id: Uuid::from_u128(first.as_u128().checked_add(n)?),
                    data: self.cursor.name()?,
                };
                each(source, version, retained_for, piece);
            }
        }
        Some(())
    }

    /// What the person said.
    pub fn consents(&mut self, mut each: impl FnMut(Fact<'b>)) -> Option<()> {
        for _ in 0..self.cursor.count()? {
            let count = self.cursor.integer()?;
            let said = unpacked(self.cursor.byte()?)?;
            let (processors, expires) = if said.has_more {
                (self.cursor.names()?, self.maybe()?)
            } else {
                (Numbers::default(), None)
            };
            let policy_version = self.cursor.name()?;
            let (occurred, recorded) = (self.instant()?, self.instant()?);
            let first = self.id()?;
            for n in 0..u128::from(count) {
                each(Fact {
                    id: Uuid::from_u128(first.as_u128().checked_add(n)?),
                    purpose: self.cursor.name()?,
                    processors,
                    choice: said.choice,
                    method: said.method,
                    has_reference: said.has_reference,
                    policy_version,
                    occurred,
                    recorded,
                    expires,
                });
            }
        }
        Some(())
    }

    /// Everything.
    pub(super) fn state(
        mut self,
        names: &Names,
        id: SubjectId,
    ) -> Option<(SubjectState, Revision)> {
        let mut state = SubjectState::new(id);
        self.all_memberships(names, &mut state)?;
        self.all_activity(names, &mut state)?;
        state.items = self.all_items(names)?;
        self.all_consents(names, &mut state)?;
        if self.flags & has::ERASURE != 0 {
            state.erased_at = Some(timestamp(self.maybe()??)?);
        }
        if self.flags & has::OBJECTIONS != 0 {
            for _ in 0..self.cursor.count()? {
                state.objections.push(self.objection(names)?);
            }
        }
        if self.flags & has::RESTRICTIONS != 0 {
            for _ in 0..self.cursor.count()? {
                state.restrictions.push(self.restriction(names)?);
            }
        }
        Some((state, self.revision))
    }

    fn all_memberships(&mut self, names: &Names, state: &mut SubjectState) -> Option<()> {
        let mut stays = Vec::new();
        self.memberships(|stay| stays.push(stay))?;
        for stay in stays {
            state.memberships.push(Membership {
                category: named(names, stay.category)?,
                started_at: timestamp(stay.started)?,
                ended_at: maybe_timestamp(stay.ended)?,
            });
        }
        Some(())
    }

    fn all_activity(&mut self, names: &Names, state: &mut SubjectState) -> Option<()> {
        let mut seen = Vec::new();
        self.activity(|source, at| seen.push((source, at)))?;
        for (source, at) in seen {
            state
                .last_activity
                .insert(named(names, source)?, timestamp(at)?);
        }
        Some(())
    }

    fn all_items(&mut self, names: &Names) -> Option<Items> {
        let mut pieces = Vec::new();
        self.item_runs(|source, version, retained, piece| {
            pieces.push((source, version, retained, piece));
        })?;
        let items = pieces
            .into_iter()
            .map(|(source, version, retained, piece)| {
                Some(ItemState {
                    item_id: ItemId(piece.id),
                    subject_category: named(names, piece.category)?,
                    data_category: named(names, piece.data)?,
                    source: named(names, source)?,
                    collected_at: timestamp(piece.collected)?,
                    policy_version: named(names, version)?,
                    purposes: all_named(names, piece.purposes)?,
                    retained_for: match retained {
                        Some(grounds) => Some(all_named(names, grounds)?),
                        None => None,
                    },
                })
            });
        items.collect()
    }

    fn all_consents(&mut self, names: &Names, state: &mut SubjectState) -> Option<()> {
        let mut facts = Vec::new();
        self.consents(|fact| facts.push(fact))?;
        for fact in facts {
            state.consents.push(ConsentFact {
                consent_id: ConsentId(fact.id),
                purpose: named(names, fact.purpose)?,
                processors: all_named(names, fact.processors)?,
                choice: fact.choice,
                method: fact.method,
                has_reference: fact.has_reference,
                policy_version: named(names, fact.policy_version)?,
                occurred_at: timestamp(fact.occurred)?,
                recorded_at: timestamp(fact.recorded)?,
                expires_at: maybe_timestamp(fact.expires)?,
            });
        }
        Some(())
    }

    fn objection(&mut self, names: &Names) -> Option<Objection> {
        Some(Objection {
            objection_id: ObjectionId(self.id()?),
            purpose: named(names, self.cursor.name()?)?,
            occurred_at: timestamp(self.instant()?)?,
            rejected_at: maybe_timestamp(self.maybe()?)?,
        })
    }

    fn restriction(&mut self, names: &Names) -> Option<Restriction> {
        Some(Restriction {
            restriction_id: RestrictionId(self.id()?),
            data_categories: all_named(names, self.cursor.names()?)?,
            started_at: timestamp(self.instant()?)?,
            lifted_at: maybe_timestamp(self.maybe()?)?,
        })
    }

    fn instant(&mut self) -> Option<i64> {
        self.zero.checked_add(self.cursor.signed()?)
    }

    #[expect(
        clippy::option_option,
        reason = "there may be none, and there may be no bytes for it"
    )]
    fn maybe(&mut self) -> Option<Option<i64>> {
        Some(match self.cursor.byte()? {
            0 => None,
            _ => Some(self.instant()?),
        })
    }

    fn id(&mut self) -> Option<Uuid> {
        let place = self.cursor.count()?.checked_mul(ID_BYTES)?;
        let first = self.firsts.get(place..place.checked_add(ID_BYTES)?)?;
        let first = u128::from_be_bytes(first.try_into().ok()?);
        let id = first.checked_add(u128::from(self.cursor.integer()?))?;
        Some(Uuid::from_u128(id))
    }
}

impl<'b> Cursor<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn integer(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.integer()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.integer()?).ok()
    }

    fn name(&mut self) -> Option<Number> {
        Number::try_from(self.integer()?).ok()
    }

    fn names(&mut self) -> Option<Numbers<'b>> {
        let count = self.count()?;
        let before = self.bytes;
        for _ in 0..count {
            self.integer()?;
        }
        let bytes = &before[..before.len() - self.bytes.len()];
        Some(Numbers { count, bytes })
    }
}

fn named<N: std::str::FromStr>(names: &Names, number: Number) -> Option<N> {
    names.text(number)?.parse().ok()
}

fn all_named<N: std::str::FromStr>(names: &Names, numbers: Numbers<'_>) -> Option<Vec<N>> {
    numbers.iter().map(|number| named(names, number)).collect()
}

fn timestamp(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

#[expect(
    clippy::option_option,
    reason = "there may be none, and it may be no instant"
)]
fn maybe_timestamp(micros: Option<i64>) -> Option<Option<Timestamp>> {
    match micros {
        Some(micros) => Some(Some(timestamp(micros)?)),
        None => Some(None),
    }
}
