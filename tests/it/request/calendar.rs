//! The calendar of a controller in Berlin: days that begin at ten or eleven in the evening, an hour that
//! is missing in spring and one that comes twice in autumn, months of every length.

use jiff::{SignedDuration, Timestamp};
use registry::{
    domain::{deadline::PublicHolidays, export::LIFETIME_DAYS},
    grpc::render::instant,
    proto::v1::{
        CheckPurposeRequest, CreateRequestRequest, Decision, DecisionReason, DownloadExportRequest,
        GetPolicyRequest, ListRequestsRequest, Policy, PublishPolicyRequest,
        RegisterCollectionRequest, RequestKind, RequestState, Retention, RetentionKind,
        RetentionTrigger,
    },
};
use tonic::Status;

use super::{
    DAY, asked, at, becomes, create, created,
    deadline::{extend, ids, list},
    subscriber, verify,
};
use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, text},
        status::reason,
    },
    on_both,
};

/// The shortest time that the registry tells apart.
const TICK: SignedDuration = SignedDuration::from_micros(1);

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// Moves the clock there. Clients whose token counts then.
async fn on(server: &TestServer, instant: Timestamp) -> Clients {
    server.clock.set(instant);
    server.admin().await
}

/// The example policy of a controller in Berlin with these retention rules, in force from the next day on.
async fn in_berlin(server: &TestServer, retention: Vec<Retention>) -> Clients {
    let mut clients = server.admin().await;
    let now = clients.policy.get_policy(GetPolicyRequest::default()).await;
    let policy = now.expect("a policy").into_inner().policy;
    let mut policy = Policy {
        version: "berlin".to_owned(),
        effective_from: Some(instant(server.now() + DAY)),
        retention,
        ..policy.expect("a policy")
    };
    let controller = policy.controller.as_mut().expect("a controller");
    "Europe/Berlin".clone_into(&mut controller.time_zone);
    let publication = PublishPolicyRequest {
        policy: Some(policy),
        accept_findings: true,
        ..PublishPolicyRequest::default()
    };
    let published = clients.policy.publish_policy(publication).await;
    published.expect("published");
    on(server, server.now() + DAY).await
}

/// A request for a copy that was received then.
fn received(instant: &str) -> CreateRequestRequest {
    CreateRequestRequest {
        received_at: at(utc(instant)),
        ..asked(&[RequestKind::Access])
    }
}

/// That what was received then is due until the last tick of a day in Berlin.
async fn check_due(clients: &mut Clients, cases: &[(&str, &str)]) {
    for (instant, last) in cases {
        let request = create(clients, received(instant)).await.expect("created");
        assert_eq!(request.due_at, at(utc(last)), "{instant}");
    }
}

fn due(before: Timestamp) -> ListRequestsRequest {
    ListRequestsRequest {
        due_before: at(before),
        ..ListRequestsRequest::default()
    }
}

fn maximum(data: &str, period: &str) -> Retention {
    Retention {
        data: vec![data.to_owned()],
        kind: RetentionKind::Maximum.into(),
        after: RetentionTrigger::Collection.into(),
        period: period.to_owned(),
        ..Retention::default()
    }
}

/// Something that is kept for a while, and what it may be used for until then.
struct Kept {
    category: &'static str,
    data: &'static str,
    purpose: &'static str,
}

const FOR_A_DAY: Kept = Kept {
    category: "visitor",
    data: "browser_and_device",
    purpose: "website_functionality",
};
const FOR_A_MONTH: Kept = Kept {
    category: "client",
    data: "payment_details",
    purpose: "fraud_screening",
};

impl Kept {
    async fn collect(&self, clients: &mut Clients, email: &str) {
        let registration = RegisterCollectionRequest {
            subject: Some(by("email", email)),
            subject_category: self.category.to_owned(),
            items: vec![text(self.data, "a value")],
            ..RegisterCollectionRequest::default()
        };
        let registered = clients.collection.register_collection(registration).await;
        registered.expect("registered");
    }

    async fn check(&self, clients: &mut Clients, email: &str) -> Decision {
        let asked = CheckPurposeRequest {
            subject: Some(by("email", email)),
            data_categories: vec![self.data.to_owned()],
            purpose: self.purpose.to_owned(),
            ..CheckPurposeRequest::default()
        };
        let checked = clients.purpose.check_purpose(asked).await.expect("checked");
        checked.into_inner().decision.expect("a decision")
    }
}

async fn download(clients: &mut Clients, id: &str) -> Result<usize, Status> {
    let asked = DownloadExportRequest {
        subject_request_id: id.to_owned(),
        ..DownloadExportRequest::default()
    };
    let mut pieces = clients.request.download_export(asked).await?.into_inner();
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await? {
        bytes += piece.data.len();
    }
    Ok(bytes)
}

on_both! {
    async fn the_day_of_receipt_and_the_last_day_are_those_of_the_controller(server: TestServer) {
        in_berlin(&server, Vec::new()).await;
        let mut admin = on(&server, utc("2028-12-01T12:00:00Z")).await;
        subscriber(&mut admin).await;
        check_due(&mut admin, &[
            // Before and after midnight; the change to summer time lies between, on the 29th of March.
            ("2026-02-28T22:59:59.999999Z", "2026-03-30T21:59:59.999999Z"),
            ("2026-02-28T23:00:00Z", "2026-04-01T21:59:59.999999Z"),
            // The change back, on Sunday, the 25th of October: the last day itself, and a day that precedes it.
            ("2026-09-24T21:59:59.999999Z", "2026-10-26T22:59:59.999999Z"),
            ("2026-09-24T22:00:00Z", "2026-10-26T22:59:59.999999Z"),
            ("2026-09-30T21:59:59.999999Z", "2026-10-30T22:59:59.999999Z"),
            ("2026-09-30T22:00:00Z", "2026-11-02T22:59:59.999999Z"),
            // The 31st of January by the clock in Berlin, to the last of February: a Sunday, and a leap day.
            ("2027-01-30T23:10:00Z", "2027-03-01T22:59:59.999999Z"),
            ("2028-01-31T22:50:00Z", "2028-02-29T22:59:59.999999Z"),
            ("2028-01-31T23:10:00Z", "2028-03-01T22:59:59.999999Z"),
            // A Sunday that has no hour from two to three, and a month that begins on the leap day.
            ("2028-02-25T23:30:00Z", "2028-03-27T21:59:59.999999Z"),
            ("2028-02-29T12:00:00Z", "2028-03-29T21:59:59.999999Z"),
            // Received within the hour that comes twice: both times on the same day.
            ("2028-10-29T00:30:00Z", "2028-11-29T22:59:59.999999Z"),
            ("2028-10-29T01:30:00Z", "2028-11-29T22:59:59.999999Z"),
        ]).await;
    }

    async fn a_holiday_after_the_change_is_passed_over_in_the_controllers_days(server: TestServer) {
        drop(in_berlin(&server, Vec::new()).await);
        let (mut config, dir, clock) = (server.config.clone(), server.dir.clone(), server.clock.clone());
        server.end().await;
        let days = ["2028-10-30", "2028-10-31"].map(|day| day.parse().expect("a day"));
        config.requests.public_holidays = PublicHolidays::new(days);
        let server = TestServer::begin(config, dir, clock).await;
        let mut admin = on(&server, utc("2028-12-01T12:00:00Z")).await;
        subscriber(&mut admin).await;
        check_due(&mut admin, &[
            // A Friday; a Saturday, then the Sunday of the change, then two holidays.
            ("2028-09-26T22:00:00Z", "2028-10-27T21:59:59.999999Z"),
            ("2028-09-27T22:00:00Z", "2028-11-01T22:59:59.999999Z"),
        ]).await;
    }

    async fn what_is_overdue_is_listed_from_the_controllers_midnight_on(server: TestServer) {
        in_berlin(&server, Vec::new()).await;
        let mut admin = on(&server, utc("2028-12-01T12:00:00Z")).await;
        subscriber(&mut admin).await;
        let mut all = Vec::new();
        // Due on Friday, 30 October, and on Monday, 2 November: they were received a microsecond apart.
        for instant in ["2026-09-30T21:59:59.999999Z", "2026-09-30T22:00:00Z"] {
            all.push(created(&mut admin, received(instant)).await);
        }
        let [friday, monday] = ["2026-10-30T23:00:00Z", "2026-11-02T23:00:00Z"].map(utc);
        for (before, listed) in [(friday - TICK, 0), (friday, 1), (monday - TICK, 1), (monday, 2)] {
            let overdue = list(&mut admin, due(before)).await;
            assert_eq!(ids(&overdue), all[..listed], "{before}");
        }
    }

    async fn an_extension_is_in_time_until_the_controllers_midnight_and_counts_over_the_change(server: TestServer) {
        in_berlin(&server, Vec::new()).await;
        let mut admin = on(&server, utc("2028-01-31T22:50:00Z")).await;
        subscriber(&mut admin).await;
        let leap = created(&mut admin, asked(&[RequestKind::Access])).await;
        let late = created(&mut admin, asked(&[RequestKind::Access])).await;
        let midnight = utc("2028-02-29T23:00:00Z");
        let mut admin = on(&server, midnight - TICK).await;
        assert_eq!(list(&mut admin, due(server.now())).await.requests, []);
        let extended = extend(&mut admin, &leap).await.expect("extended in time");
        // 30 April is a Sunday; by then it is summer time.
        assert_eq!(extended.due_at, at(utc("2028-05-01T21:59:59.999999Z")));
        let mut admin = on(&server, midnight).await;
        assert_eq!(ids(&list(&mut admin, due(midnight)).await), [&late]);
        assert_eq!(reason(&extend(&mut admin, &late).await.expect_err("too late")), "ILLEGAL_TRANSITION");
        // From summer time, 31 August, over the 30th of a shorter month to winter time.
        let mut admin = on(&server, utc("2028-08-31T21:30:00Z")).await;
        let summer = create(&mut admin, asked(&[RequestKind::Access])).await.expect("created");
        assert_eq!(summer.due_at, at(utc("2028-10-02T21:59:59.999999Z")));
        let extended = extend(&mut admin, &summer.subject_request_id).await.expect("extended");
        assert_eq!(extended.due_at, at(utc("2028-11-30T22:59:59.999999Z")));
    }

    async fn a_package_lives_as_many_hours_over_the_change_as_over_any_other_day(server: TestServer) {
        in_berlin(&server, Vec::new()).await;
        let mut admin = on(&server, utc("2028-03-25T10:30:00Z")).await;
        subscriber(&mut admin).await;
        let id = created(&mut admin, asked(&[RequestKind::Access])).await;
        verify(&mut admin, &id).await.expect("verified");
        let done = becomes(&mut admin, &id, RequestState::Completed).await;
        let package = done.parts[0].export.as_ref().expect("a package");
        let end = server.now() + SignedDuration::from_hours(24 * LIFETIME_DAYS);
        assert_eq!(package.expires_at, at(end));
        let mut admin = on(&server, end - TICK).await;
        assert_eq!(download(&mut admin, &id).await.expect("there"), usize::try_from(package.json_bytes).expect("small"));
        let mut admin = on(&server, end).await;
        assert_eq!(reason(&download(&mut admin, &id).await.expect_err("expired")), "EXPORT_NOT_FOUND");
    }

    async fn a_retention_ends_at_the_same_hour_of_the_wall_clock_whatever_the_days_between_have(server: TestServer) {
        let rules = vec![maximum(FOR_A_DAY.data, "P1D"), maximum(FOR_A_MONTH.data, "P1M")];
        in_berlin(&server, rules).await;
        for (n, (kept, collected, end)) in [
            // The hour that comes twice: its first time. A month with a day of 25 hours.
            (FOR_A_DAY, "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
            (FOR_A_MONTH, "2027-10-15T22:30:00Z", "2027-11-15T23:30:00Z"),
            // The last of January, and half an hour past midnight, when it is still January elsewhere.
            (FOR_A_MONTH, "2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z"),
            (FOR_A_MONTH, "2028-02-29T23:30:00Z", "2028-03-31T22:30:00Z"),
            // That day itself.
            (FOR_A_DAY, "2028-10-28T12:00:00Z", "2028-10-29T13:00:00Z"),
            // The hour that is missing: what would end within it ends as much later. A day of 23 hours.
            (FOR_A_DAY, "2030-03-30T01:30:00Z", "2030-03-31T01:30:00Z"),
            (FOR_A_DAY, "2031-03-29T12:00:00Z", "2031-03-30T11:00:00Z"),
            (FOR_A_MONTH, "2032-02-28T01:30:00Z", "2032-03-28T01:30:00Z"),
        ].into_iter().enumerate() {
            let (email, end) = (format!("{n}@example.org"), utc(end));
            let mut clients = on(&server, utc(collected)).await;
            kept.collect(&mut clients, &email).await;
            let decision = kept.check(&mut clients, &email).await;
            assert_eq!((decision.reason(), decision.valid_until), (DecisionReason::Lawful, at(end)), "{collected}");
            let mut clients = on(&server, end - TICK).await;
            assert_eq!(kept.check(&mut clients, &email).await.reason(), DecisionReason::Lawful, "{collected}");
            let mut clients = on(&server, end).await;
            let over = kept.check(&mut clients, &email).await.reason();
            // The sweep may have been faster than the check.
            let gone = [DecisionReason::RetentionExpired, DecisionReason::NotCollected];
            assert!(gone.contains(&over), "{collected}: {over:?}");
        }
    }
}
