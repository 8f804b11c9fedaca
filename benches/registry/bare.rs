//! What checks are compared with: a bare tonic service of the same messages on the same runtime, which knows no
//! token and nobody, and answers everything with a copy of one prepared answer.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use futures::{Stream, StreamExt, stream::BoxStream};
use prost::Message;
use registry::proto::v1::{
    self, check_purpose_result, purpose_service_server,
    purpose_service_server::PurposeServiceServer, stream_check_purpose_response,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server as Transport};

use crate::process::Server;

/// Where the process finds how it is to serve.
const ORDER: &str = "PDR_BENCH_BARE";
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// The windows of the registry's own server, so that a batch is sent as freely.
const STREAM_WINDOW_BYTES: u32 = 256 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * STREAM_WINDOW_BYTES;

/// A runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Flavour {
    /// One, with a worker per core.
    Multi,
    /// One per core, each with one thread and a socket of its own (`SO_REUSEPORT`).
    Cores,
}

/// How the process is to serve.
#[derive(Serialize, Deserialize)]
pub struct Order {
    flavour: Flavour,
    /// The answer, as a message in base 64.
    answer: String,
}

/// Starts the service in a process of its own.
pub fn start(flavour: Flavour, answer: &v1::Decision) -> Result<Server> {
    let order = Order {
        flavour,
        answer: STANDARD.encode(answer.encode_to_vec()),
    };
    let mut command = Command::new(env::current_exe()?);
    Server::start(command.env(ORDER, serde_json::to_string(&order)?))
}

/// The order that this process was started with, if it is to be the bare service.
pub fn ordered() -> Option<Order> {
    let order = env::var(ORDER).ok()?;
    serde_json::from_str(&order).ok()
}

/// Serves until it is killed.
pub fn serve(order: &Order) -> Result<()> {
    let answer = v1::Decision::decode(&STANDARD.decode(&order.answer)?[..])?;
    let bare = Bare { answer };
    match order.flavour {
        Flavour::Multi => Runtime::new()?.block_on(async {
            let listener = listen(0)?;
            announce(&listener)?;
            run(bare, listener).await
        }),
        Flavour::Cores => on_each_core(&bare),
    }
}

fn on_each_core(bare: &Bare) -> Result<()> {
    let cores = thread::available_parallelism()?.get();
    let first = Builder::new_current_thread().enable_all().build()?;
    let listener = first.block_on(async { listen(0) })?;
    let port = listener.local_addr()?.port();
    for _ in 1..cores {
        let (bare, runtime) = (
            bare.clone(),
            Builder::new_current_thread().enable_all().build()?,
        );
        let listener = runtime.block_on(async { listen(port) })?;
        thread::spawn(move || runtime.block_on(run(bare, listener)));
    }
    announce(&listener)?;
    first.block_on(run(bare.clone(), listener))
}

fn listen(port: u16) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket.listen(BACKLOG)?)
}

fn announce(listener: &TcpListener) -> Result<()> {
    println!("listening on {}", listener.local_addr()?);
    Ok(())
}

async fn run(bare: Bare, listener: TcpListener) -> Result<()> {
    let accepted = TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let served = Transport::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(PurposeServiceServer::new(bare))
        .serve_with_incoming(accepted);
    served.await.context("the bare service")?;
    Err(anyhow!("the bare service ended"))
}

#[derive(Clone)]
struct Bare {
    answer: v1::Decision,
}

#[tonic::async_trait]
impl purpose_service_server::PurposeService for Bare {
    async fn check_purpose(
        &self,
        _: Request<v1::CheckPurposeRequest>,
    ) -> Result<Response<v1::CheckPurposeResponse>, Status> {
        Ok(Response::new(v1::CheckPurposeResponse {
            decision: Some(self.answer.clone()),
        }))
    }

    async fn batch_check_purpose(
        &self,
        request: Request<v1::BatchCheckPurposeRequest>,
    ) -> Result<Response<v1::BatchCheckPurposeResponse>, Status> {
        let entries = request.into_inner().entries;
        let results = entries.iter().map(|_| v1::CheckPurposeResult {
            result: Some(check_purpose_result::Result::Decision(self.answer.clone())),
        });
        Ok(Response::new(v1::BatchCheckPurposeResponse {
            results: results.collect(),
        }))
    }

    type StreamCheckPurposeStream =
        BoxStream<'static, Result<v1::StreamCheckPurposeResponse, Status>>;

    async fn stream_check_purpose(
        &self,
        request: Request<Streaming<v1::StreamCheckPurposeRequest>>,
    ) -> Result<Response<Self::StreamCheckPurposeStream>, Status> {
        let answers = echo(self.answer.clone(), request.into_inner());
        Ok(Response::new(answers.boxed()))
    }

    async fn list_lawful_purposes(
        &self,
        _: Request<v1::ListLawfulPurposesRequest>,
    ) -> Result<Response<v1::ListLawfulPurposesResponse>, Status> {
        Err(Status::unimplemented("the bare service checks"))
    }

    type ListLawfulSubjectsStream =
        BoxStream<'static, Result<v1::ListLawfulSubjectsResponse, Status>>;

    async fn list_lawful_subjects(
        &self,
        _: Request<v1::ListLawfulSubjectsRequest>,
    ) -> Result<Response<Self::ListLawfulSubjectsStream>, Status> {
        Err(Status::unimplemented("the bare service checks"))
    }
}

fn echo(
    answer: v1::Decision,
    questions: Streaming<v1::StreamCheckPurposeRequest>,
) -> impl Stream<Item = Result<v1::StreamCheckPurposeResponse, Status>> + Send {
    questions.map(move |question| {
        Ok(v1::StreamCheckPurposeResponse {
            correlation_id: question?.correlation_id,
            result: Some(stream_check_purpose_response::Result::Decision(
                answer.clone(),
            )),
        })
    })
}
