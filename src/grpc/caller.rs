//! Who calls, for the services: the auth layer has put it beside the request.

use std::sync::Arc;

use tonic::{Request, Status};

use super::status::Failure;
use crate::{domain::caller::Caller, proto::v1::ErrorReason};

/// Who calls. Without a verified token there is nobody, and the call is refused.
pub fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    let caller = request.extensions().get::<Arc<Caller>>();
    caller.cloned().ok_or_else(|| {
        Failure::new(ErrorReason::TokenMissing, "a bearer token is required").into_status()
    })
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_request_that_passed_no_token_check_is_refused() {
        let status = caller(&Request::new(())).unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}
