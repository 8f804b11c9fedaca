//! `kill -9` between any two calls to the database, the journal or the keys: what a process leaves that is
//! killed there is whole, and whoever comes after it finishes it, once.
//!
//! A test starts its own binary again, as a process that does one piece of work and holds still at its
//! n-th call; there the test kills it. Every n has its turn, until the process comes to its end. What a
//! kill *within* a call leaves is the databases' own affair (`tests/it/crash.rs` kills at any instant), and
//! that of the journal's file (`store/journal/file.rs`).

mod ending;
mod later;
mod person;
mod request;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use jiff::Timestamp;
use registry::{app::Registry, domain::id::SubjectId};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::harness::{Directions, Place};

/// Where the process finds what it is to do.
const WORK: &str = "PDR_TEST_WORK";
/// It says that it has come to the call.
const AT_CALL: &str = "at the call";
/// It says what it was answered.
const ANSWERED: &str = "answered ";

/// What a process does for a person.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Deed {
    /// The whole request, from its receipt to the erasure.
    Request,
    /// A start after a crash, and then what the crash cut short.
    Restart,
    /// The end of what had to stay.
    Later,
    /// Telling of what ended by itself, and placing it.
    Ending,
}

/// What a process does until it is killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    deed: Deed,
    subject: SubjectId,
    now: Timestamp,
    /// The call at which it is killed.
    call: u32,
    place: Directions,
}

/// What a process was heard of.
struct Heard {
    was_killed: bool,
    answers: Vec<String>,
}

impl Work {
    fn at(place: &Place, deed: Deed, subject: SubjectId, call: u32) -> Self {
        Self {
            deed,
            subject,
            now: place.now(),
            call,
            place: place.directions(),
        }
    }

    /// Lets a process do it, and kills it at the call. Nobody else has the place open.
    async fn kill(self) -> Heard {
        let heard = spawn_blocking(move || self.run());
        heard.await.expect("it is heard")
    }

    fn run(&self) -> Heard {
        let work = serde_json::to_string(self).expect("it is plain");
        let mut process = Command::new(env::current_exe().expect("this binary"))
            .args([
                "killed::the_process_that_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(WORK, work)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = process.stdout.take().expect("it is piped");
        let mut heard = Heard {
            was_killed: false,
            answers: Vec::new(),
        };
        for line in BufReader::new(out).lines() {
            let line = line.expect("text");
            if line.contains(AT_CALL) {
                process.kill().expect("it runs");
                heard.was_killed = true;
                break;
            }
            if let Some((_, answer)) = line.split_once(ANSWERED) {
                heard.answers.push(answer.to_owned());
            }
        }
        let status = process.wait().expect("it has ended");
        assert_eq!(status.success(), !heard.was_killed, "{self:?}: {status}");
        heard
    }
}

/// What the tests beside it start and kill. Without any work it is over at once.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(work) = env::var(WORK) else { return };
    let work: Work = serde_json::from_str(&work).expect("it reads");
    let place = Place::at(work.place);
    place.clock.set(work.now);
    let registry = place.replica().await;
    let hold_still = || {
        println!("{AT_CALL}");
        loop {
            std::thread::park();
        }
    };
    let faults = registry.store().faults().clone();
    match work.deed {
        Deed::Request | Deed::Later | Deed::Ending => {
            registry.restore().await.expect("as before it listens");
            faults.interrupt_call(work.call, hold_still);
        }
        Deed::Restart => {
            faults.interrupt_call(work.call, hold_still);
            start(&registry).await;
        }
    }
    let say = |answer: String| println!("{ANSWERED}{answer}");
    match work.deed {
        Deed::Request | Deed::Restart => {
            let request = request::ask(&registry, work.subject, say).await;
            request.expect("it is carried out");
        }
        Deed::Later => {
            let resumed = registry.resume_erasure(work.subject).await;
            say(resumed.expect("it is looked at").to_string());
        }
        Deed::Ending => ending::tell(&registry).await,
    }
}

/// What a server does when it starts, and what its workers do at once.
async fn start(registry: &Registry) {
    registry.restore().await.expect("nothing is damaged");
    registry.keep_up().await.expect("kept up");
    registry.advance_requests().await.expect("looked at");
}
