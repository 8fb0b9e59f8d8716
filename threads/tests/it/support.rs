//! Helpers for waiting with a generous limit, so that a deadlock is a failure and
//! not a test that hangs.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

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
