//! The audit log: who did what to whose data. Subjects appear as keyed pseudonyms only, so that the
//! log outlives an erasure (Art. 5(2), Art. 17).

use serde::{Deserialize, Serialize};

use super::{
    caller::Scope,
    id::{ConsentId, DecisionId, DisclosureId, ItemId, SubjectId},
    name::{DataCategory, PolicyVersion, Processor, Purpose},
};

macro_rules! actions {
    ($($service:literal { $($action:ident => $scope:ident,)* })*) => {
        /// One RPC that a caller may ask for, and the only way into the use cases.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(
                #[doc = concat!("`", $service, ".", stringify!($action), "`")]
                $action,
            )*)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$($(Self::$action,)*)*];

            /// The RPC's name.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$action => stringify!($action),)*)*
                }
            }

            /// The service that the RPC belongs to.
            pub fn service(self) -> &'static str {
                match self {
                    $($(Self::$action => $service,)*)*
                }
            }

            /// The scope that permits it. This is the one table of scopes.
            pub fn scope(self) -> Scope {
                match self {
                    $($(Self::$action => Scope::$scope,)*)*
                }
            }
        }
    };
}

actions! {
    "PolicyService" {
        PublishPolicy => PolicyWrite,
        GetPolicy => PolicyRead,
        ListPolicies => PolicyRead,
        GetConsentForm => PolicyRead,
        GetProcessingRecord => PolicyRead,
    }
    "CollectionService" {
        RegisterCollection => Collect,
        ImportCollections => Collect,
        RecordActivity => Collect,
    }
    "PurposeService" {
        CheckPurpose => Check,
        BatchCheckPurpose => Check,
        StreamCheckPurpose => Check,
        ListLawfulPurposes => Check,
        ListLawfulSubjects => Check,
    }
    "ConsentService" {
        RecordConsent => Consent,
        WithdrawConsent => Consent,
        ListConsents => Consent,
        GetConsentReceipt => Consent,
        IssueWithdrawalToken => Consent,
    }
    "RecordService" {
        FetchRecords => RecordsRead,
        CorrectRecord => RecordsWrite,
        DeleteRecords => RecordsWrite,
    }
    "SubjectService" {
        GetSubject => Subjects,
        LinkIdentifier => Subjects,
        UnlinkIdentifier => Subjects,
        MergeSubjects => Subjects,
        AddSubjectCategory => Subjects,
        EndSubjectCategory => Subjects,
    }
    "DisclosureService" {
        RecordDisclosure => Disclose,
        BatchRecordDisclosure => Disclose,
        ListDisclosures => Disclose,
    }
    "EventService" {
        WatchEvents => Events,
    }
    "AuditService" {
        ListAuditEntries => Audit,
        GetDecision => Audit,
    }
}

/// What an entry says beside who, what and when. Ids and names of the policy only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDetail {
    /// Whose data; stored as a keyed pseudonym, never in the detail.
    #[serde(skip)]
    pub subject_id: Option<SubjectId>,
    /// Which data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<DataCategory>,
    /// What for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
    /// For whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
    /// Which items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_ids: Vec<ItemId>,
    /// Which consent facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent_ids: Vec<ConsentId>,
    /// Which disclosure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclosure_id: Option<DisclosureId>,
    /// Which decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// Under which policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<PolicyVersion>,
    /// The committed state that a change led to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// How it ended, when that is not said by its being there: a decision's reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
}

impl AuditDetail {
    /// A detail of which only the subject is known yet.
    pub fn of(subject_id: SubjectId) -> Self {
        Self {
            subject_id: Some(subject_id),
            ..Self::default()
        }
    }
}
