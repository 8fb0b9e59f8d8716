//! A job: a closure that runs at most once, and the place where its result
//! waits.
//!
//! A job is one allocation with two owners: the pool's queues see it as a
//! [`Run`], its handle as a [`Unit`]. Everything that changes sits behind one
//! mutex which is held for a few instructions at a time and never while user
//! code runs: closures, results and wakers are moved out first, and called or
//! dropped afterwards.
//!
//! | stage | left by | to |
//! |---|---|---|
//! | `Queued` | the worker (or the joiner on a worker) that takes the closure | `Running` |
//! | | `cancel`, whoever calls it | `Finished(Err(Cancelled))` |
//! | `Running` | the thread that runs the closure, when it returned or panicked | `Finished` |
//! | `Finished` | the handle | `Taken` |
//! | `Taken` | nobody | |
//!
//! As only one of them finds the closure in `Queued`, a job runs or is
//! cancelled, never both and never twice. A job cancelled while queued stays in
//! its queue as an empty shell until a worker comes across it.

use crate::deadline::{Deadline, lock};
use crate::error::JoinError;
use crate::home::Home;
use crate::unwind::{catch, drop_quietly, quietly};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, TryLockError};
use std::task::Waker;

/// A job as the pool's queues hold it.
pub(crate) type JobRef = Arc<dyn Run>;

/// What a worker can do with a job.
pub(crate) trait Run: Send + Sync {
    /// Runs the closure on the calling thread, which is worker number `worker`
    /// (zero for a thread that was started for this job alone), and publishes
    /// its result, true if so; false if it has been taken or cancelled. Never
    /// unwinds.
    fn run(&self, worker: usize) -> bool;

    /// True if the job was still queued; it will then never run. Never unwinds.
    fn cancel(&self) -> bool;
}

/// What a handle can do with a job.
pub(crate) trait Unit<R>: Run {
    /// On a worker of the job's own pool: runs it if it is still queued, true if
    /// so. False on any other thread.
    fn help(&self) -> bool;

    /// Whether the job is running further down on the calling thread's own
    /// stack, so that waiting for it would never end.
    fn is_below(&self) -> bool;

    /// Blocks until the job is finished (true) or time is over (false).
    fn wait(&self, deadline: Deadline) -> bool;

    /// The result, and the end of a thread that was started for this job alone.
    ///
    /// # Panics
    ///
    /// When the job is not finished, or its result has been taken.
    fn take(&self) -> Result<R, JoinError>;

    /// Has `waker` called once when the job finishes, in place of an earlier
    /// one. False when it is finished already; the waker is then not called.
    fn watch(&self, waker: Waker) -> bool;

    /// Whether a result is there, or has been.
    fn is_finished(&self) -> bool;

    /// A word for `Debug`. Never blocks.
    fn stage_name(&self) -> &'static str;
}

/// The states of a job; see the module's table.
enum Stage<F, R> {
    /// In a queue, with its closure.
    Queued(F),
    /// Its closure is being run by this worker.
    Running {
        /// Index in the pool of the job's home.
        worker: usize,
    },
    /// Has a result that nobody has taken.
    Finished(Result<R, JoinError>),
    /// The handle has the result.
    Taken,
}

/// What the mutex of a job protects.
struct Cell<F, R> {
    /// How far the job is.
    stage: Stage<F, R>,
    /// Threads blocked on [`Job::finished`]. A notification costs a system call
    /// even when nobody waits.
    waiters: usize,
    /// Called once when the job finishes.
    waker: Option<Waker>,
}

/// A closure and the place of its result.
pub(crate) struct Job<F, R> {
    /// The state. Never locked while user code runs.
    cell: Mutex<Cell<F, R>>,
    /// Notified when the job finishes and somebody waits.
    finished: Condvar,
    /// Where it runs.
    home: Home,
}

impl<F, R> Job<F, R> {
    /// A job that is queued, or will be in a moment.
    pub(crate) fn new(f: F, home: Home) -> Self {
        let cell = Cell { stage: Stage::Queued(f), waiters: 0, waker: None };
        Self { cell: Mutex::new(cell), finished: Condvar::new(), home }
    }

    /// Where it runs.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Takes the closure for running it, if it is still there.
    fn claim(&self, worker: usize) -> Option<F> {
        let mut cell = lock(&self.cell);
        match mem::replace(&mut cell.stage, Stage::Running { worker }) {
            Stage::Queued(f) => Some(f),
            other => {
                cell.stage = other;
                None
            }
        }
    }

    /// Publishes the result of a claimed job.
    fn finish(&self, result: Result<R, JoinError>) {
        let mut cell = lock(&self.cell);
        cell.stage = Stage::Finished(result); // Replaces `Running`: nothing of the user's is dropped.
        let waker = cell.waker.take();
        let waiters = cell.waiters;
        drop(cell);
        self.announce(waiters, waker);
    }

    /// Wakes those who waited for the job when it finished.
    fn announce(&self, waiters: usize, waker: Option<Waker>) {
        if waiters > 0 {
            self.finished.notify_all();
        }
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }
}

impl<F, R> Run for Job<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    fn run(&self, worker: usize) -> bool {
        let Some(f) = self.claim(worker) else { return false };
        self.home.count_start(worker);
        let result = catch(f).map_err(JoinError::panicked);
        // Counted first: whoever sees the result also sees it counted.
        self.home.count_end(worker, result.is_ok());
        self.finish(result);
        true
    }

    fn cancel(&self) -> bool {
        let mut cell = lock(&self.cell);
        if !matches!(cell.stage, Stage::Queued(_)) {
            return false;
        }
        let stage = mem::replace(&mut cell.stage, Stage::Finished(Err(JoinError::Cancelled)));
        self.home.count_cancel();
        let waker = cell.waker.take();
        let waiters = cell.waiters;
        drop(cell);
        self.announce(waiters, waker);
        drop_quietly(stage); // The closure.
        true
    }
}

impl<F, R> Unit<R> for Job<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    fn help(&self) -> bool {
        self.home.here().is_some_and(|worker| self.run(worker))
    }

    fn is_below(&self) -> bool {
        self.home.here().is_some_and(
            |here| matches!(lock(&self.cell).stage, Stage::Running { worker } if worker == here),
        )
    }

    fn wait(&self, deadline: Deadline) -> bool {
        let mut cell = lock(&self.cell);
        loop {
            if matches!(cell.stage, Stage::Finished(_) | Stage::Taken) {
                return true;
            }
            cell.waiters += 1;
            let woken = deadline.wait(&self.finished, cell);
            let over = woken.is_err();
            cell = woken.unwrap_or_else(|guard| guard);
            cell.waiters -= 1;
            if over {
                return false;
            }
        }
    }

    fn take(&self) -> Result<R, JoinError> {
        let stage = {
            let mut cell = lock(&self.cell);
            match mem::replace(&mut cell.stage, Stage::Taken) {
                finished @ (Stage::Finished(_) | Stage::Taken) => finished,
                early => {
                    cell.stage = early;
                    Stage::Taken
                }
            }
        };
        let Stage::Finished(result) = stage else {
            panic!(
                "the result of this job is not there, or was already taken by polling the handle"
            );
        };
        self.home.reap();
        result
    }

    fn watch(&self, waker: Waker) -> bool {
        let mut cell = lock(&self.cell);
        if matches!(cell.stage, Stage::Finished(_) | Stage::Taken) {
            drop(cell); // Before the waker, which is user code.
            return false;
        }
        let earlier = cell.waker.replace(waker);
        drop(cell);
        drop(earlier);
        true
    }

    fn is_finished(&self) -> bool {
        matches!(lock(&self.cell).stage, Stage::Finished(_) | Stage::Taken)
    }

    fn stage_name(&self) -> &'static str {
        let cell = match self.cell.try_lock() {
            Ok(cell) => cell,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return "changing",
        };
        match cell.stage {
            Stage::Queued(_) => "queued",
            Stage::Running { .. } => "running",
            Stage::Finished(_) => "finished",
            Stage::Taken => "taken",
        }
    }
}
