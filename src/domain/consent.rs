//! Consent: append-only facts with a time of their own (Art. 7), never overwritten.
//!
//! `fold` says which of a person's answers stands, `merge` what two histories owe each other when
//! they turn out to be one person's.

pub mod fold;
pub mod merge;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    id::ConsentId,
    name::{PolicyVersion, Processor, Purpose},
};

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsentChoice {
    /// Yes.
    Given,
    /// No.
    Refused,
    /// No longer.
    Withdrawn,
    /// Asked, not answered (a double opt-in that waits for its click). Counts as missing.
    Pending,
}

impl ConsentChoice {
    /// Whether the person said no: a refusal or a withdrawal.
    pub fn is_denial(self) -> bool {
        matches!(self, Self::Refused | Self::Withdrawn)
    }
}

/// How the person said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvidenceMethod {
    /// An empty box that the person ticked.
    Checkbox,
    /// A form that the person filled in.
    Form,
    /// A link in a message that the person followed.
    DoubleOptIn,
    /// A signature.
    Signature,
    /// Spoken, before a witness or on record.
    Oral,
    /// Continued use: never consent (EDPB 05/2020, CJEU C-673/17).
    ImpliedByUse,
    /// A box that was ticked beforehand: never consent (CJEU C-673/17).
    PreTicked,
    /// Taken over from another system; counts only with a reference to the original evidence.
    Imported,
}

/// On whose behalf consent was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GivenBy {
    /// The person.
    Subject,
    /// A holder of parental responsibility (Art. 8).
    Guardian,
    /// An agent.
    Agent,
}

/// The proof that goes with a consent fact (Art. 7(1); CNIL 2020-092).
/// Its texts come from callers and may hold personal data: it does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How it was said.
    pub method: EvidenceMethod,
    /// The policy version that was shown.
    pub policy_version: PolicyVersion,
    /// The wording shown, or its hash.
    pub wording: String,
    /// The language of the wording (BCP 47).
    pub locale: String,
    /// Where the original proof lies.
    pub reference: String,
    /// The service or person that took it.
    pub collected_by: String,
    /// On whose behalf.
    pub given_by: GivenBy,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("method", &self.method)
            .field("policy_version", &self.policy_version)
            .field("given_by", &self.given_by)
            .finish_non_exhaustive()
    }
}

/// One consent fact as the decision sees it: one purpose, no texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentFact {
    /// Its id.
    pub consent_id: ConsentId,
    /// The purpose spoken of (one fact per purpose: consent is specific, Art. 4(11)).
    pub purpose: Purpose,
    /// The processors it is limited to; empty: the controller and every processor.
    pub processors: Vec<Processor>,
    /// What was said.
    pub choice: ConsentChoice,
    /// How it was said.
    pub method: EvidenceMethod,
    /// Whether the evidence names where the original proof lies.
    pub has_reference: bool,
    /// The policy version that was shown.
    pub policy_version: PolicyVersion,
    /// When it was said.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it ends by itself, if the person or the form said so.
    pub expires_at: Option<Timestamp>,
}
