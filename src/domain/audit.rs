//! The audit log: who did what to whose data. Subjects appear as keyed pseudonyms only, so that the
//! log outlives an erasure (Art. 5(2), Art. 17).

pub mod access;

use serde::{Deserialize, Serialize};

use super::{
    caller::Scope,
    id::{
        ConsentId, DecisionId, DisclosureId, ExportId, ItemId, LegalHoldId, SubjectId,
        SubjectRequestId, TaskId,
    },
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
    "RequestService" {
        CreateRequest => Requests,
        VerifyIdentity => Requests,
        DoubtIdentity => Requests,
        GetRequest => Requests,
        ListRequests => Requests,
        ExtendRequest => Requests,
        RejectRequest => Requests,
        CancelRequest => Requests,
        AnswerRequest => Requests,
        DecideObjection => Requests,
        LiftRestriction => Requests,
        PreviewErasure => Requests,
        GetErasureCertificate => Requests,
        DownloadExport => Requests,
    }
    "TaskService" {
        LeaseTasks => Tasks,
        RenewLease => Tasks,
        CompleteTask => Tasks,
        FailTask => Tasks,
        ParkTask => Tasks,
        RetryTask => Tasks,
        ResolveTask => Tasks,
        GetTask => Tasks,
        ListTasks => Tasks,
    }
    "HoldService" {
        PlaceLegalHold => Holds,
        ReleaseLegalHold => Holds,
        ListLegalHolds => Holds,
    }
    "RetentionService" {
        PreviewPurge => Retention,
    }
    "EventService" {
        WatchEvents => Events,
    }
    "AuditService" {
        ListAuditEntries => Audit,
        GetDecision => Audit,
        GetCheckpoint => Audit,
        GetInclusionProof => Audit,
        GetConsistencyProof => Audit,
        ExportAuditLog => Audit,
    }
}

/// The name under which the registry itself stands in the log, where a caller's would.
pub const REGISTRY: &str = "registry";

/// Something that the registry does of its own accord: no RPC asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    /// A request of a data subject goes a step further.
    AdvanceRequest,
    /// An erasure that waited for a hold or a law waits no longer.
    CompleteErasure,
    /// Items go because their time has run out.
    PurgeItems,
    /// A package is written.
    BuildExport,
    /// A package whose time has run out is destroyed.
    ExpireExport,
    /// A task that nobody settled is given up.
    GiveUpTask,
    /// What the journal has and a restored database has not is applied again.
    Restore,
}

impl Chore {
    /// Every chore.
    pub const ALL: &[Self] = &[
        Self::AdvanceRequest,
        Self::CompleteErasure,
        Self::PurgeItems,
        Self::BuildExport,
        Self::ExpireExport,
        Self::GiveUpTask,
        Self::Restore,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdvanceRequest => "AdvanceRequest",
            Self::CompleteErasure => "CompleteErasure",
            Self::PurgeItems => "PurgeItems",
            Self::BuildExport => "BuildExport",
            Self::ExpireExport => "ExpireExport",
            Self::GiveUpTask => "GiveUpTask",
            Self::Restore => "Restore",
        }
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
    /// Which request of a data subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_request_id: Option<SubjectRequestId>,
    /// Which tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<TaskId>,
    /// Which legal hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold_id: Option<LegalHoldId>,
    /// Which package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_id: Option<ExportId>,
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
