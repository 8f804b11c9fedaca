//! A state as it is held: packed, and shared between those who answer from it.

use std::mem::size_of;

use triomphe::ThinArc;

use crate::{
    domain::{
        compact::{Names, Reader, unpack},
        id::SubjectId,
        revision::Revision,
    },
    store::state::KnownSubject,
};

/// What an entry costs beside its bytes: the key and the slot in the tables, and the allocation.
pub(super) const ENTRY_BYTES: usize = 56 + size_of::<[usize; 4]>();

/// A packed state, and which reading of it this is.
#[derive(Clone, Debug)]
pub struct Held(ThinArc<u64, u8>);

impl Held {
    /// Holds packed bytes.
    pub(super) fn new(reading: u64, packed: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice(reading, packed))
    }

    /// Tells this reading of a state from every other.
    pub(super) fn reading(&self) -> u64 {
        self.0.header.header
    }

    /// The packed state.
    pub fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> u64 {
        (ENTRY_BYTES + self.bytes().len()) as u64
    }

    /// The last committed state in which anything of it changed.
    pub fn revision(&self) -> Option<Revision> {
        Some(Reader::open(self.bytes())?.revision())
    }

    /// The whole state.
    pub fn unpack(&self, names: &Names, id: SubjectId) -> Option<KnownSubject> {
        let (state, revision) = unpack(self.bytes(), names, id)?;
        Some(KnownSubject { state, revision })
    }
}
