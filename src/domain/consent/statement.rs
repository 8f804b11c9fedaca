//! What a caller reports that a person said, before it is dated and kept.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{ConsentChoice, ConsentFact, Evidence, EvidenceMethod, GivenBy};
use crate::domain::name::{PolicyVersion, Processor, Purpose, Source};

/// When a denial takes effect that is said to have happened at `said`, recorded at `now`.
///
/// At `said`, as a rule. But clocks differ by up to `skew`, and a denial can wait behind a grant
/// that was recorded a moment later: then a fact is known that is dated ahead of `now`, and which
/// of the two came last cannot be told from their times. The denial takes its place beside that
/// fact, where it wins the tie: once it is recorded, nothing known by then outlives it.
pub fn denied_at(
    said: Timestamp,
    purpose: &Purpose,
    known: &[ConsentFact],
    now: Timestamp,
    skew: SignedDuration,
) -> Timestamp {
    let spoken = known.iter().filter(|fact| fact.purpose == *purpose);
    let ahead = spoken.map(|fact| fact.occurred_at).filter(|at| *at > now);
    match ahead.max() {
        Some(ahead) if said >= now - skew => said.max(ahead),
        _ => said,
    }
}

/// One answer to one question, about one purpose or several. Each becomes a fact of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentStatement {
    /// The purposes spoken of.
    pub purposes: Vec<Purpose>,
    /// The processors it is limited to; empty: the controller and every processor.
    pub processors: Vec<Processor>,
    /// What was said.
    pub choice: ConsentChoice,
    /// The proof.
    pub evidence: StatedEvidence,
    /// When it was said; `None`: now.
    pub occurred_at: Option<Timestamp>,
    /// When it ends by itself, if the person or the form said so.
    pub expires_at: Option<Timestamp>,
}

/// The proof as a caller gives it. Its texts may hold personal data: it does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct StatedEvidence {
    /// How it was said.
    pub method: EvidenceMethod,
    /// The policy version that was shown; `None`: the one in force when it was said.
    pub policy_version: Option<PolicyVersion>,
    /// The wording shown, or its hash.
    pub wording: String,
    /// The language of the wording (BCP 47).
    pub locale: String,
    /// Where the original proof lies.
    pub reference: String,
    /// The service or person that took it; empty: the service that reports it.
    pub collected_by: String,
    /// On whose behalf.
    pub given_by: GivenBy,
}

impl StatedEvidence {
    /// Evidence of which only the method is known.
    pub fn by(method: EvidenceMethod) -> Self {
        Self {
            method,
            policy_version: None,
            wording: String::new(),
            locale: String::new(),
            reference: String::new(),
            collected_by: String::new(),
            given_by: GivenBy::Subject,
        }
    }

    /// The proof as it is kept: with the version that was shown, and who took it.
    pub fn resolved(&self, shown: &PolicyVersion, reported_by: &Source) -> Evidence {
        let collected_by = match self.collected_by.as_str() {
            "" => reported_by.as_str(),
            collected_by => collected_by,
        };
        Evidence {
            method: self.method,
            policy_version: shown.clone(),
            wording: self.wording.clone(),
            locale: self.locale.clone(),
            reference: self.reference.clone(),
            collected_by: collected_by.to_owned(),
            given_by: self.given_by,
        }
    }
}

impl fmt::Debug for StatedEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatedEvidence")
            .field("method", &self.method)
            .field("policy_version", &self.policy_version)
            .field("given_by", &self.given_by)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ConsentId;

    const SKEW: SignedDuration = SignedDuration::from_mins(5);

    fn at(clock: &str) -> Timestamp {
        format!("2026-01-01T{clock}Z").parse().unwrap()
    }

    fn grant(purpose: &str, occurred_at: &str) -> ConsentFact {
        ConsentFact {
            consent_id: ConsentId(uuid::Uuid::from_u128(1)),
            purpose: purpose.parse().unwrap(),
            processors: Vec::new(),
            choice: ConsentChoice::Given,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: "1".parse().unwrap(),
            occurred_at: at(occurred_at),
            recorded_at: at("10:00:00"),
            expires_at: None,
        }
    }

    fn denied(said: &str, known: &[ConsentFact]) -> Timestamp {
        let purpose = "newsletter".parse().unwrap();
        denied_at(at(said), &purpose, known, at("10:00:00"), SKEW)
    }

    #[test]
    fn a_denial_has_the_time_at_which_it_was_said() {
        let known = [grant("newsletter", "09:59:00")];
        assert_eq!(denied("10:00:00", &known), at("10:00:00"));
        assert_eq!(denied("08:00:00", &known), at("08:00:00"));
        assert_eq!(denied("10:00:00", &[]), at("10:00:00"));
    }

    #[test]
    fn a_denial_of_now_outlives_a_grant_dated_ahead_of_now() {
        let known = [grant("newsletter", "10:04:00")];
        assert_eq!(denied("10:00:00", &known), at("10:04:00"));
        assert_eq!(denied("09:55:00", &known), at("10:04:00"));
        assert_eq!(denied("10:04:30", &known), at("10:04:30"));
    }

    #[test]
    fn a_denial_of_long_ago_leaves_a_later_grant_alone() {
        let known = [grant("newsletter", "10:04:00")];
        assert_eq!(denied("09:54:59", &known), at("09:54:59"));
    }

    #[test]
    fn a_grant_of_another_purpose_moves_no_denial() {
        let known = [grant("research", "10:04:00")];
        assert_eq!(denied("10:00:00", &known), at("10:00:00"));
    }

    #[test]
    fn who_reports_consent_took_it_unless_somebody_else_is_named() {
        let mut evidence = StatedEvidence::by(EvidenceMethod::Form);
        let resolve = |evidence: &StatedEvidence| {
            evidence.resolved(&"1".parse().unwrap(), &"shop".parse().unwrap())
        };
        assert_eq!(resolve(&evidence).collected_by, "shop");
        evidence.collected_by = "booth 4".into();
        assert_eq!(resolve(&evidence).collected_by, "booth 4");
    }
}
