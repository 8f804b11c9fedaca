//! The way of one replica to its database, which a test can block in the ways in which networks do.

mod frames;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use self::frames::Frames;

const BUFFER_BYTES: usize = 16 * 1024;

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    /// Whether new connections are let through; otherwise they are closed.
    accepts: bool,
    /// Whether anything is passed on; otherwise it waits.
    forwards: bool,
    /// Whether notifications are left out.
    drops_notices: bool,
    /// How often all connections have been cut.
    cuts: u64,
}

/// A listener that passes everything on to the database. Dropping it ends it.
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    dropped: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A free way to `database`.
    pub async fn to(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (way, of_each) = watch::channel(Way {
            accepts: true,
            forwards: true,
            drops_notices: false,
            cuts: 0,
        });
        let dropped = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, database, of_each, dropped.clone()));
        Self {
            address,
            way,
            dropped,
            accepting,
        }
    }

    /// A free way to the database of a URL, and the same URL on this way. No TLS is tried.
    pub async fn before(url: &str) -> (Self, String) {
        let (who, place) = url.rsplit_once('@').expect("it has a password");
        let (address, database) = place.split_once('/').expect("it has a database");
        let proxy = Self::to(address.parse().expect("an address")).await;
        let url = format!("{who}@{}/{database}?sslmode=disable", proxy.address());
        (proxy, url)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections. New ones are let through.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cuts += 1);
    }

    /// Cuts all connections, and closes new ones at once.
    pub fn refuse(&self) {
        self.way.send_modify(|way| {
            way.accepts = false;
            way.cuts += 1;
        });
    }

    /// Passes nothing on any more, and closes nothing.
    pub fn stall(&self) {
        self.way.send_modify(|way| way.forwards = false);
    }

    /// Leaves notifications out.
    pub fn drop_notices(&self) {
        self.way.send_modify(|way| way.drops_notices = true);
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.way.send_modify(|way| {
            (way.accepts, way.forwards, way.drops_notices) = (true, true, false);
        });
    }

    /// Notifications that were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    database: SocketAddr,
    way: watch::Receiver<Way>,
    dropped: Arc<AtomicU64>,
) {
    while let Ok((replica, _)) = listener.accept().await {
        let now = *way.borrow();
        if now.accepts {
            let carried = carry(replica, database, way.clone(), now.cuts, dropped.clone());
            tokio::spawn(carried);
        }
    }
}

/// Carries one connection until an end closes it or it is cut.
async fn carry(
    replica: TcpStream,
    database: SocketAddr,
    mut way: watch::Receiver<Way>,
    cuts: u64,
    dropped: Arc<AtomicU64>,
) {
    let Ok(database) = TcpStream::connect(database).await else {
        return;
    };
    for end in [&replica, &database] {
        end.set_nodelay(true).expect("it is a socket");
    }
    let (asked, answers) = replica.into_split();
    let (answered, questions) = database.into_split();
    let (there, back) = (way.clone(), way.clone());
    tokio::select! {
        _ = way.wait_for(|way| way.cuts != cuts) => {}
        () = pass(asked, questions, there, |bytes, _| bytes.to_vec()) => {}
        () = sift(answered, answers, back, dropped) => {}
    }
}

async fn sift(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: watch::Receiver<Way>,
    dropped: Arc<AtomicU64>,
) {
    let mut frames = Frames::default();
    let sifted = move |bytes: &[u8], drops| {
        let (kept, count) = frames.sift(bytes, drops);
        dropped.fetch_add(count, Ordering::SeqCst);
        kept
    };
    pass(from, to, way, sifted).await;
}

/// Passes one direction on.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    mut sieve: impl FnMut(&[u8], bool) -> Vec<u8>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = way.wait_for(|way| way.forwards).await.map(|way| *way) else {
            return;
        };
        let kept = sieve(&buffer[..read], now.drops_notices);
        if to.write_all(&kept).await.is_err() {
            return;
        }
    }
}
