//! Load: callers in closed loops, over a few connections, until a round is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, future::try_join_all};
use registry::proto::v1::{
    BatchCheckPurposeRequest, CheckPurposeRequest, Decision, StreamCheckPurposeRequest,
    check_purpose_result, collection_service_client::CollectionServiceClient,
    consent_service_client::ConsentServiceClient, policy_service_client::PolicyServiceClient,
    purpose_service_client::PurposeServiceClient, stream_check_purpose_response,
};
use tokio::sync::mpsc::channel;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// The client's windows: wide enough not to be what is measured.
const WINDOW_BYTES: u32 = 1 << 20;

/// Puts the token into every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Way = InterceptedService<Channel, Bearer>;

/// One connection.
#[derive(Clone)]
pub struct Client(Way);

impl Client {
    /// Connects, with a token or without.
    pub async fn connect(address: &str, token: Option<&str>) -> Result<Self> {
        let endpoint = Endpoint::from_shared(address.to_owned())?
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let bearer = token.map(|token| format!("Bearer {token}").parse());
        let way = InterceptedService::new(endpoint.connect().await?, Bearer(bearer.transpose()?));
        Ok(Self(way))
    }

    /// As many connections.
    pub async fn connect_all(
        address: &str,
        token: Option<&str>,
        count: usize,
    ) -> Result<Vec<Self>> {
        try_join_all((0..count).map(|_| Self::connect(address, token))).await
    }

    /// Checks.
    pub fn purpose(&self) -> PurposeServiceClient<Way> {
        PurposeServiceClient::new(self.0.clone())
    }

    /// Registrations.
    pub fn collection(&self) -> CollectionServiceClient<Way> {
        CollectionServiceClient::new(self.0.clone())
    }

    /// Consents.
    pub fn consent(&self) -> ConsentServiceClient<Way> {
        ConsentServiceClient::new(self.0.clone())
    }

    /// Policies.
    pub fn policy(&self) -> PolicyServiceClient<Way> {
        PolicyServiceClient::new(self.0.clone())
    }

    /// The answer to one check.
    pub async fn ask(&self, check: CheckPurposeRequest) -> Result<Decision> {
        let answer = self.purpose().check_purpose(check).await?;
        answer.into_inner().decision.context("a decision")
    }
}

/// What callers ask, each from a place of its own on.
pub type Questions = Arc<Vec<CheckPurposeRequest>>;

/// How a load went.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Decisions that were given.
    pub decisions: u64,
    /// How long it took.
    pub seconds: f64,
    /// How long each call took, in seconds; only of [`unary`].
    pub latencies: Vec<f64>,
}

impl Load {
    /// Decisions in a second.
    pub fn rate(&self) -> f64 {
        count(self.decisions) / self.seconds
    }

    /// Within how many seconds half of the calls were answered.
    pub fn p50(&self) -> f64 {
        self.percentile(50)
    }

    /// Within how many seconds 99 of 100 calls were answered.
    pub fn p99(&self) -> f64 {
        self.percentile(99)
    }

    /// How many seconds the longest call took.
    pub fn longest(&self) -> f64 {
        self.latencies.iter().copied().fold(0.0, f64::max)
    }

    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() * percent / 100]
    }

    /// Puts together what ran beside each other.
    fn of(parts: Vec<Self>, begun: Instant) -> Self {
        Self {
            decisions: parts.iter().map(|part| part.decisions).sum(),
            seconds: begun.elapsed().as_secs_f64(),
            latencies: parts.into_iter().flat_map(|part| part.latencies).collect(),
        }
    }
}

/// A number of things as a measure.
pub fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("fewer than four thousand million in a round"))
}

/// Single checks, by so many callers on each connection.
pub async fn unary(
    clients: &[Client],
    callers: usize,
    questions: &Questions,
    round: Duration,
) -> Result<Load> {
    let begun = Instant::now();
    let all = clients.iter().cycle().take(clients.len() * callers);
    let tasks = all.enumerate().map(|(caller, client)| {
        let (mut purpose, questions) = (client.purpose(), questions.clone());
        tokio::spawn(async move {
            let mut part = Load::default();
            let from = caller * 7_919;
            while begun.elapsed() < round {
                let next = from + part.latencies.len();
                let question = questions[next % questions.len()].clone();
                let sent = Instant::now();
                let answer = purpose.check_purpose(question).await?.into_inner();
                answer.decision.context("a decision")?;
                part.latencies.push(sent.elapsed().as_secs_f64());
                part.decisions += 1;
            }
            anyhow::Ok(part)
        })
    });
    joined(tasks, begun).await
}

/// Batches of all the questions, by a caller on each connection.
pub async fn batches(clients: &[Client], questions: &Questions, round: Duration) -> Result<Load> {
    let begun = Instant::now();
    let batch = BatchCheckPurposeRequest {
        entries: questions.to_vec(),
        ..BatchCheckPurposeRequest::default()
    };
    let tasks = clients.iter().map(|client| {
        let (mut purpose, batch) = (client.purpose(), batch.clone());
        tokio::spawn(async move {
            let mut part = Load::default();
            while begun.elapsed() < round {
                let answer = purpose.batch_check_purpose(batch.clone()).await?;
                for result in answer.into_inner().results {
                    match result.result.context("a result")? {
                        check_purpose_result::Result::Decision(_) => part.decisions += 1,
                        check_purpose_result::Result::Error(_) => bail!("an entry was refused"),
                    }
                }
            }
            Ok(part)
        })
    });
    joined(tasks, begun).await
}

/// Checks over a stream on each connection: `group` are sent at once, and the next when all of them are
/// answered. A `group` of one is sent as soon as there is room for one more among `ahead` unanswered ones.
pub async fn streams(
    clients: &[Client],
    (group, ahead): (usize, usize),
    questions: &Questions,
    round: Duration,
) -> Result<Load> {
    let begun = Instant::now();
    let tasks = clients.iter().map(|client| {
        let stream = OneStream {
            group,
            ahead,
            questions: questions.clone(),
        };
        let client = client.clone();
        tokio::spawn(async move { stream.run(client, begun, round).await })
    });
    joined(tasks, begun).await
}

struct OneStream {
    group: usize,
    ahead: usize,
    questions: Questions,
}

impl OneStream {
    async fn run(self, client: Client, begun: Instant, round: Duration) -> Result<Load> {
        let (asking, asked) = channel(self.ahead);
        let mut purpose = client.purpose();
        let answers = purpose.stream_check_purpose(ReceiverStream::new(asked));
        let mut part = Load::default();
        let mut sent = 0;
        for _ in 0..self.ahead {
            asking.send(self.question(sent)).await?;
            sent += 1;
        }
        let mut answers = answers.await?.into_inner();
        while begun.elapsed() < round {
            for _ in 0..self.group {
                let answer = answers.next().await.context("an answer")??;
                match answer.result.context("a result")? {
                    stream_check_purpose_response::Result::Decision(_) => part.decisions += 1,
                    stream_check_purpose_response::Result::Error(_) => bail!("a check was refused"),
                }
            }
            for _ in 0..self.group {
                asking.send(self.question(sent)).await?;
                sent += 1;
            }
        }
        Ok(part)
    }

    fn question(&self, number: usize) -> StreamCheckPurposeRequest {
        let check = self.questions[number % self.questions.len()].clone();
        StreamCheckPurposeRequest {
            correlation_id: number.to_string(),
            check: Some(check),
        }
    }
}

async fn joined(
    tasks: impl Iterator<Item = tokio::task::JoinHandle<Result<Load>>>,
    begun: Instant,
) -> Result<Load> {
    let parts = try_join_all(tasks.collect::<Vec<_>>()).await?;
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Load::of(parts, begun))
}
