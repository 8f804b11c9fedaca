//! Two replicas on one PostgreSQL: what one has taken away, the other never allows.

use registry::proto::v1::{
    CheckPurposeRequest, ConsentChoice, Effect, Evidence, EvidenceMethod, RecordConsentRequest,
    RegisterCollectionRequest, WithdrawConsentRequest, withdraw_consent_request::Who,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::{
    Clients, TestServer,
    sample::{by, text, yes},
};

const EMAIL: &str = "ada@example.com";

fn visitor(email: &str) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", email)],
        consents: vec![yes(&["newsletter"])],
        ..RegisterCollectionRequest::default()
    }
}

async fn effect(clients: &mut Clients, email: &str) -> Effect {
    let check = CheckPurposeRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients
        .purpose
        .check_purpose(check)
        .await
        .expect("answered")
        .into_inner();
    answer.decision.expect("a decision").effect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_withdrawal_has_returned_no_replica_allows() {
    let one = TestServer::on_postgres().await;
    let other = one.replica().await;
    let (mut here, mut there) = (one.admin().await, other.admin().await);
    here.collection
        .register_collection(visitor(EMAIL))
        .await
        .expect("registered");
    for round in 0..25 {
        one.clock.advance(std::time::Duration::from_secs(1));
        let given = RecordConsentRequest {
            subject: Some(by("email", EMAIL)),
            purposes: vec!["newsletter".to_owned()],
            choice: ConsentChoice::Given.into(),
            evidence: Some(Evidence {
                method: EvidenceMethod::Checkbox.into(),
                ..Evidence::default()
            }),
            ..RecordConsentRequest::default()
        };
        there.consent.record_consent(given).await.expect("recorded");
        assert_eq!(
            effect(&mut here, EMAIL).await,
            Effect::Allow,
            "round {round}"
        );
        one.clock.advance(std::time::Duration::from_secs(1));
        let withdrawn = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", EMAIL))),
            purposes: vec!["newsletter".to_owned()],
            ..WithdrawConsentRequest::default()
        };
        here.consent
            .withdraw_consent(withdrawn)
            .await
            .expect("withdrawn");
        assert_eq!(
            effect(&mut there, EMAIL).await,
            Effect::Deny,
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_registrations_of_one_address_at_two_replicas_make_one_subject() {
    let one = TestServer::on_postgres().await;
    let other = one.replica().await;
    for round in 0..10 {
        let email = format!("twin{round}@example.com");
        let mut both = JoinSet::new();
        for n in 0..8 {
            let mut clients = if n % 2 == 0 {
                one.admin().await
            } else {
                other.admin().await
            };
            let request = visitor(&email);
            both.spawn(async move {
                let answer = clients.collection.register_collection(request).await;
                answer.expect("registered").into_inner().subject_id
            });
        }
        let mut subjects = both.join_all().await;
        subjects.dedup();
        assert_eq!(subjects.len(), 1, "{email} became several subjects");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_id_sent_to_two_replicas_at_once_is_done_once() {
    let one = TestServer::on_postgres().await;
    let other = one.replica().await;
    let request = RegisterCollectionRequest {
        request_id: Uuid::new_v4().to_string(),
        ..visitor(EMAIL)
    };
    let mut both = JoinSet::new();
    for n in 0..8 {
        let mut clients = if n % 2 == 0 {
            one.admin().await
        } else {
            other.admin().await
        };
        let request = request.clone();
        both.spawn(async move {
            let answer = clients.collection.register_collection(request).await;
            let answer = answer.expect("registered").into_inner();
            (answer.subject_id, answer.consent_ids, answer.revision)
        });
    }
    let mut answers = both.join_all().await;
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "the repeats were answered differently: {answers:?}"
    );
}
