//! A registry with one connector switched on, and the vendor that it calls.

use std::{fs, sync::Arc, time::Duration};

use jiff::Timestamp;
use registry::{
    connectors::shipped::shipped,
    proto::v1::{
        DeleteRecordsRequest, Item, ListTasksRequest, RegisterCollectionRequest, Task, TaskState,
        WithdrawConsentRequest, withdraw_consent_request::Who,
    },
    runtime::clock::{Clock, TestClock},
};

use crate::{
    harness::{
        Clients, TestServer, clock, new_dir,
        sample::{by, everything_of, identifier, yes},
    },
    vendors::{Stand, Vendor, stripe::Stripe},
};

pub const ADA: &str = "ada.qx7@geheim.example";

/// On which database.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Sqlite,
    Postgres,
}

/// Runs a test on SQLite and on PostgreSQL: `on_each! { async fn a_sentence(place: Place) {…} }`.
#[macro_export]
macro_rules! on_each {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($place: $crate::connector::world::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                run($crate::connector::world::Place::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                run($crate::connector::world::Place::Postgres).await;
            }
        }
    )*};
}

pub struct World<V> {
    pub vendor: Stand<V>,
    pub server: TestServer,
    pub clock: Arc<TestClock>,
    pub processor: &'static str,
    pub begun: Timestamp,
}

/// A registry that calls a Stripe with these customers: id and address.
pub async fn stripe_of(place: Place, customers: &[(&str, &str)]) -> World<Stripe> {
    let clock = clock();
    let vendor = Stripe::new(clock.clone(), customers);
    World::at(place, clock, ["stripe", "stripe"], vendor, |text| text).await
}

impl<V: Vendor> World<V> {
    /// With the shipped declaration, whose hosts are the vendor's.
    pub async fn open(place: Place, processor: &'static str, vendor: V) -> Self {
        Self::edited(place, processor, processor, vendor, |text| text).await
    }

    /// With a shipped declaration that the test has changed, for a processor.
    pub async fn edited(
        place: Place,
        declaration: &'static str,
        processor: &'static str,
        vendor: V,
        edit: impl Fn(String) -> String,
    ) -> Self {
        Self::at(place, clock(), [declaration, processor], vendor, edit).await
    }

    pub async fn at(
        place: Place,
        clock: Arc<TestClock>,
        [declaration, processor]: [&'static str; 2],
        vendor: V,
        edit: impl Fn(String) -> String,
    ) -> Self {
        let vendor = Stand::open(vendor).await;
        let dir = new_dir();
        let directory = dir.path().join("connectors");
        fs::create_dir_all(&directory).expect("a directory");
        let mut text = shipped(declaration).expect("it is shipped").to_owned();
        for host in [
            "https://api.aweber.com",
            "https://auth.aweber.com",
            "https://analyticsadmin.googleapis.com",
            "https://oauth2.googleapis.com",
            "https://api.stripe.com",
        ] {
            text = text.replace(host, &vendor.url);
        }
        for (variable, value) in [
            ("AWEBER_CLIENT_ID", "client"),
            ("AWEBER_CLIENT_SECRET", "secret"),
            ("AWEBER_REFRESH_TOKEN", "refresh"),
            ("GOOGLE_CLIENT_ID", "client"),
            ("GOOGLE_CLIENT_SECRET", "secret"),
            ("GOOGLE_REFRESH_TOKEN", "refresh"),
            ("GOOGLE_ANALYTICS_PROPERTY_ID", "1234567"),
            ("STRIPE_API_KEY", "rk_test_123"),
        ] {
            let file = directory.join(variable);
            fs::write(&file, value).expect("it can be written");
            let named = format!("{{ env: {variable} }}");
            text = text.replace(&named, &format!("{{ file: {} }}", file.display()));
        }
        let file = directory.join(format!("{processor}.yaml"));
        fs::write(file, edit(text)).expect("it can be written");
        let is_postgres = matches!(place, Place::Postgres);
        let server = TestServer::configured(dir, is_postgres, clock.clone(), |config| {
            config.connectors.enabled = vec![processor.parse().expect("a name")];
            config.connectors.directory = Some(directory);
            config.connectors.plain_on_loopback = true;
        });
        Self {
            begun: clock.now(),
            vendor,
            server: server.await,
            clock,
            processor,
        }
    }

    /// When the test began.
    pub fn start(&self) -> Timestamp {
        self.begun
    }

    /// Registers a person with everything that the policy lists, and a yes to everything.
    pub async fn register(&self, email: &str, category: &str, clients: &[&str]) {
        let mut admin = self.server.admin().await;
        let mut person = everything_of(category, email);
        let clients = clients.iter();
        person.identifiers = clients.map(|id| identifier("ga_client", id)).collect();
        if category == "visitor" {
            person.consents = vec![yes(&["newsletter", "interface_research"])];
        }
        let registered = admin.collection.register_collection(person).await;
        registered.expect("registered");
    }

    /// Registers one more item of a person. Says its id.
    pub async fn register_item(&self, email: &str, category: &str, item: Item) -> String {
        let mut admin = self.server.admin().await;
        let more = RegisterCollectionRequest {
            subject: Some(by("email", email)),
            subject_category: category.to_owned(),
            items: vec![item],
            ..RegisterCollectionRequest::default()
        };
        let registered = admin.collection.register_collection(more).await;
        let registered = registered.expect("registered").into_inner();
        registered.items[0].item_id.clone()
    }

    /// Deletes one item of a person.
    pub async fn delete_item(&self, email: &str, item_id: &str) {
        let mut admin = self.server.admin().await;
        let delete = DeleteRecordsRequest {
            subject: Some(by("email", email)),
            item_ids: vec![item_id.to_owned()],
            ..DeleteRecordsRequest::default()
        };
        admin.record.delete_records(delete).await.expect("deleted");
    }

    /// Deletes what the registry has of a person, so that whoever has it too is told.
    pub async fn delete(&self, email: &str, data: &str) {
        let mut admin = self.server.admin().await;
        let delete = DeleteRecordsRequest {
            subject: Some(by("email", email)),
            data_categories: vec![data.to_owned()],
            ..DeleteRecordsRequest::default()
        };
        admin.record.delete_records(delete).await.expect("deleted");
    }

    pub async fn erase(&self, email: &str, category: &str, data: &str, clients: &[&str]) {
        self.register(email, category, clients).await;
        self.delete(email, data).await;
    }

    pub async fn withdraw(&self, email: &str, purpose: &str) {
        let mut admin = self.server.admin().await;
        let withdraw = WithdrawConsentRequest {
            who: Some(Who::Subject(by("email", email))),
            purposes: vec![purpose.to_owned()],
            ..WithdrawConsentRequest::default()
        };
        let withdrawn = admin.consent.withdraw_consent(withdraw).await;
        withdrawn.expect("withdrawn");
    }

    /// Every task of the vendor.
    pub async fn tasks(&self) -> Vec<Task> {
        let mut admin: Clients = self.server.admin().await;
        let asked = ListTasksRequest {
            processor: self.processor.to_owned(),
            ..ListTasksRequest::default()
        };
        let listed = admin.task.list_tasks(asked).await;
        listed.expect("listed").into_inner().tasks
    }

    /// The vendor's one task.
    pub async fn task(&self) -> Task {
        let mut tasks = self.tasks().await;
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        tasks.remove(0)
    }

    /// Lets time go on, whenever all that is left to do is to wait, until the one task is in a state.
    pub async fn becomes(&self, state: TaskState) -> Task {
        self.passes(|task| task.state() == state).await
    }

    /// Lets time go on, whenever all that is left to do is to wait, until the one task is so.
    pub async fn passes(&self, is_so: impl Fn(&Task) -> bool) -> Task {
        let tasks = self.pass(|tasks| tasks.iter().all(&is_so)).await;
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        tasks.into_iter().next().expect("one")
    }

    /// The same for the task that was made last.
    pub async fn last_becomes(&self, state: TaskState) -> Task {
        let is_so = |tasks: &[Task]| tasks.last().is_some_and(|task| task.state() == state);
        let tasks = self.pass(is_so).await;
        tasks.into_iter().next_back().expect("one")
    }

    /// The same for all of them.
    pub async fn all_become(&self, state: TaskState) {
        self.pass(|tasks| tasks.iter().all(|task| task.state() == state))
            .await;
    }

    async fn pass(&self, is_so: impl Fn(&[Task]) -> bool) -> Vec<Task> {
        let mut idle = 0;
        for _ in 0..800 {
            let tasks = self.tasks().await;
            if !tasks.is_empty() && is_so(&tasks) {
                return tasks;
            }
            let now = self.server.now();
            let open = tasks.iter().filter(|task| task.completed_at.is_none());
            let due: Option<Vec<_>> = open.map(|task| task.not_before).collect();
            let instant = |at: prost_types::Timestamp| Timestamp::new(at.seconds, at.nanos).ok();
            let earliest = due.and_then(|due| due.into_iter().filter_map(instant).min());
            match earliest.filter(|at| *at > now) {
                Some(at) => {
                    self.clock.set(at);
                    idle = 0;
                }
                // One is due, and the connector pauses by the same clock.
                None if idle > 40 => {
                    let is_leased = tasks.iter().any(|task| task.state() == TaskState::Leased);
                    let minutes = if is_leased { 1 } else { 5 };
                    self.clock.advance(Duration::from_mins(minutes));
                    idle = 0;
                }
                None => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    idle += 1;
                }
            }
        }
        panic!("it never came about: {:?}", self.tasks().await);
    }

    /// Waits, with a clock that stands, until the one task is so.
    pub async fn until(&self, is_so: impl Fn(&Task) -> bool) -> Task {
        for _ in 0..300 {
            let task = self.task().await;
            if is_so(&task) {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came about: {:?}", self.task().await);
    }

    /// Waits, with a clock that stands, until the vendor was called so often.
    pub async fn called(&self, times: usize) {
        for _ in 0..600 {
            if self.vendor.count() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it was called {} times only", self.vendor.count());
    }

    /// Day after day goes by until the one task is in a state.
    pub async fn grows_old_until(&self, state: TaskState) -> Task {
        for _ in 0..400 {
            let task = self.task().await;
            if task.state() == state {
                return task;
            }
            self.clock.advance(Duration::from_hours(24));
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        panic!("it never came about: {:?}", self.task().await);
    }

    /// The server stops, and another one begins in its place, in a process of its own.
    pub async fn apart(self) -> Self {
        let (config, dir) = (self.server.config.clone(), self.server.dir.clone());
        self.server.end().await;
        Self {
            server: TestServer::begin_apart(config, dir, self.clock.clone()).await,
            ..self
        }
    }

    /// The server is killed, and another one begins in its place after the lease has run out.
    pub async fn killed(self) -> Self {
        let (config, dir) = (self.server.config.clone(), self.server.dir.clone());
        self.server.kill().await;
        self.clock.advance(Duration::from_mins(6));
        Self {
            server: TestServer::begin(config, dir, self.clock.clone()).await,
            ..self
        }
    }

    /// The server stops, and another one begins in its place.
    pub async fn restarted(self) -> Self {
        let (config, dir) = (self.server.config.clone(), self.server.dir.clone());
        self.server.end().await;
        Self {
            server: TestServer::begin(config, dir, self.clock.clone()).await,
            ..self
        }
    }

    /// The server is started anew with no connector switched on.
    pub async fn switched_off(self) -> Self {
        let (mut config, dir) = (self.server.config.clone(), self.server.dir.clone());
        config.connectors.enabled.clear();
        self.server.end().await;
        Self {
            server: TestServer::begin(config, dir, self.clock.clone()).await,
            ..self
        }
    }
}
