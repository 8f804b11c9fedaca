//! The metrics as Prometheus fetches them.

use std::{net::SocketAddr, time::Duration};

use registry::proto::v1::{
    CheckPurposeRequest, ConsentChoice, Evidence, EvidenceMethod, RecordConsentRequest,
    WithdrawConsentRequest, withdraw_consent_request::Who,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{
        TestServer,
        sample::{by, everything_of},
    },
    on_both,
};

const ADA: &str = "ada@example.com";

/// One question over plain HTTP, and the whole answer.
pub async fn ask(address: SocketAddr, question: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let question = format!("{question} HTTP/1.1\r\nhost: metrics\r\n\r\n");
    stream.write_all(question.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// The metrics, once the store has been looked at.
async fn scrape(address: SocketAddr) -> String {
    for _ in 0..100 {
        let answer = ask(address, "GET /metrics").await;
        if answer.contains("pdr_store_up 1") {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store was not looked at in time")
}

/// The same server with a listener for its metrics.
async fn with_metrics(server: TestServer) -> TestServer {
    let (mut config, dir, clock) = (
        server.config.clone(),
        server.dir.clone(),
        server.clock.clone(),
    );
    server.end().await;
    config.metrics.listen = Some("127.0.0.1:0".parse().expect("an address"));
    TestServer::begin(config, dir, clock).await
}

#[track_caller]
fn check(text: &str, line: &str) {
    assert!(text.lines().any(|it| it == line), "{line}\n{text}");
}

on_both! {
    async fn what_is_called_and_decided_is_counted_and_names_nobody(server: TestServer) {
        assert!(server.metrics.is_none(), "there is none unless it is configured");
        let server = with_metrics(server).await;
        let address = server.metrics.expect("it has metrics");
        let mut admin = server.admin().await;
        let registered = admin.collection.register_collection(everything_of("visitor", ADA)).await;
        let subject = registered.expect("registered").into_inner().subject_id;
        let question = CheckPurposeRequest {
            subject: Some(by("email", ADA)),
            data_categories: vec!["email_address".to_owned()],
            purpose: "newsletter".to_owned(),
            processor: "aweber".to_owned(),
            ..CheckPurposeRequest::default()
        };
        for _ in 0..2 {
            admin.purpose.check_purpose(question.clone()).await.expect("answered");
        }
        admin.purpose.check_purpose(CheckPurposeRequest::default()).await.unwrap_err();
        let answer = scrape(address).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        check(&answer, r#"pdr_rpcs_total{method="RegisterCollection",code="OK"} 1"#);
        check(&answer, r#"pdr_rpcs_total{method="CheckPurpose",code="OK"} 2"#);
        check(&answer, r#"pdr_rpcs_total{method="CheckPurpose",code="INVALID_ARGUMENT"} 1"#);
        check(&answer, r#"pdr_rpc_duration_seconds_count{method="CheckPurpose"} 3"#);
        check(&answer, r#"pdr_decisions_total{effect="DENY",reason="CONSENT_MISSING"} 2"#);
        assert!(answer.contains("pdr_build_info{version=\""), "{answer}");
        for personal in [ADA, subject.as_str(), "a value"] {
            assert!(!answer.contains(personal), "{personal} in {answer}");
        }
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
    }

    async fn what_waits_in_the_store_is_shown(server: TestServer) {
        let mut admin = server.admin().await;
        admin.collection.register_collection(everything_of("visitor", ADA)).await.expect("registered");
        let yes = RecordConsentRequest {
            subject: Some(by("email", ADA)),
            purposes: vec!["newsletter".to_owned()],
            choice: ConsentChoice::Given.into(),
            evidence: Some(Evidence { method: EvidenceMethod::Checkbox.into(), ..Evidence::default() }),
            ..RecordConsentRequest::default()
        };
        admin.consent.record_consent(yes).await.expect("recorded");
        let no = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", ADA))),
            purposes: vec!["newsletter".to_owned()],
            ..WithdrawConsentRequest::default()
        };
        admin.consent.withdraw_consent(no).await.expect("withdrawn");
        drop(admin);
        server.clock.advance(Duration::from_secs(90));
        let server = with_metrics(server).await;
        let answer = scrape(server.metrics.expect("it has metrics")).await;
        check(&answer, r#"pdr_tasks_open{processor="aweber",holder="",state="PENDING"} 1.0"#);
        check(&answer, "pdr_tasks_oldest_due_age_seconds 90.0");
        for none in [
            "pdr_tasks_dead_letters",
            "pdr_tasks_unconfirmed",
            "pdr_requests_due_soon",
            "pdr_requests_overdue",
            "pdr_journal_owed",
            "pdr_exports_open",
            "pdr_items_retained",
            "pdr_legal_holds",
        ] {
            check(&answer, &format!("{none} 0.0"));
        }
    }
}
