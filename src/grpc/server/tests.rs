//! The layers around a service that does what no real one should: it panics, hangs, and never ends.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
};

use futures::{FutureExt, StreamExt};
use http::uri::PathAndQuery;
use jiff::Timestamp;
use tempfile::TempDir;
use tonic::{
    Code, Request, Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::*;
use crate::{
    auth::{
        TokenVerifier,
        dev_issuer::{DevIssuer, Grant},
    },
    config::{Auth, JwksSource},
    domain::caller::Scope,
    grpc::caller::caller,
    proto::v1::{
        ExportAuditLogRequest, ExportAuditLogResponse, GetCheckpointRequest, GetCheckpointResponse,
        GetConsistencyProofRequest, GetConsistencyProofResponse, GetDecisionRequest,
        GetDecisionResponse, GetInclusionProofRequest, GetInclusionProofResponse,
        ListAuditEntriesRequest, ListAuditEntriesResponse, WatchEventsRequest, WatchEventsResponse,
        audit_service_client::AuditServiceClient,
        audit_service_server::{AuditService, AuditServiceServer},
        event_service_client::EventServiceClient,
        event_service_server::{EventService, EventServiceServer},
    },
    runtime::clock::TestClock,
};

const SECRET: &str = "ada@example.org";
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
const GET_DECISION: &str = "/personaldata.registry.v1.AuditService/GetDecision";

/// Does what the id of the decision says.
struct Misbehaving;

#[tonic::async_trait]
impl AuditService for Misbehaving {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        assert!(caller(&request)?.has(Scope::Audit));
        Ok(Response::new(ListAuditEntriesResponse::default()))
    }

    async fn get_decision(
        &self,
        request: Request<GetDecisionRequest>,
    ) -> Result<Response<GetDecisionResponse>, Status> {
        match request.get_ref().decision_id.as_str() {
            "panic" => panic!("{SECRET}"),
            "hang" => pending().await,
            "careless" => Err(Status::internal(SECRET)),
            _ => Ok(Response::new(GetDecisionResponse::default())),
        }
    }

    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        Ok(Response::new(GetCheckpointResponse::default()))
    }

    async fn get_inclusion_proof(
        &self,
        _: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        Ok(Response::new(GetInclusionProofResponse::default()))
    }

    async fn get_consistency_proof(
        &self,
        _: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        Ok(Response::new(GetConsistencyProofResponse::default()))
    }

    type ExportAuditLogStream =
        Pin<Box<dyn Stream<Item = Result<ExportAuditLogResponse, Status>> + Send>>;

    async fn export_audit_log(
        &self,
        _: Request<ExportAuditLogRequest>,
    ) -> Result<Response<Self::ExportAuditLogStream>, Status> {
        Ok(Response::new(futures::stream::empty().boxed()))
    }
}

#[tonic::async_trait]
impl EventService for Misbehaving {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let first = futures::stream::iter([Ok(WatchEventsResponse::default())]);
        let panics = request.get_ref().cursor == "panic";
        let then = async move {
            // What is ready at once would be sent with what comes next.
            tokio::task::yield_now().await;
            assert!(!panics, "{SECRET}");
            pending().await
        };
        Ok(Response::new(Box::pin(first.chain(then.into_stream()))))
    }
}

struct Running {
    issuer: DevIssuer,
    channel: Channel,
    // Holds the issuer's keys.
    _directory: TempDir,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Result<(), transport::Error>>,
}

impl Running {
    async fn start(options: ServerOptions) -> Self {
        Self::start_with(options, |address| {
            Endpoint::from_shared(format!("http://{address}")).unwrap()
        })
        .await
    }

    async fn start_with(
        options: ServerOptions,
        endpoint: impl FnOnce(SocketAddr) -> Endpoint,
    ) -> Self {
        let incoming = listen(LOOPBACK).unwrap();
        let endpoint = endpoint(incoming.local_addr().unwrap());
        let routes = Routes::new(AuditServiceServer::new(Misbehaving))
            .add_service(EventServiceServer::new(Misbehaving));
        let stop = CancellationToken::new();
        let directory = TempDir::new().unwrap();
        let (issuer, gate) = gate(&directory).await;
        let served = tokio::spawn(serve(incoming, routes, gate, options, stop.clone()));
        let channel = endpoint.connect().await.unwrap();
        Self {
            issuer,
            channel,
            _directory: directory,
            stop,
            served,
        }
    }

    fn signed<T>(&self, message: T, scope: Scope) -> Request<T> {
        let mut grant = Grant::everything("tester", Duration::from_mins(1));
        grant.scopes = vec![scope];
        let token = self.issuer.mint(&grant, Timestamp::UNIX_EPOCH).unwrap();
        let mut request = Request::new(message);
        let header = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", header);
        request
    }

    async fn get_decision(&self, decision_id: &str) -> Result<(), Status> {
        let mut client = AuditServiceClient::new(self.channel.clone());
        let decision_id = decision_id.to_owned();
        let request = self.signed(GetDecisionRequest { decision_id }, Scope::Audit);
        client.get_decision(request).await.map(|_| ())
    }

    async fn watch(&self, cursor: &str) -> Result<tonic::Streaming<WatchEventsResponse>, Status> {
        let mut client = EventServiceClient::new(self.channel.clone());
        let request = WatchEventsRequest {
            cursor: cursor.to_owned(),
            ..WatchEventsRequest::default()
        };
        let answer = client
            .watch_events(self.signed(request, Scope::Events))
            .await?;
        Ok(answer.into_inner())
    }

    // Sends any message to any path.
    async fn send<M: prost::Message + Default + 'static>(
        &self,
        path: &'static str,
        message: M,
    ) -> Status {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<M, GetDecisionResponse>::default();
        let path = PathAndQuery::from_static(path);
        let answer = client
            .unary(self.signed(message, Scope::Audit), path, codec)
            .await;
        answer.expect_err("the call is to be refused")
    }

    async fn health(&self) -> ServingStatus {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = client.check(HealthCheckRequest::default()).await.unwrap();
        match answer.into_inner().status() {
            tonic_health::pb::health_check_response::ServingStatus::Serving => {
                ServingStatus::Serving
            }
            _ => ServingStatus::NotServing,
        }
    }
}

async fn gate(directory: &TempDir) -> (DevIssuer, Gate) {
    let auth = Auth {
        issuer: "https://id.example.com".into(),
        audience: "registry".into(),
        jwks: JwksSource::File(directory.path().join("jwks.json")),
        refresh: Duration::from_mins(5),
        max_age: Duration::from_hours(1),
    };
    let issuer = DevIssuer::create_or_open(&auth).unwrap();
    let clock = Arc::new(TestClock::at(Timestamp::UNIX_EPOCH));
    let verifier = TokenVerifier::open(&auth, clock.clone()).await.unwrap();
    let verifier = Arc::new(verifier);
    (issuer, Gate { verifier, clock })
}

// The limits of a development server.
fn options() -> ServerOptions {
    let config = config::Config::development(Path::new("unused"), LOOPBACK).unwrap();
    ServerOptions::read(&config.server).unwrap()
}

#[track_caller]
fn check(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, reason);
    assert!(!format!("{status:?}").contains(SECRET));
}

#[tokio::test]
async fn a_call_without_a_token_is_refused_and_one_with_it_passes() {
    let server = Running::start(options()).await;
    let mut client = AuditServiceClient::new(server.channel.clone());
    let refused = client.get_decision(GetDecisionRequest::default()).await;
    check(
        &refused.unwrap_err(),
        Code::Unauthenticated,
        "TOKEN_MISSING",
    );
    let request = server.signed(ListAuditEntriesRequest::default(), Scope::Audit);
    client.list_audit_entries(request).await.unwrap();
}

#[tokio::test]
async fn two_authorizations_are_none() {
    let server = Running::start(options()).await;
    let mut request = server.signed(GetDecisionRequest::default(), Scope::Audit);
    let second = "audit".parse().unwrap();
    request.metadata_mut().append("authorization", second);
    let mut client = AuditServiceClient::new(server.channel.clone());
    let refused = client.get_decision(request).await.unwrap_err();
    check(&refused, Code::Unauthenticated, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_scope_is_checked_before_the_message_is_read() {
    let server = Running::start(options()).await;
    let path = "/personaldata.registry.v1.EventService/WatchEvents";
    let refused = server.send(path, malformed()).await;
    check(&refused, Code::PermissionDenied, "SCOPE_MISSING");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["scope"], "events");
}

#[tokio::test]
async fn what_is_not_served_is_unimplemented() {
    let server = Running::start(options()).await;
    for path in [
        "/personaldata.registry.v1.AuditService/DeleteEverything",
        "/personaldata.registry.v1.TaskService/LeaseTask",
        "/personaldata.registry.v1.PolicyService",
        "/",
    ] {
        let refused = server.send(path, GetDecisionRequest::default()).await;
        check(&refused, Code::Unimplemented, "METHOD_UNKNOWN");
    }
}

#[tokio::test]
async fn a_malformed_message_is_an_invalid_argument() {
    let server = Running::start(options()).await;
    let refused = server.send(GET_DECISION, malformed()).await;
    check(&refused, Code::InvalidArgument, "FIELD_INVALID");
}

#[tokio::test]
async fn a_message_past_its_limit_is_too_large() {
    let server = Running::start(options()).await;
    let refused = server.get_decision(&"x".repeat(MESSAGE_BYTES_MAX)).await;
    check(&refused.unwrap_err(), Code::ResourceExhausted, "TOO_LARGE");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing_and_the_server_lives_on() {
    let server = Running::start(options()).await;
    for id in ["panic", "careless"] {
        let status = server.get_decision(id).await.unwrap_err();
        check(&status, Code::Internal, "INTERNAL");
    }
    let mut stream = server.watch("panic").await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
    let status = stream.message().await.unwrap_err();
    check(&status, Code::Internal, "INTERNAL");
    server.get_decision("fine").await.unwrap();
}

#[tokio::test]
async fn reflection_describes_every_service_without_a_token() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = Running::start(options()).await;
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let ask = |question| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let symbol = "personaldata.registry.v1.PurposeService".to_owned();
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(symbol)),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/struct.proto".to_owned(),
        )),
    ];
    let asked = client.server_reflection_info(futures::stream::iter(questions));
    let mut answers = asked.await.unwrap().into_inner();
    let mut next = async || answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = next().await else {
        panic!("the services are listed");
    };
    let listed: Vec<_> = listed.service.into_iter().map(|one| one.name).collect();
    for service in services() {
        assert!(listed.contains(&service), "{service}");
    }
    for _ in 0..2 {
        let described = next().await;
        assert!(matches!(
            described,
            Some(MessageResponse::FileDescriptorResponse(_))
        ));
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_ended() {
    let mut options = options();
    options.limits.call_timeout = Duration::from_millis(20);
    let server = Running::start(options).await;
    let status = server.get_decision("hang").await.unwrap_err();
    check(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn one_call_too_many_is_told_to_come_back_and_health_still_answers() {
    let mut options = options();
    options.limits.calls_max = 0;
    options.limits.streams_max = 1;
    let server = Running::start(options).await;
    let status = server.get_decision("fine").await.unwrap_err();
    check(&status, Code::ResourceExhausted, "OVERLOADED");
    assert!(status.get_error_details().retry_info().is_some());
    let first = server.watch("").await.unwrap();
    let second = server.watch("").await.unwrap_err();
    check(&second, Code::ResourceExhausted, "OVERLOADED");
    drop(first);
    assert_eq!(server.health().await, ServingStatus::Serving);
}

#[tokio::test]
async fn a_stop_tells_health_first_then_ends_streams_and_then_the_server() {
    let options = ServerOptions {
        drain: Duration::from_millis(200),
        stream_grace: Duration::from_millis(50),
        ..options()
    };
    let server = Running::start(options).await;
    let mut stream = server.watch("").await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
    server.stop.cancel();
    while server.health().await == ServingStatus::Serving {
        tokio::task::yield_now().await;
    }
    server.get_decision("fine").await.unwrap();
    let ended = stream.message().await.unwrap_err();
    check(&ended, Code::Unavailable, "STOPPING");
    server.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn over_tls_a_client_that_trusts_the_certificate_is_served() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    let options = ServerOptions {
        tls: Some(TlsIdentity {
            certificates: certificate.clone().into_bytes(),
            key: made.signing_key.serialize_pem().into_bytes(),
        }),
        ..options()
    };
    let server = Running::start_with(options, |address| {
        let trust = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(certificate))
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(trust).unwrap()
    })
    .await;
    server.get_decision("fine").await.unwrap();
}

// A number where every request of ours has a text or a message.
fn malformed() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    }
}
