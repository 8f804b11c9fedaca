//! Checks of people who are not in memory, on PostgreSQL: those that come at once share statements, and each
//! gets the answer that is its own.

use futures::future::join_all;
use registry::{
    config::Config,
    proto::v1::{
        CheckPurposeRequest, DecisionReason, GetPolicyRequest, Item, PublishPolicyRequest,
        RegisterCollectionRequest, SubjectRef, WithdrawConsentRequest,
        withdraw_consent_request::Who,
    },
};
use tonic::Status;

use crate::harness::{
    Clients, TestServer, clock, new_dir,
    sample::{by, by_id, text, yes},
};

/// People of a crowd; every third has withdrawn.
const CROWD: usize = 120;
/// Items of one person that a glance reads at most.
const ITEMS_SEEN_MAX: usize = 256;
/// Items that are registered in one call here.
const ITEMS_OF_CALL: usize = 64;

async fn without_memory() -> TestServer {
    let no_memory = |config: &mut Config| config.memory.budget_mib = 0;
    TestServer::configured(new_dir(), true, clock(), no_memory).await
}

fn email(number: usize) -> SubjectRef {
    by("email", &format!("person{number}@example.org"))
}

async fn register_items(
    clients: &Clients,
    whom: SubjectRef,
    numbers: std::ops::Range<usize>,
) -> String {
    let item = |number: usize| Item {
        item_key: number.to_string(),
        ..text("email_address", "a value")
    };
    let request = RegisterCollectionRequest {
        subject: Some(whom),
        subject_category: "visitor".to_owned(),
        items: numbers.map(item).collect(),
        consents: vec![yes(&["newsletter"])],
        ..RegisterCollectionRequest::default()
    };
    let mut collection = clients.collection.clone();
    let registered = collection.register_collection(request).await;
    registered.expect("registered").into_inner().subject_id
}

async fn register(clients: &Clients, whom: SubjectRef) -> String {
    register_items(clients, whom, 0..1).await
}

async fn withdraw(clients: &Clients, whom: SubjectRef) {
    let request = WithdrawConsentRequest {
        who: Some(Who::Subject(whom)),
        all_purposes: true,
        ..WithdrawConsentRequest::default()
    };
    let mut consent = clients.consent.clone();
    consent.withdraw_consent(request).await.expect("withdrawn");
}

async fn check(clients: &Clients, whom: SubjectRef) -> Result<DecisionReason, Status> {
    let request = CheckPurposeRequest {
        subject: Some(whom),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients.purpose.clone().check_purpose(request).await?;
    Ok(answer.into_inner().decision.expect("a decision").reason())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_asks_at_once_gets_each_its_own_answer() {
    let server = without_memory().await;
    let clients = server.admin().await;
    let register = |number| register(&clients, email(number));
    let ids = join_all((0..CROWD).map(register)).await;
    for number in (0..CROWD).step_by(3) {
        withdraw(&clients, email(number)).await;
    }
    // Loads the policies.
    check(&clients, email(1)).await.expect("answered");
    let before = server.answered("store");
    let asked =
        (0..CROWD).flat_map(|number| [(number, email(number)), (number, by_id(&ids[number]))]);
    let answers = asked.map(|(number, whom)| {
        let clients = &clients;
        async move { (number, check(clients, whom).await) }
    });
    for (number, answer) in join_all(answers).await {
        let expected = match number % 3 {
            0 => DecisionReason::ConsentWithdrawn,
            _ => DecisionReason::Lawful,
        };
        assert_eq!(answer.expect("answered"), expected, "{number}");
    }
    assert_eq!(
        server.answered("store"),
        before,
        "none needed a transaction"
    );
    assert_eq!(server.answered("memory"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_unknown_among_others_is_denied_alone() {
    let server = without_memory().await;
    let clients = server.admin().await;
    register(&clients, email(1)).await;
    let nobody = by_id("00000000-0000-7000-8000-000000000000");
    let asked = [email(1), nobody, email(2), email(1)];
    let answers = join_all(asked.map(|whom| check(&clients, whom))).await;
    let reasons = answers.into_iter().map(|answer| answer.expect("answered"));
    let (known, unknown) = (DecisionReason::Lawful, DecisionReason::SubjectUnknown);
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [known, unknown, unknown, known]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_more_than_a_glance_takes_in_is_read_in_a_transaction() {
    let server = without_memory().await;
    let clients = server.admin().await;
    for (number, items) in [(1, ITEMS_SEEN_MAX), (2, ITEMS_SEEN_MAX + 1)] {
        for first in (0..items).step_by(ITEMS_OF_CALL) {
            let numbers = first..items.min(first + ITEMS_OF_CALL);
            register_items(&clients, email(number), numbers).await;
        }
    }
    check(&clients, email(1)).await.expect("answered");
    for (number, from) in [(1, "glance"), (2, "store")] {
        let before = server.answered(from);
        let answer = check(&clients, email(number)).await;
        assert_eq!(answer.expect("answered"), DecisionReason::Lawful);
        assert_eq!(server.answered(from), before + 1, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_glance_answers_by_a_policy_that_was_published_a_moment_ago() {
    let server = without_memory().await;
    let mut clients = server.admin().await;
    register(&clients, email(1)).await;
    for _ in 0..2 {
        let answer = check(&clients, email(1)).await;
        assert_eq!(answer.expect("answered"), DecisionReason::Lawful);
    }
    let got = clients.policy.get_policy(GetPolicyRequest::default()).await;
    let mut policy = got.expect("got").into_inner().policy.expect("a policy");
    policy.version = "next".to_owned();
    policy.effective_from = Some(prost_types::Timestamp {
        seconds: server.now().as_second() + 1,
        nanos: 0,
    });
    policy
        .sharing
        .retain(|sharing| sharing.processor != "aweber");
    let request = PublishPolicyRequest {
        policy: Some(policy),
        accept_findings: true,
        ..PublishPolicyRequest::default()
    };
    clients
        .policy
        .publish_policy(request)
        .await
        .expect("published");
    server.clock.advance(std::time::Duration::from_secs(2));
    for _ in 0..2 {
        let answer = check(&clients, email(1)).await;
        assert_ne!(answer.expect("answered"), DecisionReason::Lawful);
    }
    assert!(server.answered("glance") > 0);
}
