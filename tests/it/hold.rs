//! Legal holds: on items, not on people.

use std::time::Duration;

use registry::{
    domain::caller::Scope,
    proto::v1::{
        DeleteRecordsRequest, EventKind, LegalHold, ListAuditEntriesRequest, ListLegalHoldsRequest,
        PlaceLegalHoldRequest, ReleaseLegalHoldRequest, WatchEventsRequest,
        watch_events_response::Result as Watched,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, everything_of},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";

async fn client(clients: &mut Clients) -> String {
    let registered = clients
        .collection
        .register_collection(everything_of("client", ADA))
        .await
        .expect("registered");
    registered.into_inner().subject_id
}

fn on(data: &[&str]) -> PlaceLegalHoldRequest {
    PlaceLegalHoldRequest {
        subject: Some(by("email", ADA)),
        data_categories: data.iter().map(|&data| data.to_owned()).collect(),
        matter: "chargeback 2026-118".to_owned(),
        request_id: Uuid::new_v4().to_string(),
        ..PlaceLegalHoldRequest::default()
    }
}

async fn place(clients: &mut Clients, hold: PlaceLegalHoldRequest) -> Result<LegalHold, Status> {
    let placed = clients.hold.place_legal_hold(hold).await?.into_inner();
    Ok(placed.legal_hold.expect("a hold"))
}

async fn release(clients: &mut Clients, hold: &LegalHold) -> Result<LegalHold, Status> {
    let release = ReleaseLegalHoldRequest {
        legal_hold_id: hold.legal_hold_id.clone(),
        request_id: String::new(),
    };
    let released = clients.hold.release_legal_hold(release).await?.into_inner();
    Ok(released.legal_hold.expect("a hold"))
}

async fn list(clients: &mut Clients, asked: ListLegalHoldsRequest) -> (Vec<LegalHold>, String) {
    let page = clients
        .hold
        .list_legal_holds(asked)
        .await
        .expect("a page")
        .into_inner();
    (page.legal_holds, page.next_page_token)
}

async fn delete(clients: &mut Clients, data: &[&str]) -> Result<usize, Status> {
    let delete = DeleteRecordsRequest {
        subject: Some(by("email", ADA)),
        data_categories: data.iter().map(|&data| data.to_owned()).collect(),
        ..DeleteRecordsRequest::default()
    };
    let deleted = clients.record.delete_records(delete).await?.into_inner();
    Ok(deleted.deleted_item_ids.len())
}

on_both! {
    async fn a_hold_is_placed_once_keeps_its_items_and_not_their_neighbours_and_is_released(server: TestServer) {
        let mut clients = server.admin().await;
        let subject = client(&mut clients).await;
        let asked = on(&["order_contents"]);
        let hold = place(&mut clients, asked.clone()).await.expect("placed");
        assert_eq!(place(&mut clients, asked).await.expect("repeated"), hold);
        assert_eq!((hold.subject_id.as_str(), hold.placed_by.as_str()), (subject.as_str(), "admin"));
        assert_eq!(hold.article, "GDPR Art. 17(3)(e)");
        assert_eq!(delete(&mut clients, &["payment_details"]).await.expect("not held"), 1);
        let refused = delete(&mut clients, &["first_name", "order_contents"]).await.expect_err("held");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
        assert_eq!(fields(&refused), ["data_categories[1]"]);
        assert!(refused.message().contains(&hold.legal_hold_id), "{}", refused.message());
        assert_eq!(delete(&mut clients, &["first_name"]).await.expect("nothing was deleted before"), 1);
        server.clock.advance(Duration::from_secs(1));
        let released = release(&mut clients, &hold).await.expect("released");
        assert!(released.released_at.is_some());
        assert_eq!(delete(&mut clients, &["order_contents"]).await.expect("no longer held"), 1);
        let again = release(&mut clients, &hold).await.expect_err("released already");
        assert_eq!(reason(&again), "ILLEGAL_TRANSITION");
    }

    async fn everything_that_is_wrong_with_a_hold_is_said_at_once(server: TestServer) {
        let mut clients = server.admin().await;
        let status = place(&mut clients, PlaceLegalHoldRequest::default()).await.expect_err("empty");
        assert_eq!(fields(&status), ["subject", "item_ids", "matter"]);
        let unknown = PlaceLegalHoldRequest {
            subject: Some(by("telex", "7")),
            purposes: vec!["weather".to_owned()],
            matter: String::new(),
            ..on(&["order_contents", "shoe_size"])
        };
        let status = place(&mut clients, unknown).await.expect_err("unknown");
        assert_eq!(fields(&status), ["matter", "data_categories[1]", "purposes[0]", "subject.identifier.type"]);
        let nobody = place(&mut clients, on(&["order_contents"])).await.expect_err("nobody");
        assert_eq!(reason(&nobody), "SUBJECT_NOT_FOUND");
        client(&mut clients).await;
        let long = PlaceLegalHoldRequest { matter: "m".repeat(257), article: "a".repeat(65), ..on(&["order_contents"]) };
        assert_eq!(fields(&place(&mut clients, long).await.expect_err("too long")), ["matter", "article"]);
        let longest = PlaceLegalHoldRequest { matter: "m".repeat(256), article: "a".repeat(64), ..on(&["order_contents"]) };
        place(&mut clients, longest).await.expect("at the limits");
        let stranger = PlaceLegalHoldRequest { item_ids: vec![Uuid::now_v7().to_string()], ..on(&[]) };
        assert_eq!(reason(&place(&mut clients, stranger).await.expect_err("no such item")), "ITEM_NOT_FOUND");
        let unknown = LegalHold { legal_hold_id: Uuid::now_v7().to_string(), ..LegalHold::default() };
        assert_eq!(reason(&release(&mut clients, &unknown).await.expect_err("unknown")), "LEGAL_HOLD_NOT_FOUND");
    }

    async fn only_the_scope_for_holds_places_and_lists_them(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let mut other = server.service("shop", &[Scope::Collect, Scope::RecordsWrite]).await;
        let status = place(&mut other, on(&["order_contents"])).await.expect_err("no scope");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
        let mut legal = server.service("legal", &[Scope::Holds]).await;
        let hold = place(&mut legal, on(&["order_contents"])).await.expect("placed");
        assert_eq!(hold.placed_by, "legal");
        assert_eq!(list(&mut legal, ListLegalHoldsRequest::default()).await, (vec![hold], String::new()));
    }

    async fn of_releases_at_once_one_is_done(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let hold = place(&mut clients, on(&["order_contents"])).await.expect("placed");
        let mut racers = JoinSet::new();
        for _ in 0..6 {
            let (mut clients, hold) = (clients.clone(), hold.clone());
            racers.spawn(async move { release(&mut clients, &hold).await.map_err(|status| reason(&status)) });
        }
        let outcomes = racers.join_all().await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(done, 1, "{outcomes:?}");
        assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|reason| reason == "ILLEGAL_TRANSITION"));
        let all = ListLegalHoldsRequest { include_released: true, ..ListLegalHoldsRequest::default() };
        assert_eq!(list(&mut clients, all).await.0.len(), 1);
        assert_eq!(list(&mut clients, ListLegalHoldsRequest::default()).await.0, []);
    }

    async fn a_hold_is_in_the_log_and_in_the_events(server: TestServer) {
        let mut clients = server.admin().await;
        client(&mut clients).await;
        let hold = place(&mut clients, on(&["order_contents"])).await.expect("placed");
        release(&mut clients, &hold).await.expect("released");
        let asked = ListAuditEntriesRequest { page_size: 2, ..ListAuditEntriesRequest::default() };
        let log = clients.audit.list_audit_entries(asked).await.expect("listed").into_inner().entries;
        let logged: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.legal_hold_id.as_str())).collect();
        let id = hold.legal_hold_id.as_str();
        assert_eq!(logged, [("ReleaseLegalHold", id), ("PlaceLegalHold", id)]);
        let kinds = [EventKind::LegalHoldPlaced, EventKind::LegalHoldReleased];
        let watch = WatchEventsRequest { kinds: kinds.iter().map(|&kind| kind.into()).collect(), ..WatchEventsRequest::default() };
        let mut stream = clients.event.watch_events(watch).await.expect("watched").into_inner();
        let mut heard = Vec::new();
        while heard.len() < 2 {
            let message = stream.message().await.expect("it goes on").expect("a message");
            if let Some(Watched::Event(envelope)) = message.result {
                let event = envelope.event.expect("an event");
                assert_eq!((event.legal_hold_id.as_str(), event.subject_id.as_str()), (id, hold.subject_id.as_str()));
                heard.push(event.kind());
            }
        }
        assert_eq!(heard, kinds);
    }
}
