//! Two replicas on one PostgreSQL: what one has taken away, the other never allows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use registry::{
    config::DatabaseUrl,
    proto::v1::{
        CheckPurposeRequest, ConsentChoice, Effect, Evidence, EvidenceMethod, RecordConsentRequest,
        RegisterCollectionRequest, WithdrawConsentRequest, withdraw_consent_request::Who,
    },
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::{
    Clients, TestServer,
    proxy::Proxy,
    sample::{by, text, yes},
    status::reason,
};

const EMAIL: &str = "ada@example.com";
/// How often is given and taken back while others check.
const ROUNDS: usize = 60;

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
    asked(clients, email).await.expect("answered")
}

async fn asked(clients: &mut Clients, email: &str) -> Result<Effect, tonic::Status> {
    let check = CheckPurposeRequest {
        subject: Some(by("email", email)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answer = clients.purpose.check_purpose(check).await?.into_inner();
    Ok(answer.decision.expect("a decision").effect())
}

async fn give(clients: &mut Clients) {
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
    clients
        .consent
        .record_consent(given)
        .await
        .expect("recorded");
}

async fn withdraw(clients: &mut Clients) {
    let withdrawn = WithdrawConsentRequest {
        who: Some(Who::Subject(by("email", EMAIL))),
        purposes: vec!["newsletter".to_owned()],
        ..WithdrawConsentRequest::default()
    };
    clients
        .consent
        .withdraw_consent(withdrawn)
        .await
        .expect("withdrawn");
}

/// Gives at one replica and takes back at the other, again and again; each time the first checks, so that it
/// remembers, and never allows what the other has taken back.
async fn give_and_take(one: &TestServer, other: &TestServer, rounds: usize) {
    let (mut here, mut there) = (one.admin().await, other.admin().await);
    for round in 0..rounds {
        one.clock.advance(std::time::Duration::from_secs(1));
        give(&mut there).await;
        // What the other replica has granted may be heard of a little later.
        while effect(&mut here, EMAIL).await != Effect::Allow {
            tokio::task::yield_now().await;
        }
        assert_eq!(effect(&mut there, EMAIL).await, Effect::Allow);
        // The first answer is read, and the next one is remembered.
        for clients in [&mut here, &mut there] {
            assert_eq!(effect(clients, EMAIL).await, Effect::Allow);
        }
        one.clock.advance(std::time::Duration::from_secs(1));
        withdraw(&mut here).await;
        let after = effect(&mut there, EMAIL).await;
        assert_eq!(after, Effect::Deny, "round {round}");
        one.clock.advance(std::time::Duration::from_secs(1));
        give(&mut here).await;
        while effect(&mut there, EMAIL).await != Effect::Allow {
            tokio::task::yield_now().await;
        }
        one.clock.advance(std::time::Duration::from_secs(1));
        withdraw(&mut here).await;
        let after = effect(&mut there, EMAIL).await;
        assert_eq!(after, Effect::Deny, "round {round}");
    }
}

async fn two_replicas() -> (TestServer, TestServer, DatabaseConnection) {
    let one = TestServer::on_postgres().await;
    let other = one.replica().await;
    let mut clients = one.admin().await;
    let registered = clients.collection.register_collection(visitor(EMAIL)).await;
    registered.expect("registered");
    let database = Database::connect(one.config.database.url.expose()).await;
    (one, other, database.expect("a connection"))
}

async fn count(database: &DatabaseConnection, sql: &str) -> i64 {
    let sql = Statement::from_string(DbBackend::Postgres, sql);
    let row = database.query_one_raw(sql).await.expect("counted");
    row.expect("a row").try_get("", "n").expect("a number")
}

/// Answers that a server gave from memory.
fn recalled(server: &TestServer) -> u64 {
    server.answered("memory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_withdrawal_has_returned_no_replica_allows() {
    let (one, other, _) = two_replicas().await;
    give_and_take(&one, &other, 25).await;
    assert!(
        recalled(&one) > 0 && recalled(&other) > 0,
        "memory answered"
    );
}

/// Checks again and again. A phase that is odd at the beginning and the same at the end of a check began before it,
/// after a withdrawal had returned, and ended after it. Counts what was allowed in other phases.
async fn check_on(mut clients: Clients, phase: Arc<AtomicU64>, allowed: Arc<AtomicU64>) -> u64 {
    let mut wrong = 0;
    loop {
        let before = phase.load(Ordering::SeqCst);
        if before == u64::MAX {
            return wrong;
        }
        let allows = effect(&mut clients, EMAIL).await == Effect::Allow;
        let is_withdrawn = before % 2 == 1 && phase.load(Ordering::SeqCst) == before;
        wrong += u64::from(allows && is_withdrawn);
        allowed.fetch_add(u64::from(allows), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_many_checks_at_one_replica_none_that_starts_after_a_withdrawal_at_another_allows() {
    let (one, other, _) = two_replicas().await;
    let mut here = one.admin().await;
    let (phase, allowed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut checkers = JoinSet::new();
    for _ in 0..4 {
        let clients = other.admin().await;
        checkers.spawn(check_on(clients, phase.clone(), allowed.clone()));
    }
    for _ in 0..ROUNDS {
        one.clock.advance(std::time::Duration::from_secs(1));
        let before = allowed.load(Ordering::SeqCst);
        give(&mut here).await;
        while allowed.load(Ordering::SeqCst) < before + 8 {
            tokio::task::yield_now().await;
        }
        one.clock.advance(std::time::Duration::from_secs(1));
        withdraw(&mut here).await;
        phase.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        phase.fetch_add(1, Ordering::SeqCst);
    }
    phase.store(u64::MAX, Ordering::SeqCst);
    let wrong: u64 = checkers.join_all().await.into_iter().sum();
    assert_eq!(wrong, 0, "checks that started after a withdrawal allowed");
    assert!(recalled(&other) > 100, "memory answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_died_is_waited_for_as_long_as_its_lease_can_last_and_then_removed() {
    let (one, other, database) = two_replicas().await;
    let dead = Uuid::new_v4();
    let join =
        format!("INSERT INTO replicas (replica_id, renewals, lease_ms) VALUES ('{dead}', 7, 400)");
    database.execute_unprepared(&join).await.expect("joined");
    give_and_take(&one, &other, 2).await;
    let there = format!("SELECT count(*) AS n FROM replicas WHERE replica_id = '{dead}'");
    while count(&database, &there).await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        count(&database, "SELECT count(*) AS n FROM replicas").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_its_connection_or_its_place_takes_another_and_allows_nothing_meanwhile()
 {
    let (one, other, database) = two_replicas().await;
    give_and_take(&one, &other, 2).await;
    for lose in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE '%pg_current_snapshot%'
         AND pid <> pg_backend_pid()",
        "DELETE FROM replicas",
    ] {
        let before = (recalled(&one), recalled(&other));
        database.execute_unprepared(lose).await.expect("lost");
        give_and_take(&one, &other, 3).await;
        // Both remember again.
        while recalled(&one) <= before.0 || recalled(&other) <= before.1 {
            give_and_take(&one, &other, 1).await;
        }
    }
}

/// What is looked for by index alone, however small its table was when a connection made its plan.
const LOOKED_UP: [&str; 3] = ["changes", "identifier_index", "subjects"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_grows_with_people_is_read_whole_from_the_first_person_on() {
    let (one, _other, database) = two_replicas().await;
    let mut clients = one.admin().await;
    for table in LOOKED_UP {
        let of_table = format!("FROM pg_stat_user_tables WHERE relname = '{table}'");
        let by_index = format!("SELECT coalesce(idx_scan, 0) AS n {of_table}");
        // The server counts a little behind.
        while count(&database, &by_index).await == 0 {
            let email = format!("{}@example.com", Uuid::new_v4());
            let registered = clients
                .collection
                .register_collection(visitor(&email))
                .await;
            registered.expect("registered");
            effect(&mut clients, &email).await;
        }
        let read_whole = format!("SELECT seq_tup_read AS n {of_table}");
        assert_eq!(count(&database, &read_whole).await, 0, "{table}");
    }
}

/// A second replica, which hears of the other's changes by way of a proxy, and reads the database without one.
async fn replica_behind_a_proxy(one: &TestServer) -> (TestServer, Proxy) {
    let (proxy, direct) = Proxy::before(one.config.database.url.expose()).await;
    let mut config = one.config.clone();
    config.database.direct_url = Some(DatabaseUrl::of_postgres(&direct).expect("a URL"));
    let other = TestServer::begin(config, one.dir.clone(), one.clock.clone()).await;
    (other, proxy)
}

/// Checks until the answer came from memory.
async fn recalled_effect(server: &TestServer, clients: &mut Clients) -> Effect {
    loop {
        let before = recalled(server);
        let answer = effect(clients, EMAIL).await;
        if recalled(server) > before {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_without_a_place_has_read_is_not_what_it_remembers_in_its_next_place() {
    let (one, _second, database) = two_replicas().await;
    let (other, proxy) = replica_behind_a_proxy(&one).await;
    let (mut here, mut there) = (one.admin().await, other.admin().await);
    let pause = std::time::Duration::from_millis(50);
    let in_place = "SELECT count(*) AS n FROM replicas WHERE renewals > 2";
    while count(&database, in_place).await < 3 {
        tokio::time::sleep(pause).await;
    }
    proxy.refuse();
    // Once its row is removed it has been without a place for long.
    while count(&database, in_place).await > 2 {
        tokio::time::sleep(pause).await;
    }
    assert_eq!(effect(&mut there, EMAIL).await, Effect::Allow);
    one.clock.advance(std::time::Duration::from_secs(1));
    withdraw(&mut here).await;
    proxy.heal();
    // It has its next lease before it is asked anything.
    while count(&database, in_place).await < 3 {
        tokio::time::sleep(pause).await;
    }
    assert_eq!(recalled_effect(&other, &mut there).await, Effect::Deny);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_network_says_nothing_any_more_says_that_it_cannot_answer() {
    let (one, _second, _database) = two_replicas().await;
    let (proxy, url) = Proxy::before(one.config.database.url.expose()).await;
    let mut config = one.config.clone();
    config.database.url = DatabaseUrl::of_postgres(&url).expect("a URL");
    let other = TestServer::begin(config, one.dir.clone(), one.clock.clone()).await;
    let mut clients = other.admin().await;
    assert_eq!(recalled_effect(&other, &mut clients).await, Effect::Allow);
    proxy.stall();
    let status = loop {
        if let Err(status) = asked(&mut clients, EMAIL).await {
            break status;
        }
    };
    assert_eq!(reason(&status), "STORE_UNAVAILABLE", "{status:?}");
    proxy.heal();
    while asked(&mut clients, EMAIL).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(recalled_effect(&other, &mut clients).await, Effect::Allow);
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
