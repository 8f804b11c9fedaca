//! The receipt: what a person may take away as proof of one consent fact, after the fields of ISO/IEC
//! TS 27560 and the Kantara consent receipt.

mod document;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use document::{RECEIPT_TYPE, document};

use super::{ConsentRecord, form::needs_consent};
use crate::domain::{
    name::{DataCategory, PolicyVersion, Processor, Purpose},
    policy::{compile::CompiledPolicy, model::RecipientRole},
};

/// Proof of one consent fact.
#[derive(Clone, Debug)]
pub struct ConsentReceipt {
    /// The fact with its evidence.
    pub consent: ConsentRecord,
    /// Name of the controller.
    pub controller_name: String,
    /// Where people write to the controller.
    pub controller_contact: String,
    /// Version of the policy consented to.
    pub policy_version: PolicyVersion,
    /// The purpose, for people, as that version has it.
    pub purpose_title: String,
    /// Whether it is direct marketing (Art. 21(2)).
    pub direct_marketing: bool,
    /// The data that that version processes for the purpose on consent.
    pub data_categories: Vec<DataCategory>,
    /// The recipients that that version names for the purpose and the consent reaches.
    pub recipients: Vec<Recipient>,
    /// Where consent is withdrawn and the other rights are exercised.
    pub rights_channel: String,
    /// When the receipt was made.
    pub issued_at: Timestamp,
}

/// A recipient as it is shown to a person who is asked for consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its name in the policy.
    pub processor: Processor,
    /// For people.
    pub title: String,
    /// Its part.
    pub role: RecipientRole,
    /// Where it processes; empty: not known.
    pub country: String,
}

impl Recipient {
    /// The recipient as the policy has it.
    pub fn of(policy: &CompiledPolicy, processor: &Processor) -> Option<Self> {
        let entry = policy.processor(processor)?;
        Some(Self {
            processor: processor.clone(),
            title: entry.title.clone(),
            role: entry.role,
            country: entry.country.clone().unwrap_or_default(),
        })
    }
}

impl ConsentReceipt {
    /// The receipt of a fact. `policy` is the version that was shown.
    pub fn of(consent: ConsentRecord, policy: &CompiledPolicy, issued_at: Timestamp) -> Self {
        let controller = &policy.policy().controller;
        let entry = policy.purpose(&consent.purpose);
        Self {
            controller_name: controller.name.clone(),
            controller_contact: controller.contact.clone(),
            policy_version: policy.version().clone(),
            // Only a withdrawal can name a purpose that the version shown does not have.
            purpose_title: entry
                .map_or(consent.purpose.as_str(), |entry| &entry.title)
                .to_owned(),
            direct_marketing: entry.is_some_and(|entry| entry.direct_marketing),
            data_categories: data_categories(policy, &consent.purpose),
            recipients: recipients(policy, &consent),
            rights_channel: policy.policy().rights.channel.clone(),
            issued_at,
            consent,
        }
    }
}

fn data_categories(policy: &CompiledPolicy, purpose: &Purpose) -> Vec<DataCategory> {
    let activities = policy.policy().activities.iter();
    let on_consent = activities.filter(|it| it.purpose == *purpose && needs_consent(it));
    let data: BTreeSet<_> = on_consent.flat_map(|activity| &activity.data).collect();
    data.into_iter().cloned().collect()
}

fn recipients(policy: &CompiledPolicy, consent: &ConsentRecord) -> Vec<Recipient> {
    let sharing = policy.policy().sharing.iter();
    let named: BTreeSet<_> = sharing
        .filter(|sharing| sharing.purpose == consent.purpose)
        .map(|sharing| &sharing.processor)
        .filter(|name| consent.processors.is_empty() || consent.processors.contains(name))
        .collect();
    named
        .into_iter()
        .filter_map(|name| Recipient::of(policy, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        consent::{ConsentChoice, Evidence, EvidenceMethod, GivenBy},
        id::{ConsentId, SubjectId},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    };

    fn receipt(purpose: &str, processors: &[&str]) -> ConsentReceipt {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).unwrap();
        let policy = CompiledPolicy::compile(policy).unwrap();
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let consent = ConsentRecord {
            subject_id: SubjectId(uuid::Uuid::from_u128(1)),
            consent_id: ConsentId(uuid::Uuid::from_u128(2)),
            purpose: purpose.parse().unwrap(),
            processors: processors
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            choice: ConsentChoice::Given,
            evidence: Evidence {
                method: EvidenceMethod::Checkbox,
                policy_version: policy.version().clone(),
                wording: String::new(),
                locale: String::new(),
                reference: String::new(),
                collected_by: "web".into(),
                given_by: GivenBy::Subject,
            },
            occurred_at: at,
            recorded_at: at,
            recorded_by: "web".parse().unwrap(),
            expires_at: None,
        };
        ConsentReceipt::of(consent, &policy, at)
    }

    fn recipients(receipt: &ConsentReceipt) -> Vec<&str> {
        let recipients = receipt.recipients.iter();
        recipients.map(|one| one.processor.as_str()).collect()
    }

    #[test]
    fn a_receipt_says_what_was_consented_to_as_that_version_has_it() {
        let receipt = receipt("newsletter", &[]);
        assert_eq!(receipt.controller_name, "AliDropship");
        assert_eq!(receipt.policy_version.as_str(), "2018-05-24");
        assert!(receipt.direct_marketing);
        let data: Vec<_> = receipt
            .data_categories
            .iter()
            .map(DataCategory::as_str)
            .collect();
        assert_eq!(data, ["email_address"]);
        assert_eq!(recipients(&receipt), ["aweber"]);
    }

    #[test]
    fn a_receipt_names_no_recipient_that_the_consent_does_not_reach() {
        assert!(recipients(&receipt("newsletter", &["stripe"])).is_empty());
        assert_eq!(recipients(&receipt("newsletter", &["aweber"])), ["aweber"]);
    }

    #[test]
    fn a_receipt_for_a_purpose_without_consent_lists_no_data_as_consented_to() {
        assert!(receipt("order_processing", &[]).data_categories.is_empty());
    }

    #[test]
    fn the_document_has_the_fields_of_ts_27560_and_the_terms_of_dpv() {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).unwrap();
        let policy = CompiledPolicy::compile(policy).unwrap();
        let mut receipt = receipt("newsletter", &[]);
        let end = "2026-01-02T00:00:00Z".parse().unwrap();
        receipt.consent.expires_at = Some(end);
        receipt.consent.evidence.wording = "Send me letters".into();
        let document: serde_json::Value =
            serde_json::from_str(&document(&receipt, &policy)).unwrap();
        let id = "00000000-0000-0000-0000-000000000002";
        assert_eq!(document["record"]["record_id"], id);
        let of = |path: &str| {
            document
                .pointer(path)
                .unwrap_or_else(|| panic!("{path}"))
                .clone()
        };
        assert_eq!(
            of("/record/pii_principal_id"),
            "00000000-0000-0000-0000-000000000001"
        );
        assert_eq!(of("/pii_processing/privacy_notice/version"), "2018-05-24");
        assert_eq!(
            of("/pii_processing/privacy_notice/wording"),
            "Send me letters"
        );
        let purpose = of("/pii_processing/purposes/0");
        assert_eq!(purpose["purpose_id"], "newsletter");
        assert_eq!(purpose["purpose_type"], "dpv:DirectMarketing");
        assert_eq!(purpose["lawful_basis"][0], "dpv:Consent");
        assert_eq!(purpose["pii_information"][0]["pii_type"], "email_address");
        assert_eq!(
            purpose["recipient_third_parties"],
            serde_json::json!(["aweber"])
        );
        assert_eq!(
            of("/party_identification/0/party_role"),
            "dpv:DataController"
        );
        assert_eq!(of("/party_identification/1/party_id"), "aweber");
        assert_eq!(of("/event/0/event_state"), "dpv:ConsentGiven");
        assert_eq!(of("/event/0/event_type"), "dpv:ExpressedConsent");
        assert_eq!(of("/event/0/validity_duration"), "PT86400S");
        assert_eq!(of("/event/0/event_time"), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_state_of_each_choice_is_one_of_dpv() {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).unwrap();
        let policy = CompiledPolicy::compile(policy).unwrap();
        for (choice, state) in [
            (ConsentChoice::Given, "dpv:ConsentGiven"),
            (ConsentChoice::Refused, "dpv:ConsentRefused"),
            (ConsentChoice::Withdrawn, "dpv:ConsentWithdrawn"),
            (ConsentChoice::Pending, "dpv:ConsentRequested"),
        ] {
            let mut receipt = receipt("newsletter", &[]);
            receipt.consent.choice = choice;
            receipt.consent.evidence.method = EvidenceMethod::ImpliedByUse;
            let document = document(&receipt, &policy);
            assert!(document.contains(state), "{document}");
            assert!(document.contains("dpv:ImpliedConsent"), "{document}");
        }
    }

    #[test]
    fn a_purpose_that_the_version_does_not_have_is_shown_by_its_name() {
        assert_eq!(receipt("telemarketing", &[]).purpose_title, "telemarketing");
    }
}
