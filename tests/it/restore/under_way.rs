//! Requests that were on their way when the database was lost, and what people took back whom the backup
//! does not know.

use std::collections::BTreeMap;

use registry::proto::v1::{
    CompleteTaskRequest, CreateRequestRequest, DecideObjectionRequest, DownloadExportRequest,
    GetErasureCertificateRequest, GetRequestRequest, IdentityMethod, LeaseTasksRequest,
    LinkIdentifierRequest, ListTasksRequest, ObjectionRuling, PlaceLegalHoldRequest,
    ReleaseLegalHoldRequest, RequestKind, RequestPartState, RequestScope, RequestState,
    SubjectRequest, Task, TaskOutcome, TaskState, VerifyIdentityRequest,
};

use super::*;
use crate::harness::sample::everything_of;

const WEEK: Duration = Duration::from_hours(7 * 24);
const RECIPIENTS: [&str; 3] = ["aweber", "google_analytics", "stripe"];

async fn client(admin: &mut Clients, who: &str) -> String {
    let mut client = everything_of("client", &address(who));
    client.consents = vec![yes(&[NEWSLETTER])];
    client.identifiers = vec![identifier("shop_user", who)];
    let registered = admin.collection.register_collection(client).await;
    registered.expect("registered").into_inner().subject_id
}

async fn ask(admin: &mut Clients, who: &str, kinds: &[RequestKind], purposes: &[&str]) -> String {
    let create = CreateRequestRequest {
        kinds: kinds.iter().map(|&kind| kind.into()).collect(),
        subject: Some(by("email", &address(who))),
        scope: Some(RequestScope {
            purposes: purposes.iter().map(|&purpose| purpose.to_owned()).collect(),
            ..RequestScope::default()
        }),
        channel: "mail".to_owned(),
        ..CreateRequestRequest::default()
    };
    let created = admin.request.create_request(create).await;
    let created = created.expect("created").into_inner();
    created.request.expect("a request").subject_request_id
}

async fn verify(admin: &mut Clients, request: &str) -> SubjectRequest {
    let verify = VerifyIdentityRequest {
        subject_request_id: request.to_owned(),
        method: IdentityMethod::Login.into(),
        request_id: String::new(),
    };
    let verified = admin.request.verify_identity(verify).await;
    let verified = verified.expect("verified").into_inner();
    verified.request.expect("a request")
}

async fn get(admin: &mut Clients, request: &str) -> SubjectRequest {
    let asked = GetRequestRequest {
        subject_request_id: request.to_owned(),
    };
    let got = admin.request.get_request(asked).await;
    got.expect("it is there").into_inner().request.expect("one")
}

async fn becomes(admin: &mut Clients, request: &str, state: RequestState) -> SubjectRequest {
    for _ in 0..200 {
        let seen = get(admin, request).await;
        if seen.state() == state {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is {:?}", get(admin, request).await.state());
}

/// The tasks of a request, by who is told.
async fn tasks(admin: &mut Clients, request: &str) -> BTreeMap<String, Task> {
    let asked = ListTasksRequest {
        subject_request_id: request.to_owned(),
        ..ListTasksRequest::default()
    };
    let listed = admin.task.list_tasks(asked).await.expect("listed");
    let tasks = listed.into_inner().tasks.into_iter();
    tasks.map(|task| (task.processor.clone(), task)).collect()
}

/// Everything that a recipient is to do is done; each task has to name its person. Returns how many.
async fn obey(admin: &mut Clients, processor: &str) -> usize {
    let lease = LeaseTasksRequest {
        processor: processor.to_owned(),
        max_tasks: 50,
        ..LeaseTasksRequest::default()
    };
    let leased = admin.task.lease_tasks(lease).await;
    let leased = leased.expect("leased").into_inner().tasks;
    for one in &leased {
        let task = one.task.as_ref().expect("a task");
        let mut named = one.identifiers.iter().map(|it| it.value.as_str());
        assert!(named.any(|value| value.ends_with("@example.com")));
        assert!(!one.items.is_empty());
        let complete = CompleteTaskRequest {
            task_id: task.task_id.clone(),
            lease_id: one.lease_id.clone(),
            outcome: TaskOutcome::Done.into(),
            evidence: "job 7".to_owned(),
            ..CompleteTaskRequest::default()
        };
        let done = admin.task.complete_task(complete).await;
        done.expect("completed");
    }
    leased.len()
}

/// The payload of a request's certificate, without what changes from day to day.
async fn certificate(admin: &mut Clients, request: &str) -> serde_json::Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let asked = GetErasureCertificateRequest {
        subject_request_id: request.to_owned(),
    };
    let issued = admin.request.get_erasure_certificate(asked).await;
    let envelope = issued.expect("issued").into_inner().envelope;
    let envelope: serde_json::Value = serde_json::from_str(&envelope).expect("an envelope");
    let payload = envelope["payload"].as_str().expect("a payload");
    let payload = STANDARD.decode(payload).expect("base 64");
    let mut payload: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    for moment in ["issued_at", "key_destroyed_at"] {
        let is_there = payload.as_object_mut().expect("an object").remove(moment);
        assert!(is_there.is_some(), "{moment}");
    }
    payload
}

async fn package_bytes(admin: &mut Clients, request: &str) -> usize {
    let asked = DownloadExportRequest {
        subject_request_id: request.to_owned(),
        ..DownloadExportRequest::default()
    };
    let pieces = admin.request.download_export(asked).await;
    let mut pieces = pieces.expect("it is there").into_inner();
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await.expect("a piece") {
        bytes += piece.data.len();
    }
    bytes
}

/// Requests of four people.
struct OnTheirWay {
    /// An erasure that was received before the backup.
    ada: String,
    /// A copy that was asked for before the backup.
    bea: String,
    /// An erasure that was received after it.
    carl: String,
    /// An objection and a restriction.
    dora: String,
}

/// A week after the backup: who asks is known, and one recipient of three has done what it was told.
async fn a_week_later(admin: &mut Clients, ada: String, bea: String) -> OnTheirWay {
    verify(admin, &ada).await;
    verify(admin, &bea).await;
    becomes(admin, &bea, RequestState::Completed).await;
    let carl = ask(admin, "carl", &[RequestKind::Erasure], &[]).await;
    verify(admin, &carl).await;
    let kinds = [RequestKind::Objection, RequestKind::Restriction];
    let dora = ask(admin, "dora", &kinds, &["interface_research"]).await;
    verify(admin, &dora).await;
    assert!(obey(admin, "stripe").await >= 2);
    OnTheirWay {
        ada,
        bea,
        carl,
        dora,
    }
}

/// What is asked for again after the restore and has to be the same.
async fn seen(admin: &mut Clients, request: &str) -> (SubjectRequest, BTreeMap<String, Task>) {
    (get(admin, request).await, tasks(admin, request).await)
}

async fn go_on(server: TestServer, lost: Lost) {
    let server = apart(server).await;
    let mut admin = server.admin().await;
    for who in ["ada", "bea", "carl", "dora"] {
        client(&mut admin, who).await;
    }
    let ada = ask(&mut admin, "ada", &[RequestKind::Erasure], &[]).await;
    let bea = ask(&mut admin, "bea", &[RequestKind::Access], &[]).await;
    let backups = backup(&server).await;
    server.clock.advance(WEEK);
    let mut admin = server.admin().await;
    let way = a_week_later(&mut admin, ada, bea).await;
    server.clock.advance(Duration::from_mins(1));
    let erasures = [&way.ada, &way.carl];
    let mut before = Vec::new();
    for request in [&way.ada, &way.carl, &way.dora] {
        before.push(seen(&mut admin, request).await);
    }
    let mut certificates = Vec::new();
    for request in erasures {
        certificates.push(certificate(&mut admin, request).await);
    }
    drop(admin);

    let server = restore(server, &backups, lost).await;
    let mut admin = server.admin().await;
    for (request, before) in [&way.ada, &way.carl, &way.dora].iter().zip(&before) {
        assert_eq!(&seen(&mut admin, request).await, before);
    }
    for (request, before) in erasures.iter().zip(&certificates) {
        assert_eq!(&certificate(&mut admin, request).await, before);
        let told = tasks(&mut admin, request).await;
        assert_eq!(told["stripe"].state(), TaskState::Completed);
        assert_eq!(told["aweber"].state(), TaskState::Pending);
    }
    for processor in RECIPIENTS {
        obey(&mut admin, processor).await;
    }
    for request in erasures {
        becomes(&mut admin, request, RequestState::Completed).await;
        let told = tasks(&mut admin, request).await;
        assert_eq!(told.len(), RECIPIENTS.len());
        assert!(told.values().all(|task| task.evidence == "job 7"));
    }
    is_one_objection(&mut admin, &way.dora).await;
    let copied = becomes(&mut admin, &way.bea, RequestState::Completed).await;
    assert_eq!(copied.parts[0].state(), RequestPartState::Done);
    assert!(package_bytes(&mut admin, &way.bea).await > 500);
    assert!(missing(&server.config, &server.clock).await.is_empty());
}

/// The objection is there once, and can be decided.
async fn is_one_objection(admin: &mut Clients, request: &str) {
    let held = get(admin, request).await;
    let objections = held.parts.iter().map(|part| part.objections.len());
    assert_eq!(objections.sum::<usize>(), 1);
    let decide = DecideObjectionRequest {
        subject_request_id: request.to_owned(),
        ruling: ObjectionRuling::Rejected.into(),
        grounds: "the claim of the shop".to_owned(),
        ..DecideObjectionRequest::default()
    };
    let decided = admin.request.decide_objection(decide.clone()).await;
    decided.expect("decided");
    let again = admin.request.decide_objection(decide).await;
    assert_eq!(reason(&again.expect_err("decided")), "ILLEGAL_TRANSITION");
}

async fn place_hold(admin: &mut Clients, who: &str) -> String {
    let place = PlaceLegalHoldRequest {
        subject: Some(by("email", &address(who))),
        data_categories: vec!["order_contents".to_owned()],
        matter: "case 7".to_owned(),
        ..PlaceLegalHoldRequest::default()
    };
    let placed = admin.hold.place_legal_hold(place).await.expect("placed");
    placed
        .into_inner()
        .legal_hold
        .expect("a hold")
        .legal_hold_id
}

async fn delete_orders(admin: &mut Clients, who: &str) -> Result<(), tonic::Status> {
    let delete = DeleteRecordsRequest {
        subject: Some(by("email", &address(who))),
        data_categories: vec!["order_contents".to_owned()],
        ..DeleteRecordsRequest::default()
    };
    admin.record.delete_records(delete).await.map(drop)
}

on_both! {
    async fn requests_on_their_way_go_on_after_a_restore_of_last_weeks_data(server: TestServer) {
        Box::pin(go_on(server, Lost::Data)).await;
    }

    async fn requests_on_their_way_go_on_after_a_restore_of_last_weeks_data_and_keys(server: TestServer) {
        Box::pin(go_on(server, Lost::DataAndKeys)).await;
    }

    async fn a_hold_that_was_placed_after_the_backup_keeps_what_it_kept_and_a_released_one_does_not(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        for who in ["held", "released"] {
            client(&mut admin, who).await;
        }
        let released = place_hold(&mut admin, "released").await;
        let backups = backup(&server).await;
        server.clock.advance(Duration::from_mins(1));
        place_hold(&mut admin, "held").await;
        let release = ReleaseLegalHoldRequest { legal_hold_id: released, ..ReleaseLegalHoldRequest::default() };
        admin.hold.release_legal_hold(release).await.expect("released");
        drop(admin);
        let server = restore(server, &backups, Lost::Data).await;
        let mut admin = server.admin().await;
        let refused = delete_orders(&mut admin, "held").await.expect_err("it is held");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        delete_orders(&mut admin, "released").await.expect("deleted");
    }

    async fn what_somebody_took_back_whom_the_backup_does_not_know_holds_when_they_register_again(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        register(&mut admin, "known").await;
        let backups = backup(&server).await;
        server.clock.advance(Duration::from_mins(1));
        for who in ["withdrew", "objected", "linked", "kept"] {
            register(&mut admin, who).await;
        }
        server.clock.advance(Duration::from_mins(1));
        withdraw(&mut admin, "withdrew").await;
        withdraw(&mut admin, "linked").await;
        let objected = ask(&mut admin, "objected", &[RequestKind::Objection], &[NEWSLETTER]).await;
        verify(&mut admin, &objected).await;
        drop(admin);

        let server = restore(server, &backups, Lost::Data).await;
        let mut admin = server.admin().await;
        // The collectors send again what they had sent before the loss, the yes of that time included.
        let sent_at = server.now() - jiff::SignedDuration::from_secs(90);
        for who in ["withdrew", "objected", "kept"] {
            assert!(subject(&mut admin, by("email", &address(who))).await.is_none());
            let mut again = visitor(who);
            again.collected_at = Some(prost_types::Timestamp { seconds: sent_at.as_second(), nanos: 0 });
            again.consents[0].occurred_at = again.collected_at;
            admin.collection.register_collection(again).await.expect("registered");
        }
        let mut other = visitor("other");
        other.consents[0].occurred_at = Some(prost_types::Timestamp { seconds: sent_at.as_second(), nanos: 0 });
        admin.collection.register_collection(other).await.expect("registered");
        assert!(is_allowed(&mut admin, "other").await);
        let link = LinkIdentifierRequest {
            subject: Some(by("email", &address("other"))),
            identifier: Some(identifier("email", &address("linked"))),
            ..LinkIdentifierRequest::default()
        };
        admin.subject.link_identifier(link).await.expect("linked");
        for who in ["withdrew", "objected", "other"] {
            assert!(!is_allowed(&mut admin, who).await, "{who}");
        }
        assert!(is_allowed(&mut admin, "kept").await);
        let held = get(&mut admin, &objected).await;
        let registered = subject(&mut admin, by("email", &address("objected"))).await;
        assert_eq!(held.subject_id, registered.expect("is there").subject_id);
        server.clock.advance(Duration::from_mins(1));
        answer(&mut admin, "withdrew", ConsentChoice::Given).await;
        assert!(is_allowed(&mut admin, "withdrew").await, "who says yes anew");
    }
}
