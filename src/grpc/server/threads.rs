//! A server on threads of its own, each with a runtime and its share of the connections. One listener deals them out in
//! turn: sockets that share a port would leave it to a hash, which gives a few connections to one thread.

use std::{io, net::TcpStream, num::NonZeroUsize, time::Duration};

use futures::{StreamExt, future::try_join_all};
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{self, server::TcpIncoming},
};

use super::{Front, Gate, ServerOptions};
use crate::runtime::track::Track;

/// Connections that wait for a thread; then none is taken.
const CONNECTIONS_MAX: usize = 128;
/// How long no connection is taken after one could not be: there may be no file left to open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server ended before it was to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No thread could be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] io::Error),
    /// The transport failed.
    #[error("the transport: {0}")]
    Transport(#[from] transport::Error),
    /// A thread panicked outside of any call.
    #[error("a serving thread is dead")]
    Panicked,
}

/// Serves as [`serve`](super::serve) does, on as many threads. What takes its time runs where this is awaited.
pub async fn serve_on_threads(
    incoming: TcpIncoming,
    threads: NonZeroUsize,
    routes: Routes,
    gate: Gate,
    options: ServerOptions,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let front = Front::new(routes, gate, options);
    tokio::select! {
        served = on_threads(incoming, threads, &front) => served,
        never = front.wind_down(stop) => match never {},
    }
}

async fn on_threads(
    incoming: TcpIncoming,
    threads: NonZeroUsize,
    front: &Front,
) -> Result<(), ServeError> {
    let (mut ways, mut tracks) = (Vec::new(), Vec::new());
    for n in 0..threads.get() {
        let (way, connections) = mpsc::channel(CONNECTIONS_MAX);
        ways.push(way);
        tracks.push(start(n, front.clone(), connections)?);
    }
    let ended = try_join_all(tracks.into_iter().map(|track| async {
        Ok::<_, ServeError>(track.ended().await.ok_or(ServeError::Panicked)??)
    }));
    let mut ended = Box::pin(ended);
    tokio::select! {
        () = deal_out(incoming, ways, front.drained.clone()) => {}
        early = &mut ended => return early.map(drop),
    }
    ended.await.map(drop)
}

fn start(
    n: usize,
    front: Front,
    connections: mpsc::Receiver<TcpStream>,
) -> io::Result<Track<Result<(), transport::Error>>> {
    Track::start(format!("serve-{n}"), move || async move {
        let connections = ReceiverStream::new(connections);
        let incoming = connections.map(tokio::net::TcpStream::from_std);
        front.serve(incoming).await
    })
}

/// Gives each connection to the next thread, until the drain is over.
async fn deal_out(
    mut incoming: TcpIncoming,
    ways: Vec<mpsc::Sender<TcpStream>>,
    drained: CancellationToken,
) {
    let mut turns = ways.iter().cycle();
    loop {
        let connection = tokio::select! {
            connection = incoming.next() => connection,
            () = drained.cancelled() => return,
        };
        let Some(connection) = connection else { return };
        match connection.and_then(tokio::net::TcpStream::into_std) {
            Ok(connection) => {
                let Some(way) = turns.next() else { return };
                // A thread that is gone has ended the server.
                let _ = way.send(connection).await;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
