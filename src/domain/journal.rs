//! The journal: what was taken away, kept outside the database, so that a restored backup does not
//! bring it back. Ids, names, instants and keyed hashes; no personal data.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    consent::{ConsentChoice, ConsentRecord, EvidenceMethod, GivenBy},
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
    /// What changed.
    pub what: JournalKind,
}

/// What was taken away, or given back after it had been.
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
mod tests {
    use super::*;
    use crate::domain::consent::Evidence;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn id<I: From<uuid::Uuid>>(number: u128) -> I {
        uuid::Uuid::from_u128(number).into()
    }

    fn state(item: u128, collected: i64) -> ItemState {
        ItemState {
            item_id: id(item),
            subject_category: "client".parse().unwrap(),
            data_category: "email_address".parse().unwrap(),
            source: "shop".parse().unwrap(),
            collected_at: at(collected),
            policy_version: "1".parse().unwrap(),
            purposes: Vec::new(),
            retained_for: None,
        }
    }

    fn fact(choice: ConsentChoice) -> ConsentRecord {
        ConsentRecord {
            subject_id: id(1),
            consent_id: id(2),
            purpose: "newsletter".parse().unwrap(),
            processors: Vec::new(),
            choice,
            evidence: Evidence {
                method: EvidenceMethod::NotStated,
                policy_version: "1".parse().unwrap(),
                wording: "wording-text".into(),
                locale: String::new(),
                reference: "reference-text".into(),
                collected_by: "collector-text".into(),
                given_by: GivenBy::Guardian,
            },
            occurred_at: at(3),
            recorded_at: at(4),
            recorded_by: "shop".parse().unwrap(),
            expires_at: None,
        }
    }

    fn kinds() -> Vec<JournalKind> {
        let hashed = HashedIdentifier {
            identifier_type: "email".parse().unwrap(),
            index_key: "k1".into(),
            hash: KeyedHash(vec![0, 0xab, 0xff]),
        };
        let purpose: Purpose = "newsletter".parse().unwrap();
        vec![
            JournalKind::ConsentDenied((&fact(ConsentChoice::Withdrawn)).into()),
            JournalKind::Objected {
                objection_id: id(1),
                purpose: purpose.clone(),
                occurred_at: at(1),
            },
            JournalKind::ObjectionDecided {
                objection_id: id(1),
                rejected_at: at(2),
            },
            JournalKind::Restricted {
                restriction_id: id(1),
                data_categories: vec!["email_address".parse().unwrap()],
                started_at: at(1),
            },
            JournalKind::RestrictionLifted {
                restriction_id: id(1),
                lifted_at: at(2),
            },
            JournalKind::deleted(&[state(1, 2)], at(3)),
            JournalKind::Erased(ErasedSubject {
                erased_at: at(1),
                retained: vec![RetainedItem {
                    item_id: id(1),
                    purposes: vec![purpose.clone()],
                }],
                subject_request_id: Some(id(8)),
                suppressed: vec![hashed.clone()],
                objected: vec![purpose],
            }),
            JournalKind::retained(&[state(1, 2)], Some(id(8))),
            JournalKind::CategoryEnded {
                subject_category: "client".parse().unwrap(),
                ended_at: at(1),
            },
            JournalKind::IdentifiersUnlinked {
                identifiers: vec![hashed],
            },
            JournalKind::SubjectsMerged { merged: id(9) },
        ]
    }

    #[test]
    fn every_kind_reads_as_it_was_written() {
        for what in kinds() {
            let entry = JournalEntry {
                entry_id: id(7),
                at: at(5),
                subject_id: id(1),
                what,
            };
            let text = serde_json::to_string(&entry).unwrap();
            let named = format!("\"kind\":\"{}\"", entry.what.name());
            assert!(text.contains(&named), "{text}");
            assert_eq!(
                serde_json::from_str::<JournalEntry>(&text).unwrap(),
                entry,
                "{text}"
            );
        }
    }

    #[test]
    fn the_texts_of_the_evidence_are_left_out() {
        let denied = JournalKind::denials(&[fact(ConsentChoice::Withdrawn)]);
        let text = serde_json::to_string(&denied).unwrap();
        assert!(!text.contains("-text"), "{text}");
        assert!(
            text.contains("NOT_STATED") && text.contains("\"has_reference\":true"),
            "{text}"
        );
    }

    #[test]
    fn of_consent_facts_only_the_denials_are_kept() {
        let facts = ConsentChoice::ALL.iter().map(|choice| fact(*choice));
        let facts: Vec<_> = facts.collect();
        assert_eq!(JournalKind::denials(&facts).len(), 2);
    }

    #[test]
    fn a_deletion_means_the_item_as_it_was_and_not_one_collected_after_it() {
        let deleted = DeletedItem {
            item_id: id(1),
            collected_at: at(2),
        };
        assert!(deleted.means(&state(1, 2), at(5)));
        assert!(
            deleted.means(&state(1, 5), at(5)),
            "the instant of the deletion itself"
        );
        assert!(!deleted.means(&state(1, 6), at(5)));
        assert!(!deleted.means(&state(2, 2), at(5)));
    }

    #[test]
    fn a_hash_that_is_no_hexadecimal_is_refused() {
        for text in ["\"abc\"", "\"zz\"", "\"é\"", "\"+f\""] {
            assert!(serde_json::from_str::<KeyedHash>(text).is_err(), "{text}");
        }
        let hash = serde_json::from_str::<KeyedHash>("\"00ff\"").unwrap();
        assert_eq!(hash.0, [0, 255]);
    }
}
