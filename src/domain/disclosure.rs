//! Disclosures: what went to whom, and when (Art. 15(1)(c), Art. 19; CJEU C-154/21).

use std::fmt;

use jiff::Timestamp;

use super::{
    id::{DecisionId, DisclosureId, ItemId, SubjectId},
    name::{DataCategory, Processor, Purpose},
};

/// Longest name that a recipient has for a disclosure, in bytes.
pub const EXTERNAL_REFERENCE_BYTES_MAX: usize = 256;

/// The recipient's own name for a disclosure. Text of a caller, so it may hold personal data: it
/// does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalReference(String);

impl ExternalReference {
    /// The name as the recipient has it; `None` when it has none.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// The name.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExternalReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalReference(…)")
    }
}

/// The fact that items of one subject went to one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Its id.
    pub disclosure_id: DisclosureId,
    /// Whose items.
    pub subject_id: SubjectId,
    /// The very items, each with what it is.
    pub items: Vec<(ItemId, DataCategory)>,
    /// What for.
    pub purpose: Purpose,
    /// To whom.
    pub processor: Processor,
    /// What the recipient calls it.
    pub external_reference: Option<ExternalReference>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The decision that permitted it.
    pub decision_id: DecisionId,
    /// The service that recorded it.
    pub recorded_by: String,
}
