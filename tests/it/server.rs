//! The door: tokens, scopes, what is said to strangers.

use std::time::Duration;

use futures::{StreamExt, stream};
use registry::{
    auth::dev_issuer::Grant,
    domain::caller::Scope,
    proto::v1::{GetPolicyRequest, StreamCheckPurposeRequest},
};
use tokio::{task::yield_now, time::sleep};
use tonic::Code;

use crate::{
    harness::{TestServer, status::reason},
    on_both,
};

on_both! {
    async fn a_caller_with_the_scope_reads_the_policy_in_force(server: TestServer) {
        let mut reader = server.service("reader", &[Scope::PolicyRead]).await;
        let answer = reader.policy.get_policy(GetPolicyRequest::default()).await;
        let policy = answer.expect("answered").into_inner().policy.expect("a policy");
        assert_eq!(policy.version, "2018-05-24");
    }

    async fn a_caller_without_a_token_is_told_to_bring_one(server: TestServer) {
        let mut stranger = server.clients("").await;
        let status = stranger.policy.get_policy(GetPolicyRequest::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
    }

    async fn a_token_without_the_scope_is_refused(server: TestServer) {
        let mut checker = server.service("checker", &[Scope::Check]).await;
        let status = checker.policy.get_policy(GetPolicyRequest::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    }

    async fn a_token_counts_until_its_last_second_and_no_longer(server: TestServer) {
        let grant = Grant::everything("brief", Duration::from_mins(1));
        let mut brief = server.clients(&server.token(&grant)).await;
        server.clock.advance(Duration::from_secs(59));
        brief.policy.get_policy(GetPolicyRequest::default()).await.expect("still good");
        server.clock.advance(Duration::from_secs(1));
        let status = brief.policy.get_policy(GetPolicyRequest::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    }
}

// The transport counts small messages that wait to be read, and cuts off a connection with too many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_far_ahead_of_its_answers_is_slowed_and_not_cut_off() {
    const QUESTIONS: usize = 40_000;
    let server = TestServer::on_sqlite().await;
    let mut clients = server.admin().await;
    // Refused at once, so that the test is quick. What follows a pause is sent apart.
    let questions = stream::iter(0..QUESTIONS).then(|number| async move {
        yield_now().await;
        StreamCheckPurposeRequest {
            correlation_id: format!("{number:0100}"),
            check: None,
        }
    });
    let answers = clients.purpose.stream_check_purpose(questions).await;
    let answers = answers.expect("a stream").into_inner();
    // Until nothing fits on the way any more.
    sleep(Duration::from_secs(3)).await;
    let answered = answers
        .filter(|answer| std::future::ready(answer.is_ok()))
        .count();
    assert_eq!(answered.await, QUESTIONS);
}
