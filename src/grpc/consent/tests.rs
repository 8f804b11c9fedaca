use super::read;
use crate::{
    app::consent::{Taken, WithdrawConsent, Withdrawer},
    domain::{consent::EvidenceMethod, violation::Violations},
    proto::v1::{self, withdraw_consent_request::Who},
};

const SUBJECT: &str = "018f0000-0000-7000-8000-000000000001";

fn by_subject() -> v1::WithdrawConsentRequest {
    v1::WithdrawConsentRequest {
        who: Some(Who::Subject(v1::SubjectRef {
            r#ref: Some(v1::subject_ref::Ref::SubjectId(SUBJECT.into())),
        })),
        purposes: vec!["newsletter".into()],
        ..v1::WithdrawConsentRequest::default()
    }
}

fn withdraw(message: v1::WithdrawConsentRequest) -> Result<WithdrawConsent, Violations> {
    read::withdraw("", message).map(|(_, command)| command)
}

fn refused(message: v1::WithdrawConsentRequest) -> Vec<String> {
    let violations = withdraw(message).unwrap_err();
    violations.iter().map(|it| it.field.clone()).collect()
}

#[test]
fn a_withdrawal_needs_no_proof() {
    let command = withdraw(by_subject()).unwrap();
    assert_eq!(command.evidence.method, EvidenceMethod::NotStated);
}

#[test]
fn a_withdrawal_says_who_takes_back() {
    let nobody = v1::WithdrawConsentRequest {
        who: None,
        ..by_subject()
    };
    assert_eq!(refused(nobody), ["subject"]);
}

#[test]
fn a_subject_takes_back_either_named_purposes_or_all() {
    let neither = v1::WithdrawConsentRequest {
        purposes: Vec::new(),
        ..by_subject()
    };
    assert_eq!(refused(neither.clone()), ["purposes"]);
    let both = v1::WithdrawConsentRequest {
        all_purposes: true,
        ..by_subject()
    };
    assert_eq!(refused(both), ["purposes"]);
    let all = v1::WithdrawConsentRequest {
        all_purposes: true,
        ..neither
    };
    let Withdrawer::Subject { taken, .. } = withdraw(all).unwrap().by else {
        panic!("a subject takes back");
    };
    assert_eq!(taken, Taken::Everything);
}

#[test]
fn a_token_takes_back_its_own_purposes_only() {
    let by_token = v1::WithdrawConsentRequest {
        who: Some(Who::WithdrawalToken("token".into())),
        purposes: Vec::new(),
        ..v1::WithdrawConsentRequest::default()
    };
    assert!(withdraw(by_token.clone()).is_ok());
    let all = v1::WithdrawConsentRequest {
        all_purposes: true,
        ..by_token
    };
    assert_eq!(refused(all), ["all_purposes"]);
}

#[test]
fn a_request_for_a_token_names_its_purposes() {
    let message = v1::IssueWithdrawalTokenRequest {
        lifetime: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
        ..v1::IssueWithdrawalTokenRequest::default()
    };
    let violations = read::issue("", message).unwrap_err();
    let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["subject", "purposes", "lifetime"]);
}
