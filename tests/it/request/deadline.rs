//! Until when people are answered (Art. 12(3); Regulation 1182/71).

use std::time::Duration;

use jiff::Timestamp;
use registry::{
    domain::deadline::PublicHolidays,
    proto::v1::{
        AnswerRequestRequest, CreateRequestRequest, DoubtIdentityRequest, ExtendRequestRequest,
        ListRequestsRequest, ListRequestsResponse, RequestKind, RequestState, SubjectRequest,
    },
};
use tonic::Status;

use super::{asked, at, create, created, get, subscriber, verify};
use crate::{
    harness::{Clients, TestServer, status::reason},
    on_both,
};

/// A request for a copy that was received then.
fn received(instant: &str) -> CreateRequestRequest {
    CreateRequestRequest {
        received_at: at(instant.parse().expect("an instant")),
        ..asked(&[RequestKind::Access])
    }
}

/// The last instant of a day.
fn end_of(day: &str) -> Option<prost_types::Timestamp> {
    at(format!("{day}T23:59:59.999999Z")
        .parse()
        .expect("an instant"))
}

pub(super) async fn extend(clients: &mut Clients, id: &str) -> Result<SubjectRequest, Status> {
    let extend = ExtendRequestRequest {
        subject_request_id: id.to_owned(),
        reason: "a hundred systems to be searched".to_owned(),
        request_id: String::new(),
    };
    let extended = clients.request.extend_request(extend).await?.into_inner();
    Ok(extended.request.expect("a request"))
}

async fn doubt(clients: &mut Clients, id: &str) -> Result<SubjectRequest, Status> {
    let doubt = DoubtIdentityRequest {
        subject_request_id: id.to_owned(),
        request_id: String::new(),
    };
    let doubted = clients.request.doubt_identity(doubt).await?.into_inner();
    Ok(doubted.request.expect("a request"))
}

/// Clients whose token counts at this instant, to which the clock is moved.
async fn on(server: &TestServer, instant: &str) -> Clients {
    let instant: Timestamp = instant.parse().expect("an instant");
    let ahead = instant.duration_since(server.now());
    server
        .clock
        .advance(Duration::try_from(ahead).expect("it lies ahead"));
    server.admin().await
}

pub(super) async fn list(
    clients: &mut Clients,
    asked: ListRequestsRequest,
) -> ListRequestsResponse {
    let listed = clients.request.list_requests(asked).await;
    listed.expect("listed").into_inner()
}

pub(super) fn ids(listed: &ListRequestsResponse) -> Vec<&str> {
    let requests = listed.requests.iter();
    requests.map(|it| it.subject_request_id.as_str()).collect()
}

on_both! {
    async fn a_person_is_answered_within_a_month_of_days_as_they_stand_in_the_calendar(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        for (day, due) in [
            ("2026-05-12", "2026-06-12"),
            // A month that has no 31st, a leap day, a year without one.
            ("2026-03-31", "2026-04-30"),
            ("2024-01-31", "2024-02-29"),
            ("2025-01-31", "2025-02-28"),
            // A Saturday, and a Sunday.
            ("2026-04-30", "2026-06-01"),
            ("2026-05-14", "2026-06-15"),
        ] {
            let request = create(&mut admin, received(&format!("{day}T23:59:59Z"))).await.expect("created");
            assert_eq!(request.due_at, end_of(due), "{day}");
        }
    }

    async fn the_clock_of_the_registry_counts_when_nothing_else_is_said_and_an_extension_counts_from_receipt(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let mut admin = on(&server, "2028-01-31T08:00:00Z").await;
        let id = created(&mut admin, asked(&[RequestKind::Access])).await;
        assert_eq!(get(&mut admin, &id).await.due_at, end_of("2028-02-29"));
        let mut admin = on(&server, "2028-02-29T23:59:59Z").await;
        let extended = extend(&mut admin, &id).await.expect("extended in time");
        // The 30th of April is a Sunday.
        assert_eq!(extended.due_at, end_of("2028-05-01"));
        assert_eq!(extended.extension_reason, "a hundred systems to be searched");
        assert_eq!(reason(&extend(&mut admin, &id).await.expect_err("once")), "ILLEGAL_TRANSITION");
        let late = created(&mut admin, received("2028-01-10T08:00:00Z")).await;
        assert_eq!(reason(&extend(&mut admin, &late).await.expect_err("too late")), "ILLEGAL_TRANSITION");
    }

    async fn no_deadline_ends_on_a_public_holiday_that_is_configured(server: TestServer) {
        let (mut config, dir, clock) = (server.config.clone(), server.dir.clone(), server.clock.clone());
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        drop(admin);
        server.end().await;
        let days = ["2025-12-25", "2025-12-26"].map(|day| day.parse().expect("a day"));
        config.requests.public_holidays = PublicHolidays::new(days);
        let server = TestServer::begin(config, dir, clock).await;
        let mut admin = server.admin().await;
        let request = create(&mut admin, received("2025-11-25T09:00:00Z")).await.expect("created");
        // Thursday and Friday are holidays, and then it is the weekend.
        assert_eq!(request.due_at, end_of("2025-12-29"));
    }

    async fn a_doubt_stops_the_clock_and_its_days_are_added(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, asked(&[RequestKind::Access])).await;
        assert_eq!(get(&mut admin, &id).await.due_at, end_of("2026-07-01"));
        let doubted = doubt(&mut admin, &id).await.expect("doubted");
        assert_eq!((doubted.due_at, doubted.paused_since), (None, at(server.now())));
        assert_eq!(reason(&doubt(&mut admin, &id).await.expect_err("doubted already")), "ILLEGAL_TRANSITION");
        let due = ListRequestsRequest { due_before: end_of("2027-01-01"), ..ListRequestsRequest::default() };
        assert_eq!(list(&mut admin, due).await.requests, [], "it is not due while the clock stands");
        let mut admin = on(&server, "2026-06-11T09:00:00Z").await;
        let verified = verify(&mut admin, &id).await.expect("verified");
        // Ten days from Wednesday, 1 July, are Saturday, 11 July.
        assert_eq!((verified.due_at, verified.paused_since), (end_of("2026-07-13"), None));
        assert_eq!(reason(&doubt(&mut admin, &id).await.expect_err("verified")), "ILLEGAL_TRANSITION");
    }

    async fn what_is_due_is_listed_first_and_what_is_answered_no_longer(server: TestServer) {
        let mut admin = server.admin().await;
        subscriber(&mut admin).await;
        let mut all = Vec::new();
        for day in ["2026-05-20", "2026-05-06", "2026-05-13", "2026-04-01"] {
            all.push(created(&mut admin, received(&format!("{day}T09:00:00Z"))).await);
        }
        let due = |before| ListRequestsRequest { due_before: before, ..ListRequestsRequest::default() };
        let start_of = |day: &str| at(format!("{day}T00:00:00Z").parse().expect("an instant"));
        assert_eq!(ids(&list(&mut admin, due(start_of("2026-06-16"))).await), [&all[3], &all[1], &all[2]]);
        assert_eq!(ids(&list(&mut admin, due(end_of("2026-06-15"))).await), [&all[3], &all[1]], "that instant is in time");
        verify(&mut admin, &all[3]).await.expect("verified");
        let answer = AnswerRequestRequest { subject_request_id: all[3].clone(), ..AnswerRequestRequest::default() };
        admin.request.answer_request(answer).await.expect("answered");
        assert_eq!(ids(&list(&mut admin, due(start_of("2026-06-16"))).await), [&all[1], &all[2]]);
        let mut pages = Vec::new();
        let mut asked = ListRequestsRequest { page_size: 3, ..ListRequestsRequest::default() };
        loop {
            let page = list(&mut admin, asked.clone()).await;
            pages.extend(ids(&page).into_iter().map(str::to_owned));
            if page.next_page_token.is_empty() {
                break;
            }
            asked.page_token = page.next_page_token;
        }
        assert_eq!(pages, [&all[1], &all[2], &all[0], &all[3]].map(Clone::clone));
        asked.state = RequestState::Received.into();
        let other = admin.request.list_requests(asked).await.expect_err("a token of another list");
        assert_eq!(reason(&other), "CURSOR_INVALID");
        let received = ListRequestsRequest { state: RequestState::Received.into(), ..ListRequestsRequest::default() };
        assert_eq!(list(&mut admin, received).await.requests.len(), 3);
    }
}
