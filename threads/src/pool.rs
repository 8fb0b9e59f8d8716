//! The pool.

use crate::builder::Builder;
use crate::handle::JoinHandle;
use crate::home::Home;
use crate::job::{Job, JobRef};
use crate::map::Map;
use crate::shared::{Phase, Shared};
use crate::stats::Stats;
use crate::unordered::MapUnordered;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

/// A fixed number of worker threads that execute jobs.
///
/// A job is queued when it is spawned, and runs once, on one worker, in no
/// promised order. Jobs may spawn jobs: put the pool into an [`Arc`] and give
/// each a clone.
///
/// Dropping the pool is the same as [`shutdown`](Pool::shutdown): it runs all
/// that is queued and waits for it.
///
/// # Waiting inside a job
///
/// A worker that waits cannot run other jobs meanwhile, with one exception. When
/// [`join`](JoinHandle::join) is called on a worker of the job's own pool and the
/// job is still queued, the caller runs it on the spot. So a job that joins jobs
/// it spawned never waits for a free worker, even in a pool of one. If the job is
/// running elsewhere already, the caller blocks. It never runs a job that it does
/// *not* wait for: such a job could need a lock which the waiting one holds.
/// [`Map`], [`MapUnordered`] and [`AsCompleted`](crate::AsCompleted) wait in the
/// same way, each for the jobs it knows.
///
/// Everything else simply blocks the worker: a time-limited wait (it could not
/// keep its limit), an `.await` on a handle, a channel, a lock. A job that waits
/// in one of these ways for another job of its pool needs a second worker to run
/// it. One that is idle, or becomes idle, always does; in a pool whose workers all
/// wait like that, nothing moves on.
///
/// # Panics
///
/// A panicking job never takes its worker down: its handle yields
/// [`JoinError::Panicked`](crate::JoinError::Panicked). The same holds for a
/// panic in the drop of a closure, a result or a panic payload that nobody took,
/// and in a waker. (A panic *during* unwinding aborts the process, as everywhere
/// in Rust.)
///
/// ```
/// let pool = threads::Pool::new(2)?;
/// let handle = pool.spawn(|| 6 * 7);
/// assert_eq!(handle.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What a job borrows must live as long as the program; move or share instead:
///
/// ```compile_fail,E0373
/// let pool = threads::Pool::new(2).unwrap();
/// let text = String::from("here");
/// pool.spawn(|| text.len());
/// ```
///
/// Nor can a job use what must stay on its thread:
///
/// ```compile_fail,E0277
/// let pool = threads::Pool::new(2).unwrap();
/// let shared = std::rc::Rc::new(1);
/// pool.spawn(move || *shared + 1);
/// ```
///
/// A pool that was shut down is gone:
///
/// ```compile_fail,E0382
/// let pool = threads::Pool::new(2).unwrap();
/// pool.shutdown();
/// pool.spawn(|| 1);
/// ```
pub struct Pool {
    /// What the workers share.
    pub(crate) shared: Arc<Shared>,
    /// The workers' threads; empty once they have been joined.
    pub(crate) threads: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    /// A pool of `n` workers with default settings.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`].
    pub fn new(n: usize) -> io::Result<Self> {
        Self::builder().workers(n).build()
    }

    /// How a pool is set up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// How many workers the pool has.
    pub fn workers(&self) -> usize {
        self.shared.stealers.len()
    }

    /// Queues a closure. Dropping the handle does not stop it.
    ///
    /// Called on a worker of this pool, the job goes to that worker's own deque,
    /// from where an idle worker takes it if there is one.
    ///
    /// The queue has no bound; see [`Pool::map`] for one that does.
    pub fn spawn<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let job = Arc::new(Job::new(f, Home::Pool(Arc::clone(&self.shared))));
        self.shared.push(Arc::clone(&job) as JobRef);
        JoinHandle::new(job)
    }

    /// Queues `f(x)`. The same as [`spawn`](Pool::spawn), in the form that also
    /// works between processes.
    pub fn submit<F, A, R>(&self, f: F, x: A) -> JoinHandle<R>
    where
        F: FnOnce(A) -> R + Send + 'static,
        A: Send + 'static,
        R: Send + 'static,
    {
        self.spawn(move || f(x))
    }

    /// `f(x)` for every `x`, in the order of `xs`.
    ///
    /// Lazy: nothing happens before the first call of `next`, and then only a
    /// bounded number of jobs is ahead of what was returned, see
    /// [`Map::buffer`]. So `xs` may be endless.
    ///
    /// ```
    /// let pool = threads::Pool::new(2)?;
    /// let squares: Result<Vec<u64>, _> = pool.map(|x| x * x, 1..=4).collect();
    /// assert_eq!(squares?, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<F, I, R>(&self, f: F, xs: I) -> Map<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        R: Send + 'static,
    {
        Map::new(self, f, xs.into_iter())
    }

    /// `f(x)` for every `x`, in the order in which they are done. Otherwise like
    /// [`map`](Pool::map).
    pub fn map_unordered<F, I, R>(&self, f: F, xs: I) -> MapUnordered<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        R: Send + 'static,
    {
        MapUnordered::new(self, f, xs.into_iter())
    }

    /// What the pool has done so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Runs what is queued, and what that spawns, and returns when every worker
    /// thread has ended. Dropping the pool does the same.
    ///
    /// Blocks for as long as a job does. Called by a job of the pool itself (the
    /// last owner of a shared pool may well be one), it returns at once, as the
    /// worker cannot wait for its own end; the workers still run what is queued
    /// and end by themselves.
    pub fn shutdown(mut self) {
        self.end(Phase::Draining);
    }

    /// Cancels what is queued, waits for the jobs that are running, and returns
    /// when every worker thread has ended. The handles of cancelled jobs yield
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled).
    ///
    /// Running jobs are not interrupted. Called by a job of the pool itself, it
    /// returns without waiting for them, and the count may then miss jobs that
    /// workers cancel later.
    pub fn shutdown_now(mut self) -> Unrun {
        self.end(Phase::Stopping);
        Unrun { count: self.shared.unrun() }
    }

    /// Ends the pool. The workers have ended when this returns, unless the
    /// caller is one of them.
    pub(crate) fn end(&mut self, phase: Phase) {
        self.shared.enter(phase);
        if phase == Phase::Stopping {
            // Here, too, as every worker may be busy with a job that waits for a
            // queued one.
            self.shared.discard_queued();
        }
        let threads = std::mem::take(&mut self.threads);
        let own = thread::current().id();
        if threads.iter().any(|worker| worker.thread().id() == own) {
            return; // Dropping a thread's handle lets it end by itself.
        }
        for worker in threads {
            worker.join().expect("a worker catches the panics of its jobs");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.end(Phase::Draining);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What [`Pool::shutdown_now`] kept from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrun {
    /// See [`Unrun::count`].
    count: usize,
}

impl Unrun {
    /// How many jobs will never run.
    pub fn count(self) -> usize {
        self.count
    }
}
