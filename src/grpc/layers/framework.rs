//! Errors that the framework makes before or beside a handler, put into the shape of all others.
//! They are known by having no details: a handler's error always has some.

use http::{HeaderMap, header::CONTENT_LENGTH};
use tonic::{Code, Status};

use crate::{grpc::status::Failure, proto::v1::ErrorReason};

// How the framework's texts begin when a request could not be read. It calls that INTERNAL, which it
// is not: the caller sent it.
const MALFORMED: &[&str] = &[
    "failed to decode Protobuf message",
    "Missing request message",
    "Unexpected EOF decoding stream",
    "Error decompressing",
    "protocol error",
];

/// Puts a framework error that stands in headers or trailers into the shape of all others. Says
/// which code they hold; none when they hold no status.
pub fn normalise(headers: &mut HeaderMap) -> Option<Code> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_ref());
    if code == Code::Ok || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return Some(code);
    }
    let message = Status::from_header_map(headers)?.message().to_owned();
    let Some(failure) = failure(code, &message) else {
        return Some(code);
    };
    let status = failure.into_status();
    headers.remove(Status::GRPC_MESSAGE);
    headers.remove(CONTENT_LENGTH);
    // Only a text with bytes that no header may hold could fail here, and then the code is there.
    let _ = status.add_header(headers);
    Some(status.code())
}

fn failure(code: Code, message: &str) -> Option<Failure> {
    let malformed = MALFORMED.iter().any(|begin| message.starts_with(begin));
    let (reason, message) = match code {
        Code::Internal if malformed => (
            ErrorReason::FieldInvalid,
            "the message could not be decoded",
        ),
        Code::OutOfRange | Code::ResourceExhausted => (
            ErrorReason::TooLarge,
            "the message is larger than the server takes or sends",
        ),
        Code::Unimplemented if message.starts_with("Content is compressed") => (
            ErrorReason::MethodUnknown,
            "compressed messages are not supported",
        ),
        Code::Unimplemented => (ErrorReason::MethodUnknown, "no such service or method"),
        Code::DeadlineExceeded => (ErrorReason::DeadlineExceeded, "the call took too long"),
        Code::Cancelled => (ErrorReason::Cancelled, "the call was cancelled"),
        Code::Internal | Code::Unknown | Code::DataLoss => {
            (ErrorReason::Internal, "internal error")
        }
        // No framework makes these; what does not know our shape (health) keeps its own.
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::Unauthenticated => return None,
    };
    Some(Failure::new(reason, message))
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;
    use crate::app::Error;

    fn headers(status: &Status) -> HeaderMap {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers
    }

    #[track_caller]
    fn check(status: &Status, code: Code, reason: &str) {
        let mut headers = headers(status);
        assert_eq!(normalise(&mut headers), Some(code));
        let normalised = Status::from_header_map(&headers).unwrap();
        assert_eq!(normalised.code(), code);
        let details = normalised.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, reason);
        assert!(!normalised.message().contains("secret"));
    }

    #[test]
    fn a_malformed_message_is_an_invalid_argument() {
        let text = "failed to decode Protobuf message: Item.secret: invalid wire type";
        check(
            &Status::internal(text),
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        let empty = Status::internal("Missing request message.");
        check(&empty, Code::InvalidArgument, "FIELD_INVALID");
    }

    #[test]
    fn a_message_that_is_too_large_exhausts_a_resource() {
        let text = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
        check(
            &Status::out_of_range(text),
            Code::ResourceExhausted,
            "TOO_LARGE",
        );
    }

    #[test]
    fn an_unknown_method_and_a_compression_are_unimplemented() {
        check(
            &Status::unimplemented(""),
            Code::Unimplemented,
            "METHOD_UNKNOWN",
        );
        let text = "Content is compressed with `secret` which isn't supported";
        check(
            &Status::unimplemented(text),
            Code::Unimplemented,
            "METHOD_UNKNOWN",
        );
    }

    #[test]
    fn a_text_of_the_framework_never_leaves() {
        check(&Status::internal("secret"), Code::Internal, "INTERNAL");
        check(&Status::unknown("secret"), Code::Internal, "INTERNAL");
    }

    #[test]
    fn a_status_of_our_own_passes_unchanged() {
        let mut ours = headers(&Status::from(Error::CursorExpired));
        let before = ours.clone();
        assert_eq!(normalise(&mut ours), Some(Code::OutOfRange));
        assert_eq!(ours, before);
        assert_eq!(normalise(&mut HeaderMap::new()), None);
    }
}
