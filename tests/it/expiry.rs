//! What ends by itself and is told of, once, soon after the instant.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use registry::{
    app::event::PlacedEvent,
    domain::event::EventKind,
    grpc::render::instant,
    proto::v1::{
        ConsentChoice, Evidence, EvidenceMethod, GetPolicyRequest, Policy, PublishPolicyRequest,
        RecordActivityRequest, RecordConsentRequest, RegisterCollectionRequest, Retention,
        RetentionKind, RetentionTrigger, WithdrawConsentRequest, withdraw_consent_request::Who,
    },
};

use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, text},
    },
    on_both,
};

const ADA: &str = "ada@example.org";
const DAY: Duration = Duration::from_hours(24);
const AN_INSTANT: Duration = Duration::from_micros(1);
/// Ten days but for an instant.
const ALMOST_TEN_DAYS: Duration = Duration::from_micros(10 * 86_400 * 1_000_000 - 1);
/// How long is waited for what goes by itself.
const SOON: Duration = Duration::from_mins(1);

fn maximum(after: RetentionTrigger, period: &str) -> Retention {
    Retention {
        data: vec!["email_address".to_owned()],
        kind: RetentionKind::Maximum.into(),
        after: after.into(),
        period: period.to_owned(),
        ..Retention::default()
    }
}

/// Publishes the policy in force as another version, in force from `from` on.
async fn publish(
    clients: &mut Clients,
    version: &str,
    from: Timestamp,
    (rules, expires_after): (Vec<Retention>, &str),
) {
    let now = clients.policy.get_policy(GetPolicyRequest::default()).await;
    let policy = now.expect("a policy").into_inner().policy;
    let mut policy = Policy {
        version: version.to_owned(),
        effective_from: Some(instant(from)),
        retention: rules,
        ..policy.expect("a policy")
    };
    let mut consent = policy.consent.unwrap_or_default();
    consent.expires_after = Some(expires_after.to_owned()).filter(|it| !it.is_empty());
    policy.consent = Some(consent);
    let publication = PublishPolicyRequest {
        policy: Some(policy),
        accept_findings: true,
        ..PublishPolicyRequest::default()
    };
    let published = clients.policy.publish_policy(publication).await;
    published.expect("published");
}

/// Clients of a server under these rules, which are in force from now on.
async fn under(server: &TestServer, rules: Vec<Retention>, expires_after: &str) -> Clients {
    let mut clients = server.admin().await;
    let from = server.now() + DAY;
    publish(&mut clients, "first", from, (rules, expires_after)).await;
    server.clock.advance(DAY);
    server.admin().await
}

async fn visitor(clients: &mut Clients, email: &str) -> String {
    let registration = RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", email)],
        ..RegisterCollectionRequest::default()
    };
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

async fn says_yes(clients: &mut Clients, processors: &[&str]) -> String {
    let said = RecordConsentRequest {
        subject: Some(by("email", ADA)),
        purposes: vec!["newsletter".to_owned()],
        processors: processors.iter().map(|&name| name.to_owned()).collect(),
        choice: ConsentChoice::Given.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::DoubleOptIn.into(),
            ..Evidence::default()
        }),
        ..RecordConsentRequest::default()
    };
    let recorded = clients.consent.record_consent(said).await;
    let recorded = recorded.expect("recorded").into_inner();
    recorded.consents[0].consent_id.clone()
}

async fn is_active(server: &TestServer, clients: &mut Clients) {
    let activity = RecordActivityRequest {
        subject: Some(by("email", ADA)),
        source: "web".to_owned(),
        at: Some(instant(server.now())),
        ..RecordActivityRequest::default()
    };
    let recorded = clients.collection.record_activity(activity).await;
    recorded.expect("recorded");
}

/// Every expiry told by now, once nobody is left of whom something may have ended.
async fn told(server: &TestServer) -> Vec<PlacedEvent> {
    let registry = server.registry();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < SOON, "it comes to an end");
        registry.announce_expiries().await.expect("looked");
        registry.place_events().await.expect("placed");
        let snapshot = registry.store().snapshot(server.now()).await.expect("read");
        let from = Timestamp::UNIX_EPOCH + Duration::from_secs(1);
        let due = snapshot.list_expiring(from, 1).await.expect("read");
        let waits = snapshot.has_unplaced_events().await.expect("read");
        if due.is_empty() && !waits {
            let kinds = [EventKind::ConsentExpired, EventKind::RetentionEnded];
            let all = snapshot.list_events(0..i64::MAX, &kinds, &[], 1_000).await;
            return all.expect("read");
        }
        drop(snapshot);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The one event told since `known` were.
async fn news(server: &TestServer, known: usize) -> PlacedEvent {
    let all = told(server).await;
    assert_eq!(all.len(), known + 1, "{all:?}");
    all.last().expect("one").clone()
}

on_both! {
    async fn a_consent_that_runs_out_is_told_of_once_at_its_instant(server: TestServer) {
        let mut clients = under(&server, Vec::new(), "P10D").await;
        let subject = visitor(&mut clients, ADA).await;
        let consent = says_yes(&mut clients, &["aweber"]).await;
        server.clock.advance(ALMOST_TEN_DAYS);
        assert!(told(&server).await.is_empty(), "not yet");
        server.clock.advance(AN_INSTANT);
        let event = news(&server, 0).await.event;
        assert_eq!(event.kind, EventKind::ConsentExpired);
        assert_eq!(event.subject_id.expect("a subject").to_string(), subject);
        assert_eq!(event.consent_ids[0].to_string(), consent);
        assert_eq!(event.purposes[0].as_str(), "newsletter");
        assert_eq!(event.processors[0].as_str(), "aweber");
        server.clock.advance(100 * DAY);
        visitor(&mut server.admin().await, ADA).await;
        assert_eq!(told(&server).await.len(), 1, "once, though the person changed");
    }

    async fn neither_a_withdrawn_consent_nor_one_that_another_replaced_runs_out(server: TestServer) {
        let mut clients = under(&server, Vec::new(), "P10D").await;
        visitor(&mut clients, ADA).await;
        says_yes(&mut clients, &[]).await;
        server.clock.advance(5 * DAY);
        let mut clients = server.admin().await;
        let second = says_yes(&mut clients, &[]).await;
        server.clock.advance(5 * DAY);
        assert!(told(&server).await.is_empty(), "the second yes stands");
        server.clock.advance(5 * DAY);
        let event = news(&server, 0).await.event;
        assert_eq!(event.consent_ids[0].to_string(), second);
        let mut clients = server.admin().await;
        says_yes(&mut clients, &[]).await;
        let withdrawal = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", ADA))),
            purposes: vec!["newsletter".to_owned()],
            ..WithdrawConsentRequest::default()
        };
        clients.consent.withdraw_consent(withdrawal).await.expect("withdrawn");
        server.clock.advance(50 * DAY);
        assert_eq!(told(&server).await.len(), 1, "what was withdrawn does not run out");
    }

    async fn a_retention_that_activity_prolongs_ends_later_and_one_that_comes_back_ends_anew(server: TestServer) {
        let rule = maximum(RetentionTrigger::LastActivity, "P10D");
        let mut clients = under(&server, vec![rule], "").await;
        visitor(&mut clients, ADA).await;
        server.clock.advance(9 * DAY);
        is_active(&server, &mut server.admin().await).await;
        server.clock.advance(9 * DAY);
        assert!(told(&server).await.is_empty(), "it was prolonged");
        server.clock.advance(DAY);
        let event = news(&server, 0).await.event;
        assert_eq!(event.kind, EventKind::RetentionEnded);
        assert_eq!(event.item_ids.len(), 1);
        assert_eq!(event.data_categories[0].as_str(), "email_address");
        assert!(event.processors.is_empty() && !event.purposes.is_empty(), "{event:?}");
        is_active(&server, &mut server.admin().await).await;
        assert_eq!(told(&server).await.len(), 1, "it lives again");
        server.clock.advance(10 * DAY);
        assert_eq!(told(&server).await.len(), 2, "and ends again");
    }

    async fn a_processors_own_retention_that_ends_first_is_told_of_for_that_processor(server: TestServer) {
        let own = maximum(RetentionTrigger::Collection, "P20D");
        let aweber = Retention {
            processor: Some("aweber".to_owned()),
            ..maximum(RetentionTrigger::Collection, "P10D")
        };
        let mut clients = under(&server, vec![own, aweber], "").await;
        visitor(&mut clients, ADA).await;
        server.clock.advance(10 * DAY);
        let event = news(&server, 0).await.event;
        assert_eq!(event.processors, ["aweber".parse().expect("a name")]);
        server.clock.advance(10 * DAY);
        let event = news(&server, 1).await.event;
        assert!(event.processors.is_empty(), "{event:?}");
    }

    async fn another_policy_ends_what_it_shortens_when_it_comes_into_force(server: TestServer) {
        let mut clients = under(&server, Vec::new(), "P100D").await;
        visitor(&mut clients, ADA).await;
        says_yes(&mut clients, &[]).await;
        server.clock.advance(20 * DAY);
        let mut clients = server.admin().await;
        let from = server.now() + DAY;
        publish(&mut clients, "second", from, (Vec::new(), "P10D")).await;
        assert!(told(&server).await.is_empty(), "it is not in force yet");
        server.clock.advance(DAY);
        let begun = Instant::now();
        while told(&server).await.is_empty() {
            assert!(begun.elapsed() < SOON, "everybody is judged under the new policy");
        }
        assert_eq!(told(&server).await.len(), 1);
        let snapshot = server.registry().store().snapshot(server.now()).await.expect("read");
        let kinds = [EventKind::PolicyInForce];
        let listed = snapshot.list_events(0..i64::MAX, &kinds, &[], 10).await.expect("read");
        let versions: Vec<_> = listed.iter().filter_map(|it| it.event.policy_version.as_ref()).collect();
        let versions: Vec<_> = versions.into_iter().map(ToString::to_string).collect();
        assert_eq!(versions, ["first", "second"], "each once");
    }
}

/// Two replicas that look at the same time, and what a person did in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_look_at_once_tell_of_everybody_once() {
    const PEOPLE: usize = 120;
    let one = TestServer::on_postgres().await;
    let rule = maximum(RetentionTrigger::Collection, "P10D");
    let mut clients = under(&one, vec![rule], "").await;
    let other = one.replica().await;
    for person in 0..PEOPLE {
        visitor(&mut clients, &format!("{person}@example.org")).await;
    }
    one.clock.advance(10 * DAY);
    for _ in 0..4 {
        let (here, there) = tokio::join!(
            one.registry().announce_expiries(),
            other.registry().announce_expiries()
        );
        here.expect("looked");
        there.expect("looked");
    }
    let all = told(&one).await;
    let mut people: Vec<_> = all.iter().filter_map(|it| it.event.subject_id).collect();
    assert_eq!(people.len(), PEOPLE);
    people.sort_unstable();
    people.dedup();
    assert_eq!(people.len(), PEOPLE);
}
