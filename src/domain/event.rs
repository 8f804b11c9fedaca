//! Events: what other services hear of. Ids and categories, never personal data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    id::{ConsentId, DisclosureId, ItemId, LegalHoldId, SubjectId, SubjectRequestId, TaskId},
    name::{DataCategory, PolicyVersion, Processor, Purpose, SubjectCategory},
};

/// Days for which an event is kept, unless the configuration says otherwise.
pub const KEEP_DAYS: i64 = 90;
/// How long a reader may take nothing while something waits for it, unless the configuration says otherwise.
pub const READER_PATIENCE: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventKind {
    /// A policy version was published.
    PolicyPublished,
    /// A subject came into being.
    SubjectCreated,
    /// A subject was merged into another.
    SubjectsMerged,
    /// A subject joined a category.
    CategoryAdded,
    /// A subject left a category.
    CategoryEnded,
    /// An identifier was linked.
    IdentifierLinked,
    /// An identifier was unlinked.
    IdentifierUnlinked,
    /// Items were registered.
    ItemsRegistered,
    /// An item was corrected.
    ItemCorrected,
    /// Items were deleted.
    ItemsDeleted,
    /// An activity was seen.
    ActivityRecorded,
    /// Consent was given, refused or asked for.
    ConsentRecorded,
    /// Consent was withdrawn.
    ConsentWithdrawn,
    /// A withdrawal token was issued.
    WithdrawalTokenIssued,
    /// Items went to a processor.
    DisclosureRecorded,
    /// A request of a data subject was received.
    RequestReceived,
    /// A request went a step further, or came to its end.
    RequestChanged,
    /// A person objected to a purpose.
    ObjectionRecorded,
    /// An objection was upheld for good or rejected.
    ObjectionDecided,
    /// Processing was restricted.
    RestrictionApplied,
    /// A restriction was lifted.
    RestrictionLifted,
    /// A person was erased.
    SubjectErased,
    /// A legal hold was placed.
    LegalHoldPlaced,
    /// A legal hold was released.
    LegalHoldReleased,
    /// A task is there to be leased.
    TaskCreated,
    /// A task came to its end, or to the dead letters.
    TaskChanged,
    /// A package of an access or portability request is complete.
    ExportReady,
    /// A consent ran out by itself.
    ConsentExpired,
    /// The time for which items may be used ran out.
    RetentionEnded,
    /// A policy version that was published ahead came into force.
    PolicyInForce,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 30] = [
        Self::PolicyPublished,
        Self::SubjectCreated,
        Self::SubjectsMerged,
        Self::CategoryAdded,
        Self::CategoryEnded,
        Self::IdentifierLinked,
        Self::IdentifierUnlinked,
        Self::ItemsRegistered,
        Self::ItemCorrected,
        Self::ItemsDeleted,
        Self::ActivityRecorded,
        Self::ConsentRecorded,
        Self::ConsentWithdrawn,
        Self::WithdrawalTokenIssued,
        Self::DisclosureRecorded,
        Self::RequestReceived,
        Self::RequestChanged,
        Self::ObjectionRecorded,
        Self::ObjectionDecided,
        Self::RestrictionApplied,
        Self::RestrictionLifted,
        Self::SubjectErased,
        Self::LegalHoldPlaced,
        Self::LegalHoldReleased,
        Self::TaskCreated,
        Self::TaskChanged,
        Self::ExportReady,
        Self::ConsentExpired,
        Self::RetentionEnded,
        Self::PolicyInForce,
    ];

    /// The kind's name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyPublished => "POLICY_PUBLISHED",
            Self::SubjectCreated => "SUBJECT_CREATED",
            Self::SubjectsMerged => "SUBJECTS_MERGED",
            Self::CategoryAdded => "CATEGORY_ADDED",
            Self::CategoryEnded => "CATEGORY_ENDED",
            Self::IdentifierLinked => "IDENTIFIER_LINKED",
            Self::IdentifierUnlinked => "IDENTIFIER_UNLINKED",
            Self::ItemsRegistered => "ITEMS_REGISTERED",
            Self::ItemCorrected => "ITEM_CORRECTED",
            Self::ItemsDeleted => "ITEMS_DELETED",
            Self::ActivityRecorded => "ACTIVITY_RECORDED",
            Self::ConsentRecorded => "CONSENT_RECORDED",
            Self::ConsentWithdrawn => "CONSENT_WITHDRAWN",
            Self::WithdrawalTokenIssued => "WITHDRAWAL_TOKEN_ISSUED",
            Self::DisclosureRecorded => "DISCLOSURE_RECORDED",
            Self::RequestReceived => "REQUEST_RECEIVED",
            Self::RequestChanged => "REQUEST_CHANGED",
            Self::ObjectionRecorded => "OBJECTION_RECORDED",
            Self::ObjectionDecided => "OBJECTION_DECIDED",
            Self::RestrictionApplied => "RESTRICTION_APPLIED",
            Self::RestrictionLifted => "RESTRICTION_LIFTED",
            Self::SubjectErased => "SUBJECT_ERASED",
            Self::LegalHoldPlaced => "LEGAL_HOLD_PLACED",
            Self::LegalHoldReleased => "LEGAL_HOLD_RELEASED",
            Self::TaskCreated => "TASK_CREATED",
            Self::TaskChanged => "TASK_CHANGED",
            Self::ExportReady => "EXPORT_READY",
            Self::ConsentExpired => "CONSENT_EXPIRED",
            Self::RetentionEnded => "RETENTION_ENDED",
            Self::PolicyInForce => "POLICY_IN_FORCE",
        }
    }
}

/// An event, not yet in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub subject_id: Option<SubjectId>,
    /// The subject that was merged away, for a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_subject_id: Option<SubjectId>,
    /// The subject category that was added or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_category: Option<SubjectCategory>,
    /// Concerning which data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<DataCategory>,
    /// Concerning which items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_ids: Vec<ItemId>,
    /// For which purposes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
    /// Concerning which processors: a connector hears of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
    /// The consent facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent_ids: Vec<ConsentId>,
    /// The disclosure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclosure_id: Option<DisclosureId>,
    /// The policy version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<PolicyVersion>,
    /// The request of a data subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_request_id: Option<SubjectRequestId>,
    /// The tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<TaskId>,
    /// The legal hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold_id: Option<LegalHoldId>,
}

impl Event {
    /// An event of which only the kind and the subject are known yet.
    pub fn new(kind: EventKind, subject_id: Option<SubjectId>) -> Self {
        Self {
            kind,
            subject_id,
            merged_subject_id: None,
            subject_category: None,
            data_categories: Vec::new(),
            item_ids: Vec::new(),
            purposes: Vec::new(),
            processors: Vec::new(),
            consent_ids: Vec::new(),
            disclosure_id: None,
            policy_version: None,
            subject_request_id: None,
            task_ids: Vec::new(),
            legal_hold_id: None,
        }
    }
}
