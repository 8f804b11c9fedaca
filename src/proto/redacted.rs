//! `Debug` of the messages that hold personal data or secrets: the shape is shown, the values are not.

use std::fmt::{Debug, Formatter, Result};

use super::v1::{
    CorrectRecordRequest, Correction, DownloadExportResponse, Evidence, GetConsentReceiptResponse,
    Identifier, IssueWithdrawalTokenResponse, Item, LeasedTask, ProvidedItem, TaskItem,
    WithdrawConsentRequest, correct_record_request, correction, item, provided_item, task_item,
    withdraw_consent_request,
};

impl Debug for Identifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Identifier")
            .field("type", &self.r#type)
            .finish_non_exhaustive()
    }
}

impl Debug for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Item")
            .field("item_id", &self.item_id)
            .field("subject_category", &self.subject_category)
            .field("data_category", &self.data_category)
            .field("content", &self.content)
            .field("source", &self.source)
            .field("collected_at", &self.collected_at)
            .field("policy_version", &self.policy_version)
            .field("purposes", &self.purposes)
            .finish_non_exhaustive()
    }
}

impl Debug for item::Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
            Self::Locator(_) => "Locator(…)",
        })
    }
}

impl Debug for CorrectRecordRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CorrectRecordRequest")
            .field("subject", &self.subject)
            .field("item_id", &self.item_id)
            .field("content", &self.content)
            .field("corrected_at", &self.corrected_at)
            .field("request_id", &self.request_id)
            .finish()
    }
}

impl Debug for correct_record_request::Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
            Self::Locator(_) => "Locator(…)",
        })
    }
}

impl Debug for Evidence {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Evidence")
            .field("method", &self.method())
            .field("policy_version", &self.policy_version)
            .field("given_by", &self.given_by())
            .finish_non_exhaustive()
    }
}

impl Debug for GetConsentReceiptResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("GetConsentReceiptResponse")
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}

impl Debug for WithdrawConsentRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("WithdrawConsentRequest")
            .field("who", &self.who)
            .field("purposes", &self.purposes)
            .field("all_purposes", &self.all_purposes)
            .field("processors", &self.processors)
            .field("evidence", &self.evidence)
            .field("occurred_at", &self.occurred_at)
            .field("request_id", &self.request_id)
            .finish()
    }
}

impl Debug for withdraw_consent_request::Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Subject(subject) => f.debug_tuple("Subject").field(subject).finish(),
            Self::WithdrawalToken(_) => f.write_str("WithdrawalToken(…)"),
        }
    }
}

impl Debug for IssueWithdrawalTokenResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("IssueWithdrawalTokenResponse")
            .field("expires_at", &self.expires_at)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl Debug for Correction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Correction")
            .field("item_id", &self.item_id)
            .field("content", &self.content)
            .finish()
    }
}

impl Debug for correction::Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
            Self::Locator(_) => "Locator(…)",
        })
    }
}

impl Debug for LeasedTask {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LeasedTask")
            .field("task", &self.task)
            .field("lease_id", &self.lease_id)
            .field("lease_expires_at", &self.lease_expires_at)
            .finish_non_exhaustive()
    }
}

impl Debug for TaskItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("TaskItem")
            .field("item_id", &self.item_id)
            .field("data_category", &self.data_category)
            .finish_non_exhaustive()
    }
}

impl Debug for task_item::Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
        })
    }
}

impl Debug for ProvidedItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ProvidedItem")
            .field("item_id", &self.item_id)
            .field("content", &self.content)
            .finish()
    }
}

impl Debug for provided_item::Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
            Self::Blob(_) => "Blob(…)",
        })
    }
}

impl Debug for DownloadExportResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("DownloadExportResponse")
            .field("offset", &self.offset)
            .field("total_bytes", &self.total_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{
        RegisterCollectionRequest, SubjectRef, fetch_records_response, subject_ref,
    };

    const SECRET: &str = "ada@example.org";

    fn identifier() -> Identifier {
        Identifier {
            r#type: "email".into(),
            value: SECRET.into(),
        }
    }

    fn item() -> Item {
        Item {
            data_category: "email_address".into(),
            item_key: SECRET.into(),
            content: Some(item::Content::Text(SECRET.into())),
            ..Item::default()
        }
    }

    fn evidence() -> Evidence {
        Evidence {
            wording: SECRET.into(),
            reference: SECRET.into(),
            collected_by: SECRET.into(),
            ..Evidence::default()
        }
    }

    fn subject() -> SubjectRef {
        SubjectRef {
            r#ref: Some(subject_ref::Ref::Identifier(identifier())),
        }
    }

    #[track_caller]
    fn check(message: &dyn Debug, shows: &str) {
        let printed = format!("{message:?} {message:#?}");
        assert!(!printed.contains(SECRET), "{printed}");
        assert!(printed.contains(shows), "{printed}");
    }

    #[test]
    fn a_registration_prints_its_shape_and_no_personal_data() {
        let registration = RegisterCollectionRequest {
            subject: Some(subject()),
            identifiers: vec![identifier()],
            items: vec![item()],
            ..RegisterCollectionRequest::default()
        };
        check(&registration, "email_address");
    }

    #[test]
    fn every_kind_of_content_prints_as_its_kind() {
        let blob = SECRET.as_bytes().to_vec();
        check(&item::Content::Blob(blob.clone()), "Blob(…)");
        check(&item::Content::Locator(SECRET.into()), "Locator(…)");
        let json = prost_types::Struct {
            fields: [(SECRET.to_owned(), prost_types::Value::default())].into(),
        };
        check(&item::Content::Json(json.clone()), "Json(…)");
        check(&correct_record_request::Content::Blob(blob), "Blob(…)");
        check(&correct_record_request::Content::Json(json), "Json(…)");
    }

    #[test]
    fn a_correction_and_a_fetched_item_print_no_content() {
        let correction = CorrectRecordRequest {
            content: Some(correct_record_request::Content::Text(SECRET.into())),
            ..CorrectRecordRequest::default()
        };
        check(&correction, "Text(…)");
        check(&fetch_records_response::Result::Item(item()), "Text(…)");
    }

    #[test]
    fn a_withdrawal_prints_neither_token_nor_evidence() {
        let withdrawal = WithdrawConsentRequest {
            who: Some(withdraw_consent_request::Who::WithdrawalToken(
                SECRET.into(),
            )),
            evidence: Some(evidence()),
            ..WithdrawConsentRequest::default()
        };
        check(&withdrawal, "WithdrawalToken(…)");
        let issued = IssueWithdrawalTokenResponse {
            withdrawal_token: SECRET.into(),
            ..IssueWithdrawalTokenResponse::default()
        };
        check(&issued, "expires_at");
    }

    #[test]
    fn a_leased_task_and_a_piece_of_a_package_print_nothing_of_the_person() {
        let task_item = TaskItem {
            data_category: "email_address".into(),
            item_key: SECRET.into(),
            locator: SECRET.into(),
            external_references: vec![SECRET.into()],
            content: Some(task_item::Content::Text(SECRET.into())),
            ..TaskItem::default()
        };
        check(&task_item, "email_address");
        let leased = LeasedTask {
            lease_id: "lease".into(),
            identifiers: vec![identifier()],
            items: vec![task_item],
            ..LeasedTask::default()
        };
        check(&leased, "lease");
        let piece = DownloadExportResponse {
            data: SECRET.as_bytes().to_vec(),
            total_bytes: 15,
            ..DownloadExportResponse::default()
        };
        check(&piece, "15");
        let right = Correction {
            content: Some(correction::Content::Text(SECRET.into())),
            ..Correction::default()
        };
        check(&right, "Text(…)");
        let handed_over = ProvidedItem {
            content: Some(provided_item::Content::Text(SECRET.into())),
            ..ProvidedItem::default()
        };
        check(&handed_over, "Text(…)");
    }
}
