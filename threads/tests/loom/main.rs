//! The sleep protocol of `src/sleep.rs`, the state of a job of `src/cell.rs`, the board and the
//! counts of forked work in `src/fork` (those very files) under loom, which tries every interleaving and
//! every outcome of the memory model, up to a bound on preemptions:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p threads --release --test loom
//! ```
//!
//! The queues are modeled as counters: loom does not see inside crossbeam's.
#![cfg(loom)]

#[path = "../../src/fork/board.rs"]
mod board;
#[path = "../../src/cell.rs"]
#[expect(dead_code, reason = "the models need a part of it")]
mod cell;
#[path = "../../src/fork/count.rs"]
mod count;
#[path = "../../src/deadline.rs"]
#[expect(dead_code, reason = "the models need a part of it")]
mod deadline;
#[path = "../../src/fork/done.rs"]
mod done;
#[path = "../../src/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "the models need a part of it")]
mod error;
mod fork;
mod handle;
mod queue;

#[path = "../../src/primitives.rs"]
#[expect(unused, reason = "the models need a part of it")]
mod primitives;
#[path = "../../src/sleep.rs"]
#[expect(dead_code, reason = "the models need a part of it")]
mod sleep;

use loom::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use loom::{model::Builder, thread};
use sleep::Sleep;
use std::sync::Arc;

/// Preemptions per execution that loom explores. Two show each defect that was planted
/// here to see the models fail; with three, the larger models take minutes.
const PREEMPTIONS: usize = 2;

/// A pool reduced to what the protocol is about.
struct Model {
    /// The protocol under test.
    sleep: Sleep,
    /// Jobs in the injector.
    queued: AtomicUsize,
    /// Jobs in a deque, put there by the searcher that took a batch.
    moved: AtomicUsize,
    /// Jobs that were run.
    ran: AtomicUsize,
    /// Jobs after which the workers end.
    goal: usize,
    /// Whether a sleeper looks again before it parks.
    recheck: bool,
}

/// Takes one from a counter, if there is one.
fn take(counter: &AtomicUsize) -> bool {
    let mut count = counter.load(Acquire);
    while count > 0 {
        match counter.compare_exchange(count, count - 1, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(now) => count = now,
        }
    }
    false
}

impl Model {
    /// Makes a job available, as `Shared::push` does.
    fn push(&self) {
        self.queued.fetch_add(1, AcqRel);
        self.sleep.publish();
    }

    /// A search: takes a job from the injector and moves what else is there to a
    /// deque, or takes one from a deque.
    fn look(&self) -> bool {
        if take(&self.queued) {
            if take(&self.queued) {
                self.moved.fetch_add(1, AcqRel);
            }
            return true;
        }
        take(&self.moved)
    }

    /// Whether some source has a job.
    fn has_jobs(&self) -> bool {
        self.queued.load(Acquire) > 0 || self.moved.load(Acquire) > 0
    }

    /// Whether the pool has ended.
    fn is_over(&self) -> bool {
        self.ran.load(Acquire) >= self.goal
    }

    /// A worker's loop. A job that is `held` blocks its worker until all are run,
    /// like one that waits for another over a channel.
    fn work(&self, worker: usize, held: bool) {
        self.sleep.register(worker);
        self.sleep.start_search();
        loop {
            if self.look() {
                self.sleep.found(|| self.has_jobs());
                if self.ran.fetch_add(1, AcqRel) + 1 >= self.goal {
                    self.sleep.wake_all(); // The pool ends.
                    return;
                }
                if held {
                    return; // Blocked for good: the others must do without.
                }
                self.sleep.start_search();
            } else if self.is_over() {
                return self.sleep.found(|| self.has_jobs());
            } else {
                self.sleep.park(worker, || self.recheck && (self.has_jobs() || self.is_over()));
            }
        }
    }
}

/// Explores a pool of this many workers to which the model's own thread submits
/// this many jobs.
fn explore(workers: usize, jobs: usize, held: bool, recheck: bool) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || {
        let model = Arc::new(Model {
            sleep: Sleep::new(workers),
            queued: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
            ran: AtomicUsize::new(0),
            goal: jobs,
            recheck,
        });
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.work(worker, held))
            })
            .collect();
        for _ in 0..jobs {
            model.push();
        }
        for thread in threads {
            thread.join().expect("no assertion of a worker fails");
        }
        assert_eq!(model.ran.load(Acquire), jobs);
    });
}

#[test]
fn one_worker_sees_every_job() {
    explore(1, 2, false, true);
}

#[test]
fn two_workers_share_two_jobs() {
    explore(2, 2, false, true);
}

/// Each job blocks the worker that runs it, so each must reach a worker of its own:
/// also a job that was published while another worker was searching, and one that
/// was moved to a deque meanwhile.
#[test]
fn a_job_behind_a_blocked_one_reaches_the_other_worker() {
    explore(2, 2, true, true);
}

/// The re-check is needed.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_recheck_a_wake_up_is_lost() {
    explore(1, 1, false, false);
}
