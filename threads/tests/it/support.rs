//! Helpers for waiting with a generous limit, so that a deadlock is a failure and
//! not a test that hangs.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use threads::{JoinHandle, Pool};

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// `usual`, or `long` rounds with `TRIPTYCH_LONG=1`, which `cargo xtask verify` sets.
pub(crate) fn rounds(usual: u32, long: u32) -> u32 {
    if std::env::var_os("TRIPTYCH_LONG").is_some_and(|value| value == "1") { long } else { usual }
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// When it does not within [`LIMIT`].
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "still not so after {LIMIT:?}: {what}");
        thread::yield_now();
    }
}

/// Runs `body` in a thread and fails if it takes longer than [`LIMIT`]; its panic
/// goes on in the caller.
#[track_caller]
pub(crate) fn in_time<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = body();
        let _ = done.send(()); // Nobody listens if the limit was exceeded.
        result
    });
    // A disconnected channel is a panic of the body.
    let end = ended.recv_timeout(LIMIT);
    assert_ne!(end, Err(mpsc::RecvTimeoutError::Timeout), "did not end within {LIMIT:?}");
    thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// A job that keeps its worker busy until the gate is opened or dropped.
pub(crate) struct Gate {
    /// Dropping it lets the job go.
    pub(crate) open: mpsc::Sender<()>,
    /// The job.
    pub(crate) job: JoinHandle<()>,
}

impl Gate {
    /// Occupies a worker of the pool; returns when the job is running.
    pub(crate) fn occupy(pool: &Pool) -> Self {
        let (open, closed) = mpsc::channel::<()>();
        let (running, seen) = mpsc::channel();
        let job = pool.spawn(move || {
            running.send(()).unwrap();
            let _ = closed.recv(); // Ends when the gate is dropped.
        });
        seen.recv_timeout(LIMIT).unwrap();
        Self { open, job }
    }

    /// Lets the job go; its handle is left.
    pub(crate) fn open(self) -> JoinHandle<()> {
        drop(self.open);
        self.job
    }
}

/// Runs a future to its end on the calling thread, for at most [`LIMIT`].
pub(crate) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let start = Instant::now();
    loop {
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            return output;
        }
        assert!(start.elapsed() < LIMIT, "not woken");
        thread::park_timeout(LIMIT);
    }
}

/// Counts its drops.
#[derive(Clone)]
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Panics when it is dropped.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}
