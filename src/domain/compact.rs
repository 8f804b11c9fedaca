//! A subject's state in few bytes: names are numbers, instants and ids are distances, and what was recorded
//! together is written once. Nothing is lost, and nothing has to be unpacked to decide (`decision::dense`).

mod names;
mod read;
mod write;

use jiff::Timestamp;

pub use self::{
    names::{NAMES_MAX, Names, Number},
    read::{Fact, Piece, Reader, Stay},
    write::write,
};
use super::{
    consent::{ConsentChoice, EvidenceMethod},
    id::SubjectId,
    revision::Revision,
    subject::SubjectState,
};

/// How far ids that count up from one another lie apart at most, to share what they begin with.
const SHARED_ID_SPAN: u128 = 1 << 14;

/// What a state has beside memberships, activity, items and consents.
mod has {
    pub const ERASURE: u8 = 1;
    pub const OBJECTIONS: u8 = 2;
    pub const RESTRICTIONS: u8 = 4;
    pub const RETAINED_ITEMS: u8 = 8;
}

/// The whole of it, unpacked. `None`: these are not bytes of [`write`] by these names.
pub fn unpack(
    bytes: &[u8],
    names: &Names,
    subject_id: SubjectId,
) -> Option<(SubjectState, Revision)> {
    Reader::open(bytes)?.state(names, subject_id)
}

/// An instant in whole microseconds, as they are kept. `None`: it has finer parts.
pub fn micros(at: Timestamp) -> Option<i64> {
    (at.subsec_nanosecond() % 1_000 == 0).then(|| at.as_microsecond())
}

/// Choice, method and reference in one byte, and whether processors and an end of its own follow.
fn packed(
    choice: ConsentChoice,
    method: EvidenceMethod,
    has_reference: bool,
    has_more: bool,
) -> Option<u8> {
    let place = |found: Option<usize>| found.and_then(|at| u8::try_from(at).ok());
    let choice = place(ConsentChoice::ALL.iter().position(|it| *it == choice))?;
    let method = place(EvidenceMethod::ALL.iter().position(|it| *it == method))?;
    Some(choice | method << 2 | u8::from(has_reference) << 6 | u8::from(has_more) << 7)
}

struct Packed {
    choice: ConsentChoice,
    method: EvidenceMethod,
    has_reference: bool,
    has_more: bool,
}

fn unpacked(byte: u8) -> Option<Packed> {
    Some(Packed {
        choice: *ConsentChoice::ALL.get(usize::from(byte & 3))?,
        method: *EvidenceMethod::ALL.get(usize::from(byte >> 2 & 15))?,
        has_reference: byte & 1 << 6 != 0,
        has_more: byte & 1 << 7 != 0,
    })
}

#[cfg(test)]
mod tests;
