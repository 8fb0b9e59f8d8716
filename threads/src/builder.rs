//! How a pool is set up.

use crate::bound::WhenFull;
use crate::hook::{Hook, PanicReport};
use crate::pool::Pool;
use crate::settings::{Initializer, Settings, Waiting};
use crate::shared::{Phase, Shared};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

/// The most workers a pool can have. Far above what computing can use on any
/// machine, and at this number already a sign that an event loop would serve
/// better.
pub const MAX_WORKERS: usize = 4096;

/// Spare threads by default, as in Java's `ForkJoinPool`.
const SPARES: usize = 256;

/// Workers that a pool can be resized to by default, if it does not begin with more.
const ROOM: usize = 64;

/// How a pool is set up; from [`Pool::builder`].
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    /// How many workers; `None`: as many as the process may use.
    workers: Option<usize>,
    /// How many workers later; `None`: [`ROOM`], or `workers` if that is more.
    max_workers: Option<usize>,
    /// Threads beside the workers; `None`: [`SPARES`].
    spares: Option<usize>,
    /// What the names of the workers' threads begin with.
    name: Option<String>,
    /// Bytes of a worker's stack.
    stack_size: Option<usize>,
    /// How many jobs may be queued, and what happens beyond.
    bound: Option<(usize, WhenFull)>,
    /// What each worker calls first.
    initializer: Option<Initializer>,
    /// What is told about panics.
    on_panic: Option<Hook>,
    /// What a thread may run while it waits for forked work.
    waiting: Waiting,
}

impl Builder {
    /// The number of workers. Default: [`std::thread::available_parallelism`], which
    /// honors CPU affinity and quotas, or 1 if that is unknown.
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// The most workers that [`Pool::resize`] can ask for. Default: 64, or the
    /// number of workers if that is more.
    pub fn max_workers(mut self, n: usize) -> Self {
        self.max_workers = Some(n);
        self
    }

    /// The most threads that there are beside the workers, to take the place of
    /// those that wait; see [`blocking`](crate::blocking()), and the pool's
    /// [limits](Pool#limits). Default: 256. Zero: a worker that waits is one less.
    pub fn spares(mut self, n: usize) -> Self {
        self.spares = Some(n);
        self
    }

    /// What the workers' threads are called: `name-0`, `name-1` and so on; the
    /// default is `worker`. Linux shows the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The size of a worker's stack in bytes. Default: that of
    /// [`std::thread::Builder::stack_size`]. The system rounds up what is too small
    /// or no multiple of a page.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// The most jobs that may be queued, and what [`Pool::spawn`] does beyond. Default:
    /// no limit.
    pub fn queue_bound(mut self, jobs: usize, when_full: WhenFull) -> Self {
        self.bound = Some((jobs, when_full));
        self
    }

    /// What each worker calls on its thread before its first job, with its number;
    /// also workers that start later.
    ///
    /// If it fails or panics, the pool is broken: the handles of jobs that have not
    /// begun, and of those that are spawned later, yield
    /// [`JoinError::Broken`](crate::JoinError::Broken) with the reason. Nothing hangs.
    /// `build` does not wait for it.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// thread_local!(static NUMBER: Cell<usize> = const { Cell::new(0) });
    ///
    /// let pool = threads::Pool::builder().workers(1).initializer(|worker| {
    ///     NUMBER.set(worker + 100); // Or connect, and use `?`.
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// assert_eq!(pool.build()?.spawn(|| NUMBER.get()).join()?, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// One that fails:
    ///
    /// ```
    /// let pool = threads::Pool::builder()
    ///     .workers(1)
    ///     .initializer(|_worker| Err("no license"))
    ///     .build()?;
    /// let error = pool.spawn(|| 1).join().unwrap_err();
    /// assert!(error.to_string().contains("initializer of worker-0 failed: no license"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer<E: fmt::Display>(
        mut self,
        f: impl Fn(usize) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.initializer =
            Some(Arc::new(move |worker| f(worker).map_err(|error| error.to_string())));
        self
    }

    /// What is told about each panic that the pool catches in a job, a callback, the
    /// initializer or a drop ([`PanicOrigin`](crate::PanicOrigin)), on the thread where it happened, after
    /// Rust's panic hook and before the handle is finished. A panic of `f` itself is swallowed.
    pub fn on_panic(mut self, f: impl Fn(&PanicReport<'_>) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Arc::new(f));
        self
    }

    /// What a thread may run while it waits for forked work. Default:
    /// [`Waiting::Leapfrog`].
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`]: zero workers, more than [`MAX_WORKERS`],
    ///   more than [`Builder::max_workers`]; more than [`MAX_WORKERS`] spares; a bound
    ///   of zero; or a name with a NUL byte in it.
    /// - Whatever the system says when it cannot start a thread. The workers
    ///   that were started before have ended when this returns.
    pub fn build(self) -> io::Result<Pool> {
        let workers = self.workers.unwrap_or_else(default_workers);
        let settings = self.settings(workers)?;
        let pool = Pool { shared: Shared::new(settings) };
        if let Err(error) = pool.shared.seats.resize(&pool.shared, workers) {
            pool.end(Phase::Stopping);
            return Err(error);
        }
        Ok(pool)
    }

    /// Checks everything.
    fn settings(self, workers: usize) -> io::Result<Settings> {
        check_workers(workers, MAX_WORKERS, "for any pool")?;
        let max_workers = self.max_workers.unwrap_or_else(|| workers.max(ROOM));
        check_workers(max_workers, MAX_WORKERS, "for any pool")?;
        check_workers(workers, max_workers, "as `max_workers` says")?;
        let spares = self.spares.unwrap_or(SPARES);
        let name = self.name.unwrap_or_else(|| "worker".to_owned());
        let text = if spares > MAX_WORKERS {
            format!("build a pool with {spares} spares: the most is {MAX_WORKERS}")
        } else if name.contains('\0') {
            format!("name workers {name:?}: leave out the NUL byte")
        } else if self.bound.is_some_and(|(jobs, _)| jobs == 0) {
            "bound a queue to 0 jobs: let it hold at least 1".to_owned()
        } else {
            return Ok(Settings {
                name,
                stack_size: self.stack_size,
                max_workers,
                spares,
                bound: self.bound,
                initializer: self.initializer,
                on_panic: self.on_panic,
                waiting: self.waiting,
                inline: false,
            });
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// The settings of a pool without threads.
    pub(crate) fn inline_settings(self) -> Settings {
        Settings {
            name: "inline".to_owned(),
            stack_size: None,
            max_workers: 0,
            spares: 0,
            bound: None,
            initializer: None,
            on_panic: self.on_panic,
            waiting: self.waiting,
            inline: true,
        }
    }
}

/// As many as can run at the same time.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS)
}

/// Refuses numbers of workers that no pool can have.
pub(crate) fn check_workers(workers: usize, most: usize, why: &str) -> io::Result<()> {
    let text = if workers == 0 {
        "give a pool 0 workers: ask for at least 1, or leave the number out".to_owned()
    } else if workers > most {
        format!("give a pool {workers} workers: the most is {most} {why}")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("max_workers", &self.max_workers)
            .field("spares", &self.spares)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("bound", &self.bound)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
