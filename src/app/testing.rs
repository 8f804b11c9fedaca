//! A registry for unit tests: a real SQLite file, a clock that tests move, the example policy.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Call, Registry};
use crate::{
    crypto::{entropy::SystemEntropy, keyring::KeyRing},
    domain::{
        audit::Action,
        caller::{Bound, Caller, Scope},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    },
    runtime::{clock::TestClock, ids::SystemIds},
    store::{JournalPlace, Secrets, Store, StoreOptions, TimeSource},
};

/// A registry and what a test holds of it.
pub(crate) struct TestRegistry {
    /// The registry, with the example policy in force.
    pub registry: Registry,
    /// Its clock: stands at noon of 2019-12-13 until moved.
    pub clock: Arc<TestClock>,
    /// A caller that may do everything.
    pub caller: Arc<Caller>,
    /// Its files.
    pub dir: TempDir,
}

/// A registry over a new SQLite file.
pub(crate) async fn registry() -> TestRegistry {
    let dir = TempDir::new().expect("a temporary directory");
    let url = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
    let secrets = Secrets {
        key_ring: KeyRing::generate(&SystemEntropy).expect("randomness"),
        entropy: Arc::new(SystemEntropy),
        ids: Arc::new(SystemIds),
    };
    let options = StoreOptions {
        url: url("registry.db"),
        keys_url: url("keys.db"),
        journal: JournalPlace::File(dir.path().join("journal.log")),
        connections_max: 4,
        time_source: TimeSource::Caller,
        secrets,
    };
    let store = Arc::new(Store::open(options).await.expect("the store opens"));
    store.migrate().await.expect("the schema is made");
    let now: Timestamp = "2019-12-13T12:00:00Z".parse().expect("an instant");
    let clock = Arc::new(TestClock::at(now));
    let registry = Registry::new(store, clock.clone(), CancellationToken::new());
    let caller = Arc::new(everything("tests"));
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
    let call = Call::new(caller.clone(), Action::PublishPolicy);
    registry
        .publish_policy(call, policy, true)
        .await
        .expect("the example is published");
    TestRegistry {
        registry,
        clock,
        caller,
        dir,
    }
}

/// A caller that may do everything.
pub(crate) fn everything(service: &str) -> Caller {
    Caller {
        service: service.parse().expect("a service name"),
        scopes: Scope::ALL.iter().copied().collect(),
        sources: Bound::Everything,
        purposes: Bound::Everything,
        processors: Bound::Everything,
        expires_at: None,
    }
}
