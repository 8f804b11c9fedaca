//! The reasons, in the order of the table: the first that applies decides, and of several
//! answers the one furthest down is the best.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// The use is lawful.
    Allow,
    /// It is not.
    Deny,
}

/// Why. The order of the variants is the order of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionReason {
    /// No such subject.
    SubjectUnknown,
    /// Erased (Art. 17).
    SubjectErased,
    /// The purpose is not in the policy in force, or no policy is.
    PurposeUnknown,
    /// The data category is not in the policy in force.
    DataCategoryUnknown,
    /// The processor is not in the policy in force.
    ProcessorUnknown,
    /// No activity with a lawful basis covers it for what the person is to the controller now.
    NoActivity,
    /// One does, but no sharing statement names the processor.
    ProcessorNotNamed,
    /// The person had the processing restricted (Art. 18).
    ProcessingRestricted,
    /// There is no live item.
    NotCollected,
    /// Each item was collected for other purposes only.
    PurposeExcluded,
    /// The retention has run out.
    RetentionExpired,
    /// The person objected (Art. 21).
    Objected,
    /// The person said no.
    ConsentRefused,
    /// The person took their consent back (Art. 7(3)).
    ConsentWithdrawn,
    /// The person has not said yes.
    ConsentMissing,
    /// Their yes has run out.
    ConsentExpired,
    /// Their yes was no affirmative act, or is not proven (Art. 4(11), 7(1)).
    ConsentEvidenceInsufficient,
    /// They said yes to something else than what the policy now says.
    ConsentOutdated,
    /// Nothing stands against it.
    Lawful,
}

impl DecisionReason {
    /// Every reason, in the order of the table.
    pub const ALL: [Self; 19] = [
        Self::SubjectUnknown,
        Self::SubjectErased,
        Self::PurposeUnknown,
        Self::DataCategoryUnknown,
        Self::ProcessorUnknown,
        Self::NoActivity,
        Self::ProcessorNotNamed,
        Self::ProcessingRestricted,
        Self::NotCollected,
        Self::PurposeExcluded,
        Self::RetentionExpired,
        Self::Objected,
        Self::ConsentRefused,
        Self::ConsentWithdrawn,
        Self::ConsentMissing,
        Self::ConsentExpired,
        Self::ConsentEvidenceInsufficient,
        Self::ConsentOutdated,
        Self::Lawful,
    ];

    /// The published name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SubjectUnknown => "SUBJECT_UNKNOWN",
            Self::SubjectErased => "SUBJECT_ERASED",
            Self::PurposeUnknown => "PURPOSE_UNKNOWN",
            Self::DataCategoryUnknown => "DATA_CATEGORY_UNKNOWN",
            Self::ProcessorUnknown => "PROCESSOR_UNKNOWN",
            Self::NoActivity => "NO_ACTIVITY",
            Self::ProcessorNotNamed => "PROCESSOR_NOT_NAMED",
            Self::ProcessingRestricted => "PROCESSING_RESTRICTED",
            Self::NotCollected => "NOT_COLLECTED",
            Self::PurposeExcluded => "PURPOSE_EXCLUDED",
            Self::RetentionExpired => "RETENTION_EXPIRED",
            Self::Objected => "OBJECTED",
            Self::ConsentRefused => "CONSENT_REFUSED",
            Self::ConsentWithdrawn => "CONSENT_WITHDRAWN",
            Self::ConsentMissing => "CONSENT_MISSING",
            Self::ConsentExpired => "CONSENT_EXPIRED",
            Self::ConsentEvidenceInsufficient => "CONSENT_EVIDENCE_INSUFFICIENT",
            Self::ConsentOutdated => "CONSENT_OUTDATED",
            Self::Lawful => "LAWFUL",
        }
    }

    /// The effect that the reason explains: only [`Self::Lawful`] allows.
    pub fn effect(self) -> Effect {
        match self {
            Self::Lawful => Effect::Allow,
            _ => Effect::Deny,
        }
    }

    /// Whether the reason is about what the person said, so that a consent fact decided.
    pub(super) fn rests_on_a_fact(self) -> bool {
        matches!(
            self,
            Self::ConsentRefused
                | Self::ConsentWithdrawn
                | Self::ConsentExpired
                | Self::ConsentEvidenceInsufficient
                | Self::ConsentOutdated
        )
    }
}

impl fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
