//! The steps of a request: `pdr request verify`, `doubt`, `extend` …

use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{Of, show::done};
use crate::{
    cli::{
        arguments::{optional_instant, parse_choice},
        client::Way,
        output::{Output, refusal},
    },
    proto::v1::{
        AnswerRequestRequest, CancelRequestRequest, DecideObjectionRequest, DoubtIdentityRequest,
        ExtendRequestRequest, IdentityMethod, LiftRestrictionRequest, ObjectionRuling,
        RejectRequestRequest, VerifyIdentityRequest, request_service_client::RequestServiceClient,
    },
};

/// What becomes of an objection, as people write it.
pub(super) struct Decision {
    pub(super) ruling: String,
    pub(super) purpose: String,
    pub(super) grounds: String,
}

/// Calls one RPC and shows the request that it answers with.
macro_rules! call {
    ($way:ident, $output:ident, $rpc:ident, $answer:literal, $what:literal, $request:expr) => {{
        let answer = RequestServiceClient::new($way).$rpc($request).await;
        let answer = answer.map_err(|status| refusal(&status))?.into_inner();
        $output.show($answer, &answer, |answer| {
            done($what, answer.request.as_ref(), &answer.revision)
        })?;
        Ok(ExitCode::SUCCESS)
    }};
}

pub(super) async fn verify(way: Way, output: Output, of: Of, method: &str) -> Result<ExitCode> {
    let request = VerifyIdentityRequest {
        subject_request_id: of.request,
        method: parse_method(method)?.into(),
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        verify_identity,
        "VerifyIdentityResponse",
        "verified",
        request
    )
}

pub(super) async fn doubt(way: Way, output: Output, of: Of) -> Result<ExitCode> {
    let request = DoubtIdentityRequest {
        subject_request_id: of.request,
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        doubt_identity,
        "DoubtIdentityResponse",
        "in doubt",
        request
    )
}

pub(super) async fn extend(way: Way, output: Output, of: Of, reason: String) -> Result<ExitCode> {
    let request = ExtendRequestRequest {
        subject_request_id: of.request,
        reason,
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        extend_request,
        "ExtendRequestResponse",
        "extended",
        request
    )
}

pub(super) async fn reject(way: Way, output: Output, of: Of, reason: String) -> Result<ExitCode> {
    let request = RejectRequestRequest {
        subject_request_id: of.request,
        reason,
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        reject_request,
        "RejectRequestResponse",
        "rejected",
        request
    )
}

pub(super) async fn cancel(way: Way, output: Output, of: Of) -> Result<ExitCode> {
    let request = CancelRequestRequest {
        subject_request_id: of.request,
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        cancel_request,
        "CancelRequestResponse",
        "cancelled",
        request
    )
}

pub(super) async fn answer(
    way: Way,
    output: Output,
    of: Of,
    answered_at: Option<Timestamp>,
) -> Result<ExitCode> {
    let request = AnswerRequestRequest {
        subject_request_id: of.request,
        answered_at: optional_instant(answered_at),
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        answer_request,
        "AnswerRequestResponse",
        "answered",
        request
    )
}

pub(super) async fn decide(
    way: Way,
    output: Output,
    of: Of,
    decision: Decision,
) -> Result<ExitCode> {
    let request = DecideObjectionRequest {
        subject_request_id: of.request,
        purpose: decision.purpose,
        ruling: parse_ruling(&decision.ruling)?.into(),
        grounds: decision.grounds,
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        decide_objection,
        "DecideObjectionResponse",
        "decided",
        request
    )
}

pub(super) async fn lift(
    way: Way,
    output: Output,
    of: Of,
    informed_at: Timestamp,
) -> Result<ExitCode> {
    let request = LiftRestrictionRequest {
        subject_request_id: of.request,
        informed_at: optional_instant(Some(informed_at)),
        request_id: of.once.request_id(),
    };
    call!(
        way,
        output,
        lift_restriction,
        "LiftRestrictionResponse",
        "lifted",
        request
    )
}

fn parse_method(text: &str) -> Result<IdentityMethod> {
    parse_choice(text, "IDENTITY_METHOD_", IdentityMethod::from_str_name)
        .filter(|method| *method != IdentityMethod::Unspecified)
        .with_context(|| {
            format!(
                "{text} is no way to verify an identity; it is one of login, contact-confirmed, \
                 document, knowledge, eid"
            )
        })
}

fn parse_ruling(text: &str) -> Result<ObjectionRuling> {
    parse_choice(text, "OBJECTION_RULING_", ObjectionRuling::from_str_name)
        .filter(|ruling| *ruling != ObjectionRuling::Unspecified)
        .with_context(|| format!("{text} is no ruling; it is upheld or rejected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_rulings_are_read_as_people_write_them() {
        let read = parse_method("contact-confirmed").unwrap();
        assert_eq!(read, IdentityMethod::ContactConfirmed);
        assert_eq!(parse_method("EID").unwrap(), IdentityMethod::Eid);
        assert_eq!(parse_ruling("upheld").unwrap(), ObjectionRuling::Upheld);
        for text in ["unspecified", "", "nod"] {
            assert!(parse_method(text).is_err() && parse_ruling(text).is_err());
        }
    }
}
