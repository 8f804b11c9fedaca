//! A request's life in sentences.

use jiff::{ToSpan, tz::TimeZone};
use uuid::Uuid;

use super::*;
use crate::domain::{
    deadline::PublicHolidays,
    id::{ObjectionId, SubjectId, SubjectRequestId},
    request::{RequestKind, Scope, advance::Leaf, part::RestrictionMade, record::DeadlineClock},
};

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant of this test")
}

fn received_at() -> Timestamp {
    at("2026-06-01T12:00:00Z")
}

fn with_calendar<T>(count: impl FnOnce(Calendar<'_>) -> T) -> T {
    count(Calendar {
        zone: &TimeZone::UTC,
        holidays: &PublicHolidays::default(),
    })
}

fn received(kinds: &[RequestKind]) -> Request<Received> {
    let record = Record {
        subject_request_id: SubjectRequestId(Uuid::from_u128(1)),
        subject_id: SubjectId(Uuid::from_u128(2)),
        channel: "email".parse().expect("a name"),
        received_at: received_at(),
        recorded_at: received_at(),
        scope: Scope::default(),
        parts: kinds.iter().map(|kind| Part::pending(*kind)).collect(),
        clock: with_calendar(|calendar| DeadlineClock::start(received_at(), calendar)),
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    };
    Request::receive(record)
}

fn verified(kinds: &[RequestKind]) -> Request<IdentityVerified> {
    with_calendar(|calendar| received(kinds).verify(IdentityMethod::Login, received_at(), calendar))
}

fn due(request: &AnyRequest) -> String {
    let due = request.open_due_at();
    due.map_or_else(|| "none".to_owned(), |due| due.to_string()[..10].to_owned())
}

fn leaves(kind: RequestKind, leaf: Leaf) -> Leaves {
    Leaves([(kind, leaf)].into())
}

#[test]
fn a_request_that_was_received_is_due_after_a_month() {
    let request = AnyRequest::from(received(&[RequestKind::Access]));
    assert_eq!(request.state(), RequestState::Received);
    assert_eq!(due(&request), "2026-07-01");
}

#[test]
fn the_clock_stands_still_while_the_identity_is_in_doubt_and_the_days_are_added() {
    let request = received(&[RequestKind::Access]);
    let request = request.doubt(at("2026-06-03T09:00:00Z")).expect("doubted");
    assert_eq!(due(&request.clone().into()), "none");
    assert!(request.clone().doubt(at("2026-06-04T09:00:00Z")).is_err());
    let verified = with_calendar(|calendar| {
        request.verify(
            IdentityMethod::Document,
            at("2026-06-08T07:00:00Z"),
            calendar,
        )
    });
    // Five days on from Wednesday, 1 July.
    assert_eq!(due(&verified.into()), "2026-07-06");
}

#[test]
fn a_clock_that_has_run_out_cannot_be_stopped_or_extended() {
    let late = at("2026-07-02T00:00:00Z");
    assert!(received(&[RequestKind::Access]).doubt(late).is_err());
    let last = at("2026-07-01T23:59:59Z");
    assert!(received(&[RequestKind::Access]).doubt(last).is_ok());
    let extend = |now| {
        with_calendar(|calendar| {
            verified(&[RequestKind::Access]).extend("many items".into(), now, calendar)
        })
    };
    assert!(extend(late).is_err());
    assert_eq!(due(&extend(last).expect("extended").into()), "2026-09-01");
}

#[test]
fn there_is_one_extension() {
    with_calendar(|calendar| {
        let request = verified(&[RequestKind::Access]);
        let now = received_at() + 1.hour();
        let extended = request.extend("many items".into(), now, calendar);
        let again = extended
            .expect("extended")
            .extend("more".into(), now, calendar);
        assert!(again.is_err());
    });
}

#[test]
fn a_request_without_recipients_is_complete_when_it_was_carried_out() {
    let mut request = verified(&[RequestKind::Withdrawal]).begin();
    request.parts_mut()[0].carry_out(received_at());
    let settled = AnyRequest::from(request.settle(&Leaves::default(), received_at()));
    assert_eq!(settled.state(), RequestState::Completed);
    assert_eq!(settled.record().completed_at, Some(received_at()));
    // It is still due: nobody has told the person.
    assert_eq!(due(&settled), "2026-07-01");
    let answered = settled.answer(received_at()).expect("answered");
    assert_eq!(due(&answered), "none");
    assert!(answered.answer(received_at()).is_err());
}

#[test]
fn a_request_waits_for_its_recipients_and_then_is_complete() {
    let mut request = verified(&[RequestKind::Objection]).begin();
    request.parts_mut()[0].carry_out(received_at());
    let open = Leaf {
        open_tasks: 1,
        ..Leaf::default()
    };
    let waiting: AnyRequest = request
        .settle(&leaves(RequestKind::Objection, open), received_at())
        .into();
    assert_eq!(waiting.state(), RequestState::WaitingOnProcessors);
    assert!(!waiting.could_go_on(&leaves(RequestKind::Objection, open), received_at()));
    assert!(waiting.could_go_on(&Leaves::default(), received_at()));
    let done = waiting.settle(&Leaves::default(), received_at());
    assert_eq!(done.state(), RequestState::Completed);
}

#[test]
fn what_was_carried_out_is_neither_refused_nor_taken_back() {
    let mut request = verified(&[RequestKind::Access, RequestKind::Withdrawal]).begin();
    request.parts_mut()[0].begin();
    request.parts_mut()[1].carry_out(received_at());
    let cancelled = request.clone().cancel(received_at()).expect("cancelled");
    let states: Vec<_> = cancelled
        .record()
        .parts
        .iter()
        .map(|part| part.state)
        .collect();
    assert_eq!(states, [PartState::Dropped, PartState::Waiting]);
    assert_eq!(cancelled.record().completed_at, None);
    let settled = AnyRequest::from(cancelled).settle(&Leaves::default(), received_at());
    assert_eq!(settled.state(), RequestState::Cancelled);
    assert_eq!(settled.record().completed_at, Some(received_at()));
    assert_eq!(due(&settled), "none");
    request.parts_mut()[0].end(received_at());
    assert!(request.clone().cancel(received_at()).is_err());
    assert!(request.reject("no".into(), received_at()).is_err());
}

#[test]
fn a_refusal_is_an_answer() {
    let request = received(&[RequestKind::Erasure]);
    let rejected = request.reject("unfounded".into(), received_at());
    let rejected = AnyRequest::from(rejected.expect("rejected"));
    assert_eq!(rejected.record().answered_at, Some(received_at()));
    assert_eq!(rejected.record().completed_at, Some(received_at()));
    assert_eq!(due(&rejected), "none");
}

#[test]
fn an_ended_request_takes_no_step_that_an_open_one_has() {
    let now = received_at();
    let ended = AnyRequest::from(
        received(&[RequestKind::Access])
            .cancel(now)
            .expect("taken back"),
    );
    assert!(ended.clone().doubt(now).is_err());
    assert!(ended.clone().cancel(now).is_err());
    assert!(ended.clone().reject("no".into(), now).is_err());
    assert!(ended.clone().answer(now).is_err());
    assert!(ended.underway().is_none());
    with_calendar(|calendar| {
        assert!(ended.clone().extend("no".into(), now, calendar).is_err());
        assert!(
            ended
                .clone()
                .verify(IdentityMethod::Eid, now, calendar)
                .is_err()
        );
    });
}

fn objecting(purposes: &[&str]) -> AnyRequest {
    let mut request = verified(&[RequestKind::Objection]).begin();
    let part = &mut request.parts_mut()[0];
    part.objections = (1..)
        .zip(purposes)
        .map(|(id, purpose)| ObjectionMade {
            objection_id: ObjectionId(Uuid::from_u128(id)),
            purpose: purpose.parse().expect("a name"),
            decided: None,
        })
        .collect();
    part.end(received_at());
    request.settle(&Leaves::default(), received_at()).into()
}

#[test]
fn an_objection_is_decided_once_also_when_the_request_is_complete() {
    let decision = ObjectionDecision {
        ruling: ObjectionRuling::Rejected,
        decided_at: received_at(),
        grounds: "fraud".to_owned(),
    };
    let request = objecting(&["analytics", "profiling"]);
    assert_eq!(request.state(), RequestState::Completed);
    let analytics = "analytics".parse().expect("a name");
    let (request, decided) = request
        .decide(Some(&analytics), &decision)
        .expect("decided");
    assert_eq!(decided.len(), 1);
    assert!(request.clone().decide(Some(&analytics), &decision).is_err());
    let (request, decided) = request.decide(None, &decision).expect("the other one");
    assert_eq!(decided[0].purpose.as_str(), "profiling");
    assert!(request.decide(None, &decision).is_err());
}

#[test]
fn a_restriction_is_lifted_once() {
    let mut request = verified(&[RequestKind::Restriction]).begin();
    request.parts_mut()[0].restriction = Some(RestrictionMade {
        restriction_id: RestrictionId(Uuid::from_u128(9)),
        lifted_at: None,
    });
    let (request, id) = AnyRequest::from(request)
        .lift(received_at())
        .expect("lifted");
    assert_eq!(id, RestrictionId(Uuid::from_u128(9)));
    assert!(request.lift(received_at()).is_err());
    assert!(objecting(&["analytics"]).lift(received_at()).is_err());
}

#[test]
fn a_request_reads_back_as_it_was_kept() {
    let request = objecting(&["analytics"]);
    let kept = serde_json::to_string(request.record()).expect("it is written");
    let read = serde_json::from_str(&kept).expect("it reads");
    assert_eq!(AnyRequest::restore(request.state(), read), request);
    for state in RequestState::ALL {
        assert_eq!(RequestState::from_name(state.as_str()), Some(state));
    }
}
