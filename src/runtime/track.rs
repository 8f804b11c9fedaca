//! A thread with a runtime of its own. What stays on one thread wakes no other, and costs about half of what it does
//! where threads share their work.

use std::{io, thread};

use tokio::{runtime::Builder, sync::oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Work on a thread of its own. Dropped, it is dropped where it stands.
#[derive(Debug)]
pub struct Track<T> {
    ended: oneshot::Receiver<T>,
    _stop: DropGuard,
}

impl<T: Send + 'static> Track<T> {
    /// Starts a thread that makes and runs a future. The future need not leave it.
    pub fn start<F>(name: String, work: impl FnOnce() -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = T>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (tell, ended) = oneshot::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        thread::Builder::new().name(name).spawn(move || {
            let done = runtime.block_on(async {
                tokio::select! {
                    done = work() => Some(done),
                    () = stopped.cancelled() => None,
                }
            });
            if let Some(done) = done {
                // Who is gone does not wait for it.
                let _ = tell.send(done);
            }
        })?;
        Ok(Self {
            ended,
            _stop: stop.drop_guard(),
        })
    }

    /// Waits for its end. `None`: it panicked.
    pub async fn ended(self) -> Option<T> {
        self.ended.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_runs_on_a_thread_of_the_name_and_its_end_is_told() {
        let track = Track::start("serve-7".to_owned(), || async {
            tokio::task::yield_now().await;
            thread::current().name().map(str::to_owned)
        });
        let name = track.expect("started").ended().await.flatten();
        assert_eq!(name.as_deref(), Some("serve-7"));
    }

    #[tokio::test]
    async fn work_that_is_let_go_is_dropped() {
        let (held, dropped) = mpsc::channel::<()>();
        let track = Track::start("endless".to_owned(), move || async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(track.expect("started"));
        assert!(dropped.recv().is_err(), "the other end is gone");
    }

    #[tokio::test]
    async fn work_that_panics_has_no_end() {
        let track = Track::start("bad".to_owned(), || async {
            panic!("as it is to");
        });
        let ended: Option<()> = track.expect("started").ended().await;
        assert_eq!(ended, None);
    }
}
