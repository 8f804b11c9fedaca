//! The door: tokens, scopes, what is said to strangers.

use std::time::Duration;

use registry::{auth::dev_issuer::Grant, domain::caller::Scope, proto::v1::GetPolicyRequest};
use tonic::Code;

use crate::{harness::status::reason, on_both};

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
        let grant = Grant::everything("brief", Duration::from_secs(60));
        let mut brief = server.clients(&server.token(&grant)).await;
        server.clock.advance(Duration::from_secs(59));
        brief.policy.get_policy(GetPolicyRequest::default()).await.expect("still good");
        server.clock.advance(Duration::from_secs(1));
        let status = brief.policy.get_policy(GetPolicyRequest::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    }
}
