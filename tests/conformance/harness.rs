//! A database of a test's own, and registries on it that share its keys and a clock that the test
//! moves: as many as a test wants, each a process of its own as far as the database can tell.

use std::{fmt::Debug, path::PathBuf, str::FromStr, sync::Arc};

use jiff::Timestamp;
use registry::{
    app::{Call, Error, Registry},
    crypto::{
        entropy::SystemEntropy,
        keyring::{KeyFiles, KeyRing},
    },
    domain::{
        audit::Action,
        caller::{Bound, Caller, Scope},
        id::SubjectId,
        identifier::{IdentifierValue, Normalise, normalise},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    },
    runtime::{
        clock::{Clock, TestClock},
        ids::SystemIds,
    },
    store::{JournalPlace, Secrets, Store, StoreOptions, TimeSource, identifier::NewIdentifier},
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Where every clock stands at first.
pub const START: &str = "2026-06-01T12:00:00Z";

/// Runs a test on both databases: `on_both! { async fn a_sentence(place: Place) {…} }`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($place: $crate::harness::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                run($crate::harness::Place::on_sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                run($crate::harness::Place::on_postgres().await).await;
            }
        }
    )*};
}

/// An empty database, its keys and its clock.
pub struct Place {
    /// Where the registry's tables go.
    pub url: String,
    /// Where the subjects' keys go.
    pub keys_url: String,
    /// Where the journal goes.
    pub journal: JournalPlace,
    /// Stands until the test moves it.
    pub clock: Arc<TestClock>,
    /// Connections that a store may hold.
    pub connections_max: u32,
    /// Whose clock decides.
    pub time_source: TimeSource,
    directions: Directions,
    /// Goes with the test that made it.
    _dir: Option<TempDir>,
}

/// What another process needs to find a place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Directions {
    dir: PathBuf,
    postgres: Option<String>,
}

impl Place {
    /// Two files that are not there yet.
    pub fn on_sqlite() -> Self {
        Self::new(None)
    }

    /// A new database; the tables of the keys and of the journal stand beside the registry's.
    pub async fn on_postgres() -> Self {
        Self::new(Some(crate::postgres::create_database().await))
    }

    fn new(postgres: Option<String>) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let directions = Directions {
            dir: dir.path().to_owned(),
            postgres,
        };
        let place = Self {
            _dir: Some(dir),
            ..Self::at(directions)
        };
        place
            .key_files()
            .create_missing(&SystemEntropy)
            .expect("the key files are made");
        place
    }

    /// The place of another process, as it is there.
    pub fn at(directions: Directions) -> Self {
        let path = |name: &str| directions.dir.join(name);
        let file = |name: &str| format!("sqlite:{}?mode=rwc", path(name).display());
        let (url, keys_url, journal) = match &directions.postgres {
            Some(url) => (
                url.clone(),
                url.clone(),
                JournalPlace::Postgres(url.clone()),
            ),
            None => (
                file("registry.db"),
                file("keys.db"),
                JournalPlace::File(path("journal.log")),
            ),
        };
        Self {
            url,
            keys_url,
            journal,
            clock: Arc::new(TestClock::at(instant(START))),
            connections_max: 8,
            time_source: TimeSource::Caller,
            directions,
            _dir: None,
        }
    }

    /// How another process finds it.
    pub fn directions(&self) -> Directions {
        self.directions.clone()
    }

    /// Where the deployment's keys lie.
    pub fn key_files(&self) -> KeyFiles {
        let ring = self.directions.dir.join("ring");
        let path = |name: &str| ring.join(name);
        KeyFiles {
            encryption: path("encryption.keys"),
            index: path("index.keys"),
            secret: path("secret.keys"),
            signing: path("signing.keys"),
        }
    }

    /// A store, without its tables.
    pub async fn open(&self) -> Store {
        let options = StoreOptions {
            url: self.url.clone(),
            keys_url: self.keys_url.clone(),
            journal: self.journal.clone(),
            connections_max: self.connections_max,
            time_source: self.time_source,
            secrets: Secrets {
                key_ring: KeyRing::load(&self.key_files()).expect("the key ring"),
                entropy: Arc::new(SystemEntropy),
                ids: Arc::new(SystemIds),
            },
        };
        Store::open(options).await.expect("the store opens")
    }

    /// A store with its tables.
    pub async fn store(&self) -> Store {
        let store = self.open().await;
        store.migrate().await.expect("the schema is made");
        store
    }

    /// A replica on what others have made.
    pub async fn replica(&self) -> Registry {
        self.over(self.open().await)
    }

    /// A replica without a policy.
    pub async fn empty_replica(&self) -> Registry {
        self.over(self.store().await)
    }

    fn over(&self, store: Store) -> Registry {
        Registry::new(
            Arc::new(store),
            self.clock.clone(),
            CancellationToken::new(),
        )
    }

    /// A replica, with the example policy in force.
    pub async fn registry(&self) -> Registry {
        let registry = self.empty_replica().await;
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        let call = Call::new(everything("operator"), Action::PublishPolicy);
        match registry.publish_policy(call, policy, true).await {
            Ok(_) | Err(Error::PolicyVersionExists(_)) => registry,
            Err(error) => panic!("the example is published: {error}"),
        }
    }

    /// Now, by the test's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A connection past the registry, to do what it never does.
    pub async fn connect(&self) -> DatabaseConnection {
        Database::connect(&self.url)
            .await
            .expect("the database is there")
    }

    /// The same to the keys.
    pub async fn connect_to_keys(&self) -> DatabaseConnection {
        Database::connect(&self.keys_url)
            .await
            .expect("the database is there")
    }
}

/// Runs one statement past the registry.
pub async fn execute(connection: &DatabaseConnection, sql: &str) -> u64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let done = connection.execute_raw(statement).await;
    done.expect("the statement is good").rows_affected()
}

/// The one number that a query gives, in a column named `n`.
pub async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await;
    let row = row.expect("the query is good").expect("it gives a row");
    row.try_get("", "n").expect("its column is n")
}

/// Rows of a table.
pub async fn count(connection: &DatabaseConnection, table: &str) -> i64 {
    number(connection, &format!("SELECT count(*) AS n FROM {table}")).await
}

/// An instant of a test.
pub fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// A caller that may do everything.
pub fn everything(service: &str) -> Arc<Caller> {
    Arc::new(Caller {
        service: service.parse().expect("a service name"),
        scopes: Scope::ALL.iter().copied().collect(),
        sources: Bound::Everything,
        purposes: Bound::Everything,
        processors: Bound::Everything,
        expires_at: None,
    })
}

/// A call of [`everything`], without an idempotency key.
pub fn call(action: Action) -> Call {
    Call::new(everything("tests"), action)
}

/// The same under an idempotency key.
pub fn repeatable(action: Action, request_id: Uuid, request: &[u8]) -> Call {
    call(action).idempotent(Some(request_id), request.to_vec())
}

/// Names of the policy.
pub fn names<N: FromStr<Err: Debug>>(names: &[&str]) -> Vec<N> {
    names
        .iter()
        .map(|name| name.parse().expect("a name"))
        .collect()
}

/// An e-mail address to be linked; others may share it.
pub fn email_of(subject_id: SubjectId, value: &str) -> NewIdentifier {
    NewIdentifier {
        subject_id,
        identifier_type: "email".parse().expect("a name"),
        normalised: normalise(Normalise::Email, value).expect("an e-mail address"),
        value: IdentifierValue::new(value),
        shared: true,
        leads_elsewhere: true,
    }
}

/// A shop's account to be linked; it leads to one subject.
pub fn account_of(subject_id: SubjectId, value: &str) -> NewIdentifier {
    NewIdentifier {
        subject_id,
        identifier_type: "shop_user".parse().expect("a name"),
        normalised: normalise(Normalise::Exact, value).expect("an account"),
        value: IdentifierValue::new(value),
        shared: false,
        leads_elsewhere: true,
    }
}

/// A subject without anything.
pub async fn new_subject(registry: &Registry) -> SubjectId {
    let now = instant(START);
    let made = registry.store().write("subject", now, |tx| {
        Box::pin(async move {
            let subject = tx.reserve_subject().await?;
            tx.insert_subjects(&[subject]).await?;
            Ok::<_, Error>(subject)
        })
    });
    made.await.expect("a subject is made")
}
