//! Which scope each RPC needs. What is not in this table is not served.

use std::{collections::HashMap, sync::LazyLock};

use crate::domain::caller::Scope;

/// One RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Service and method as they stand in the request path, without the first slash.
    pub path: &'static str,
    /// The scope that a token must have.
    pub scope: Scope,
    /// Whether requests or answers are a stream: such calls live long and are counted apart.
    pub streaming: bool,
}

/// Every RPC.
pub const RPCS: &[Rpc] = &[
    unary(
        "personaldata.registry.v1.PolicyService/PublishPolicy",
        Scope::PolicyWrite,
    ),
    unary(
        "personaldata.registry.v1.PolicyService/GetPolicy",
        Scope::PolicyRead,
    ),
    unary(
        "personaldata.registry.v1.PolicyService/ListPolicies",
        Scope::PolicyRead,
    ),
    unary(
        "personaldata.registry.v1.PolicyService/GetConsentForm",
        Scope::PolicyRead,
    ),
    unary(
        "personaldata.registry.v1.PolicyService/GetProcessingRecord",
        Scope::PolicyRead,
    ),
    unary(
        "personaldata.registry.v1.CollectionService/RegisterCollection",
        Scope::Collect,
    ),
    stream(
        "personaldata.registry.v1.CollectionService/ImportCollections",
        Scope::Collect,
    ),
    unary(
        "personaldata.registry.v1.CollectionService/RecordActivity",
        Scope::Collect,
    ),
    unary(
        "personaldata.registry.v1.PurposeService/CheckPurpose",
        Scope::Check,
    ),
    unary(
        "personaldata.registry.v1.PurposeService/BatchCheckPurpose",
        Scope::Check,
    ),
    stream(
        "personaldata.registry.v1.PurposeService/StreamCheckPurpose",
        Scope::Check,
    ),
    unary(
        "personaldata.registry.v1.PurposeService/ListLawfulPurposes",
        Scope::Check,
    ),
    stream(
        "personaldata.registry.v1.PurposeService/ListLawfulSubjects",
        Scope::Check,
    ),
    unary(
        "personaldata.registry.v1.ConsentService/RecordConsent",
        Scope::Consent,
    ),
    unary(
        "personaldata.registry.v1.ConsentService/WithdrawConsent",
        Scope::Consent,
    ),
    unary(
        "personaldata.registry.v1.ConsentService/ListConsents",
        Scope::Consent,
    ),
    unary(
        "personaldata.registry.v1.ConsentService/GetConsentReceipt",
        Scope::Consent,
    ),
    unary(
        "personaldata.registry.v1.ConsentService/IssueWithdrawalToken",
        Scope::Consent,
    ),
    stream(
        "personaldata.registry.v1.RecordService/FetchRecords",
        Scope::RecordsRead,
    ),
    unary(
        "personaldata.registry.v1.RecordService/CorrectRecord",
        Scope::RecordsWrite,
    ),
    unary(
        "personaldata.registry.v1.RecordService/DeleteRecords",
        Scope::RecordsWrite,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/GetSubject",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/LinkIdentifier",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/UnlinkIdentifier",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/MergeSubjects",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/AddSubjectCategory",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.SubjectService/EndSubjectCategory",
        Scope::Subjects,
    ),
    unary(
        "personaldata.registry.v1.DisclosureService/RecordDisclosure",
        Scope::Disclose,
    ),
    unary(
        "personaldata.registry.v1.DisclosureService/BatchRecordDisclosure",
        Scope::Disclose,
    ),
    unary(
        "personaldata.registry.v1.DisclosureService/ListDisclosures",
        Scope::Disclose,
    ),
    stream(
        "personaldata.registry.v1.EventService/WatchEvents",
        Scope::Events,
    ),
    unary(
        "personaldata.registry.v1.AuditService/ListAuditEntries",
        Scope::Audit,
    ),
    unary(
        "personaldata.registry.v1.AuditService/GetDecision",
        Scope::Audit,
    ),
];

// The standard services, which tell nothing of anybody: who operates the registry, or explores its
// API, has no token.
const OPEN_SERVICES: &[&str] = &[
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// What stands behind a request path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An RPC of the registry.
    Rpc(Rpc),
    /// A standard service, by name, which needs no token.
    Open(&'static str),
    /// Nothing.
    Unknown,
}

/// What stands behind a request path (`/package.Service/Method`).
pub fn target(path: &str) -> Target {
    static BY_PATH: LazyLock<HashMap<&str, Rpc>> =
        LazyLock::new(|| RPCS.iter().map(|rpc| (rpc.path, *rpc)).collect());
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(rpc) = BY_PATH.get(path) {
        return Target::Rpc(*rpc);
    }
    let service = path.split('/').next().unwrap_or_default();
    match OPEN_SERVICES.iter().find(|open| **open == service) {
        Some(open) => Target::Open(open),
        None => Target::Unknown,
    }
}

/// The services of the registry, each once.
pub fn services() -> Vec<&'static str> {
    let names = RPCS.iter().filter_map(|rpc| rpc.path.split('/').next());
    let mut names: Vec<_> = names.collect();
    names.dedup();
    names
}

const fn unary(path: &'static str, scope: Scope) -> Rpc {
    Rpc {
        path,
        scope,
        streaming: false,
    }
}

const fn stream(path: &'static str, scope: Scope) -> Rpc {
    Rpc {
        path,
        scope,
        streaming: true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto::FILE_DESCRIPTOR_SET;

    // Every RPC of the API, and whether it streams.
    fn described() -> BTreeMap<String, bool> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut rpcs = BTreeMap::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    rpcs.insert(path, method.client_streaming() || method.server_streaming());
                }
            }
        }
        rpcs
    }

    #[test]
    fn every_rpc_of_the_api_has_a_scope_and_no_other_has() {
        let table: BTreeMap<_, _> = RPCS
            .iter()
            .map(|rpc| (rpc.path.to_owned(), rpc.streaming))
            .collect();
        assert_eq!(table, described());
        assert_eq!(table.len(), RPCS.len(), "an RPC stands in the table twice");
    }

    #[test]
    fn a_path_is_found_as_a_whole_or_not_at_all() {
        let path = "/personaldata.registry.v1.PurposeService/CheckPurpose";
        assert!(matches!(target(path), Target::Rpc(rpc) if rpc.scope == Scope::Check));
        for unknown in [
            "",
            "/",
            "/personaldata.registry.v1.PurposeService",
            "/personaldata.registry.v1.PurposeService/checkpurpose",
            "/personaldata.registry.v1.PurposeService/CheckPurpose/",
            "/personaldata.registry.v1.TaskService/LeaseTasks",
            "/grpc.health.v1.Healthy/Check",
        ] {
            assert_eq!(target(unknown), Target::Unknown, "{unknown:?}");
        }
    }

    #[test]
    fn health_and_reflection_are_open() {
        assert_eq!(
            target("/grpc.health.v1.Health/Check"),
            Target::Open("grpc.health.v1.Health")
        );
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert!(matches!(target(reflection), Target::Open(_)));
    }

    #[test]
    fn each_service_is_named_once() {
        let mut services = services();
        assert_eq!(services.len(), 9);
        services.sort_unstable();
        services.dedup();
        assert_eq!(services.len(), 9);
    }
}
