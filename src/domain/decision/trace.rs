//! How an answer came about: every rule considered, in names, ids and words, never in content.

use serde::{Deserialize, Serialize};

use super::reason::DecisionReason as Reason;
use crate::domain::{
    id::ItemId,
    name::{ActivityId, SubjectCategory},
};

/// One rule, considered for one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// The activity, once activities are considered.
    pub activity: Option<ActivityId>,
    /// The subject category, once activities are considered.
    pub subject_category: Option<SubjectCategory>,
    /// The item, once items are considered.
    pub item_id: Option<ItemId>,
    /// The reason that the rule gives.
    pub rule: Reason,
    /// Whether the rule applies, and so ends this candidate; otherwise the next one is considered.
    pub applies: bool,
}

impl TraceStep {
    /// What was seen, in words: `as visitor: consent is needed and was not given`.
    pub fn detail(&self) -> String {
        let seen = seen(self.rule, self.applies);
        match &self.subject_category {
            Some(category) => format!("as {category}: {seen}"),
            None => seen.to_owned(),
        }
    }
}

fn seen(rule: Reason, applies: bool) -> &'static str {
    let (when_it_applies, otherwise) = match rule {
        Reason::SubjectUnknown => ("there is no such subject", "the subject is known"),
        Reason::SubjectErased => ("the subject was erased", "the subject was not erased"),
        Reason::PurposeUnknown => (
            "the policy in force has no such purpose",
            "the policy in force has the purpose",
        ),
        Reason::DataCategoryUnknown => (
            "the policy in force has no such data category",
            "the policy in force has the data category",
        ),
        Reason::ProcessorUnknown => (
            "the policy in force has no such processor",
            "the policy in force has the processor, or none was named",
        ),
        Reason::NoActivity => (
            "the subject is not in this category now, or the activity has no lawful basis",
            "the activity has a lawful basis and covers the subject now",
        ),
        Reason::ProcessorNotNamed => (
            "no sharing statement names the processor",
            "a sharing statement names the processor, or none was named",
        ),
        Reason::ProcessingRestricted => (
            "a restriction covers the data category",
            "no restriction stands in the way",
        ),
        Reason::NotCollected => (
            "no live item was collected in this category",
            "an item was collected in this category",
        ),
        Reason::PurposeExcluded => (
            "the item was collected for other purposes only",
            "the item may be used for the purpose",
        ),
        Reason::RetentionExpired => (
            "the item's retention has run out",
            "the item's retention has not run out",
        ),
        Reason::Objected => ("an objection stands", "no objection stands"),
        Reason::ConsentRefused => (
            "the latest answer is a refusal",
            "no refusal stands that counts here",
        ),
        Reason::ConsentWithdrawn => (
            "the latest answer is a withdrawal",
            "no withdrawal stands that counts here",
        ),
        Reason::ConsentMissing => (
            "consent is needed and was not given",
            "consent was given, or is not needed",
        ),
        Reason::ConsentExpired => (
            "the consent has run out",
            "the consent has not run out, or is not needed",
        ),
        Reason::ConsentEvidenceInsufficient => (
            "the consent was no affirmative act that the purpose accepts",
            "the consent is proven, or is not needed",
        ),
        Reason::ConsentOutdated => (
            "the policy changed this use since the version consented to",
            "the consent speaks of this use, or is not needed",
        ),
        Reason::Lawful => ("nothing stands against it", "something stands against it"),
    };
    if applies { when_it_applies } else { otherwise }
}
