//! What is left when the server is killed in the middle of its work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use registry::proto::v1::{GetSubjectRequest, RegisterCollectionRequest};
use tokio::{sync::Mutex, task::JoinSet, time::Duration};
use uuid::Uuid;

use crate::harness::{
    process::Process,
    sample::{by, text},
};

/// Services that register at the same time.
const CALLERS: usize = 16;

fn registration(email: &str, request_id: &str) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", email)],
        request_id: request_id.to_owned(),
        ..RegisterCollectionRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_storm_of_registrations_has_kept_every_acknowledged_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::serve(dir.path());
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let mut storm = JoinSet::new();
    for caller in 0..CALLERS {
        let (mut admin, acknowledged, over) =
            (server.admin().await, acknowledged.clone(), over.clone());
        storm.spawn(async move {
            for n in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (email, request_id) = (
                    format!("p{caller}-{n}@example.com"),
                    Uuid::new_v4().to_string(),
                );
                let answer = admin
                    .collection
                    .register_collection(registration(&email, &request_id))
                    .await;
                let Ok(answer) = answer else { break };
                acknowledged
                    .lock()
                    .await
                    .push((email, request_id, answer.into_inner()));
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.kill();
    over.store(true, Ordering::SeqCst);
    storm.join_all().await;

    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    let acknowledged = acknowledged.lock().await;
    assert!(
        acknowledged.len() > CALLERS,
        "only {} registrations came about",
        acknowledged.len()
    );
    for (email, request_id, first) in acknowledged.iter() {
        let found = admin
            .subject
            .get_subject(GetSubjectRequest {
                subject: Some(by("email", email)),
                ..GetSubjectRequest::default()
            })
            .await
            .expect("an acknowledged registration is there")
            .into_inner();
        assert_eq!(
            found.subject.expect("a subject").subject_id,
            first.subject_id
        );
        let again = admin
            .collection
            .register_collection(registration(email, request_id))
            .await
            .expect("a repeat is answered")
            .into_inner();
        assert_eq!(again.subject_id, first.subject_id);
        assert_eq!(again.revision, first.revision, "a repeat changes nothing");
    }
}
