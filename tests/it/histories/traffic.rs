//! Callers: some grant and take back, others check, at random replicas; each notes what it asked, when, and what
//! it heard.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use registry::proto::v1::{
    BatchCheckPurposeRequest, CheckPurposeRequest, ConsentChoice, Decision, Effect, Evidence,
    EvidenceMethod, RecordConsentRequest, RegisterCollectionRequest, StreamCheckPurposeRequest,
    StreamCheckPurposeResponse, WithdrawConsentRequest, check_purpose_result,
    stream_check_purpose_response, withdraw_consent_request::Who,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use super::history::{Answer, Change, Check, History, Write};
use crate::harness::{
    Clients,
    dice::Dice,
    sample::{by, text},
};

/// People whom it is about.
pub const PEOPLE: usize = 8;
/// Callers that write.
const WRITERS: usize = 3;
/// How long a caller waits for the answer to a write before it asks again.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a caller waits for the answer to a check. Short: while a replica stands still, what it has not
/// answered yet was asked a moment ago. Not shorter: a server hangs up on a client that gives up too often.
const CHECK_PATIENCE: Duration = Duration::from_millis(400);
/// How long a caller rests after an error.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a checker rests between two checks: the machine's few cores are for all.
const CHECK_PAUSE: Duration = Duration::from_millis(2);
/// How long a writer rests at most, in milliseconds.
const WRITE_PAUSE_MS: usize = 40;
/// How often a write is tried until its caller gives up.
const TRIES_MAX: usize = 200;

/// Where a replica is found. Another, when it was started again.
pub type Door = watch::Receiver<Clients>;

/// What the callers share.
pub struct Traffic {
    doors: Vec<Door>,
    began: Instant,
    /// Of each person, the last grant that has returned, and its revision.
    granted: Mutex<Vec<Option<(Write, String)>>>,
    /// Withdrawals that have returned.
    withdrawn: AtomicU64,
    /// Checks that each replica has decided.
    decided: Vec<AtomicU64>,
    stop: CancellationToken,
}

/// Callers at work.
pub struct Callers {
    traffic: Arc<Traffic>,
    writers: JoinSet<Vec<Write>>,
    checkers: JoinSet<Vec<Check>>,
    asked: Vec<Write>,
}

/// Writes of everybody, under way.
pub struct Saying(JoinSet<Write>);

fn email(subject: usize) -> String {
    format!("person{subject}@example.org")
}

/// Registers everybody, without a consent.
pub async fn register_people(mut clients: Clients) {
    for subject in 0..PEOPLE {
        let email = email(subject);
        let person = RegisterCollectionRequest {
            subject: Some(by("email", &email)),
            subject_category: "visitor".to_owned(),
            items: vec![text("email_address", &email)],
            ..RegisterCollectionRequest::default()
        };
        let registered = clients.collection.register_collection(person).await;
        registered.expect("registered");
    }
}

impl Callers {
    /// Lets them begin: writers at the replicas `write_at`, and at each of `check_at` one that asks one by one,
    /// one that asks for everybody at once, and one that asks over a stream.
    pub fn start(
        doors: Vec<Door>,
        write_at: &[usize],
        check_at: &[usize],
        dice: &mut Dice,
    ) -> Self {
        let traffic = Arc::new(Traffic {
            decided: doors.iter().map(|_| AtomicU64::new(0)).collect(),
            doors,
            began: Instant::now(),
            granted: Mutex::new(vec![None; PEOPLE]),
            withdrawn: AtomicU64::new(0),
            stop: CancellationToken::new(),
        });
        let (mut writers, mut checkers) = (JoinSet::new(), JoinSet::new());
        for _ in 0..WRITERS {
            writers.spawn(write_on(traffic.clone(), write_at.to_vec(), dice.split()));
        }
        for &replica in check_at {
            checkers.spawn(check_one_by_one(traffic.clone(), replica, dice.split()));
            checkers.spawn(check_everybody(traffic.clone(), replica));
            checkers.spawn(check_by_stream(traffic.clone(), replica, dice.split()));
        }
        Self {
            traffic,
            writers,
            checkers,
            asked: Vec::new(),
        }
    }

    /// Lets everybody grant, or take back, at the same time, at random ones of these replicas.
    pub fn say(&self, change: Change, write_at: &[usize], dice: &mut Dice) -> Saying {
        let mut all = JoinSet::new();
        for subject in 0..PEOPLE {
            let (traffic, write_at) = (self.traffic.clone(), write_at.to_vec());
            let mut dice = dice.split();
            all.spawn(async move { traffic.write(subject, change, &write_at, &mut dice).await });
        }
        Saying(all)
    }

    /// Waits until they have been answered.
    pub async fn hear(&mut self, saying: &mut Saying) {
        while let Some(write) = saying.0.join_next().await {
            self.asked.push(write.expect("it ends"));
        }
    }

    /// Waits until a replica has decided so many more checks.
    pub async fn see(&self, replica: usize, checks: u64) {
        let decided = &self.traffic.decided[replica];
        let until = decided.load(Ordering::SeqCst) + checks;
        while decided.load(Ordering::SeqCst) < until {
            sleep(PAUSE).await;
        }
    }

    /// The instant by the history's clock.
    pub fn now(&self) -> Duration {
        self.traffic.now()
    }

    /// Waits until so many more withdrawals have returned.
    pub async fn pass(&self, withdrawals: u64) {
        let until = self.traffic.withdrawn.load(Ordering::SeqCst) + withdrawals;
        while self.traffic.withdrawn.load(Ordering::SeqCst) < until {
            sleep(PAUSE).await;
        }
    }

    /// Lets them end, and gathers what they noted.
    pub async fn end(self) -> History {
        self.traffic.stop.cancel();
        let writes = self.writers.join_all().await;
        let checks = self.checkers.join_all().await;
        History {
            writes: writes.into_iter().flatten().chain(self.asked).collect(),
            checks: checks.into_iter().flatten().collect(),
            cuts: Vec::new(),
        }
    }
}

impl Traffic {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn goes_on(&self) -> bool {
        !self.stop.is_cancelled()
    }

    fn door(&self, replica: usize) -> Clients {
        self.doors[replica].borrow().clone()
    }

    fn granted(&self) -> MutexGuard<'_, Vec<Option<(Write, String)>>> {
        let granted = self.granted.lock();
        granted.unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, and repeats it under the same request id until it is answered.
    async fn write(
        &self,
        subject: usize,
        change: Change,
        write_at: &[usize],
        dice: &mut Dice,
    ) -> Write {
        let request_id = dice.uuid();
        let mut write = Write {
            subject,
            change,
            start: self.now(),
            returned: None,
            recorded_by: None,
        };
        for attempt in 0..TRIES_MAX {
            let replica = dice.one_of(write_at);
            let asked = send(self.door(replica), change, subject, request_id);
            match timeout(PATIENCE, asked).await {
                Ok(Ok(revision)) => {
                    write.returned = Some(self.now());
                    write.recorded_by = (attempt == 0).then_some(replica);
                    self.note(write, revision);
                    break;
                }
                Ok(Err(status)) => check_passes(&status),
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
        write
    }

    fn note(&self, write: Write, revision: String) {
        match write.change {
            Change::Grant => self.granted()[write.subject] = Some((write, revision)),
            Change::Withdrawal => {
                self.withdrawn.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn noted(&self, subject: usize, replica: usize, start: Duration, answer: Answer) -> Check {
        if !matches!(answer, Answer::Failed(_)) {
            self.decided[replica].fetch_add(1, Ordering::SeqCst);
        }
        Check {
            subject,
            replica,
            start,
            end: self.now(),
            answer,
            names: None,
        }
    }
}

/// A fault is told as what it is: the caller may try again.
#[track_caller]
fn check_passes(status: &Status) {
    let passing = [
        Code::Unavailable,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        // Of the client: the connection went in the middle of an answer, or too many were given up.
        Code::Unknown,
        Code::ResourceExhausted,
    ];
    assert!(passing.contains(&status.code()), "{status:?}");
}

async fn send(
    mut clients: Clients,
    change: Change,
    subject: usize,
    request_id: Uuid,
) -> Result<String, Status> {
    let subject = by("email", &email(subject));
    let (purposes, request_id) = (vec!["newsletter".to_owned()], request_id.to_string());
    match change {
        Change::Grant => {
            let grant = RecordConsentRequest {
                subject: Some(subject),
                purposes,
                choice: ConsentChoice::Given.into(),
                evidence: Some(Evidence {
                    method: EvidenceMethod::Checkbox.into(),
                    ..Evidence::default()
                }),
                request_id,
                ..RecordConsentRequest::default()
            };
            let answer = clients.consent.record_consent(grant).await?;
            Ok(answer.into_inner().revision)
        }
        Change::Withdrawal => {
            let withdrawal = WithdrawConsentRequest {
                who: Some(Who::Subject(subject)),
                purposes,
                request_id,
                ..WithdrawConsentRequest::default()
            };
            let answer = clients.consent.withdraw_consent(withdrawal).await?;
            Ok(answer.into_inner().revision)
        }
    }
}

async fn write_on(traffic: Arc<Traffic>, write_at: Vec<usize>, mut dice: Dice) -> Vec<Write> {
    let mut writes = Vec::new();
    while traffic.goes_on() {
        let change = dice.one_of(&[Change::Grant, Change::Withdrawal]);
        let subject = dice.roll(PEOPLE);
        let write = traffic.write(subject, change, &write_at, &mut dice);
        writes.push(write.await);
        let rest = u64::try_from(dice.roll(WRITE_PAUSE_MS)).expect("a few");
        sleep(Duration::from_millis(rest)).await;
    }
    writes
}

fn question(subject: usize) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(by("email", &email(subject))),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    }
}

fn answer(decision: &Decision) -> Answer {
    match decision.effect() {
        Effect::Allow => Answer::Allow,
        Effect::Deny => Answer::Deny,
        Effect::Unspecified => panic!("no effect: {decision:?}"),
    }
}

fn failed(status: &Status) -> Answer {
    check_passes(status);
    Answer::Failed(status.code())
}

/// What the error of an entry stands for: the state was not there.
const ENTRY_FAILED: Answer = Answer::Failed(Code::Unavailable);
/// Nothing came in time.
const SILENCE: Answer = Answer::Failed(Code::DeadlineExceeded);

async fn rest_after(answer: Answer) {
    let pause = match answer {
        Answer::Failed(_) => PAUSE,
        Answer::Allow | Answer::Deny => CHECK_PAUSE,
    };
    sleep(pause).await;
}

/// Checks of one person after the other; every second names the revision of the last grant.
async fn check_one_by_one(traffic: Arc<Traffic>, replica: usize, mut dice: Dice) -> Vec<Check> {
    let mut checks = Vec::new();
    while traffic.goes_on() {
        let subject = dice.roll(PEOPLE);
        let named = traffic.granted()[subject].clone();
        let named = named.filter(|_| dice.roll(2) == 0);
        let mut clients = traffic.door(replica);
        let mut question = question(subject);
        if let Some((_, revision)) = &named {
            question.at_least_as_fresh.clone_from(revision);
        }
        let start = traffic.now();
        let answer = match timeout(CHECK_PATIENCE, clients.purpose.check_purpose(question)).await {
            Ok(Ok(decided)) => answer(&decided.into_inner().decision.expect("a decision")),
            Ok(Err(status)) => failed(&status),
            Err(_) => SILENCE,
        };
        checks.push(Check {
            names: named.map(|(write, _)| write),
            ..traffic.noted(subject, replica, start, answer)
        });
        rest_after(answer).await;
    }
    checks
}

/// Checks of everybody in one call.
async fn check_everybody(traffic: Arc<Traffic>, replica: usize) -> Vec<Check> {
    let mut checks = Vec::new();
    while traffic.goes_on() {
        let mut clients = traffic.door(replica);
        let questions = BatchCheckPurposeRequest {
            entries: (0..PEOPLE).map(question).collect(),
            ..BatchCheckPurposeRequest::default()
        };
        let start = traffic.now();
        let answers = match timeout(
            CHECK_PATIENCE,
            clients.purpose.batch_check_purpose(questions),
        )
        .await
        {
            Ok(Ok(decided)) => {
                let results = decided.into_inner().results.into_iter();
                let read = results.map(|it| match it.result.expect("a result") {
                    check_purpose_result::Result::Decision(decision) => answer(&decision),
                    check_purpose_result::Result::Error(_) => ENTRY_FAILED,
                });
                read.collect()
            }
            Ok(Err(status)) => vec![failed(&status); PEOPLE],
            Err(_) => vec![SILENCE; PEOPLE],
        };
        let each = answers.iter().enumerate();
        checks.extend(each.map(|(subject, one)| traffic.noted(subject, replica, start, *one)));
        rest_after(answers[0]).await;
    }
    checks
}

/// Checks over a stream, as long as it lasts; then over another.
async fn check_by_stream(traffic: Arc<Traffic>, replica: usize, mut dice: Dice) -> Vec<Check> {
    let mut checks = Vec::new();
    while traffic.goes_on() {
        let mut clients = traffic.door(replica);
        let (questions, asked) = mpsc::channel(1);
        let stream = ReceiverStream::new(asked);
        let opened = timeout(CHECK_PATIENCE, clients.purpose.stream_check_purpose(stream)).await;
        let Ok(Ok(answers)) = opened else {
            sleep(PAUSE).await;
            continue;
        };
        let mut answers = answers.into_inner();
        while traffic.goes_on() {
            let subject = dice.roll(PEOPLE);
            let start = traffic.now();
            let heard = timeout(CHECK_PATIENCE, ask(&questions, &mut answers, subject)).await;
            let answer = heard.unwrap_or(SILENCE);
            checks.push(traffic.noted(subject, replica, start, answer));
            rest_after(answer).await;
            if matches!(answer, Answer::Failed(_)) {
                break;
            }
        }
    }
    checks
}

async fn ask(
    questions: &mpsc::Sender<StreamCheckPurposeRequest>,
    answers: &mut Streaming<StreamCheckPurposeResponse>,
    subject: usize,
) -> Answer {
    let question = StreamCheckPurposeRequest {
        correlation_id: subject.to_string(),
        check: Some(question(subject)),
    };
    if questions.send(question).await.is_err() {
        return ENTRY_FAILED;
    }
    match answers.message().await {
        Ok(Some(heard)) => match heard.result.expect("a result") {
            stream_check_purpose_response::Result::Decision(decision) => answer(&decision),
            stream_check_purpose_response::Result::Error(_) => ENTRY_FAILED,
        },
        Ok(None) => ENTRY_FAILED,
        Err(status) => failed(&status),
    }
}
