//! From a request path to the RPC behind it. Which scope an RPC needs stands in one table, beside the
//! actions of the audit log ([`Action::scope`]); what is not in that table is not served.

use std::{collections::HashMap, sync::LazyLock};

use crate::domain::audit::Action;

/// The package of the registry's services.
pub const PACKAGE: &str = "personaldata.registry.v1";

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
    Rpc(Action),
    /// A standard service, by name, which needs no token.
    Open(&'static str),
    /// Nothing.
    Unknown,
}

impl Target {
    /// What the log calls it: never what the caller wrote.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpc(action) => action.name(),
            Self::Open(service) => service,
            Self::Unknown => "unknown",
        }
    }
}

/// What stands behind a request path (`/package.Service/Method`).
pub fn target(path: &str) -> Target {
    static ACTIONS: LazyLock<HashMap<String, Action>> = LazyLock::new(|| {
        Action::ALL
            .iter()
            .map(|rpc| (path_of(*rpc), *rpc))
            .collect()
    });
    if let Some(action) = ACTIONS.get(path) {
        return Target::Rpc(*action);
    }
    let service = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next());
    match OPEN_SERVICES.iter().find(|open| service == Some(**open)) {
        Some(open) => Target::Open(open),
        None => Target::Unknown,
    }
}

/// Whether the RPC is asked before every use of data: so often that what it costs besides counts.
pub fn is_check(action: Action) -> bool {
    matches!(action, Action::CheckPurpose | Action::BatchCheckPurpose)
}

/// Whether an RPC's requests or answers are a stream: such calls live long and are counted apart.
pub fn is_stream(action: Action) -> bool {
    matches!(
        action,
        Action::ImportCollections
            | Action::StreamCheckPurpose
            | Action::ListLawfulSubjects
            | Action::FetchRecords
            | Action::WatchEvents
            | Action::DownloadExport
            | Action::ExportAuditLog
    )
}

/// The full names of the registry's services, each once.
pub fn services() -> Vec<String> {
    let names = Action::ALL.iter().map(|action| action.service());
    let mut names: Vec<_> = names.map(|name| format!("{PACKAGE}.{name}")).collect();
    names.dedup();
    names
}

fn path_of(action: Action) -> String {
    format!("/{PACKAGE}.{}/{}", action.service(), action.name())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::{
        domain::{audit::access::Gives, caller::Scope},
        proto::FILE_DESCRIPTOR_SET,
    };

    // Every RPC of the API, and whether it streams.
    fn described() -> BTreeMap<String, bool> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut rpcs = BTreeMap::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let streams = method.client_streaming() || method.server_streaming();
                    rpcs.insert(path, streams);
                }
            }
        }
        rpcs
    }

    #[test]
    fn every_rpc_of_the_api_has_a_scope_and_no_other_has() {
        let table: BTreeMap<_, _> = Action::ALL
            .iter()
            .map(|action| (path_of(*action), is_stream(*action)))
            .collect();
        assert_eq!(table, described());
        assert_eq!(table.len(), Action::ALL.len());
    }

    #[test]
    fn a_path_is_found_as_a_whole_or_not_at_all() {
        let path = "/personaldata.registry.v1.PurposeService/CheckPurpose";
        assert!(matches!(target(path), Target::Rpc(rpc) if rpc.scope() == Scope::Check));
        for unknown in [
            "",
            "/",
            "personaldata.registry.v1.PurposeService/CheckPurpose",
            "/personaldata.registry.v1.PurposeService",
            "/personaldata.registry.v1.PurposeService/checkpurpose",
            "/personaldata.registry.v1.PurposeService/CheckPurpose/",
            "/personaldata.registry.v1.TaskService/LeaseTask",
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
    fn the_log_never_says_a_path_that_a_caller_made_up() {
        assert_eq!(target("/ada@example.org/x").name(), "unknown");
    }

    #[test]
    fn each_service_is_named_once() {
        let mut services = services();
        assert_eq!(services.len(), 13);
        services.sort_unstable();
        services.dedup();
        assert_eq!(services.len(), 13);
    }

    /// Messages that carry values of a person.
    const VALUES: [&str; 6] = [
        "Item",
        "Identifier",
        "Evidence",
        "TaskItem",
        "LeasedTask",
        "Disclosure",
    ];
    /// Their answers hold such a message, and in it only what the caller has just brought itself.
    const GIVE_BACK: [Action; 7] = [
        Action::RegisterCollection,
        Action::ImportCollections,
        Action::RecordConsent,
        Action::WithdrawConsent,
        Action::CorrectRecord,
        Action::RecordDisclosure,
        Action::BatchRecordDisclosure,
    ];

    /// The names of all messages that stand in this one. Answers name a person by an id only.
    fn reachable(set: &FileDescriptorSet, name: &str, found: &mut BTreeSet<String>) {
        if name == "SubjectRef" || !found.insert(name.to_owned()) {
            return;
        }
        let messages = set.file.iter().flat_map(|file| &file.message_type);
        for message in messages.filter(|message| message.name() == name) {
            for field in &message.field {
                if let Some(of) = field.type_name().strip_prefix(&format!(".{PACKAGE}.")) {
                    reachable(set, of, found);
                }
            }
        }
    }

    #[test]
    fn whatever_gives_out_values_of_people_is_known_to() {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let (mut giving, mut unknown) = (0, Vec::new());
        for method in services.flat_map(|service| &service.method) {
            let action = Action::ALL.iter().find(|it| it.name() == method.name());
            let action = action.expect("every RPC is an action");
            let mut found = BTreeSet::new();
            let answer = method.output_type().rsplit('.').next().unwrap();
            reachable(&set, answer, &mut found);
            let gives = VALUES.iter().any(|value| found.contains(*value));
            if gives && !GIVE_BACK.contains(action) {
                giving += 1;
                unknown.extend((action.gives() != Gives::Content).then_some((action, found)));
            }
        }
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(giving >= 10, "{giving}");
    }
}
