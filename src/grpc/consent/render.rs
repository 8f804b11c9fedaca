//! Consent facts and receipts as their messages.

use crate::{
    domain::consent::{
        ConsentRecord, Evidence,
        receipt::{ConsentReceipt, Recipient},
    },
    grpc::{
        choice::Choice,
        render::{instant, texts},
    },
    proto::v1,
};

/// A consent fact.
pub(super) fn consent(record: ConsentRecord) -> v1::Consent {
    v1::Consent {
        consent_id: record.consent_id.to_string(),
        subject_id: record.subject_id.to_string(),
        purpose: record.purpose.to_string(),
        processors: texts(&record.processors),
        choice: record.choice.number(),
        evidence: Some(evidence(record.evidence)),
        occurred_at: Some(instant(record.occurred_at)),
        recorded_at: Some(instant(record.recorded_at)),
        expires_at: record.expires_at.map(instant),
        recorded_by: record.recorded_by.to_string(),
    }
}

fn evidence(evidence: Evidence) -> v1::Evidence {
    v1::Evidence {
        method: evidence.method.number(),
        policy_version: evidence.policy_version.to_string(),
        wording: evidence.wording,
        locale: evidence.locale,
        reference: evidence.reference,
        collected_by: evidence.collected_by,
        given_by: evidence.given_by.number(),
    }
}

/// A receipt.
pub(super) fn receipt(receipt: ConsentReceipt) -> v1::ConsentReceipt {
    v1::ConsentReceipt {
        consent: Some(consent(receipt.consent)),
        controller_name: receipt.controller_name,
        controller_contact: receipt.controller_contact,
        policy_version: receipt.policy_version.to_string(),
        purpose_title: receipt.purpose_title,
        direct_marketing: receipt.direct_marketing,
        data_categories: texts(&receipt.data_categories),
        recipients: receipt.recipients.into_iter().map(recipient).collect(),
        rights_channel: receipt.rights_channel,
        issued_at: Some(instant(receipt.issued_at)),
    }
}

/// A recipient as it is shown to a person.
pub(in crate::grpc) fn recipient(recipient: Recipient) -> v1::ConsentRecipient {
    v1::ConsentRecipient {
        processor: recipient.processor.to_string(),
        title: recipient.title,
        role: recipient.role.number(),
        country: recipient.country,
    }
}
