//! Consent: append-only facts with a time of their own (Art. 7), never overwritten.
//!
//! `fold` says which of a person's answers stands, `merge` what two histories owe each other when
//! they turn out to be one person's, `statement` is what a caller reports.

pub mod fold;
pub mod form;
pub mod merge;
pub mod receipt;
pub mod statement;
pub mod withdrawal;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    id::{ConsentId, SubjectId},
    name::{PolicyVersion, Processor, Purpose, Source},
};

macro_rules! words {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$meta:meta])* $variant:ident = $text:literal,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {$(
            $(#[$meta])*
            $variant,
        )*}

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value's name in storage.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value of this name.
            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    )*};
}

words! {
    /// What the person said.
    ConsentChoice {
        /// Yes.
        Given = "GIVEN",
        /// No.
        Refused = "REFUSED",
        /// No longer.
        Withdrawn = "WITHDRAWN",
        /// Asked, not answered (a double opt-in that waits for its click). Counts as missing.
        Pending = "PENDING",
    }

    /// How the person said it.
    EvidenceMethod {
        /// An empty box that the person ticked.
        Checkbox = "CHECKBOX",
        /// A form that the person filled in.
        Form = "FORM",
        /// A link in a message that the person followed.
        DoubleOptIn = "DOUBLE_OPT_IN",
        /// A signature.
        Signature = "SIGNATURE",
        /// Spoken, before a witness or on record.
        Oral = "ORAL",
        /// Continued use: never consent (EDPB 05/2020, CJEU C-673/17).
        ImpliedByUse = "IMPLIED_BY_USE",
        /// A box that was ticked beforehand: never consent (CJEU C-673/17).
        PreTicked = "PRE_TICKED",
        /// Taken over from another system; counts only with a reference to the original evidence.
        Imported = "IMPORTED",
        /// Not said. Only a withdrawal may leave it out: taking consent back must be as easy as
        /// giving it (Art. 7(3)), so it asks for no proof. A policy cannot name it.
        #[serde(skip)]
        NotStated = "NOT_STATED",
    }

    /// On whose behalf consent was spoken.
    GivenBy {
        /// The person.
        Subject = "SUBJECT",
        /// A holder of parental responsibility (Art. 8).
        Guardian = "GUARDIAN",
        /// An agent.
        Agent = "AGENT",
    }
}

impl ConsentChoice {
    /// Whether the person said no: a refusal or a withdrawal.
    pub fn is_denial(self) -> bool {
        matches!(self, Self::Refused | Self::Withdrawn)
    }
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

/// One consent fact as it is kept: with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// The person.
    pub subject_id: SubjectId,
    /// Its id.
    pub consent_id: ConsentId,
    /// The purpose spoken of.
    pub purpose: Purpose,
    /// The processors it is limited to; empty: the controller and every processor.
    pub processors: Vec<Processor>,
    /// What was said.
    pub choice: ConsentChoice,
    /// The proof.
    pub evidence: Evidence,
    /// When it was said.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The service that recorded it.
    pub recorded_by: Source,
    /// When it ends by itself, if the person or the form said so.
    pub expires_at: Option<Timestamp>,
}

impl ConsentRecord {
    /// What the decision sees of it.
    pub fn fact(&self) -> ConsentFact {
        ConsentFact {
            consent_id: self.consent_id,
            purpose: self.purpose.clone(),
            processors: self.processors.clone(),
            choice: self.choice,
            method: self.evidence.method,
            has_reference: !self.evidence.reference.is_empty(),
            policy_version: self.evidence.policy_version.clone(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            expires_at: self.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_name_in_storage() {
        for choice in ConsentChoice::ALL {
            assert_eq!(ConsentChoice::named(choice.as_str()), Some(*choice));
        }
        for method in EvidenceMethod::ALL {
            assert_eq!(EvidenceMethod::named(method.as_str()), Some(*method));
        }
        for given_by in GivenBy::ALL {
            assert_eq!(GivenBy::named(given_by.as_str()), Some(*given_by));
        }
        assert_eq!(EvidenceMethod::named("checkbox"), None);
    }

    #[test]
    fn a_policy_cannot_accept_consent_that_nobody_saw_given() {
        let read = |text: &str| serde_json::from_value::<EvidenceMethod>(text.into());
        assert!(read("CHECKBOX").is_ok());
        assert!(read("NOT_STATED").is_err());
    }

    #[test]
    fn evidence_does_not_print_its_texts() {
        let evidence = Evidence {
            method: EvidenceMethod::Oral,
            policy_version: "1".parse().unwrap(),
            wording: "wording-text".into(),
            locale: "en".into(),
            reference: "reference-text".into(),
            collected_by: "collector-text".into(),
            given_by: GivenBy::Subject,
        };
        let printed = format!("{evidence:?}");
        assert!(
            printed.contains("Oral") && !printed.contains("-text"),
            "{printed}"
        );
    }
}
