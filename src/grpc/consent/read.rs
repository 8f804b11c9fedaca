//! What the messages of `ConsentService` ask for.

use uuid::Uuid;

use crate::{
    app::{
        Error,
        consent::{
            IssueWithdrawalToken, ListConsents, Taken, WithdrawConsent, WithdrawalToken, Withdrawer,
        },
    },
    domain::{
        consent::statement::ConsentStatement, id::ConsentId, name::Purpose,
        subject_ref::SubjectRef, violation::Violations,
    },
    grpc::{
        parse::{
            Parse, Parsed,
            limits::{OPAQUE_BYTES_MAX, PROCESSORS_MAX, PURPOSES_MAX},
        },
        purpose::revision,
    },
    proto::v1::{self, withdraw_consent_request::Who},
};

/// What a person answered. The `request_id` was taken out of the message.
pub(super) fn record(
    request_id: &str,
    message: v1::RecordConsentRequest,
) -> Result<(Option<Uuid>, SubjectRef, ConsentStatement), Violations> {
    let mut parse = Parse::new();
    let request_id = parse.request_id(request_id);
    let subject = parse.subject("subject", message.subject);
    let statement = parse.consent_statement(v1::ConsentStatement {
        purposes: message.purposes,
        processors: message.processors,
        choice: message.choice,
        evidence: message.evidence,
        occurred_at: message.occurred_at,
        expires_at: message.expires_at,
    });
    parse.finish(|| Ok((request_id?, subject?, statement?)))
}

/// What is taken back.
pub(super) fn withdraw(
    request_id: &str,
    message: v1::WithdrawConsentRequest,
) -> Result<(Option<Uuid>, WithdrawConsent), Violations> {
    let mut parse = Parse::new();
    let request_id = parse.request_id(request_id);
    let purposes = parse.names("purposes", message.purposes, PURPOSES_MAX);
    let by = match message.who {
        Some(Who::Subject(subject)) => {
            let subject = parse.subject("subject", Some(subject));
            let taken = taken(&mut parse, purposes, message.all_purposes);
            subject.and_then(|subject| {
                Ok(Withdrawer::Subject {
                    subject,
                    taken: taken?,
                })
            })
        }
        Some(Who::WithdrawalToken(token)) => {
            holder(&mut parse, token, purposes, message.all_purposes)
        }
        None => Err(parse.refuse("subject", "is required, or a withdrawal_token")),
    };
    let processors = parse.names("processors", message.processors, PROCESSORS_MAX);
    let evidence = parse.evidence("evidence", message.evidence);
    let occurred_at = parse.instant("occurred_at", message.occurred_at);
    parse.finish(|| {
        let command = WithdrawConsent {
            by: by?,
            processors: processors?,
            evidence: evidence?,
            occurred_at: occurred_at?,
        };
        Ok((request_id?, command))
    })
}

fn taken(parse: &mut Parse, purposes: Parsed<Vec<Purpose>>, all: bool) -> Parsed<Taken> {
    let purposes = purposes?;
    match (purposes.is_empty(), all) {
        (false, false) => Ok(Taken::Purposes(purposes)),
        (true, true) => Ok(Taken::Everything),
        (true, false) => Err(parse.refuse("purposes", "must not be empty without all_purposes")),
        (false, true) => Err(parse.refuse("purposes", "must be empty with all_purposes")),
    }
}

fn holder(
    parse: &mut Parse,
    token: String,
    purposes: Parsed<Vec<Purpose>>,
    all: bool,
) -> Parsed<Withdrawer> {
    let token = parse.text("withdrawal_token", token, OPAQUE_BYTES_MAX);
    if all {
        let rule = "must not be set with a withdrawal_token, which withdraws its own purposes only";
        return Err(parse.refuse("all_purposes", rule));
    }
    Ok(Withdrawer::Holder {
        token: WithdrawalToken(token?),
        purposes: purposes?,
    })
}

/// Which part of a history. A revision that does not read was not issued here.
pub(super) fn list(message: v1::ListConsentsRequest) -> Result<ListConsents, Error> {
    let mut parse = Parse::new();
    let subject = parse.subject("subject", message.subject);
    let purposes = parse.names("purposes", message.purposes, PURPOSES_MAX);
    let page = parse.page(message.page_size, message.page_token);
    let (subject, purposes, page) = parse.finish(|| Ok((subject?, purposes?, page?)))?;
    Ok(ListConsents {
        subject,
        purposes,
        page_size: page.size,
        page_token: page.token,
        at_least_as_fresh: revision(&message.at_least_as_fresh)?,
    })
}

/// Which receipt.
pub(super) fn receipt(
    message: v1::GetConsentReceiptRequest,
) -> Result<(SubjectRef, ConsentId), Violations> {
    let mut parse = Parse::new();
    let subject = parse.subject("subject", message.subject);
    let consent = parse.id("consent_id", &message.consent_id);
    parse.finish(|| Ok((subject?, consent?)))
}

/// Which token.
pub(super) fn issue(
    request_id: &str,
    message: v1::IssueWithdrawalTokenRequest,
) -> Result<(Option<Uuid>, IssueWithdrawalToken), Violations> {
    let mut parse = Parse::new();
    let request_id = parse.request_id(request_id);
    let subject = parse.subject("subject", message.subject);
    let purposes = parse.names("purposes", message.purposes, PURPOSES_MAX);
    let purposes = parse.some("purposes", purposes);
    let lifetime = parse.duration("lifetime", message.lifetime);
    parse.finish(|| {
        let command = IssueWithdrawalToken {
            subject: subject?,
            purposes: purposes?,
            lifetime: lifetime?,
        };
        Ok((request_id?, command))
    })
}
