//! What a refusal says.

use tonic::Status;
use tonic_types::StatusExt;

/// The reason in the status's one `ErrorInfo`.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .expect("a status of ours has an ErrorInfo");
    assert_eq!(info.domain, "personaldata.registry");
    info.reason.clone()
}

/// The fields that the status says are wrong, in order.
pub fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// What its `ErrorInfo` says beside the reason.
pub fn metadata(status: &Status) -> std::collections::HashMap<String, String> {
    let details = status.get_error_details();
    let info = details.error_info();
    info.map(|info| info.metadata.clone()).unwrap_or_default()
}
