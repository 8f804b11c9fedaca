//! Errors to `google.rpc.Status`: the one place that knows both. Every status carries exactly one
//! `ErrorInfo`; everything in it is written for callers and holds no personal data.

use std::{collections::HashMap, time::Duration};

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt, pb};

use super::decision::decision;
use crate::{
    app::{Error, Missing},
    auth::AuthError,
    domain::violation::{Violation, Violations},
    proto::v1::{self, ErrorReason},
};

/// The `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "personaldata.registry";
/// Most violations in one status.
pub const VIOLATIONS_MAX: usize = 32;
/// Most bytes of all violations in one status, however many details name them. Details travel in a
/// header, a third longer in base64, and gRPC's C core begins to drop headers of 8 KiB together.
pub const VIOLATION_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of a decision in one status, beside its denials.
pub const DECISION_BYTES_MAX: usize = 5 * 512;

const DECISION_TYPE_URL: &str = "type.googleapis.com/personaldata.registry.v1.Decision";
const REASON_PREFIX: &str = "ERROR_REASON_";
// What a violation costs beside its texts: tags and lengths.
const VIOLATION_OVERHEAD_BYTES: usize = 8;
const DENIAL_BYTES_MAX: usize = 3 * 512;
const RETRY_SOON: Duration = Duration::from_millis(100);
const RETRY_LATER: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into_status()
    }
}

/// Why a call, or one entry of a batch, failed, as the contract puts it.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Violations,
    decision: Option<Box<v1::Decision>>,
}

impl Failure {
    /// A failure with a text for people, which holds no personal data.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            violations: Violations::default(),
            decision: None,
        }
    }

    /// With a further fact for machines.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// With the decision that it rests on.
    #[must_use]
    pub fn with_decision(mut self, decision: v1::Decision) -> Self {
        self.decision = Some(Box::new(bounded_decision(decision)));
        self
    }

    fn with_violations(mut self, violations: Violations) -> Self {
        self.message = summary(&violations).unwrap_or(self.message);
        self.violations = violations;
        let count = self.violations.len();
        self.with("violation_count", count)
    }

    /// The reason.
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// The status of a call.
    pub fn into_status(self) -> Status {
        let code = code(self.reason);
        let mut details = ErrorDetails::new();
        details.set_error_info(name(self.reason), ERROR_DOMAIN, self.metadata);
        if let Some(delay) = retry_delay(self.reason) {
            details.set_retry_info(Some(delay));
        }
        // A precondition is named twice: where the field stands, and as what has to change.
        let names = if code == Code::FailedPrecondition {
            2
        } else {
            1
        };
        let violations = bounded(&self.violations, VIOLATION_BYTES_MAX / names);
        if !violations.is_empty() {
            if code == Code::FailedPrecondition {
                details.set_precondition_failure(preconditions(self.reason, &violations));
            }
            details.set_bad_request(violations);
        }
        if let Some(decision) = &self.decision {
            details.set_precondition_failure(denials(self.reason, decision));
        }
        let status = Status::with_error_details(code, self.message, details);
        match self.decision {
            None => status,
            Some(decision) => with_detail(&status, decision.as_ref()),
        }
    }

    /// The error of an entry of a batch, stream or import.
    pub fn into_entry(self) -> v1::EntryError {
        let violations = bounded(&self.violations, VIOLATION_BYTES_MAX).into_iter();
        v1::EntryError {
            code: code(self.reason) as i32,
            reason: self.reason.into(),
            message: self.message,
            violations: violations
                .map(|violation| v1::FieldViolation {
                    field: violation.field,
                    description: violation.description,
                })
                .collect(),
            decision: self.decision.map(|decision| *decision),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(reason(&error), error.to_string());
        match error {
            Error::Invalid(violations)
            | Error::PolicyInvalid(violations)
            | Error::CollectionUndeclared(violations)
            | Error::IdentifierSuppressed(violations)
            | Error::Kept(violations)
            | Error::PolicyFindingsNotAccepted(violations) => failure.with_violations(violations),
            Error::ScopeMissing(scope) => failure.with("scope", scope),
            Error::ClaimMissing { claim, field } => {
                failure.with("claim", claim).with("field", field)
            }
            Error::IdentifierConflict { subjects } => conflict(failure, &subjects),
            Error::NotLawful(answer) => failure.with_decision(decision(&answer, 0)),
            Error::ReaderTooSlow { cursor } => failure.with("cursor", cursor),
            Error::SubjectAmbiguous(count) => failure.with("subject_count", count),
            Error::StoreUnavailable(text) => {
                tracing::error!(error = text, "the store does not answer");
                failure
            }
            Error::Internal(text) => {
                tracing::error!(error = text, "internal error");
                failure
            }
            Error::RevisionUnknown
            | Error::CursorInvalid
            | Error::TokenExpired
            | Error::NotFound(_)
            | Error::PolicyVersionExists(_)
            | Error::RequestIdReused
            | Error::IllegalTransition(_)
            | Error::NotSealedYet
            | Error::LeaseLost
            | Error::Conflict
            | Error::CursorExpired
            | Error::TooLarge(_)
            | Error::Overloaded
            | Error::Stopping => failure,
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let reason = match error {
            AuthError::TokenMissing => ErrorReason::TokenMissing,
            AuthError::TokenInvalid(_) => ErrorReason::TokenInvalid,
            AuthError::TokenExpired => ErrorReason::TokenExpired,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Error::from(violations).into()
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.into_status()
    }
}

/// The reason as it stands in `ErrorInfo`: the enum value without its prefix.
pub fn name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(REASON_PREFIX).unwrap_or(name)
}

fn reason(error: &Error) -> ErrorReason {
    match error {
        Error::Invalid(_) => ErrorReason::FieldInvalid,
        Error::PolicyInvalid(_) => ErrorReason::PolicyInvalid,
        Error::RevisionUnknown => ErrorReason::RevisionUnknown,
        Error::CursorInvalid => ErrorReason::CursorInvalid,
        Error::TokenExpired => ErrorReason::TokenExpired,
        Error::ScopeMissing(_) => ErrorReason::ScopeMissing,
        Error::ClaimMissing { .. } => ErrorReason::ClaimMissing,
        Error::NotFound(missing) => not_found(*missing),
        Error::IdentifierConflict { .. } => ErrorReason::IdentifierConflict,
        Error::PolicyVersionExists(_) => ErrorReason::PolicyVersionExists,
        Error::RequestIdReused => ErrorReason::RequestIdReused,
        Error::CollectionUndeclared(_) => ErrorReason::CollectionUndeclared,
        Error::NotLawful(_) => ErrorReason::NotLawful,
        Error::SubjectAmbiguous(_) => ErrorReason::SubjectAmbiguous,
        Error::PolicyFindingsNotAccepted(_) => ErrorReason::PolicyFindingsNotAccepted,
        Error::IllegalTransition(_) | Error::Kept(_) => ErrorReason::IllegalTransition,
        Error::IdentifierSuppressed(_) => ErrorReason::IdentifierSuppressed,
        Error::NotSealedYet => ErrorReason::NotSealedYet,
        Error::LeaseLost => ErrorReason::LeaseLost,
        Error::Conflict => ErrorReason::Conflict,
        Error::CursorExpired => ErrorReason::CursorExpired,
        Error::ReaderTooSlow { .. } => ErrorReason::ReaderTooSlow,
        Error::TooLarge(_) => ErrorReason::TooLarge,
        Error::Overloaded => ErrorReason::Overloaded,
        Error::StoreUnavailable(_) => ErrorReason::StoreUnavailable,
        Error::Stopping => ErrorReason::Stopping,
        Error::Internal(_) => ErrorReason::Internal,
    }
}

fn not_found(missing: Missing) -> ErrorReason {
    match missing {
        Missing::Subject => ErrorReason::SubjectNotFound,
        Missing::Item => ErrorReason::ItemNotFound,
        Missing::Policy => ErrorReason::PolicyNotFound,
        Missing::Consent => ErrorReason::ConsentNotFound,
        Missing::Decision => ErrorReason::DecisionNotFound,
        Missing::SubjectCategory => ErrorReason::SubjectCategoryNotFound,
        Missing::Identifier => ErrorReason::IdentifierNotFound,
        Missing::WithdrawalToken => ErrorReason::WithdrawalTokenNotFound,
        Missing::SubjectRequest => ErrorReason::SubjectRequestNotFound,
        Missing::Task => ErrorReason::TaskNotFound,
        Missing::LegalHold => ErrorReason::LegalHoldNotFound,
        Missing::AuditEntry => ErrorReason::AuditEntryNotFound,
        Missing::Checkpoint => ErrorReason::CheckpointNotFound,
        Missing::Export => ErrorReason::ExportNotFound,
    }
}

fn code(reason: ErrorReason) -> Code {
    match reason {
        ErrorReason::FieldInvalid
        | ErrorReason::PolicyInvalid
        | ErrorReason::RevisionUnknown
        | ErrorReason::CursorInvalid => Code::InvalidArgument,
        ErrorReason::TokenMissing | ErrorReason::TokenInvalid | ErrorReason::TokenExpired => {
            Code::Unauthenticated
        }
        ErrorReason::ScopeMissing | ErrorReason::ClaimMissing => Code::PermissionDenied,
        ErrorReason::SubjectNotFound
        | ErrorReason::ItemNotFound
        | ErrorReason::PolicyNotFound
        | ErrorReason::ConsentNotFound
        | ErrorReason::AuditEntryNotFound
        | ErrorReason::CheckpointNotFound
        | ErrorReason::DecisionNotFound
        | ErrorReason::IdentifierNotFound
        | ErrorReason::SubjectCategoryNotFound
        | ErrorReason::WithdrawalTokenNotFound
        | ErrorReason::SubjectRequestNotFound
        | ErrorReason::TaskNotFound
        | ErrorReason::LegalHoldNotFound
        | ErrorReason::DisclosureNotFound
        | ErrorReason::ExportNotFound => Code::NotFound,
        ErrorReason::IdentifierConflict
        | ErrorReason::PolicyVersionExists
        | ErrorReason::RequestIdReused => Code::AlreadyExists,
        ErrorReason::CollectionUndeclared
        | ErrorReason::NotLawful
        | ErrorReason::SubjectAmbiguous
        | ErrorReason::IdentifierSuppressed
        | ErrorReason::PolicyFindingsNotAccepted
        | ErrorReason::IllegalTransition
        | ErrorReason::NotSealedYet => Code::FailedPrecondition,
        ErrorReason::LeaseLost | ErrorReason::Conflict => Code::Aborted,
        ErrorReason::CursorExpired => Code::OutOfRange,
        ErrorReason::TooLarge
        | ErrorReason::RateLimited
        | ErrorReason::Overloaded
        | ErrorReason::ReaderTooSlow => Code::ResourceExhausted,
        ErrorReason::StoreUnavailable | ErrorReason::StateNotFresh | ErrorReason::Stopping => {
            Code::Unavailable
        }
        ErrorReason::MethodUnknown => Code::Unimplemented,
        ErrorReason::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorReason::Cancelled => Code::Cancelled,
        ErrorReason::Internal | ErrorReason::Unspecified => Code::Internal,
    }
}

fn retry_delay(reason: ErrorReason) -> Option<Duration> {
    match code(reason) {
        Code::Aborted => Some(RETRY_SOON),
        Code::Unavailable => Some(RETRY_LATER),
        Code::ResourceExhausted if reason != ErrorReason::TooLarge => Some(RETRY_LATER),
        _ => None,
    }
}

fn conflict(failure: Failure, subjects: &[crate::domain::id::SubjectId]) -> Failure {
    let keys = ["subject_id", "other_subject_id"];
    let named = keys.into_iter().zip(subjects);
    let mut failure = named.fold(failure, |failure, (key, subject)| {
        failure.with(key, subject)
    });
    failure.message += "; MergeSubjects makes them one";
    failure
}

fn summary(violations: &Violations) -> Option<String> {
    let first = violations.iter().next()?;
    let more = match violations.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let Violation { field, description } = first;
    Some(format!("{field}: {description}{more}"))
}

fn bounded(violations: &Violations, bytes_max: usize) -> Vec<FieldViolation> {
    let mut bytes = 0;
    let mut bounded = Vec::new();
    for Violation { field, description } in violations.iter().take(VIOLATIONS_MAX) {
        bytes += field.len() + description.len() + VIOLATION_OVERHEAD_BYTES;
        if bytes > bytes_max {
            break;
        }
        bounded.push(FieldViolation::new(field, description));
    }
    bounded
}

fn preconditions(reason: ErrorReason, violations: &[FieldViolation]) -> Vec<PreconditionViolation> {
    let kind = name(reason);
    let violation = |violation: &FieldViolation| {
        PreconditionViolation::new(kind, &violation.field, &violation.description)
    };
    violations.iter().map(violation).collect()
}

// Each data category that was denied, and why.
fn denials(reason: ErrorReason, decision: &v1::Decision) -> Vec<PreconditionViolation> {
    let categories = decision.per_category.iter();
    let denied = categories.filter(|category| category.effect() == v1::Effect::Deny);
    let mut bytes = 0;
    denied
        .take(VIOLATIONS_MAX)
        .map(|category| {
            let why = category.reason().as_str_name();
            let why = why.strip_prefix("DECISION_REASON_").unwrap_or(why);
            PreconditionViolation::new(name(reason), &category.data_category, why)
        })
        .take_while(|denial| {
            let texts = denial.r#type.len() + denial.subject.len() + denial.description.len();
            bytes += texts + VIOLATION_OVERHEAD_BYTES;
            bytes <= DENIAL_BYTES_MAX
        })
        .collect()
}

// What a status need not repeat goes first: the trace, the items, then the categories asked last.
fn bounded_decision(mut decision: v1::Decision) -> v1::Decision {
    decision.trace.clear();
    for category in &mut decision.per_category {
        category.item_ids.clear();
    }
    while decision.encoded_len() > DECISION_BYTES_MAX && decision.per_category.pop().is_some() {}
    decision
}

fn with_detail(status: &Status, detail: &v1::Decision) -> Status {
    let mut encoded = pb::Status::decode(status.details()).unwrap_or_default();
    encoded.details.push(Any {
        type_url: DECISION_TYPE_URL.to_owned(),
        value: detail.encode_to_vec(),
    });
    let details = encoded.encode_to_vec().into();
    Status::with_details(status.code(), status.message(), details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SubjectId;

    fn info(status: &Status) -> tonic_types::ErrorInfo {
        let details = status.get_error_details();
        details.error_info().expect("every status has one").clone()
    }

    fn violations(count: usize, description: &str) -> Violations {
        let mut violations = Violations::default();
        for index in 0..count {
            violations.add(format!("items[{index}].data_category"), description);
        }
        violations
    }

    #[test]
    fn a_bad_field_is_an_invalid_argument_that_names_the_field() {
        let status = Status::from(Error::invalid("purpose", "must not be empty"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "purpose: must not be empty");
        let info = info(&status);
        assert_eq!(
            (info.domain.as_str(), info.reason.as_str()),
            (ERROR_DOMAIN, "FIELD_INVALID")
        );
        let details = status.get_error_details();
        let bad = details.bad_request().unwrap();
        let [violation] = bad.field_violations.as_slice() else {
            panic!("one violation: {bad:?}");
        };
        assert_eq!(violation.field, "purpose");
        assert_eq!(violation.description, "must not be empty");
    }

    #[test]
    fn of_many_violations_a_status_carries_thirty_two_and_says_how_many_there_are() {
        let status = Status::from(Error::Invalid(violations(33, "bad")));
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.len(), 32);
        assert_eq!(info(&status).metadata["violation_count"], "33");
    }

    #[test]
    fn no_status_is_too_long_for_the_headers_of_a_client_that_takes_eight_kibibytes() {
        let undeclared = violations(100, &"x".repeat(200));
        let findings = violations(100, &"x".repeat(20));
        let long_name = "x".repeat(64);
        let category = v1::CategoryDecision {
            data_category: long_name.clone(),
            effect: v1::Effect::Deny.into(),
            reason: v1::DecisionReason::DataCategoryUnknown.into(),
            activity: long_name,
            ..v1::CategoryDecision::default()
        };
        let decision = v1::Decision {
            per_category: vec![category; 100],
            ..v1::Decision::default()
        };
        for status in [
            Status::from(Error::Invalid(undeclared.clone())),
            Status::from(Error::CollectionUndeclared(undeclared)),
            Status::from(Error::PolicyFindingsNotAccepted(findings)),
            Failure::new(ErrorReason::NotLawful, "not lawful")
                .with_decision(decision)
                .into_status(),
        ] {
            let reason = info(&status).reason;
            let details = status.get_error_details();
            let failed = details.precondition_failure();
            assert!(
                failed.is_none_or(|failed| failed.violations.len() > 5),
                "{reason}"
            );
            // What else an answer has takes half a kibibyte.
            let header = status.details().len() * 4 / 3 + status.message().len() + 512;
            assert!(header < 8 * 1024, "{reason}: {header}");
        }
    }

    #[test]
    fn an_undeclared_field_is_a_failed_precondition_with_its_path() {
        let status = Status::from(Error::CollectionUndeclared(violations(1, "not declared")));
        assert_eq!(status.code(), Code::FailedPrecondition);
        let details = status.get_error_details();
        let failed = &details.precondition_failure().unwrap().violations[0];
        assert_eq!(failed.r#type, "COLLECTION_UNDECLARED");
        assert_eq!(failed.subject, "items[0].data_category");
    }

    #[test]
    fn a_conflict_of_accounts_names_both_subjects() {
        let first: SubjectId = "018f0000-0000-7000-8000-000000000001".parse().unwrap();
        let second: SubjectId = "018f0000-0000-7000-8000-000000000002".parse().unwrap();
        let status = Status::from(Error::IdentifierConflict {
            subjects: vec![first, second],
        });
        assert_eq!(status.code(), Code::AlreadyExists);
        let metadata = info(&status).metadata;
        assert_eq!(metadata["subject_id"], first.to_string());
        assert_eq!(metadata["other_subject_id"], second.to_string());
        assert!(status.message().contains("MergeSubjects"));
    }

    #[test]
    fn an_internal_text_never_leaves() {
        for error in [
            Error::Internal("row 7 of subjects".into()),
            Error::StoreUnavailable("row 7 of subjects".into()),
        ] {
            let status = Status::from(error);
            assert!(!status.message().contains("row 7"));
            assert!(!String::from_utf8_lossy(status.details()).contains("row 7"));
        }
    }

    #[test]
    fn what_passes_by_itself_says_when_to_come_back() {
        let status = Status::from(Error::Overloaded);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_LATER));
    }

    #[test]
    fn a_decision_travels_beside_the_error_info_without_its_items() {
        let category = v1::CategoryDecision {
            data_category: "email_address".into(),
            item_ids: vec!["x".repeat(36)],
            ..v1::CategoryDecision::default()
        };
        let decision = v1::Decision {
            per_category: vec![category; 1_000],
            ..v1::Decision::default()
        };
        let status = Failure::new(ErrorReason::NotLawful, "not lawful")
            .with_decision(decision)
            .into_status();
        assert_eq!(info(&status).reason, "NOT_LAWFUL");
        let encoded = pb::Status::decode(status.details()).unwrap();
        let any = encoded.details.last().unwrap();
        assert_eq!(any.type_url, DECISION_TYPE_URL);
        assert!(any.value.len() <= DECISION_BYTES_MAX);
        let kept = v1::Decision::decode(any.value.as_slice()).unwrap();
        assert!(kept.per_category[0].item_ids.is_empty());
    }

    #[test]
    fn an_entry_says_what_the_status_says() {
        let error = || Error::Invalid(violations(2, "bad"));
        let status = Status::from(error());
        let entry = Failure::from(error()).into_entry();
        assert_eq!(entry.code, status.code() as i32);
        assert_eq!(entry.reason(), ErrorReason::FieldInvalid);
        assert_eq!(entry.message, status.message());
        assert_eq!(entry.violations.len(), 2);
    }
}
