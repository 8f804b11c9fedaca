//! Generated clients with a token.

use registry::proto::v1::{
    audit_service_client::AuditServiceClient, collection_service_client::CollectionServiceClient,
    consent_service_client::ConsentServiceClient,
    disclosure_service_client::DisclosureServiceClient, event_service_client::EventServiceClient,
    hold_service_client::HoldServiceClient, policy_service_client::PolicyServiceClient,
    purpose_service_client::PurposeServiceClient, record_service_client::RecordServiceClient,
    request_service_client::RequestServiceClient, retention_service_client::RetentionServiceClient,
    subject_service_client::SubjectServiceClient, task_service_client::TaskServiceClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// Puts the token into every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// The way of a client to the server.
pub type Way = InterceptedService<Channel, Bearer>;

/// A client of every service, over one connection.
#[derive(Clone)]
pub struct Clients {
    pub policy: PolicyServiceClient<Way>,
    pub collection: CollectionServiceClient<Way>,
    pub purpose: PurposeServiceClient<Way>,
    pub consent: ConsentServiceClient<Way>,
    pub record: RecordServiceClient<Way>,
    pub request: RequestServiceClient<Way>,
    pub subject: SubjectServiceClient<Way>,
    pub task: TaskServiceClient<Way>,
    pub disclosure: DisclosureServiceClient<Way>,
    pub hold: HoldServiceClient<Way>,
    pub event: EventServiceClient<Way>,
    pub audit: AuditServiceClient<Way>,
    pub retention: RetentionServiceClient<Way>,
}

impl Clients {
    /// Connects; an empty token sends none.
    pub async fn connect(address: &str, token: &str) -> Self {
        let endpoint = Endpoint::from_shared(address.to_owned()).expect("an address");
        let channel = endpoint.connect().await.expect("the server listens");
        let bearer = (!token.is_empty())
            .then(|| format!("Bearer {token}").parse().expect("a token is ASCII"));
        let way = || InterceptedService::new(channel.clone(), Bearer(bearer.clone()));
        Self {
            policy: PolicyServiceClient::new(way()),
            collection: CollectionServiceClient::new(way()),
            purpose: PurposeServiceClient::new(way()),
            consent: ConsentServiceClient::new(way()),
            record: RecordServiceClient::new(way()),
            request: RequestServiceClient::new(way()),
            subject: SubjectServiceClient::new(way()),
            task: TaskServiceClient::new(way()),
            disclosure: DisclosureServiceClient::new(way()),
            hold: HoldServiceClient::new(way()),
            event: EventServiceClient::new(way()),
            audit: AuditServiceClient::new(way()),
            retention: RetentionServiceClient::new(way()),
        }
    }
}
