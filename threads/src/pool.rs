//! The pool.

mod fork;
mod submit;

use crate::builder::{Builder, check_workers};
use crate::local::WorkerLocal;
use crate::nesting;
use crate::primitives::is_here;
use crate::shared::{Phase, Shared};
use crate::stats::{Stats, Unrun};
use crate::waiting;
use crate::worker;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

/// Worker threads that execute jobs.
///
/// A job is queued when it is spawned, and runs once, on one worker, in no
/// promised order (but see [`Priority`](crate::Priority)). Jobs may spawn jobs: a pool is no handle
/// that can be cloned, as it has one end; put it into an [`Arc`] and give each a clone of that.
///
/// Dropping the pool is the same as [`shutdown`](Pool::shutdown): it runs all
/// that is queued and waits for it.
///
/// # Waiting inside a job
///
/// When [`join`](crate::JoinHandle::join) is called on a worker of the job's own pool and the
/// job is still queued, the caller runs it on the spot. So a job that joins jobs it
/// spawned never waits for a free worker, even in a pool of one. If the job is
/// running elsewhere already, the caller blocks. It never runs a job that it does
/// *not* wait for: such a job could need a lock which the waiting one holds.
/// [`Map`](crate::Map), [`MapUnordered`](crate::MapUnordered), [`AsCompleted`](crate::AsCompleted) and
/// [`wait`](crate::wait()) wait in the same way, each for the jobs it knows. A wait with a time
/// limit never runs a job: it could not keep its limit. (With one exception, also for the waits
/// below: a worker that is about to block for longer than a moment first does its part of a
/// [`broadcast`](crate::broadcast), which may take longer.)
///
/// A worker that blocks in one of these ways for longer than a moment steps aside:
/// a spare worker takes its seat, so that the pool goes on with as many workers as
/// before. So it may be that every worker waits, and the pool still moves on, as long as there are
/// [spares](crate::Builder::spares) left (see [limits](Pool#limits)). The same
/// holds for the other waits of this crate: for an [`Event`](crate::Event),
/// a [`Latch`](crate::Latch), a [`Barrier`](crate::Barrier), a permit of a
/// [`Semaphore`](crate::Semaphore), room or values in a [`Queue`](crate::Queue), a
/// [`CancelToken`](crate::CancelToken), a [`Timer`](crate::Timer), and
/// [`Condition::wait_for`](crate::Condition::wait_for). Not for a
/// [`Lock`](crate::Lock), nor for [`Condition::wait`](crate::Condition::wait). For those, and
/// waits that the pool cannot see (a channel, a lock of std, a socket, an executor that
/// polls a handle) there is [`blocking`](crate::blocking()), which does the same;
/// without it, such a wait occupies a worker, and in a pool whose workers all wait
/// like that, nothing moves on.
///
/// Jobs that wait for each other in a circle would do so for ever: the last wait
/// of the circle panics, and so does that of a job for itself. That holds for jobs of
/// several pools and in threads of their own ([`spawn`](crate::spawn()),
/// [`ThreadBuilder`](crate::ThreadBuilder)), and for all ways to wait for handles: when
/// the wait is for all of a set, one in the circle is enough; when it is for any, all must
/// be. In a circle with the end of a pool in it, the end does not panic when it is the last
/// wait: it is not waited for. Not seen, so that they hang: circles with a wait in them for
/// something else (a lock, an [`Event`](crate::Event), room in a queue, the end of a
/// [`scope`](crate::scope())), or in which an executor polls a handle.
/// Waits with a limit end by themselves, and do not panic (one that the clock cannot represent,
/// such as [`Duration::MAX`](std::time::Duration::MAX), is none).
///
/// # Limits
///
/// | what | how many | beyond |
/// |---|---|---|
/// | jobs that wait for something at the same time | less than workers and [spares](crate::Builder::spares) together (256 of these by default) | each waits on a thread of its own: when all threads wait, the job that would end their wait does not begin, and they wait for ever, unless they wait for handles of queued jobs, which they run themselves |
/// | jobs on one stack, each of which waits for the next | 128 | another worker goes on with an empty stack, as long as there are spares; without, the wait panics from 512 on |
/// | so, a chain of jobs that join the next one | 128 for each worker and spare: 33,000 with the default | the wait panics |
/// | tasks of [scopes](crate::scope()) on one stack, each of which opens the scope of the next | 128 | the same: another worker goes on, and the scope panics if there is none from 512 on |
/// | [`join`](crate::join()) in itself, and scopes that are nested in each other's body | the stack | it overflows, which ends the program, as any recursion |
///
/// The stack of a worker is as large as [`Builder::stack_size`](crate::Builder::stack_size) says, 2 MiB if
/// nothing else was said: 128 levels with 16 KiB each. Jobs with larger frames need a larger
/// one. [`Stats::aside`](crate::Stats::aside) tells how many workers wait.
///
/// # Panics
///
/// A panicking job never takes its worker down: its handle yields
/// [`JoinError::Panicked`](crate::JoinError::Panicked). The same holds for a
/// panic in the drop of a closure, a result or a panic payload that nobody took,
/// and in a waker. One drop is not the pool's: that of the handle of a finished job drops its
/// result on the calling thread, where a panic of it goes on. (A panic *during* unwinding aborts the
/// process, as everywhere in Rust.)
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

    /// A pool for tests: without threads, each job is run by whoever spawns it,
    /// before `spawn` returns; so is what the job forks ([`join`](crate::join), [`scope`](crate::scope())
    /// and the like). So everything happens in one order, which is that of the program.
    ///
    /// It is a `Pool`, so code that takes one need not know. A panic of a job still
    /// comes out of its handle. When 128 jobs lie on top of each other, each spawned by the
    /// one below, the next one is put off, to spare the stack: it runs before the
    /// outermost `spawn` returns, or when a job waits for its handle without a limit. Callbacks
    /// ([`on_done`](crate::JoinHandle::on_done)) of finished jobs are called at once: one that
    /// spawns the next job and registers the next callback is a recursion, which needs its
    /// stack. A job that waits for something which is done only
    /// after it was spawned never ends, as in any pool whose workers are all busy.
    ///
    /// ```
    /// use threads::Pool;
    ///
    /// fn total(pool: &Pool, numbers: &[u64]) -> u64 {
    ///     let squares = pool.map(|x| x * x, numbers.to_vec());
    ///     squares.map(|square| square.unwrap()).sum()
    /// }
    ///
    /// assert_eq!(total(&Pool::inline(), &[1, 2, 3]), 14);
    /// ```
    pub fn inline() -> Self {
        Self { shared: Shared::new(Builder::default().inline_settings()) }
    }

    /// A pool with default settings that the whole program shares, started when it is
    /// first asked for. It never ends: jobs that are queued when the program does
    /// are not run.
    ///
    /// # Panics
    ///
    /// When its threads cannot be started.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let built = Self::builder().name("global").build();
            built.unwrap_or_else(|error| panic!("failed to start the global pool: {error}"))
        })
    }

    /// How many workers the pool has: as many jobs run at the same time. Zero for
    /// [`Pool::inline`].
    pub fn workers(&self) -> usize {
        self.shared.seats.count()
    }

    /// Changes the number of workers. More start at once. Fewer means that those
    /// which have finished their job, or sleep, end, until there are as many as asked for; no
    /// job is interrupted, and what they had queued is run by the others. It does not wait for
    /// that: a surplus worker executes no more jobs once its present one is finished, and its
    /// thread ends if it is not needed again within a second.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`]: zero, more than
    ///   [`Builder::max_workers`], or an inline pool.
    /// - Whatever the system says when it cannot start a thread. The pool has the
    ///   workers then that could be started.
    pub fn resize(&self, workers: usize) -> io::Result<()> {
        let most = self.shared.settings.max_workers;
        if self.is_inline() {
            let text = "resize an inline pool: it has no workers";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        check_workers(workers, most, "as its `max_workers` says")?;
        self.shared.seats.resize(&self.shared, workers)
    }

    /// The number of the worker that calls, if it is one of this pool: below the
    /// most workers and spares there may be. For [`WorkerLocal`], you do not need it.
    pub fn current_worker(&self) -> Option<usize> {
        worker::index_in(self.shared.number)
    }

    /// A value for each worker, made by `make` when it is first needed.
    pub fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(self, make)
    }

    /// Whether it is a [`Pool::inline`].
    pub(crate) fn is_inline(&self) -> bool {
        self.shared.settings.inline
    }

    /// What the pool has done so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Runs what is queued, and what that forks, and returns when every worker
    /// thread has ended. Dropping the pool does the same.
    ///
    /// Blocks for as long as a job does; on a worker of another pool, that one steps aside
    /// (see [Waiting inside a job](Pool#waiting-inside-a-job)). Called by a job of the pool
    /// itself (the last owner of a shared pool may well be one), it returns at once, as the
    /// worker cannot wait for its own end; the workers still run what is queued
    /// and end by themselves. The same where the end of this pool would wait for the caller in
    /// a circle: a job of this pool waits for the job that calls, or for the end of its pool.
    pub fn shutdown(self) {
        self.end(Phase::Draining);
    }

    /// Cancels what is queued, waits for the jobs that are running, and returns
    /// when every worker thread has ended. The handles of cancelled jobs yield
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled).
    ///
    /// Running jobs are not interrupted. Called by a job of the pool itself, or by one that a
    /// job of the pool waits for (as with [`shutdown`](Pool::shutdown)), it
    /// returns without waiting for them, and the count may then miss jobs that
    /// workers cancel later.
    pub fn shutdown_now(self) -> Unrun {
        self.end(Phase::Stopping);
        Unrun::new(self.shared.unrun())
    }

    /// Ends the pool. The workers have ended when this returns, unless the
    /// caller is one of them, or one of them waits for the caller.
    pub(crate) fn end(&self, phase: Phase) {
        self.shared.enter(phase);
        if phase == Phase::Stopping {
            // Here, too, as every worker may be busy with a job that waits for a
            // queued one.
            self.shared.discard_queued();
        }
        if self.is_inline() {
            return nesting::finish(&self.shared);
        }
        if self.current_worker().is_some() {
            return; // Dropping a thread's handle lets it end by itself.
        }
        // If it cannot end before the caller goes on, it ends by itself, as above.
        let _ended = waiting::for_end_of(self.shared.number, || self.join_workers());
    }

    /// Waits until all threads of workers have ended.
    fn join_workers(&self) {
        // Workers that wait for a job may start others, until all have ended.
        loop {
            let threads = self.shared.seats.take_threads();
            if threads.is_empty() {
                return;
            }
            // A worker that drops the pool while it ends cannot wait for itself.
            for thread in threads.into_iter().filter(|thread| !is_here(thread)) {
                thread.join().expect("a worker catches the panics of its jobs");
            }
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
