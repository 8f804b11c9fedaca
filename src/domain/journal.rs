//! The journal: what was taken away, kept outside the database, so that a restored backup does not
//! bring it back; and what is under way for people, so that it goes on. Ids, names, instants and keyed
//! hashes. What names a person to a recipient is in it only under seal, by a key that ends with the task.

mod kept;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::kept::{KeptNotice, KeptRequest, KeptTask, Sealed};
use super::{
    consent::{ConsentChoice, ConsentRecord, EvidenceMethod, GivenBy},
    erasure::record::ErasureRecord,
    hold::LegalHold,
    id::{
        ConsentId, ItemId, JournalEntryId, ObjectionId, RestrictionId, SubjectId, SubjectRequestId,
    },
    item::ItemState,
    name::{
        DataCategory, IdentifierType, PolicyVersion, Processor, Purpose, Source, SubjectCategory,
    },
};

/// One entry: what changed for one subject, in the transaction that changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its id: an entry is applied once, however often it is met.
    pub entry_id: JournalEntryId,
    /// The instant of the transaction.
    pub at: Timestamp,
    /// Whom it concerns, as the subject was named then.
    pub subject_id: SubjectId,
    /// By which identifiers the subject was found then, of a change that has to hold for the person even
    /// where the subject is not known any more ([`JournalKind::is_of_person`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<HashedIdentifier>,
    /// What changed.
    pub what: JournalKind,
}

/// What was taken away, or given back after it had been; and what is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JournalKind {
    /// Consent was refused or withdrawn (Art. 7(3)).
    ConsentDenied(DeniedConsent),
    /// The person objected to a purpose (Art. 21).
    Objected {
        /// The objection.
        objection_id: ObjectionId,
        /// The purpose objected to.
        purpose: Purpose,
        /// When the person objected.
        occurred_at: Timestamp,
        /// The request that made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject_request_id: Option<SubjectRequestId>,
    },
    /// An objection was rejected on compelling legitimate grounds (Art. 21(1)).
    ObjectionDecided {
        /// The objection.
        objection_id: ObjectionId,
        /// When it was rejected.
        rejected_at: Timestamp,
    },
    /// Processing was restricted (Art. 18).
    Restricted {
        /// The restriction.
        restriction_id: RestrictionId,
        /// The data categories it names; empty: all.
        data_categories: Vec<DataCategory>,
        /// When it began.
        started_at: Timestamp,
        /// The request that made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject_request_id: Option<SubjectRequestId>,
    },
    /// A restriction was lifted (Art. 18(3)).
    RestrictionLifted {
        /// The restriction.
        restriction_id: RestrictionId,
        /// When it was lifted.
        lifted_at: Timestamp,
    },
    /// Items were deleted.
    ItemsDeleted {
        /// Which, and how old they were.
        items: Vec<DeletedItem>,
        /// When.
        deleted_at: Timestamp,
    },
    /// Items were erased and stay for now, answerable for their grounds alone (Art. 17(3)); again when
    /// the grounds change.
    ItemsRetained {
        /// Which, and on what grounds.
        items: Vec<RetainedItem>,
        /// The request that waits for them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject_request_id: Option<SubjectRequestId>,
    },
    /// The subject was erased (Art. 17).
    Erased(ErasedSubject),
    /// The subject left a subject category.
    CategoryEnded {
        /// The category.
        subject_category: SubjectCategory,
        /// When.
        ended_at: Timestamp,
    },
    /// Identifiers were taken off the subject.
    IdentifiersUnlinked {
        /// Their keyed hashes, each under every index key of that time.
        identifiers: Vec<HashedIdentifier>,
    },
    /// Another subject was merged into this one.
    SubjectsMerged {
        /// The subject that was merged away.
        merged: SubjectId,
    },
    /// A legal hold, placed or released: what it keeps must not go by a later sweep.
    HoldKept(Box<LegalHold>),
    /// A request of the person, as it stands.
    RequestKept(KeptRequest),
    /// What an erasure did and left, as it stands.
    ErasureKept(Box<ErasureRecord>),
    /// A task that was made, or that has come to its end.
    TaskKept(KeptTask),
    /// What a recipient is to be told later, or that there is nothing left to tell.
    NoticeKept(KeptNotice),
}

/// A consent fact that denies, without the texts of its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedConsent {
    /// The fact's id.
    pub consent_id: ConsentId,
    /// The purpose spoken of.
    pub purpose: Purpose,
    /// The processors it is limited to; empty: the controller and every processor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
    /// Refused, or withdrawn.
    pub choice: ConsentChoice,
    /// How it was said.
    #[serde(with = "method")]
    pub method: EvidenceMethod,
    /// Whether the evidence named where the original proof lies.
    pub has_reference: bool,
    /// On whose behalf.
    pub given_by: GivenBy,
    /// The policy version that was shown.
    pub policy_version: PolicyVersion,
    /// When it was said.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The service that recorded it.
    pub recorded_by: Source,
    /// When it ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// An item that was deleted, and how old it was then: a newer one under the same id is not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedItem {
    /// The item.
    pub item_id: ItemId,
    /// When it had been collected.
    pub collected_at: Timestamp,
}

/// What an erasure took away, and what it had to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedSubject {
    /// When.
    pub erased_at: Timestamp,
    /// Items that the law keeps, each with the purposes that are left for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedItem>,
    /// The request that was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_request_id: Option<SubjectRequestId>,
    /// Identifiers that must not lead to marketing again, by their keyed hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<HashedIdentifier>,
    /// Purposes that the person had objected to or denied, for which the suppression holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objected: Vec<Purpose>,
}

/// An item that outlives an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedItem {
    /// The item.
    pub item_id: ItemId,
    /// What it may still be used for.
    pub purposes: Vec<Purpose>,
}

/// An identifier as it is looked for: a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HashedIdentifier {
    /// Its type.
    pub identifier_type: IdentifierType,
    /// The index key that made the hash.
    pub index_key: String,
    /// The hash.
    pub hash: KeyedHash,
}

/// A keyed hash; written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyedHash(pub Vec<u8>);

impl JournalKind {
    /// The kind's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConsentDenied(_) => "CONSENT_DENIED",
            Self::Objected { .. } => "OBJECTED",
            Self::ObjectionDecided { .. } => "OBJECTION_DECIDED",
            Self::Restricted { .. } => "RESTRICTED",
            Self::RestrictionLifted { .. } => "RESTRICTION_LIFTED",
            Self::ItemsDeleted { .. } => "ITEMS_DELETED",
            Self::ItemsRetained { .. } => "ITEMS_RETAINED",
            Self::Erased(_) => "ERASED",
            Self::CategoryEnded { .. } => "CATEGORY_ENDED",
            Self::IdentifiersUnlinked { .. } => "IDENTIFIERS_UNLINKED",
            Self::SubjectsMerged { .. } => "SUBJECTS_MERGED",
            Self::HoldKept(_) => "HOLD_KEPT",
            Self::RequestKept(_) => "REQUEST_KEPT",
            Self::ErasureKept(_) => "ERASURE_KEPT",
            Self::TaskKept(_) => "TASK_KEPT",
            Self::NoticeKept(_) => "NOTICE_KEPT",
        }
    }

    /// Whether it holds for the person: whoever registers under the same identifiers is that person, also
    /// when a restored backup does not know the subject. What was deleted or unlinked is not there then,
    /// and an erasure is kept by its suppressed identifiers.
    pub fn is_of_person(&self) -> bool {
        match self {
            Self::ConsentDenied(_)
            | Self::Objected { .. }
            | Self::ObjectionDecided { .. }
            | Self::Restricted { .. }
            | Self::RestrictionLifted { .. }
            | Self::CategoryEnded { .. }
            | Self::HoldKept(_)
            | Self::RequestKept(_) => true,
            Self::ItemsDeleted { .. }
            | Self::ItemsRetained { .. }
            | Self::Erased(_)
            | Self::IdentifiersUnlinked { .. }
            | Self::SubjectsMerged { .. }
            | Self::ErasureKept(_)
            | Self::TaskKept(_)
            | Self::NoticeKept(_) => false,
        }
    }

    /// Items that were deleted at `deleted_at`.
    pub fn deleted(items: &[ItemState], deleted_at: Timestamp) -> Self {
        let items = items.iter().map(|state| DeletedItem {
            item_id: state.item_id,
            collected_at: state.collected_at,
        });
        Self::ItemsDeleted {
            items: items.collect(),
            deleted_at,
        }
    }

    /// Items that stay, on the grounds that they carry.
    pub fn retained(items: &[ItemState], request: Option<SubjectRequestId>) -> Self {
        Self::ItemsRetained {
            items: items.iter().map(RetainedItem::from).collect(),
            subject_request_id: request,
        }
    }

    /// The denials among these facts, each with its subject.
    pub fn denials<'a>(
        facts: impl IntoIterator<Item = &'a ConsentRecord>,
    ) -> Vec<(SubjectId, Self)> {
        let denials = facts.into_iter().filter(|fact| fact.choice.is_denial());
        denials
            .map(|fact| (fact.subject_id, Self::ConsentDenied(fact.into())))
            .collect()
    }
}

impl DeletedItem {
    /// Whether the deletion meant `held`, an item of the same id as it is held now: what was
    /// collected after the deletion is not meant.
    pub fn means(&self, held: &ItemState, deleted_at: Timestamp) -> bool {
        held.item_id == self.item_id && held.collected_at <= self.collected_at.max(deleted_at)
    }
}

impl From<&ItemState> for RetainedItem {
    fn from(item: &ItemState) -> Self {
        Self {
            item_id: item.item_id,
            purposes: item.retained_for.clone().unwrap_or_default(),
        }
    }
}

impl From<&ConsentRecord> for DeniedConsent {
    fn from(record: &ConsentRecord) -> Self {
        Self {
            consent_id: record.consent_id,
            purpose: record.purpose.clone(),
            processors: record.processors.clone(),
            choice: record.choice,
            method: record.evidence.method,
            has_reference: !record.evidence.reference.is_empty(),
            given_by: record.evidence.given_by,
            policy_version: record.evidence.policy_version.clone(),
            occurred_at: record.occurred_at,
            recorded_at: record.recorded_at,
            recorded_by: record.recorded_by.clone(),
            expires_at: record.expires_at,
        }
    }
}

impl From<KeyedHash> for String {
    fn from(hash: KeyedHash) -> Self {
        hash.0
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

impl TryFrom<String> for KeyedHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = "is no even number of hexadecimal digits";
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || !text.len().is_multiple_of(2) {
            return Err(bad);
        }
        let bytes = (0..text.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        bytes.collect::<Result<_, _>>().map(Self).map_err(|_| bad)
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(…)")
    }
}

/// By its name in storage: a withdrawal may leave the method out, which a policy cannot name.
mod method {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::EvidenceMethod;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub fn serialize<S: Serializer>(
        method: &EvidenceMethod,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(method.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EvidenceMethod, D::Error> {
        let text = String::deserialize(deserializer)?;
        EvidenceMethod::named(&text).ok_or_else(|| D::Error::custom("is no method of evidence"))
    }
}

#[cfg(test)]
mod tests;
