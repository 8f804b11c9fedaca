//! A server of a test's own in a process of its own, whose clock follows the test's: it can be killed as
//! `kill -9` does. The process is this test binary, started again.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use registry::{
    config::Config,
    domain::name::Processor,
    runtime::clock::{Clock, TestClock},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

use super::{TestServer, new_dir};

/// Where the process finds how it is to serve.
const SETUP: &str = "PDR_TEST_SERVE";
/// It says where it listens.
const LISTENING: &str = "listening on ";
/// It says what its clock shows.
const IT_IS: &str = "it is ";
/// How often it is looked at whether the test's clock was moved.
const TICK: Duration = Duration::from_millis(10);

/// What of a configuration a test chooses.
#[derive(Serialize, Deserialize)]
struct Setup {
    dir: PathBuf,
    postgres: Option<String>,
    connectors: Vec<Processor>,
    declarations: Option<PathBuf>,
    now: Timestamp,
}

/// The process. Dropping it kills it.
pub struct Apart {
    child: Child,
    following: JoinHandle<()>,
    /// As the process last said.
    its_clock: Arc<TestClock>,
}

impl Apart {
    /// Starts it and waits until it listens; says where.
    pub async fn start(config: &Config, dir: PathBuf, clock: Arc<TestClock>) -> (Self, String) {
        let url = config.database.url.expose();
        let setup = Setup {
            dir,
            postgres: url.starts_with("postgres").then(|| url.to_owned()),
            connectors: config.connectors.enabled.clone(),
            declarations: config.connectors.directory.clone(),
            now: clock.now(),
        };
        let setup = serde_json::to_string(&setup).expect("it is plain");
        let mut child = Command::new(env::current_exe().expect("this binary"))
            .args([
                "harness::apart::the_server_that_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(SETUP, setup)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let (listening, address) = oneshot::channel();
        let its_clock = Arc::new(TestClock::at(clock.now()));
        let its = its_clock.clone();
        // Ends with the process.
        spawn_blocking(move || {
            let found = lines.find_map(|line| Some(line.split_once(LISTENING)?.1.to_owned()));
            // The test may have given up.
            drop(listening.send(found));
            for line in lines {
                if let Some((_, instant)) = line.split_once(IT_IS) {
                    its.set(instant.parse().expect("an instant"));
                }
            }
        });
        let address = address.await.expect("it is heard");
        let orders = child.stdin.take().expect("it is piped");
        let apart = Self {
            child,
            following: tokio::spawn(follow(clock, orders)),
            its_clock,
        };
        (apart, address.expect("it says where it listens"))
    }

    /// Waits until the process's clock shows what the test's does.
    pub async fn catch_up(&self, now: Timestamp) {
        while self.its_clock.now() < now {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Tells the process whenever the clock was moved, until it is gone.
async fn follow(clock: Arc<TestClock>, mut orders: ChildStdin) {
    let mut told = None;
    loop {
        let now = clock.now();
        if told != Some(now) && writeln!(orders, "{now}").is_err() {
            return;
        }
        told = Some(now);
        tokio::time::sleep(TICK).await;
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.following.abort();
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What [`Apart::start`] starts. Without a setup it is over at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_is_killed() {
    let Ok(setup) = env::var(SETUP) else { return };
    let setup: Setup = serde_json::from_str(&setup).expect("it reads");
    let clock = Arc::new(TestClock::at(setup.now));
    let mut config = TestServer::configuration(&setup.dir, setup.postgres, &clock);
    config.connectors.enabled = setup.connectors;
    config.connectors.directory = setup.declarations;
    config.connectors.plain_on_loopback = true;
    let server = TestServer::begin(config, new_dir(), clock.clone()).await;
    println!("{LISTENING}{}", server.address);
    let following = spawn_blocking(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let now = line.parse().expect("an instant");
            clock.set(now);
            println!("{IT_IS}{now}");
        }
    });
    following.await.expect("the test has ended");
    server.kill().await;
}
