//! A backup is restored that is older than what people have taken back since: it stays taken back,
//! from the first answer on.

mod after_erasure;
mod keys;
mod under_way;

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use registry::{
    app::{Registry, restore::RestorePreview},
    cli::compose,
    config::{Config, DatabaseUrl, Journal},
    proto::v1::{
        CheckPurposeRequest, ConsentChoice, DeleteRecordsRequest, Effect,
        EndSubjectCategoryRequest, Evidence, EvidenceMethod, GetSubjectRequest,
        ListAuditEntriesRequest, MergeSubjectsRequest, RecordConsentRequest,
        RegisterCollectionRequest, Subject, SubjectRef, UnlinkIdentifierRequest,
        WithdrawConsentRequest, withdraw_consent_request::Who,
    },
    runtime::clock::Clock,
    store::TimeSource,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use crate::{
    harness::{
        Clients, TestServer,
        backup::Backup,
        process::Process,
        sample::{by, by_id, identifier, text, yes},
        status::reason,
    },
    on_both,
};

const NEWSLETTER: &str = "newsletter";

fn address(who: &str) -> String {
    format!("{who}@example.com")
}

fn visitor(who: &str) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        subject: Some(by("email", &address(who))),
        subject_category: "visitor".to_owned(),
        items: vec![text("email_address", &address(who))],
        consents: vec![yes(&[NEWSLETTER])],
        ..RegisterCollectionRequest::default()
    }
}

async fn register(admin: &mut Clients, who: &str) -> String {
    let registered = admin.collection.register_collection(visitor(who)).await;
    registered.expect("registered").into_inner().subject_id
}

fn withdrawal(subject: SubjectRef) -> WithdrawConsentRequest {
    WithdrawConsentRequest {
        who: Some(Who::Subject(subject)),
        purposes: vec![NEWSLETTER.to_owned()],
        ..WithdrawConsentRequest::default()
    }
}

async fn withdraw(admin: &mut Clients, who: &str) {
    let asked = withdrawal(by("email", &address(who)));
    let withdrawn = admin.consent.withdraw_consent(asked).await;
    withdrawn.expect("withdrawn");
}

async fn answer(admin: &mut Clients, who: &str, choice: ConsentChoice) {
    let said = RecordConsentRequest {
        subject: Some(by("email", &address(who))),
        purposes: vec![NEWSLETTER.to_owned()],
        choice: choice.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::Checkbox.into(),
            ..Evidence::default()
        }),
        ..RecordConsentRequest::default()
    };
    admin.consent.record_consent(said).await.expect("recorded");
}

async fn effect(admin: &mut Clients, subject: SubjectRef) -> Effect {
    let check = CheckPurposeRequest {
        subject: Some(subject),
        data_categories: vec!["email_address".to_owned()],
        purpose: NEWSLETTER.to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    };
    let answered = admin.purpose.check_purpose(check).await;
    let decision = answered.expect("answered").into_inner().decision;
    decision.expect("a decision").effect()
}

async fn is_allowed(admin: &mut Clients, who: &str) -> bool {
    effect(admin, by("email", &address(who))).await == Effect::Allow
}

async fn subject(admin: &mut Clients, subject: SubjectRef) -> Option<Subject> {
    let asked = GetSubjectRequest {
        subject: Some(subject),
        ..GetSubjectRequest::default()
    };
    match admin.subject.get_subject(asked).await {
        Ok(found) => found.into_inner().subject,
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound);
            None
        }
    }
}

/// What the registry did of its own accord after restores, by the log.
async fn restorations(admin: &mut Clients) -> usize {
    let asked = ListAuditEntriesRequest {
        page_size: 1_000,
        ..ListAuditEntriesRequest::default()
    };
    let listed = admin.audit.list_audit_entries(asked).await;
    let entries = listed.expect("listed").into_inner().entries.into_iter();
    let of_restores = entries.filter(|entry| entry.action == "Restore");
    of_restores
        .inspect(|entry| assert_eq!(entry.caller, "registry"))
        .count()
}

/// The same server with data, keys and journal in databases of their own, as in production.
async fn apart(server: TestServer) -> TestServer {
    let (mut config, dir, clock) = (
        server.config.clone(),
        server.dir.clone(),
        server.clock.clone(),
    );
    if matches!(config.journal, Journal::Database(_)) {
        config.keys.url = Some(new_database().await);
        config.journal = Journal::Database(new_database().await);
        config.database.url = new_database().await;
    }
    server.end().await;
    TestServer::begin(config, dir, clock).await
}

async fn new_database() -> DatabaseUrl {
    let url = crate::postgres::create_database().await;
    DatabaseUrl::of_postgres(&url).expect("a URL")
}

async fn backup(server: &TestServer) -> [Backup; 2] {
    let keys = server.config.keys.url.as_ref().expect("they lie apart");
    [
        Backup::take(&server.config.database.url, server.dir.path()).await,
        Backup::take(keys, server.dir.path()).await,
    ]
}

/// Which backups are restored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Data,
    DataAndKeys,
}

/// Stops the server, restores what was lost, and starts it again. The journal stays as it is.
async fn restore(server: TestServer, [data, keys]: &[Backup; 2], lost: Lost) -> TestServer {
    let (mut config, dir, clock) = (
        server.config.clone(),
        server.dir.clone(),
        server.clock.clone(),
    );
    server.end().await;
    config.database.url = data.restore(dir.path()).await;
    if lost == Lost::DataAndKeys {
        config.keys.url = Some(keys.restore(dir.path()).await);
    }
    assert!(!missing(&config, &clock).await.is_empty(), "it is older");
    TestServer::begin(config, dir, clock).await
}

async fn missing(config: &Config, clock: &Arc<impl Clock + 'static>) -> RestorePreview {
    let store = compose::open_store(config, TimeSource::Caller).await;
    let store = Arc::new(store.expect("the store opens"));
    let registry = Registry::new(store, clock.clone(), CancellationToken::new());
    registry.preview_restore().await.expect("compared")
}

/// Everybody before the backup.
struct People {
    merged: String,
    survivor: String,
}

async fn everybody(admin: &mut Clients) -> People {
    for who in [
        "withdrew", "again", "refused", "deleted", "ended", "unlinked", "kept",
    ] {
        register(admin, who).await;
    }
    let linked = RegisterCollectionRequest {
        identifiers: vec![identifier("email", &address("alias"))],
        ..visitor("unlinked")
    };
    let linked = admin.collection.register_collection(linked).await;
    linked.expect("linked");
    let merged = register(admin, "merged").await;
    withdraw(admin, "merged").await;
    let survivor = register(admin, "survivor").await;
    People { merged, survivor }
}

/// What everybody takes back after the backup.
async fn take_back(admin: &mut Clients, people: &People) {
    withdraw(admin, "withdrew").await;
    withdraw(admin, "again").await;
    answer(admin, "refused", ConsentChoice::Refused).await;
    let deletion = DeleteRecordsRequest {
        subject: Some(by("email", &address("deleted"))),
        data_categories: vec!["email_address".to_owned()],
        ..DeleteRecordsRequest::default()
    };
    let deleted = admin.record.delete_records(deletion).await;
    deleted.expect("deleted");
    let end = EndSubjectCategoryRequest {
        subject: Some(by("email", &address("ended"))),
        subject_category: "visitor".to_owned(),
        ..EndSubjectCategoryRequest::default()
    };
    let ended = admin.subject.end_subject_category(end).await;
    ended.expect("ended");
    let unlink = UnlinkIdentifierRequest {
        subject: Some(by("email", &address("unlinked"))),
        identifier: Some(identifier("email", &address("alias"))),
        ..UnlinkIdentifierRequest::default()
    };
    let unlinked = admin.subject.unlink_identifier(unlink).await;
    unlinked.expect("unlinked");
    let merge = MergeSubjectsRequest {
        into: Some(by_id(&people.survivor)),
        from: Some(by_id(&people.merged)),
        ..MergeSubjectsRequest::default()
    };
    let merged = admin.subject.merge_subjects(merge).await;
    merged.expect("merged");
    register(admin, "late").await;
    withdraw(admin, "late").await;
}

/// That nothing of it is back.
async fn is_all_taken_back(admin: &mut Clients, people: &People) {
    for who in ["withdrew", "again", "refused", "deleted"] {
        assert!(!is_allowed(admin, who).await, "{who}");
    }
    assert!(is_allowed(admin, "kept").await);
    let ended = subject(admin, by("email", &address("ended"))).await;
    let memberships = ended.expect("is there").categories;
    assert!(memberships[0].ended_at.is_some(), "left");
    assert!(
        subject(admin, by("email", &address("alias")))
            .await
            .is_none()
    );
    for id in [&people.merged, &people.survivor] {
        assert_eq!(effect(admin, by_id(id)).await, Effect::Deny, "merged");
    }
    let led = subject(admin, by("email", &address("merged"))).await;
    assert_eq!(led.expect("is there").subject_id, people.survivor);
}

async fn stays_taken_back(server: TestServer, lost: Lost) {
    let server = apart(server).await;
    let mut admin = server.admin().await;
    let people = everybody(&mut admin).await;
    let backups = backup(&server).await;
    server.clock.advance(Duration::from_mins(1));
    take_back(&mut admin, &people).await;
    server.clock.advance(Duration::from_mins(1));
    answer(&mut admin, "again", ConsentChoice::Given).await;
    assert!(is_allowed(&mut admin, "again").await);
    server.clock.advance(Duration::from_mins(1));
    drop(admin);

    let server = restore(server, &backups, lost).await;
    let mut admin = server.admin().await;
    is_all_taken_back(&mut admin, &people).await;
    assert!(
        subject(&mut admin, by("email", &address("late")))
            .await
            .is_none()
    );
    let restored = restorations(&mut admin).await;
    assert!(restored >= 8, "{restored}");
    assert!(missing(&server.config, &server.clock).await.is_empty());
    drop(admin);

    let (config, dir, clock) = (
        server.config.clone(),
        server.dir.clone(),
        server.clock.clone(),
    );
    server.end().await;
    let server = TestServer::begin(config, dir, clock).await;
    let mut admin = server.admin().await;
    assert_eq!(restorations(&mut admin).await, restored, "nothing twice");
    is_all_taken_back(&mut admin, &people).await;
    answer(&mut admin, "withdrew", ConsentChoice::Given).await;
    server.clock.advance(Duration::from_mins(1));
    assert!(
        is_allowed(&mut admin, "withdrew").await,
        "who says yes anew"
    );
}

on_both! {
    async fn what_was_taken_back_stays_so_when_the_data_alone_is_restored(server: TestServer) {
        Box::pin(stays_taken_back(server, Lost::Data)).await;
    }

    async fn what_was_taken_back_stays_so_when_data_and_keys_are_restored(server: TestServer) {
        Box::pin(stays_taken_back(server, Lost::DataAndKeys)).await;
    }

    async fn a_second_restore_of_the_same_backup_is_brought_up_again(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        register(&mut admin, "withdrew").await;
        let backups = backup(&server).await;
        server.clock.advance(Duration::from_mins(1));
        withdraw(&mut admin, "withdrew").await;
        drop(admin);
        let server = restore(server, &backups, Lost::Data).await;
        let server = restore(server, &backups, Lost::DataAndKeys).await;
        let mut admin = server.admin().await;
        assert!(!is_allowed(&mut admin, "withdrew").await);
        assert_eq!(restorations(&mut admin).await, 2, "the denial, and the task that tells of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_start_at_once_on_a_restored_database_apply_everything_once() {
    let server = apart(TestServer::on_postgres().await).await;
    let mut admin = server.admin().await;
    register(&mut admin, "withdrew").await;
    let [data, _] = backup(&server).await;
    server.clock.advance(Duration::from_mins(1));
    withdraw(&mut admin, "withdrew").await;
    drop(admin);
    let (mut config, dir, clock) = (
        server.config.clone(),
        server.dir.clone(),
        server.clock.clone(),
    );
    server.end().await;
    config.database.url = data.restore(dir.path()).await;
    let begin = || TestServer::begin(config.clone(), dir.clone(), clock.clone());
    let (one, other) = tokio::join!(begin(), begin());
    let mut admin = one.admin().await;
    assert!(!is_allowed(&mut admin, "withdrew").await);
    assert_eq!(restorations(&mut admin).await, 2);
    assert!(!is_allowed(&mut other.admin().await, "withdrew").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_between_commit_and_journal_answers_the_repeat_once_the_journal_has_it()
 {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    let ada = register(&mut admin, "ada").await;
    let (journal, aside) = (dir.path().join("journal.log"), dir.path().join("aside"));
    // A journal that cannot be written, from now on.
    fs::rename(&journal, &aside).expect("it is there");
    fs::create_dir(&journal).expect("its name is free");
    let request = WithdrawConsentRequest {
        request_id: Uuid::new_v4().to_string(),
        ..withdrawal(by_id(&ada))
    };
    for _ in 0..2 {
        let status = admin
            .consent
            .withdraw_consent(request.clone())
            .await
            .expect_err("not in the journal");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(reason(&status), "STORE_UNAVAILABLE");
    }
    assert!(!is_allowed(&mut admin, "ada").await, "it is committed");
    server.kill();
    fs::remove_dir(&journal).expect("nothing is in it");
    fs::rename(&aside, &journal).expect("it is there");
    assert!(!entries(&journal).contains(&ada));

    let server = Process::serve(dir.path());
    assert!(entries(&journal).contains(&ada), "before it listens");
    let mut admin = server.admin().await;
    let again = admin.consent.withdraw_consent(request).await;
    assert_eq!(again.expect("answered").into_inner().subject_ids, [ada]);
    let denials = entries(&journal).matches("CONSENT_DENIED").count();
    assert_eq!(denials, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_journal_is_damaged_does_not_start_and_says_where() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    for who in ["ada", "bob", "cleo"] {
        register(&mut admin, who).await;
        withdraw(&mut admin, who).await;
    }
    server.kill();
    let journal = dir.path().join("journal.log");
    let mut bytes = fs::read(&journal).expect("the journal is readable");
    let second = 1 + bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a line");
    bytes[second + 40] ^= 1;
    fs::write(&journal, &bytes).expect("the journal is writable");
    for arguments in [
        ["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"].as_slice(),
        &["doctor", "--data-dir"],
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_pdr"))
            .args(arguments)
            .arg(dir.path())
            .output()
            .expect("the binary starts");
        assert_eq!(done.status.code(), Some(1));
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(said.contains(&format!("at byte {second}")), "{said}");
    }
    assert_eq!(
        fs::read(&journal).expect("readable"),
        bytes,
        "left as it is"
    );
}

fn entries(journal: &Path) -> String {
    fs::read_to_string(journal).expect("the journal is readable")
}

/// `pdr restore …` on a development server's directory: the exit code and what it printed.
fn pdr_restore(command: &str, dir: &Path) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_pdr"))
        .args(["restore", command, "--data-dir"])
        .arg(dir)
        .output()
        .expect("the binary starts");
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_a_restored_database_lacks_and_applies_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().join("registry.db");
    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    register(&mut admin, "ada").await;
    let url = DatabaseUrl::of_sqlite_file(&data).expect("a path");
    let backup = Backup::take(&url, dir.path()).await;
    withdraw(&mut admin, "ada").await;
    let (code, said) = pdr_restore("check", dir.path());
    assert_eq!(code, Some(0), "nothing is missing: {said}");
    let (code, said) = pdr_restore("apply", dir.path());
    assert_eq!(code, Some(1), "a server runs: {said}");
    assert!(said.contains("another process writes"), "{said}");
    server.kill();

    backup.put_back(&data);
    let (code, said) = pdr_restore("check", dir.path());
    assert_eq!(code, Some(1));
    assert!(said.contains("1  CONSENT_DENIED"), "{said}");
    assert!(said.contains("1  TASK_KEPT"), "{said}");
    let (code, said) = pdr_restore("apply", dir.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("applied 2 entries"), "{said}");
    let (code, said) = pdr_restore("check", dir.path());
    assert_eq!(code, Some(0), "{said}");

    backup.put_back(&data);
    let server = Process::serve(dir.path());
    assert!(!is_allowed(&mut server.admin().await, "ada").await);
    let log = String::from_utf8_lossy(&server.log()).into_owned();
    assert!(log.contains("older than the journal"), "{log}");
}
