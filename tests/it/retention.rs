//! What goes because its time has run out: shown beforehand, swept, and told to whoever has it.

use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use registry::{
    app::retention::Swept,
    domain::caller::Scope,
    grpc::render::instant,
    proto::v1::{
        AuditEntry, CheckPurposeRequest, DeleteRecordsRequest, EndSubjectCategoryRequest,
        GetPolicyRequest, LegalHold, ListAuditEntriesRequest, ListTasksRequest,
        PlaceLegalHoldRequest, Policy, PreviewPurgeRequest, PreviewPurgeResponse,
        PublishPolicyRequest, PurgeReason, RecordActivityRequest, RegisterCollectionRequest,
        ReleaseLegalHoldRequest, Retention, RetentionKind, RetentionTrigger, Task, TaskCause,
        TaskKind, WithdrawConsentRequest, withdraw_consent_request::Who,
    },
    runtime::clock::{Clock, SystemClock},
};
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients, TestServer,
        process::Process,
        sample::{by, everything_of, text, yes},
        status::{fields, reason},
    },
    on_both,
};

const ADA: &str = "ada@example.org";
const DAY: Duration = Duration::from_hours(24);
/// How long is waited for what goes by itself.
const SOON: Duration = Duration::from_mins(1);

use RetentionTrigger::{CategoryEnd, Collection, ConsentWithdrawal, LastActivity};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn maximum(data: &[&str], after: RetentionTrigger, period: &str) -> Retention {
    Retention {
        data: names(data),
        kind: RetentionKind::Maximum.into(),
        after: after.into(),
        period: period.to_owned(),
        ..Retention::default()
    }
}

fn minimum(data: &[&str], period: &str) -> Retention {
    Retention {
        kind: RetentionKind::LegalMinimum.into(),
        ground: "tax law".to_owned(),
        ..maximum(data, Collection, period)
    }
}

fn at_aweber(rule: Retention) -> Retention {
    Retention {
        processor: Some("aweber".to_owned()),
        ..rule
    }
}

/// Publishes the policy in force with these rules, in force at `from`.
async fn publish(clients: &mut Clients, rules: Vec<Retention>, from: Timestamp) {
    let now = clients.policy.get_policy(GetPolicyRequest::default()).await;
    let policy = now
        .expect("a policy")
        .into_inner()
        .policy
        .expect("a policy");
    let policy = Policy {
        version: "with-retention".to_owned(),
        effective_from: Some(instant(from)),
        retention: rules,
        ..policy
    };
    let publication = PublishPolicyRequest {
        policy: Some(policy),
        accept_findings: true,
        ..PublishPolicyRequest::default()
    };
    let published = clients.policy.publish_policy(publication).await;
    published.expect("published");
}

/// Clients of a server under these rules, which are in force from now on.
async fn under(server: &TestServer, rules: Vec<Retention>) -> Clients {
    let mut clients = server.admin().await;
    publish(&mut clients, rules, server.now() + DAY).await;
    server.clock.advance(DAY);
    server.admin().await
}

async fn register(clients: &mut Clients, category: &str, email: &str, data: &[&str]) -> String {
    let registration = RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: category.to_owned(),
        items: data.iter().map(|&data| text(data, "a value")).collect(),
        ..RegisterCollectionRequest::default()
    };
    let registered = clients.collection.register_collection(registration).await;
    registered.expect("registered").into_inner().subject_id
}

async fn preview(
    clients: &mut Clients,
    request: PreviewPurgeRequest,
) -> Result<PreviewPurgeResponse, Status> {
    Ok(clients.retention.preview_purge(request).await?.into_inner())
}

async fn preview_at(clients: &mut Clients, as_of: Timestamp) -> PreviewPurgeResponse {
    let request = PreviewPurgeRequest {
        as_of: Some(instant(as_of)),
        sample_size: 100,
    };
    preview(clients, request).await.expect("previewed")
}

/// Sweeps; the server's own worker may be at it, and is waited for.
async fn sweep(server: &TestServer) -> Swept {
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if let Some(swept) = server.registry().sweep_retention().await.expect("swept") {
            return swept;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("somebody else sweeps for ever");
}

/// What the registry itself has purged, entry by entry.
async fn purges(clients: &mut Clients) -> Vec<AuditEntry> {
    let mut entries = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAuditEntriesRequest {
            page_size: 1_000,
            page_token,
            ..ListAuditEntriesRequest::default()
        };
        let page = clients.audit.list_audit_entries(request).await;
        let page = page.expect("listed").into_inner();
        entries.extend(
            page.entries
                .into_iter()
                .filter(|it| it.action == "PurgeItems"),
        );
        if page.next_page_token.is_empty() {
            return entries;
        }
        page_token = page.next_page_token;
    }
}

async fn tasks(clients: &mut Clients, processor: &str) -> Vec<Task> {
    let request = ListTasksRequest {
        processor: processor.to_owned(),
        page_size: 1_000,
        ..ListTasksRequest::default()
    };
    let tasks = clients.task.list_tasks(request).await;
    tasks.expect("listed").into_inner().tasks
}

async fn live(clients: &mut Clients, email: &str, data: &[&str]) -> Vec<String> {
    let mut live = Vec::new();
    for data in data {
        let delete = DeleteRecordsRequest {
            subject: Some(by("email", email)),
            data_categories: names(&[data]),
            validate_only: true,
            ..DeleteRecordsRequest::default()
        };
        let answer = clients.record.delete_records(delete).await;
        // What must be kept is there.
        if answer.is_err()
            || !answer
                .expect("looked")
                .into_inner()
                .deleted_item_ids
                .is_empty()
        {
            live.push((*data).to_owned());
        }
    }
    live
}

async fn withdraw(clients: &mut Clients, email: &str, purpose: &str) -> Result<(), Status> {
    let withdrawal = WithdrawConsentRequest {
        who: Some(Who::Subject(by("email", email))),
        purposes: names(&[purpose]),
        ..WithdrawConsentRequest::default()
    };
    clients
        .consent
        .withdraw_consent(withdrawal)
        .await
        .map(|_| ())
}

async fn place(clients: &mut Clients, data: &[&str]) -> LegalHold {
    let hold = PlaceLegalHoldRequest {
        subject: Some(by("email", ADA)),
        data_categories: names(data),
        matter: "chargeback 2026-118".to_owned(),
        ..PlaceLegalHoldRequest::default()
    };
    let placed = clients.hold.place_legal_hold(hold).await.expect("placed");
    placed.into_inner().legal_hold.expect("a hold")
}

async fn release(clients: &mut Clients, hold: LegalHold) {
    let release = ReleaseLegalHoldRequest {
        legal_hold_id: hold.legal_hold_id,
        ..ReleaseLegalHoldRequest::default()
    };
    let released = clients.hold.release_legal_hold(release).await;
    released.expect("released");
}

on_both! {
    async fn each_trigger_lets_its_items_go_at_its_instant_and_not_before(server: TestServer) {
        let rules = vec![
            maximum(&["order_contents"], Collection, "P1M"),
            Retention { activity_sources: names(&["web"]), ..maximum(&["email_address"], LastActivity, "P1M") },
            maximum(&["payment_details"], CategoryEnd, "P1M"),
            maximum(&["navigation"], ConsentWithdrawal, "P1M"),
        ];
        let mut clients = under(&server, rules).await;
        let data = ["order_contents", "email_address", "payment_details", "navigation"];
        // 2 June 2026, noon.
        let mut ada = everything_of("client", ADA);
        ada.items.retain(|item| data.contains(&item.data_category.as_str()));
        ada.consents = vec![yes(&["interface_research"])];
        clients.collection.register_collection(ada).await.expect("registered");
        server.clock.advance(DAY * 10);
        let mut clients = server.admin().await;
        let seen = RecordActivityRequest { subject: Some(by("email", ADA)), source: "web".to_owned(), ..RecordActivityRequest::default() };
        clients.collection.record_activity(seen).await.expect("recorded");
        server.clock.advance(DAY * 10);
        let mut clients = server.admin().await;
        let left = EndSubjectCategoryRequest { subject: Some(by("email", ADA)), subject_category: "client".to_owned(), ..EndSubjectCategoryRequest::default() };
        clients.subject.end_subject_category(left).await.expect("ended");
        server.clock.advance(DAY * 5);
        let mut clients = server.admin().await;
        withdraw(&mut clients, ADA, "interface_research").await.expect("withdrawn");
        for (end, gone) in [
            ("2026-07-02T12:00:00Z", 1),
            ("2026-07-12T12:00:00Z", 2),
            ("2026-07-22T12:00:00Z", 3),
            ("2026-07-27T12:00:00Z", 4),
        ] {
            let end: Timestamp = end.parse().expect("an instant");
            let just_before = end - Duration::from_micros(1);
            server.clock.set(just_before);
            let mut clients = server.admin().await;
            assert_eq!(preview_at(&mut clients, just_before).await.items, 0, "before {end}");
            assert_eq!(sweep(&server).await.items, 0, "before {end}");
            let shown = preview_at(&mut clients, end).await;
            assert_eq!((shown.items, shown.subjects, shown.counts.len()), (1, 1, 1), "at {end}");
            assert_eq!(shown.sample[0].due_at, Some(instant(end)));
            assert_eq!(shown.counts[0].reason(), PurgeReason::RetentionExpired);
            assert_eq!(shown.counts[0].rule, format!("retention[{}]", gone - 1));
            server.clock.set(end);
            assert_eq!(sweep(&server).await.items, 1, "at {end}");
            assert_eq!(live(&mut clients, ADA, &data[gone..]).await, &data[gone..]);
            assert_eq!(preview_at(&mut clients, end).await.items, 0);
        }
        assert_eq!(live(&mut server.admin().await, ADA, &data).await, Vec::<String>::new());
    }

    async fn a_purge_is_a_deletion_and_everybody_who_has_the_item_is_told(server: TestServer) {
        let mut clients = under(&server, vec![maximum(&["email_address"], Collection, "P1M")]).await;
        register(&mut clients, "visitor", ADA, &["email_address", "navigation"]).await;
        server.clock.advance(DAY * 31);
        let mut clients = server.admin().await;
        let shown = preview_at(&mut clients, server.now()).await;
        let swept = sweep(&server).await;
        let purged = purges(&mut clients).await;
        // The worker may have been faster; the log says what was done.
        assert!(swept.items <= 1);
        assert_eq!(purged.len(), 1);
        assert_eq!((purged[0].caller.as_str(), purged[0].outcome.as_str()), ("registry", "RETENTION_EXPIRED"));
        assert_eq!(purged[0].item_ids, [shown.sample[0].item_id.as_str()]);
        let told = tasks(&mut clients, "aweber").await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind(), told[0].cause()), (TaskKind::Erase, TaskCause::Retention));
        assert_eq!(told[0].item_ids, purged[0].item_ids);
        assert_eq!(live(&mut clients, ADA, &["email_address", "navigation"]).await, ["navigation"]);
    }

    async fn a_law_keeps_an_item_from_the_sweep_and_from_a_deletion_until_it_ends(server: TestServer) {
        let rules = vec![
            maximum(&["payment_details", "order_contents"], Collection, "P1M"),
            minimum(&["payment_details"], "P1Y"),
        ];
        let mut clients = under(&server, rules).await;
        register(&mut clients, "client", ADA, &["payment_details", "order_contents"]).await;
        server.clock.advance(DAY * 31);
        let mut clients = server.admin().await;
        sweep(&server).await;
        assert_eq!(live(&mut clients, ADA, &["payment_details", "order_contents"]).await, ["payment_details"]);
        let delete = || DeleteRecordsRequest { subject: Some(by("email", ADA)), data_categories: names(&["payment_details"]), ..DeleteRecordsRequest::default() };
        let refused = clients.record.delete_records(delete()).await.expect_err("tax law");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
        assert_eq!(fields(&refused), ["data_categories[0]"]);
        for part in ["until 2027-06-02T12:00:00Z", "retention[1]", "tax law"] {
            assert!(refused.message().contains(part), "{}", refused.message());
        }
        server.clock.set("2027-06-02T12:00:00Z".parse().expect("an instant"));
        let mut clients = server.admin().await;
        let shown = preview_at(&mut clients, server.now()).await;
        assert_eq!((shown.items, shown.counts[0].rule.as_str()), (1, "retention[0]"));
        assert_eq!(sweep(&server).await.items, 1);
    }

    async fn a_hold_pauses_what_is_due_and_its_release_lets_it_go_by_itself(server: TestServer) {
        let mut clients = under(&server, vec![maximum(&["order_contents", "navigation"], Collection, "P1M")]).await;
        register(&mut clients, "client", ADA, &["order_contents", "navigation"]).await;
        let hold = place(&mut clients, &["order_contents"]).await;
        server.clock.advance(DAY * 31);
        let mut clients = server.admin().await;
        let shown = preview_at(&mut clients, server.now()).await;
        assert_eq!((shown.items, shown.held_items, shown.sample[0].data_category.as_str()), (1, 1, "navigation"));
        sweep(&server).await;
        assert_eq!(live(&mut clients, ADA, &["order_contents", "navigation"]).await, ["order_contents"]);
        release(&mut clients, hold).await;
        let begun = Instant::now();
        while !live(&mut clients, ADA, &["order_contents"]).await.is_empty() {
            assert!(begun.elapsed() < SOON, "nothing went by itself");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn a_processor_is_told_once_of_each_collection_and_the_item_stays(server: TestServer) {
        let mut clients = under(&server, vec![at_aweber(maximum(&["email_address"], Collection, "P1M"))]).await;
        register(&mut clients, "visitor", ADA, &["email_address"]).await;
        for round in 1..=2 {
            server.clock.advance(DAY * 31);
            let mut clients = server.admin().await;
            let shown = preview_at(&mut clients, server.now()).await;
            assert_eq!((shown.items, shown.subjects, shown.counts[0].items), (0, 1, 1));
            assert_eq!(shown.counts[0].reason(), PurgeReason::ProcessorRetentionExpired);
            assert_eq!((shown.counts[0].processor.as_str(), shown.sample[0].processor.as_str()), ("aweber", "aweber"));
            sweep(&server).await;
            sweep(&server).await;
            let told = tasks(&mut clients, "aweber").await;
            assert_eq!(told.len(), round);
            assert!(told.iter().all(|task| (task.kind(), task.cause()) == (TaskKind::Erase, TaskCause::Retention)));
            assert_eq!(live(&mut clients, ADA, &["email_address"]).await, ["email_address"]);
            assert_eq!(preview_at(&mut clients, server.now()).await.counts, []);
            // Collected anew.
            register(&mut clients, "visitor", ADA, &["email_address"]).await;
        }
    }

    async fn of_the_purposes_that_held_an_item_the_one_that_is_left_is_answered_for(server: TestServer) {
        const DATA: [&str; 1] = ["browser_and_device"];
        let mut clients = under(&server, vec![maximum(&DATA, ConsentWithdrawal, "P1D")]).await;
        let mut ada = everything_of("visitor", ADA);
        ada.consents = vec![yes(&["website_personalisation"])];
        clients.collection.register_collection(ada).await.expect("registered");
        withdraw(&mut clients, ADA, "website_personalisation").await.expect("withdrawn");
        server.clock.advance(DAY);
        let mut clients = server.admin().await;
        assert_eq!(preview_at(&mut clients, server.now()).await.items, 0);
        sweep(&server).await;
        assert_eq!(live(&mut clients, ADA, &DATA).await, DATA, "the website's working holds it");
        for (purpose, expected) in [
            ("website_personalisation", "DECISION_REASON_RETENTION_EXPIRED"),
            ("website_functionality", "DECISION_REASON_LAWFUL"),
        ] {
            let check = CheckPurposeRequest {
                subject: Some(by("email", ADA)),
                data_categories: names(&DATA),
                purpose: purpose.to_owned(),
                ..CheckPurposeRequest::default()
            };
            let answer = clients.purpose.check_purpose(check).await.expect("answered").into_inner();
            let decision = answer.decision.expect("a decision");
            assert_eq!(decision.reason().as_str_name(), expected, "{purpose}");
        }
        // That ends with the role, and then nothing holds it.
        let left = EndSubjectCategoryRequest { subject: Some(by("email", ADA)), subject_category: "visitor".to_owned(), ..EndSubjectCategoryRequest::default() };
        clients.subject.end_subject_category(left).await.expect("ended");
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(preview_at(&mut clients, server.now()).await.items, 1);
        sweep(&server).await;
        assert_eq!(live(&mut clients, ADA, &DATA).await, Vec::<String>::new());
    }

    async fn only_the_scope_for_retention_shows_what_goes(server: TestServer) {
        let mut other = server.service("shop", &[Scope::Collect, Scope::RecordsWrite, Scope::Holds]).await;
        let status = preview(&mut other, PreviewPurgeRequest::default()).await.expect_err("no scope");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
        let mut officer = server.service("officer", &[Scope::Retention]).await;
        let shown = preview(&mut officer, PreviewPurgeRequest::default()).await.expect("permitted");
        assert_eq!((shown.policy_version.as_str(), shown.as_of), ("2018-05-24", Some(instant(server.now()))));
    }

    async fn a_preview_looks_ten_years_ahead_and_never_back(server: TestServer) {
        let mut clients = server.admin().await;
        let at = |as_of: &str, sample_size| PreviewPurgeRequest {
            as_of: Some(instant(as_of.parse().expect("an instant"))),
            sample_size,
        };
        for good in [at("2026-06-01T12:00:00Z", 0), at("2036-06-01T12:00:00Z", 100)] {
            preview(&mut clients, good).await.expect("at the limits");
        }
        for (bad, wrong) in [
            (at("2026-06-01T11:59:59.999999Z", 0), vec!["as_of"]),
            (at("2036-06-01T12:00:00.000001Z", 0), vec!["as_of"]),
            (at("2026-06-01T12:00:00Z", 101), vec!["sample_size"]),
            (PreviewPurgeRequest { as_of: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }), sample_size: -1 }, vec!["as_of", "sample_size"]),
        ] {
            let status = preview(&mut clients, bad).await.expect_err("beyond them");
            assert_eq!((reason(&status).as_str(), fields(&status)), ("FIELD_INVALID", wrong.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        }
    }

    /// Lives drawn at random, round after round on one server; in each what a preview says of an
    /// instant to come is what is then done.
    async fn what_a_preview_says_is_what_the_sweep_then_does(server: TestServer) {
        let rules = vec![
            maximum(&["email_address"], Collection, "P1M"),
            maximum(&["browser_and_device"], LastActivity, "P20D"),
            maximum(&["order_contents", "first_name"], CategoryEnd, "P2W"),
            maximum(&["navigation"], ConsentWithdrawal, "P10D"),
            at_aweber(maximum(&["email_address"], LastActivity, "P15D")),
            minimum(&["order_contents"], "P40D"),
        ];
        under(&server, rules).await;
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let rounds = vec((vec(any_step(), 1..12), 1..25_u64), 10);
        let rounds = rounds.new_tree(&mut runner).expect("rounds").current();
        let (mut known, mut seen) = (HashSet::new(), [0; 3]);
        for (steps, days) in rounds {
            let mut clients = server.admin().await;
            for step in steps {
                take(&mut clients, step).await;
            }
            let as_of = server.now() + DAY * u32::try_from(days).expect("few");
            let shown = preview_at(&mut clients, as_of).await;
            server.clock.set(as_of);
            sweep(&server).await;
            let mut clients = server.admin().await;
            let done: Vec<_> = purges(&mut clients).await.into_iter().filter(|it| known.insert(it.audit_id.clone())).collect();
            let expected: BTreeSet<_> = shown.sample.iter().map(|it| (it.item_id.clone(), it.processor.clone())).collect();
            let actual: BTreeSet<_> = done.iter().flat_map(|entry| {
                let processor = entry.processors.first().cloned().unwrap_or_default();
                entry.item_ids.iter().map(move |id| (id.clone(), processor.clone()))
            }).collect();
            assert_eq!(expected, actual);
            let counted: i64 = shown.counts.iter().map(|it| it.items).sum();
            assert_eq!(usize::try_from(counted).expect("few"), actual.len());
            let here = actual.iter().filter(|(_, processor)| processor.is_empty()).count();
            assert_eq!(usize::try_from(shown.items).expect("few"), here);
            let again = preview_at(&mut clients, as_of).await;
            assert_eq!((again.counts, again.held_items), (Vec::new(), shown.held_items));
            seen = [seen[0] + here, seen[1] + actual.len() - here, seen[2] + usize::try_from(shown.held_items).expect("few")];
        }
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    }
}

/// One thing that happens in a person's life.
#[derive(Clone, Debug)]
enum Step {
    Registers(usize, Vec<&'static str>),
    IsSeen(usize),
    Leaves(usize),
    Withdraws(usize),
    IsHeld(usize, &'static str),
}

const PEOPLE: usize = 6;

fn any_step() -> impl Strategy<Value = Step> {
    let data = &[
        "browser_and_device",
        "navigation",
        "order_contents",
        "first_name",
        "email_address",
    ];
    let some = prop::sample::subsequence(data.to_vec(), 1..=data.len());
    prop_oneof![
        6 => (0..PEOPLE, some).prop_map(|(who, data)| Step::Registers(who, data)),
        2 => (0..PEOPLE).prop_map(Step::IsSeen),
        2 => (0..PEOPLE).prop_map(Step::Leaves),
        3 => (0..PEOPLE).prop_map(Step::Withdraws),
        1 => (0..PEOPLE, prop::sample::select(data.to_vec()))
            .prop_map(|(who, data)| Step::IsHeld(who, data)),
    ]
}

/// Some steps make no sense for whom they meet; they are refused, which is as good as anything.
async fn take(clients: &mut Clients, step: Step) {
    let email = |who: usize| format!("p{who}@example.com");
    let known = [
        Code::Ok,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::InvalidArgument,
    ];
    let code = match step {
        Step::Registers(who, data) => {
            let registration = RegisterCollectionRequest {
                subject: Some(by("email", &email(who))),
                subject_category: "client".to_owned(),
                items: data.iter().map(|&data| text(data, "a value")).collect(),
                consents: vec![yes(&["interface_research"])],
                ..RegisterCollectionRequest::default()
            };
            let answer = clients.collection.register_collection(registration).await;
            answer.err().map_or(Code::Ok, |status| status.code())
        }
        Step::IsSeen(who) => {
            let seen = RecordActivityRequest {
                subject: Some(by("email", &email(who))),
                ..RecordActivityRequest::default()
            };
            let answer = clients.collection.record_activity(seen).await;
            answer.err().map_or(Code::Ok, |status| status.code())
        }
        Step::Leaves(who) => {
            let left = EndSubjectCategoryRequest {
                subject: Some(by("email", &email(who))),
                subject_category: "client".to_owned(),
                ..EndSubjectCategoryRequest::default()
            };
            let answer = clients.subject.end_subject_category(left).await;
            answer.err().map_or(Code::Ok, |status| status.code())
        }
        Step::Withdraws(who) => {
            let answer = withdraw(clients, &email(who), "interface_research").await;
            answer.err().map_or(Code::Ok, |status| status.code())
        }
        Step::IsHeld(who, data) => {
            let hold = PlaceLegalHoldRequest {
                subject: Some(by("email", &email(who))),
                data_categories: names(&[data]),
                matter: "case 7".to_owned(),
                ..PlaceLegalHoldRequest::default()
            };
            let answer = clients.hold.place_legal_hold(hold).await;
            answer.err().map_or(Code::Ok, |status| status.code())
        }
    };
    assert!(known.contains(&code), "{code:?}");
}

/// That nothing was purged, and nobody told, twice.
fn assert_once(purged: &[AuditEntry]) {
    let mut seen = HashSet::new();
    for entry in purged {
        let processor = entry.processors.first().cloned().unwrap_or_default();
        for id in &entry.item_ids {
            assert!(seen.insert((id.clone(), processor.clone())), "{id} twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_sweep_at_once_do_everything_once() {
    let one = TestServer::on_postgres().await;
    let rules = vec![
        maximum(&["navigation"], Collection, "P1M"),
        at_aweber(maximum(&["email_address"], Collection, "P1M")),
    ];
    let mut clients = under(&one, rules).await;
    for number in 0..60 {
        let email = format!("p{number}@example.com");
        register(
            &mut clients,
            "visitor",
            &email,
            &["navigation", "email_address"],
        )
        .await;
    }
    one.clock.advance(DAY * 31);
    let other = one.replica().await;
    let (here, there) = tokio::join!(sweep(&one), sweep(&other));
    let mut clients = one.admin().await;
    let purged = purges(&mut clients).await;
    assert_once(&purged);
    let ids: usize = purged.iter().map(|entry| entry.item_ids.len()).sum();
    assert_eq!(ids, 120);
    assert!(here.items + there.items <= 60 && here.failed + there.failed == 0);
    assert_eq!(tasks(&mut clients, "aweber").await.len(), 60);
    assert_eq!(preview_at(&mut clients, one.now()).await.counts, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_is_killed_goes_on_after_the_restart_and_does_nothing_twice() {
    const PEOPLE: usize = 150;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut server = Process::serve(dir.path());
    let mut clients = server.admin().await;
    let from = SystemClock.now() + Duration::from_secs(3);
    publish(
        &mut clients,
        vec![maximum(&["navigation"], Collection, "P1D")],
        from,
    )
    .await;
    let old = instant(SystemClock.now() - DAY * 2);
    for number in 0..PEOPLE {
        let registration = RegisterCollectionRequest {
            collected_at: Some(old),
            subject: Some(by("email", &format!("p{number}@example.com"))),
            subject_category: "visitor".to_owned(),
            items: vec![text("navigation", "/")],
            ..RegisterCollectionRequest::default()
        };
        let registered = clients.collection.register_collection(registration).await;
        registered.expect("registered");
    }
    let anna = RegisterCollectionRequest {
        subject: Some(by("email", ADA)),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", ADA)],
        ..RegisterCollectionRequest::default()
    };
    clients
        .collection
        .register_collection(anna)
        .await
        .expect("registered");
    while SystemClock.now() < from {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut kills = 0;
    for _ in 0..3 {
        let before = purges(&mut clients).await.len();
        let hold = place(&mut clients, &["email_address"]).await;
        release(&mut clients, hold).await;
        let begun = Instant::now();
        let mut done = before;
        while done == before && done < PEOPLE && begun.elapsed() < SOON {
            done = purges(&mut clients).await.len();
        }
        kills += usize::from(0 < done && done < PEOPLE);
        server.kill();
        server = Process::serve(dir.path());
        clients = server.admin().await;
    }
    let begun = Instant::now();
    loop {
        let left = preview(&mut clients, PreviewPurgeRequest::default())
            .await
            .expect("previewed");
        if left.items == 0 {
            break;
        }
        assert!(begun.elapsed() < SOON, "{} items are left", left.items);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let purged = purges(&mut clients).await;
    assert_once(&purged);
    let ids: usize = purged.iter().map(|entry| entry.item_ids.len()).sum();
    assert_eq!(ids, PEOPLE);
    assert!(kills > 0, "no kill met a sweep half done");
}
