//! The receipt as a document: the field names of ISO/IEC TS 27560, clause 6.3, and terms of the W3C Data
//! Privacy Vocabulary. What a policy does not say is `null`. `docs/receipts.md` has the mapping. Frozen:
//! another shape is another payload type.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{ConsentReceipt, Recipient};
use crate::domain::{
    consent::{ConsentChoice, Evidence, EvidenceMethod, GivenBy},
    name::{DataCategory, Processor},
    policy::{
        compile::CompiledPolicy,
        model::{RecipientRole, Retention, RetentionKind},
    },
};

/// DSSE payload type of a receipt.
pub const RECEIPT_TYPE: &str = "application/vnd.personal-data-registry.consent-receipt.v1+json";
/// Which structure the fields have.
const SCHEMA_VERSION: &str = "personal-data-registry/consent-receipt/1 (ISO/IEC TS 27560:2023)";
/// The controller's party id.
const CONTROLLER: &str = "controller";

#[derive(Serialize)]
struct Document<'r> {
    schema_version: &'static str,
    receipt_id: String,
    issued_at: Timestamp,
    record: Header<'r>,
    pii_processing: Processing<'r>,
    party_identification: Vec<Party<'r>>,
    event: [Event<'r>; 1],
}

#[derive(Serialize)]
struct Header<'r> {
    record_id: String,
    pii_principal_id: String,
    recorded_at: Timestamp,
    recorded_by: &'r str,
}

#[derive(Serialize)]
struct Processing<'r> {
    privacy_notice: Notice<'r>,
    language: Option<&'r str>,
    purposes: [Purpose<'r>; 1],
}

#[derive(Serialize)]
struct Notice<'r> {
    title: &'r str,
    version: &'r str,
    wording: Option<&'r str>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the standard's")]
struct Purpose<'r> {
    purpose: &'r str,
    purpose_id: &'r str,
    purpose_type: Option<&'static str>,
    lawful_basis: [&'static str; 2],
    pii_information: Vec<Pii<'r>>,
    pii_controllers: [&'static str; 1],
    collection_method: &'static str,
    processing_method: Option<&'static str>,
    storage_locations: Option<&'static str>,
    retention_period: Vec<Period<'r>>,
    processing_locations: Vec<&'r str>,
    jurisdiction: Option<&'static str>,
    recipient_third_parties: Vec<&'r str>,
    withdrawal_method: &'r str,
    privacy_rights: &'r str,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the standard's")]
struct Pii<'r> {
    pii_type: &'r str,
    title: &'r str,
    special_pii_category: bool,
}

#[derive(Serialize)]
struct Period<'r> {
    pii_type: Vec<&'r str>,
    party_id: Option<&'r str>,
    duration: String,
    after: serde_json::Value,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the standard's")]
struct Party<'r> {
    party_id: &'r str,
    party_name: &'r str,
    party_role: &'static str,
    party_contact: Option<&'r str>,
    party_address: Option<&'r str>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the standard's")]
struct Event<'r> {
    event_time: Timestamp,
    event_type: &'static str,
    event_state: &'static str,
    validity_duration: Option<String>,
    valid_until: Option<Timestamp>,
    entity_id: String,
    given_by: &'static str,
    collected_by: &'r str,
    evidence_reference: Option<&'r str>,
}

/// The bytes that are signed. `policy` is the version that was shown.
///
/// # Panics
///
/// Never: texts, numbers and instants are always JSON.
pub fn document(receipt: &ConsentReceipt, policy: &CompiledPolicy) -> String {
    let consent = &receipt.consent;
    let document = Document {
        schema_version: SCHEMA_VERSION,
        receipt_id: format!("{}/{}", consent.consent_id, receipt.issued_at),
        issued_at: receipt.issued_at,
        record: Header {
            record_id: consent.consent_id.to_string(),
            pii_principal_id: consent.subject_id.to_string(),
            recorded_at: consent.recorded_at,
            recorded_by: consent.recorded_by.as_str(),
        },
        pii_processing: Processing {
            privacy_notice: Notice {
                title: &policy.policy().source.title,
                version: receipt.policy_version.as_str(),
                wording: stated(&consent.evidence.wording),
            },
            language: stated(&consent.evidence.locale),
            purposes: [purpose(receipt, policy)],
        },
        party_identification: parties(receipt),
        event: [event(receipt)],
    };
    serde_json::to_string(&document).expect("texts, numbers and instants are always JSON")
}

fn purpose<'r>(receipt: &'r ConsentReceipt, policy: &'r CompiledPolicy) -> Purpose<'r> {
    let marketing = receipt.direct_marketing.then_some("dpv:DirectMarketing");
    Purpose {
        purpose: &receipt.purpose_title,
        purpose_id: receipt.consent.purpose.as_str(),
        purpose_type: marketing,
        lawful_basis: ["dpv:Consent", "eu-gdpr:A6-1-a"],
        pii_information: receipt
            .data_categories
            .iter()
            .map(|data| pii(data, policy))
            .collect(),
        pii_controllers: [CONTROLLER],
        collection_method: receipt.consent.evidence.method.as_str(),
        processing_method: None,
        storage_locations: None,
        retention_period: retention(receipt, policy),
        processing_locations: locations(&receipt.recipients),
        jurisdiction: None,
        recipient_third_parties: receipt
            .recipients
            .iter()
            .map(|recipient| recipient.processor.as_str())
            .collect(),
        withdrawal_method: &receipt.rights_channel,
        privacy_rights: &receipt.rights_channel,
    }
}

fn pii<'r>(data: &'r DataCategory, policy: &'r CompiledPolicy) -> Pii<'r> {
    let entry = policy.policy().data_categories.get(data);
    Pii {
        pii_type: data.as_str(),
        title: entry.map_or(data.as_str(), |entry| &entry.title),
        special_pii_category: entry.is_some_and(|entry| entry.special.is_some()),
    }
}

/// The ceilings that the policy states for this data, here and with the recipients.
fn retention<'r>(receipt: &'r ConsentReceipt, policy: &'r CompiledPolicy) -> Vec<Period<'r>> {
    let rules = policy.policy().retention.iter();
    rules
        .filter(|rule| rule.kind == RetentionKind::Maximum)
        .filter(|rule| reaches(rule.processor.as_ref(), receipt))
        .filter_map(|rule| period(rule, receipt))
        .collect()
}

fn reaches(processor: Option<&Processor>, receipt: &ConsentReceipt) -> bool {
    processor.is_none_or(|name| receipt.recipients.iter().any(|it| it.processor == *name))
}

fn period<'r>(rule: &'r Retention, receipt: &'r ConsentReceipt) -> Option<Period<'r>> {
    let data = receipt.data_categories.iter();
    let data = data.filter(|data| rule.data.is_empty() || rule.data.contains(data));
    let pii_type: Vec<_> = data.map(DataCategory::as_str).collect();
    (!pii_type.is_empty()).then(|| Period {
        pii_type,
        party_id: rule.processor.as_ref().map(Processor::as_str),
        duration: rule.period.to_string(),
        after: serde_json::to_value(rule.after).unwrap_or_default(),
    })
}

fn locations(recipients: &[Recipient]) -> Vec<&str> {
    let known = recipients.iter().map(|it| it.country.as_str());
    let mut known: Vec<_> = known.filter(|country| !country.is_empty()).collect();
    known.sort_unstable();
    known.dedup();
    known
}

fn parties(receipt: &ConsentReceipt) -> Vec<Party<'_>> {
    let controller = Party {
        party_id: CONTROLLER,
        party_name: &receipt.controller_name,
        party_role: "dpv:DataController",
        party_contact: stated(&receipt.controller_contact),
        party_address: None,
    };
    let recipients = receipt.recipients.iter().map(|recipient| Party {
        party_id: recipient.processor.as_str(),
        party_name: &recipient.title,
        party_role: match recipient.role {
            RecipientRole::Processor => "dpv:DataProcessor",
            RecipientRole::Controller => "dpv:ThirdParty",
        },
        party_contact: None,
        party_address: stated(&recipient.country),
    });
    std::iter::once(controller).chain(recipients).collect()
}

fn event(receipt: &ConsentReceipt) -> Event<'_> {
    let consent = &receipt.consent;
    let Evidence {
        method,
        reference,
        collected_by,
        given_by,
        policy_version: _,
        wording: _,
        locale: _,
    } = &consent.evidence;
    Event {
        event_time: consent.occurred_at,
        event_type: kind(*method),
        event_state: state(consent.choice),
        validity_duration: consent
            .expires_at
            .map(|end| iso(end.duration_since(consent.occurred_at))),
        valid_until: consent.expires_at,
        entity_id: consent.subject_id.to_string(),
        given_by: match given_by {
            GivenBy::Subject => "dpv:DataSubject",
            GivenBy::Guardian => "dpv:GuardianOfDataSubject",
            GivenBy::Agent => "dpv:Representative",
        },
        collected_by,
        evidence_reference: stated(reference),
    }
}

// Whether a consent was explicit in the sense of Art. 9(2)(a) is for people to judge.
fn kind(method: EvidenceMethod) -> &'static str {
    match method {
        EvidenceMethod::Checkbox
        | EvidenceMethod::Form
        | EvidenceMethod::DoubleOptIn
        | EvidenceMethod::Signature
        | EvidenceMethod::Oral => "dpv:ExpressedConsent",
        EvidenceMethod::ImpliedByUse | EvidenceMethod::PreTicked => "dpv:ImpliedConsent",
        EvidenceMethod::Imported | EvidenceMethod::NotStated => "dpv:Consent",
    }
}

fn state(choice: ConsentChoice) -> &'static str {
    match choice {
        ConsentChoice::Given => "dpv:ConsentGiven",
        ConsentChoice::Refused => "dpv:ConsentRefused",
        ConsentChoice::Withdrawn => "dpv:ConsentWithdrawn",
        ConsentChoice::Pending => "dpv:ConsentRequested",
    }
}

fn iso(duration: SignedDuration) -> String {
    format!("PT{}S", duration.as_secs())
}

fn stated(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
