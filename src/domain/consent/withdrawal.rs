//! What a person means by taking all consent back.

use std::collections::BTreeSet;

use super::{ConsentFact, form::needs_consent};
use crate::domain::{name::Purpose, policy::history::PolicyHistory};

/// Every purpose that "I take all my consent back" reaches, by name: those that any fact of the person
/// names, whatever was said; and those that any published version asks consent for or that are direct
/// marketing, so that a yes that is recorded late does not outlive the withdrawal.
///
/// A legitimate interest that the person was never asked about is not among them: against that stands
/// an objection (Art. 21), which is weighed; a withdrawal is not.
pub fn everything(policies: &PolicyHistory, facts: &[ConsentFact]) -> BTreeSet<Purpose> {
    let versions = || policies.versions().iter().map(|version| version.policy());
    let activities = versions().flat_map(|policy| &policy.activities);
    let asked = activities
        .filter(|activity| needs_consent(activity))
        .map(|activity| &activity.purpose);
    let marketing = versions()
        .flat_map(|policy| &policy.purposes)
        .filter(|(_, entry)| entry.direct_marketing)
        .map(|(purpose, _)| purpose);
    let spoken = facts.iter().map(|fact| &fact.purpose);
    asked.chain(marketing).chain(spoken).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        consent::{ConsentChoice, EvidenceMethod},
        id::ConsentId,
        policy::{compile::CompiledPolicy, example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    };

    fn example() -> PolicyHistory {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).unwrap();
        PolicyHistory::new(vec![Arc::new(CompiledPolicy::compile(policy).unwrap())])
    }

    fn names(purposes: &BTreeSet<Purpose>) -> Vec<&str> {
        purposes.iter().map(Purpose::as_str).collect()
    }

    #[test]
    fn everything_is_what_consent_is_asked_for_and_direct_marketing() {
        assert_eq!(
            names(&everything(&example(), &[])),
            [
                "educational_materials",
                "interface_research",
                "newsletter",
                "website_personalisation"
            ]
        );
    }

    #[test]
    fn a_purpose_that_was_ever_spoken_of_is_part_of_everything() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let fact = ConsentFact {
            consent_id: ConsentId(uuid::Uuid::from_u128(1)),
            purpose: "fraud_screening".parse().unwrap(),
            processors: Vec::new(),
            choice: ConsentChoice::Given,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: "2018-05-24".parse().unwrap(),
            occurred_at: at,
            recorded_at: at,
            expires_at: None,
        };
        let everything = everything(&example(), &[fact]);
        assert!(names(&everything).contains(&"fraud_screening"));
    }
}
