//! Erasures as a person asks for them: nothing of them is left to be used, read or brought back, and a
//! certificate says so.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use registry::{
    cli::compose,
    crypto::{keyring::KeyRing, signature::Envelope},
    domain::erasure::certificate::{CERTIFICATE_TYPE, ErasureCertificate},
    proto::v1::{
        CheckPurposeRequest, CompleteTaskRequest, CreateRequestRequest, Decision, Effect,
        FetchRecordsRequest, GetErasureCertificateRequest, GetSubjectRequest, IdentityMethod,
        LeaseTasksRequest, PlaceLegalHoldRequest, PreviewErasureRequest, RegisterCollectionRequest,
        RequestKind, RequestScope, RequestState, SubjectRef, SubjectRequest, TaskOutcome,
        VerifyIdentityRequest,
    },
};
use tokio::{
    sync::{Barrier, Mutex},
    task::JoinSet,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    harness::{
        Clients, TestServer, files_below,
        process::Process,
        sample::{by, by_id, everything_of, identifier, text, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada.qx7@geheim.example";

async fn register(clients: &mut Clients, registration: RegisterCollectionRequest) -> String {
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

/// A client of whom everything is known that the policy lists.
async fn client(clients: &mut Clients, email: &str) -> String {
    let mut client = everything_of("client", email);
    client.consents = vec![yes(&["newsletter"])];
    client.identifiers = vec![identifier("shop_user", email)];
    register(clients, client).await
}

async fn ask(clients: &mut Clients, subject: &str, data: &[&str]) -> SubjectRequest {
    let create = CreateRequestRequest {
        kinds: vec![RequestKind::Erasure.into()],
        subject: Some(by_id(subject)),
        scope: Some(RequestScope {
            data_categories: data.iter().map(|&data| data.to_owned()).collect(),
            ..RequestScope::default()
        }),
        channel: "mail".to_owned(),
        ..CreateRequestRequest::default()
    };
    let created = clients.request.create_request(create).await;
    let created = created.expect("created").into_inner();
    created.request.expect("a request")
}

async fn verify(
    clients: &mut Clients,
    request: &str,
    request_id: &str,
) -> Result<SubjectRequest, Status> {
    let verify = VerifyIdentityRequest {
        subject_request_id: request.to_owned(),
        method: IdentityMethod::Login.into(),
        request_id: request_id.to_owned(),
    };
    let verified = clients.request.verify_identity(verify).await?.into_inner();
    Ok(verified.request.expect("a request"))
}

async fn erase(clients: &mut Clients, subject: &str, data: &[&str]) -> SubjectRequest {
    let asked = ask(clients, subject, data).await;
    let verified = verify(clients, &asked.subject_request_id, "").await;
    verified.expect("verified")
}

async fn check(clients: &mut Clients, subject: SubjectRef, data: &str, purpose: &str) -> Decision {
    let check = CheckPurposeRequest {
        subject: Some(subject),
        data_categories: vec![data.to_owned()],
        purpose: purpose.to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients.purpose.check_purpose(check).await;
    let answer = answer.expect("answered").into_inner();
    answer.decision.expect("a decision")
}

/// What is handed out for an order's service, as bytes.
async fn fetched(clients: &mut Clients, subject: &str) -> Vec<u8> {
    let fetch = FetchRecordsRequest {
        subject: Some(by_id(subject)),
        purpose: "service_rendering".to_owned(),
        data_categories: vec!["order_contents".to_owned()],
        ..FetchRecordsRequest::default()
    };
    let records = clients.record.fetch_records(fetch).await;
    let mut records = records.expect("fetched").into_inner();
    let mut fetched = Vec::new();
    while let Some(record) = records.message().await.expect("a record") {
        fetched.extend(prost::Message::encode_to_vec(&record));
    }
    fetched
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

async fn certificate(
    server: &TestServer,
    clients: &mut Clients,
    request: &str,
) -> ErasureCertificate {
    let asked = GetErasureCertificateRequest {
        subject_request_id: request.to_owned(),
    };
    let issued = clients.request.get_erasure_certificate(asked).await;
    let issued = issued.expect("issued").into_inner();
    let envelope: Envelope = serde_json::from_str(&issued.envelope).expect("an envelope");
    let keys = KeyRing::load(&compose::key_files(&server.config.keys)).expect("the key ring");
    let keys = keys.signing().verifying();
    let payload = keys.verify(&envelope, CERTIFICATE_TYPE).expect("genuine");
    assert!(!contains(&payload, b"geheim"));
    let certificate = ErasureCertificate::read(&payload).expect("a certificate");
    assert_eq!(certificate.is_final, issued.r#final);
    certificate
}

/// Every task of a recipient is done.
async fn done(clients: &mut Clients, lease: LeaseTasksRequest) -> usize {
    let leased = clients.task.lease_tasks(lease).await;
    let leased = leased.expect("leased").into_inner().tasks;
    for one in &leased {
        let task = one.task.as_ref().expect("a task");
        assert!(one.identifiers.iter().any(|it| it.value == ADA));
        let complete = CompleteTaskRequest {
            task_id: task.task_id.clone(),
            lease_id: one.lease_id.clone(),
            outcome: TaskOutcome::Done.into(),
            evidence: "job 7".to_owned(),
            ..CompleteTaskRequest::default()
        };
        clients
            .task
            .complete_task(complete)
            .await
            .expect("completed");
    }
    leased.len()
}

on_both! {
    async fn a_person_is_gone_when_the_identity_is_verified_and_the_certificate_says_what_recipients_did(server: TestServer) {
        let mut clients = server.admin().await;
        let ada = client(&mut clients, ADA).await;
        let preview = PreviewErasureRequest { subject: Some(by("email", ADA)), scope: None };
        let preview = clients.request.preview_erasure(preview).await.expect("previewed").into_inner();
        assert!(preview.whole_subject);
        assert_eq!((preview.items_total, preview.items_erased, preview.items.len()), (8, 8, 8));
        let told: HashMap<_, _> = preview.recipients.iter().map(|it| (it.processor.as_str(), it.items)).collect();
        assert_eq!(told, HashMap::from([("aweber", 1), ("google_analytics", 1), ("stripe", 1)]));

        let erased = erase(&mut clients, &ada, &[]).await;
        assert_eq!(erased.state(), RequestState::WaitingOnProcessors);
        let denied = check(&mut clients, by_id(&ada), "email_address", "contact_and_support").await;
        assert_eq!(denied.effect(), Effect::Deny);
        assert_eq!(denied.reason().as_str_name(), "DECISION_REASON_SUBJECT_ERASED");
        let gone = GetSubjectRequest { subject: Some(by("email", ADA)), ..GetSubjectRequest::default() };
        let gone = clients.subject.get_subject(gone).await.expect_err("unlinked");
        assert_eq!(reason(&gone), "SUBJECT_NOT_FOUND");
        let again = clients.collection.register_collection(everything_of("client", ADA)).await;
        assert_eq!(reason(&again.expect_err("suppressed")), "IDENTIFIER_SUPPRESSED");

        let before = certificate(&server, &mut clients, &erased.subject_request_id).await;
        assert!(before.whole_subject && before.key_destroyed_at.is_some() && !before.is_final);
        assert_eq!((before.erased_items, before.kept_items, before.suppressed_identifiers), (8, 0, 2));
        for processor in ["aweber", "google_analytics", "stripe"] {
            let lease = LeaseTasksRequest { processor: processor.to_owned(), ..LeaseTasksRequest::default() };
            assert_eq!(done(&mut clients, lease).await, 1);
        }
        let after = certificate(&server, &mut clients, &erased.subject_request_id).await;
        assert!(after.is_final && after.is_complete);
        assert!(after.tasks.iter().all(|it| it.outcome.as_deref() == Some("DONE") && it.evidence == "job 7"));
        let mut back = everything_of("client", ADA);
        back.returning_subject = true;
        assert_ne!(register(&mut clients, back).await, ada);
    }

    async fn what_a_hold_keeps_stays_for_its_purpose_and_the_request_is_on_hold(server: TestServer) {
        let mut clients = server.admin().await;
        let ada = client(&mut clients, ADA).await;
        let place = PlaceLegalHoldRequest {
            subject: Some(by_id(&ada)),
            data_categories: vec!["order_contents".to_owned()],
            purposes: vec!["service_rendering".to_owned()],
            matter: "case 7".to_owned(),
            ..PlaceLegalHoldRequest::default()
        };
        clients.hold.place_legal_hold(place).await.expect("placed");
        let erased = erase(&mut clients, &ada, &["order_contents"]).await;
        assert_eq!(erased.state(), RequestState::OnHold);
        let denied = check(&mut clients, by_id(&ada), "order_contents", "post_purchase_support").await;
        assert_eq!(denied.reason().as_str_name(), "DECISION_REASON_PURPOSE_EXCLUDED");
        let allowed = check(&mut clients, by_id(&ada), "order_contents", "service_rendering").await;
        assert_eq!(allowed.effect(), Effect::Allow);
        let certificate = certificate(&server, &mut clients, &erased.subject_request_id).await;
        assert_eq!((certificate.erased_items, certificate.kept_items), (0, 1));
        assert_eq!(certificate.kept[0].grounds[0].article, "GDPR Art. 17(3)(e)");
        assert_eq!(certificate.key_destroyed_at, None);
    }

    async fn what_is_wrong_with_a_preview_or_a_certificate_is_said(server: TestServer) {
        let mut clients = server.admin().await;
        let ada = client(&mut clients, ADA).await;
        let preview = PreviewErasureRequest {
            subject: None,
            scope: Some(RequestScope { item_ids: vec!["7".to_owned()], ..RequestScope::default() }),
        };
        let refused = clients.request.preview_erasure(preview).await.expect_err("bad");
        assert_eq!(fields(&refused), ["subject", "scope.item_ids[0]"]);
        let asked = |id: &str| GetErasureCertificateRequest { subject_request_id: id.to_owned() };
        let refused = clients.request.get_erasure_certificate(asked("7")).await.expect_err("bad");
        assert_eq!(fields(&refused), ["subject_request_id"]);
        let nobody = Uuid::from_u128(9).to_string();
        let unknown = clients.request.get_erasure_certificate(asked(&nobody)).await.expect_err("unknown");
        assert_eq!(reason(&unknown), "SUBJECT_REQUEST_NOT_FOUND");
        let pending = ask(&mut clients, &ada, &[]).await.subject_request_id;
        let nothing = clients.request.get_erasure_certificate(asked(&pending)).await.expect_err("pending");
        assert_eq!(reason(&nothing), "ILLEGAL_TRANSITION");
    }
}

/// Values that no program writes by chance.
const ITEM: &str = "Zanzibar-Violet-9931";
/// Services that erase at the same time.
const CALLERS: usize = 8;
/// People whom each of them erases.
const PEOPLE: usize = 12;

fn person(name: &str) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        subject: Some(by("shop_user", name)),
        subject_category: "client".to_owned(),
        items: vec![text("order_contents", ITEM), text("first_name", name)],
        consents: vec![yes(&["newsletter"])],
        ..RegisterCollectionRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_storm_of_erasures_has_done_each_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::serve(dir.path());
    let begin = Arc::new(Barrier::new(CALLERS + 1));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let mut admin = server.admin().await;
    let mut storm = JoinSet::new();
    for caller in 0..CALLERS {
        let mut ready = Vec::new();
        for n in 0..PEOPLE {
            let subject = register(&mut admin, person(&format!("p{caller}-{n}"))).await;
            let request = ask(&mut admin, &subject, &[]).await.subject_request_id;
            ready.push((subject, request, Uuid::new_v4().to_string()));
        }
        let (mut admin, asked, over) = (server.admin().await, asked.clone(), over.clone());
        let begin = begin.clone();
        storm.spawn(async move {
            begin.wait().await;
            for (subject, request, key) in ready {
                let answer = if over.load(Ordering::SeqCst) {
                    None
                } else {
                    Some(verify(&mut admin, &request, &key).await.is_ok())
                };
                asked.lock().await.push((subject, request, key, answer));
            }
        });
    }
    begin.wait().await;
    // Somewhere in the middle.
    while asked.lock().await.len() < CALLERS * PEOPLE / 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    over.store(true, Ordering::SeqCst);
    storm.join_all().await;

    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    let (mut erased, mut whole) = (0, 0);
    let asked = asked.lock().await;
    for (subject, request, key, answer) in asked.iter() {
        if is_erased_or_whole(&mut admin, subject, (request, key), *answer).await {
            erased += 1;
        } else {
            whole += 1;
        }
    }
    assert!(erased > 0 && whole > 0, "{erased} erased, {whole} whole");
    for file in files_below(dir.path()) {
        let bytes = std::fs::read(&file).expect("readable");
        assert!(!contains(&bytes, ITEM.as_bytes()), "{}", file.display());
    }
}

/// Looks at one person after the restart: erased if that was answered, else whole or erased; and erased
/// once the call is repeated. Says whether the person was erased before the repeat.
async fn is_erased_or_whole(
    admin: &mut Clients,
    subject: &str,
    (request, key): (&str, &str),
    answer: Option<bool>,
) -> bool {
    let decision = check(admin, by_id(subject), "order_contents", "service_rendering").await;
    let is_erased = decision.effect() == Effect::Deny;
    assert!(
        is_erased || answer != Some(true),
        "what was answered is done"
    );
    if !is_erased {
        assert!(contains(&fetched(admin, subject).await, ITEM.as_bytes()));
    }
    verify(admin, request, key)
        .await
        .expect("the repeat is answered");
    assert!(!contains(&fetched(admin, subject).await, ITEM.as_bytes()));
    let decision = check(admin, by_id(subject), "order_contents", "service_rendering").await;
    assert_eq!(decision.effect(), Effect::Deny);
    is_erased
}
