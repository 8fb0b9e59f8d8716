//! The state of a job: who waits for its end, in whatever way, learns of it; and it
//! runs or is discarded, never both.

use crate::PREEMPTIONS;
use crate::cell::Cell;
use crate::deadline::Deadline;
use crate::error::{JoinError, Outcome};
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::{model::Builder, thread};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::{Wake, Waker};
use std::time::Duration;

/// A job whose closure is a number, which its result has to be, too.
type Job = Arc<Cell<u32, u32>>;

/// The number.
const VALUE: u32 = 7;

/// Explores `body` with a queued job.
fn explore(body: impl Fn(Job) + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || body(Arc::new(Cell::new(VALUE))));
}

/// What a worker does with the job; true if it ran.
fn run(job: &Job) -> bool {
    let Some(f) = job.claim(Some(0)) else { return false };
    if let Some(followers) = job.finish(Ok(f)) {
        for (_, callback) in followers.callbacks {
            callback(Outcome::Returned);
        }
        followers.waker.into_iter().for_each(Waker::wake);
    }
    true
}

/// What a canceller does with the job; true if it was still queued.
fn cancel(job: &Job) -> bool {
    let Some((_, followers)) = job.discard(JoinError::Cancelled, || ()) else { return false };
    for (_, callback) in followers.into_iter().flat_map(|followers| followers.callbacks) {
        callback(Outcome::Cancelled);
    }
    true
}

/// Runs `body` with the job in another thread.
fn beside<T: 'static>(job: &Job, body: fn(&Job) -> T) -> thread::JoinHandle<T> {
    let job = Arc::clone(job);
    thread::spawn(move || body(&job))
}

/// A time limit that ends when the model likes.
fn soon() -> Deadline {
    Deadline::after(Duration::ZERO)
}

#[test]
fn two_threads_wait_for_a_job_that_runs() {
    explore(|job| {
        let worker = beside(&job, run);
        let waits = beside(&job, |job| job.wait(Deadline::Never));
        assert!(job.wait(Deadline::Never) && waits.join().unwrap() && worker.join().unwrap());
        assert_eq!(job.take().unwrap().unwrap(), VALUE);
    });
}

#[test]
fn running_and_cancelling_exclude_each_other() {
    explore(|job| {
        let (worker, rival) = (beside(&job, run), beside(&job, cancel));
        assert!(job.wait(Deadline::Never));
        let (ran, cancelled) = (worker.join().unwrap(), rival.join().unwrap());
        assert!(ran != cancelled);
        match job.take().unwrap() {
            Ok(value) => assert!(ran && value == VALUE),
            Err(error) => assert!(cancelled && matches!(error, JoinError::Cancelled)),
        }
    });
}

/// A wait that ends in time saw the end; one that does not, loses nothing.
#[test]
fn a_time_limit_races_with_the_end() {
    explore(|job| {
        let worker = beside(&job, run);
        if job.wait(soon()) {
            assert_eq!(job.take().unwrap().unwrap(), VALUE);
        } else {
            assert!(job.wait(Deadline::Never));
            assert_eq!(job.take().unwrap().unwrap(), VALUE);
        }
        worker.join().unwrap();
    });
}

/// Callbacks that come before, while and after the job ends are called once each, and
/// the first before the second if both were in time.
#[test]
fn callbacks_are_called_once_and_in_order() {
    explore(|job| {
        let worker = beside(&job, run);
        let calls = Arc::new(Count::new(0));
        for bit in [1, 16] {
            let counted = Arc::clone(&calls);
            let callback = Box::new(move |_| {
                counted.fetch_add(bit, SeqCst);
            });
            if let Err((late, outcome)) = job.follow(callback) {
                late(outcome);
            }
        }
        worker.join().unwrap();
        assert_eq!(calls.load(SeqCst), 17);
    });
}

/// A callback that is taken back was called, or never will be.
#[test]
fn a_callback_that_is_taken_back() {
    explore(|job| {
        let calls = Arc::new(Count::new(0));
        let counted = Arc::clone(&calls);
        let callback = Box::new(move |_| {
            counted.fetch_add(1, SeqCst);
        });
        let number = job.follow(callback).ok().expect("it is queued");
        let worker = beside(&job, run);
        job.unfollow(number);
        worker.join().unwrap();
        assert!(calls.load(SeqCst) <= 1);
        assert_eq!(Arc::strong_count(&calls), 1);
    });
}

/// Counts wake-ups.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A task that is told to wait for its waker is woken.
#[test]
fn a_task_is_woken() {
    explore(|job| {
        let worker = beside(&job, run);
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let watches = job.watch(Waker::from(Arc::clone(&wakes)));
        worker.join().unwrap();
        assert_eq!(wakes.0.load(SeqCst), usize::from(watches));
        assert_eq!(job.take().unwrap().unwrap(), VALUE);
    });
}
