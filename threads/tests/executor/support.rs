//! Waiting with a generous limit, and jobs that wait until they are let go.

use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::executor::model::{Condition, Event, JoinHandle, Lock, Pool};

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A limit that is meant to be exceeded.
pub(crate) const SHORT: Duration = Duration::from_millis(5);

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

/// Runs `body` in a thread and fails if it takes longer than [`LIMIT`]; its panic goes on in the
/// caller.
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

/// What a job waits at: it says that it has come, and goes on when the door is open. The wait is
/// one that occupies its worker, also in `threads`.
pub(crate) type Door = (Event, Lock<bool>, Condition);

/// A door that is closed.
pub(crate) fn door() -> Door {
    (Event::new().unwrap(), Lock::new(false).unwrap(), Condition::new().unwrap())
}

/// Waits at a door.
pub(crate) fn pass((come, is_open, opened): Door) {
    let mut guard = is_open.lock().unwrap();
    come.set();
    while !*guard {
        guard = opened.wait(guard).unwrap();
    }
}

/// Opens a door.
pub(crate) fn open((_, is_open, opened): &Door) {
    *is_open.lock().unwrap() = true;
    opened.notify_all();
}

/// Opens a door when it is dropped, also by a failing test: its pool could not end otherwise.
pub(crate) struct Opener(pub(crate) Door);

impl Drop for Opener {
    fn drop(&mut self) {
        open(&self.0);
    }
}

/// A job that occupies a worker until it is let go.
pub(crate) struct Gate {
    /// Dropping it lets the job go.
    pub(crate) opener: Opener,
    /// The job.
    pub(crate) job: JoinHandle<()>,
}

impl Gate {
    /// Occupies a worker of the pool; returns when the job is running.
    pub(crate) fn occupy(pool: &Pool) -> Self {
        let door = door();
        let job = pool.submit(pass, door.clone());
        let come = door.0.clone();
        let gate = Self { opener: Opener(door), job };
        assert!(come.wait_timeout(LIMIT), "the job has not begun");
        gate
    }

    /// Lets the job go; its handle is left.
    pub(crate) fn open(self) -> JoinHandle<()> {
        drop(self.opener);
        self.job
    }
}

/// Adds 1 to what a lock holds and gives what it was.
#[expect(clippy::needless_pass_by_value, reason = "it is what a pool calls")]
pub(crate) fn count(ran: Lock<u64>) -> u64 {
    let mut ran = ran.lock().unwrap();
    *ran += 1;
    *ran - 1
}

/// What a lock holds.
pub(crate) fn total(ran: &Lock<u64>) -> u64 {
    *ran.lock().unwrap()
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
