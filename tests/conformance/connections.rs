//! PostgreSQL behind a line that breaks: a call that met the break fails, or is tried again on
//! another connection; nothing that was acknowledged is lost, and the next calls work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use registry::{
    app::Error,
    domain::id::SubjectId,
    store::{Store, StoreError},
};
use sea_orm::DatabaseConnection;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::{Place, email_of, execute};

/// Ends every other connection to this database, as an administrator does, or a failing server.
async fn kill_all(admin: &DatabaseConnection) -> u64 {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(admin, sql).await
}

async fn write(store: &Store, place: &Place) -> Result<SubjectId, StoreError> {
    let write = store.write("write", place.now(), |tx| {
        Box::pin(async move {
            let subject = tx.reserve_subject().await?;
            tx.insert_subjects(&[subject]).await?;
            let address = email_of(subject, "shared@example.org");
            tx.link_identifiers(&[address], "tests").await?;
            Ok(subject)
        })
    });
    write.await
}

async fn existing(store: &Store, place: &Place, subjects: &[SubjectId]) -> usize {
    let snapshot = store.snapshot(place.now()).await.expect("a snapshot");
    snapshot
        .list_existing(subjects)
        .await
        .expect("it reads")
        .len()
}

/// Fills the pool: as many transactions at once as it has connections.
async fn warm_up(store: &Store, place: &Place) {
    let together = Arc::new(tokio::sync::Barrier::new(8));
    let held = (0..8).map(|_| {
        let together = together.clone();
        store.write::<_, StoreError, _>("warm_up", place.now(), move |_| {
            let together = together.clone();
            Box::pin(async move {
                together.wait().await;
                Ok(())
            })
        })
    });
    for one in join_all(held).await {
        one.expect("it is written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_within_a_transaction_takes_all_of_it_along_and_nothing_else() {
    let place = Place::on_postgres().await;
    let store = place.store().await;
    let admin = place.connect().await;
    let (inside, killed) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (is_inside, is_killed) = (inside.clone(), killed.clone());
    let doomed = store.write("doomed", place.now(), move |tx| {
        let (is_inside, is_killed) = (is_inside.clone(), is_killed.clone());
        Box::pin(async move {
            let subject = tx.reserve_subject().await?;
            tx.insert_subjects(&[subject]).await?;
            is_inside.add_permits(1);
            is_killed
                .acquire()
                .await
                .expect("it is not closed")
                .forget();
            let address = email_of(subject, "lost@example.org");
            tx.link_identifiers(&[address], "tests").await?;
            Ok::<_, StoreError>(subject)
        })
    });
    let kill = async {
        inside.acquire().await.expect("it is not closed").forget();
        assert!(kill_all(&admin).await > 0);
        killed.add_permits(1);
    };
    let (doomed, ()) = tokio::join!(doomed, kill);
    assert!(
        matches!(doomed, Err(StoreError::Unavailable(_))),
        "{doomed:?}"
    );
    assert_eq!(crate::harness::count(&admin, "subjects").await, 0);
    let subject = write(&store, &place).await.unwrap();
    assert_eq!(existing(&store, &place, &[subject]).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_connection_is_dead_is_not_acknowledged() {
    let place = Place::on_postgres().await;
    let store = place.store().await;
    let admin = Arc::new(place.connect().await);
    let killer = admin.clone();
    let doomed = store.write("doomed", place.now(), move |tx| {
        let killer = killer.clone();
        Box::pin(async move {
            let subject = tx.reserve_subject().await?;
            tx.insert_subjects(&[subject]).await?;
            kill_all(&killer).await;
            Ok::<_, StoreError>(subject)
        })
    });
    assert!(matches!(doomed.await, Err(StoreError::Unavailable(_))));
    assert_eq!(crate::harness::count(&admin, "subjects").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_connections_all_died_serves_the_next_calls_as_if_nothing_had_been() {
    let place = Place::on_postgres().await;
    let store = place.store().await;
    let admin = place.connect().await;
    for _ in 0..3 {
        warm_up(&store, &place).await;
        assert!(kill_all(&admin).await >= 8);
        for _ in 0..10 {
            let snapshot = store.snapshot(place.now()).await.unwrap();
            assert!(snapshot.list_publications().await.unwrap().is_empty());
        }
        warm_up(&store, &place).await;
        assert!(kill_all(&admin).await >= 8);
        let writes = join_all((0..16).map(|_| {
            store.write::<_, StoreError, _>("nothing", place.now(), |_| Box::pin(async { Ok(()) }))
        }));
        assert!(writes.await.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_found_again_after_their_connections_died_in_their_sleep() {
    let place = Place::on_postgres().await;
    let store = place.store().await;
    let subject = write(&store, &place).await.unwrap();
    kill_all(&place.connect().await).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let snapshot = store.snapshot(place.now()).await.unwrap();
    assert_eq!(snapshot.read_identifiers(subject).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_writes_under_a_failing_server_loses_nothing_that_was_acknowledged() {
    let place = Place::on_postgres().await;
    let store = place.store().await;
    let admin = place.connect().await;
    let over = AtomicBool::new(false);
    let writing = join_all((0..8).map(|_| async {
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        while !over.load(Ordering::SeqCst) {
            match write(&store, &place).await {
                Ok(subject) => acknowledged.push(subject),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (acknowledged, refused)
    }));
    let failing = async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            kill_all(&admin).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    let (written, ()) = tokio::join!(writing, failing);
    let acknowledged: Vec<_> = written
        .iter()
        .flat_map(|(acknowledged, _)| acknowledged)
        .copied()
        .collect();
    let refused: u32 = written.iter().map(|(_, refused)| refused).sum();
    assert!(refused > 0, "no kill met a call");
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    assert_eq!(
        existing(&store, &place, &acknowledged).await,
        acknowledged.len()
    );
    // A connection that was idle for a second is looked at before it is used: none is dead after that.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for _ in 0..20 {
        write(&store, &place).await.unwrap();
    }
}

/// A line to the server that the test can cut.
struct Line {
    url: String,
    cut: CancellationToken,
    calls: TaskTracker,
}

impl Line {
    /// A line to the server behind `url`.
    async fn to(url: &str) -> Self {
        let (login, address) = url.split_once('@').expect("a login");
        let (server, database) = address.split_once('/').expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (cut, calls) = (CancellationToken::new(), TaskTracker::new());
        let listening = listen(listener, server.to_owned(), cut.clone(), calls.clone());
        calls.spawn(listening);
        let url = format!("{login}@127.0.0.1:{port}/{database}");
        Self { url, cut, calls }
    }

    /// From now on nobody answers, and nobody listens.
    async fn cut(&self) {
        self.cut.cancel();
        self.calls.close();
        self.calls.wait().await;
    }
}

async fn listen(listener: TcpListener, server: String, cut: CancellationToken, calls: TaskTracker) {
    while let Some(Ok((mut call, _))) = cut.run_until_cancelled(listener.accept()).await {
        let mut server = TcpStream::connect(&server)
            .await
            .expect("the server is there");
        let cut = cut.clone();
        calls.spawn(async move {
            drop(
                cut.run_until_cancelled(copy_bidirectional(&mut call, &mut server))
                    .await,
            );
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_unavailable_within_the_time_that_a_call_waits_for_it() {
    let mut place = Place::on_postgres().await;
    let line = Line::to(&place.url).await;
    place.url.clone_from(&line.url);
    let registry = place.registry().await;
    line.cut().await;
    let began = Instant::now();
    let (read, written) = tokio::join!(
        crate::sample::check_newsletter(&registry, crate::sample::by("email", "ada@example.org")),
        crate::sample::register(&registry, crate::sample::subscriber("ada@example.org")),
    );
    assert!(matches!(read, Err(Error::StoreUnavailable(_))), "{read:?}");
    assert!(
        matches!(written, Err(Error::StoreUnavailable(_))),
        "{written:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_gone_stop_what_needs_them_and_nothing_is_half_written() {
    let mut place = Place::on_postgres().await;
    let line = Line::to(&place.url).await;
    place.keys_url.clone_from(&line.url);
    let registry = place.registry().await;
    line.cut().await;
    let written = crate::sample::register(&registry, crate::sample::subscriber("ada@example.org"));
    let written = written.await;
    assert!(
        matches!(written, Err(Error::StoreUnavailable(_))),
        "{written:?}"
    );
    assert_eq!(
        crate::harness::count(&place.connect().await, "subjects").await,
        0
    );
}
