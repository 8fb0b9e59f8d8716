//! The pool: a fixed number of worker processes that execute calls.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::core::{Config, Core, Threads};
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::map::{Map, MapUnordered};
use crate::options::CallOptions;
use crate::worker;

/// A pool may have this many workers at most. Each needs four descriptors and some megabytes, so
/// the system's limits come first.
pub const MAX_WORKERS: usize = 1024;

/// Encoded arguments and results may be this large unless the pool says otherwise: 1 GiB.
pub const DEFAULT_MAX_PAYLOAD: usize = 1 << 30;

/// The most that is kept of each worker's standard error, in bytes: 1 MiB.
pub const MAX_STDERR: usize = 1 << 20;

/// How long a worker may take to leave, unless the pool says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// How a pool is to be; made by [`Pool::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    /// Number of workers; the machine's parallelism if none is given.
    workers: Option<usize>,
    /// Everything else.
    config: Config,
    /// Why the initializer cannot be sent.
    wrong: Option<JoinError>,
}

impl Default for Builder {
    fn default() -> Self {
        let config = Config::new("pool", DEFAULT_MAX_PAYLOAD, DEFAULT_GRACE);
        Self { workers: None, config, wrong: None }
    }
}

impl Builder {
    /// How many workers; the default is [`std::thread::available_parallelism`], which honours
    /// affinity and cgroup quotas.
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// A name for the pool's threads and, in `ps`, its workers.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// A time limit for every call, counted from the moment a worker starts it. When it is over
    /// the worker is killed and the call is [`JoinError::TimedOut`].
    ///
    /// A limit also keeps a call from waiting in a worker that is stopped, say by SIGSTOP: when
    /// the limit has passed since it was sent there, and the worker has executed nothing and
    /// answered nothing for as long again (1 s at least, 10 s at most), then the worker is
    /// replaced, and another one executes the call.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.config.call_timeout = Some(limit);
        self
    }

    /// The largest encoded argument or result in bytes; beyond it a call is
    /// [`JoinError::TooLarge`]. The default is
    /// [`DEFAULT_MAX_PAYLOAD`].
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.max_payload = bytes;
        self
    }

    /// How long workers may take to leave before they are killed: after their last call, and,
    /// with [`Pool::shutdown_now`], to end the call they are executing. The default is 5 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// What each worker calls before it takes calls, also a replacement: a function, or a closure
    /// that captures nothing, and its argument.
    ///
    /// A worker whose initializer fails, panics, ends the process or takes too long
    /// ([`init_timeout`](Self::init_timeout)) is
    /// replaced, with growing pauses. After five in a row, and when no other worker serves, the
    /// pool has given up: every call is [`JoinError::Broken`], which
    /// says why. `build` does not wait for it.
    ///
    /// ```
    /// use processes::Pool;
    ///
    /// let license = |path: String| Err::<(), _>(format!("no license in {path}"));
    /// let pool = Pool::builder().workers(1).initializer(license, "/nowhere".to_owned()).build()?;
    /// let error = pool.submit(|x: u8| x, 1).join().unwrap_err();
    /// assert!(error.to_string().contains("the initializer failed: no license in /nowhere"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn initializer<A, E>(mut self, f: fn(A) -> Result<(), E>, x: A) -> Self
    where
        A: Serialize + DeserializeOwned + 'static,
        E: fmt::Display + 'static,
    {
        let call = Call::initializer(f, &x, self.config.max_payload);
        drop(x);
        match call {
            Ok(call) => (self.config.init, self.wrong) = (Some(Arc::new(call)), None),
            Err(error) => self.wrong = Some(error),
        }
        self
    }

    /// How long a worker may take from its start until it is ready, which includes the initializer.
    /// The default is 30 s; also a busy machine starts a worker within some milliseconds, so what it
    /// has to cover is the initializer. A worker that takes longer is killed, which is a failure as
    /// described for [`initializer`](Self::initializer).
    pub fn init_timeout(mut self, limit: Duration) -> Self {
        self.config.init_timeout = limit;
        self
    }

    /// How many calls a worker executes before it is replaced, for code that leaks. The default is
    /// any number.
    ///
    /// It is replaced between two calls, when its successor is ready, so that there are never fewer
    /// workers; for that moment there is one more process.
    pub fn max_calls_per_worker(mut self, calls: u64) -> Self {
        self.config.max_calls = Some(calls);
        self
    }

    /// How many bytes of memory a worker may have resident before it is replaced, as with
    /// [`max_calls_per_worker`](Self::max_calls_per_worker). It is looked at about 20 ms after a
    /// call, so a worker may execute a few more. Not a limit: a call can use more while it runs.
    pub fn recycle_above_rss(mut self, bytes: u64) -> Self {
        self.config.max_rss = Some(bytes);
        self
    }

    /// How long a worker may have nothing to do before it ends; it is started again when there are
    /// more calls than workers. The default is for ever.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.config.idle_timeout = Some(limit);
        self
    }

    /// Keeps the last `bytes` bytes of what each worker writes to its standard error; they are in
    /// the error when it is lost. It still appears on the standard error of this process, except
    /// for what that has no room for. Costs one more descriptor for each worker.
    pub fn capture_stderr(mut self, bytes: usize) -> Self {
        self.config.stderr_bytes = bytes;
        self
    }

    /// Whether panics have a backtrace in any case. By default they have one if the environment
    /// asks for it (`RUST_BACKTRACE`).
    pub fn backtraces(mut self, always: bool) -> Self {
        self.config.backtraces = always;
        self
    }

    /// Starts the pool. The workers are started, but not waited for.
    ///
    /// # Errors
    /// - `InvalidInput`: no workers, or more than [`MAX_WORKERS`], or a name with a zero byte, or
    ///   no calls per worker, or more than [`MAX_STDERR`] bytes to keep of each standard error, or
    ///   an argument of the initializer that cannot be encoded (the [`JoinError`] is inside).
    /// - [`NotInitialised`](crate::NotInitialised) inside an `Other`: see [`init`](crate::init).
    /// - `Unsupported`: nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    /// - The system's: no processes, threads, descriptors or memory are left. A lack of
    ///   descriptors names the limit and how to raise it.
    pub fn build(self) -> io::Result<Pool> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let workers = self.workers.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS)
        });
        check_workers(workers)?;
        if self.config.max_calls == Some(0) {
            return invalid("a worker executes at least one call; allow 1 or more".to_owned());
        }
        if self.config.stderr_bytes > MAX_STDERR {
            return invalid(format!("too much to keep of each worker; keep {MAX_STDERR} bytes"));
        }
        if let Some(error) = self.wrong {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        if self.config.name.contains('\0') {
            return invalid("a pool's name must not contain a zero byte; remove it".to_owned());
        }
        worker::may_start_workers()?;
        let (core, threads) = Core::start(self.config)?;
        let pool = Pool { core, threads: Some(threads) };
        // When one cannot be started, dropping the pool stops the others.
        pool.core.open_seats(workers)?;
        Ok(pool)
    }
}

/// Refuses numbers of workers that no pool can have.
fn check_workers(workers: usize) -> io::Result<()> {
    let text = if workers == 0 {
        "give a pool 0 workers: ask for at least 1, or leave the number out".to_owned()
    } else if workers > MAX_WORKERS {
        format!("give a pool {workers} workers: the most is {MAX_WORKERS}")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// A number of worker processes that execute calls.
///
/// Dropping the pool is [`shutdown`](Self::shutdown): it runs what was queued and waits for it.
/// Only when the last owner is a waker that a finished call wakes (a task that holds the pool),
/// nobody waits: the pool then ends on its own.
pub struct Pool {
    /// The part shared with handles and threads.
    core: Arc<Core>,
    /// The pool's threads, until they are joined.
    threads: Option<Threads>,
}

impl Pool {
    /// Starts to describe a pool.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A pool of `n` workers.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(n: usize) -> io::Result<Self> {
        Self::builder().workers(n).build()
    }

    /// A pool with default settings that the whole program shares, started when it is first asked
    /// for. It never ends: calls that are queued when the program does are not run.
    ///
    /// In a worker it is a pool of that worker.
    ///
    /// # Panics
    /// When it cannot be started, see [`Builder::build`].
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let built = Self::builder().name("global").build();
            built.unwrap_or_else(|error| panic!("failed to start the global pool: {error}"))
        })
    }

    /// How many workers the pool is to have; one that died or sleeps counts, because another one
    /// comes.
    pub fn workers(&self) -> usize {
        self.core.workers()
    }

    /// Changes the number of workers. More start at once. Fewer means that those with the least to
    /// do end after the call that they execute, if they do; no call is lost.
    ///
    /// # Errors
    /// - `InvalidInput`: no workers, or more than [`MAX_WORKERS`]; nothing has changed.
    /// - The system's, as [`Builder::build`]; the pool has the workers that could be started.
    pub fn resize(&self, workers: usize) -> io::Result<()> {
        check_workers(workers)?;
        self.core.resize(workers)
    }

    /// Calls `f(x)` in a worker.
    ///
    /// `f` is a function or a closure that captures nothing; one that captures does not compile:
    ///
    /// ```compile_fail,E0308
    /// let pool = processes::Pool::new(1)?;
    /// let factor = 3;
    /// let tripled = pool.submit(move |x: u64| x * factor, 14);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Pass what it needs in the argument instead: `pool.submit(|(x, factor)| x * factor, (14, 3))`.
    ///
    /// The argument is encoded here and now; if that fails, the handle says so. A panic in the
    /// argument's `Serialize` reaches the caller.
    pub fn submit<A, R>(&self, f: fn(A) -> R, x: A) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.send(f, x, CallOptions::new())
    }

    /// As [`submit`](Self::submit), with a time limit for this call, counted from the moment a
    /// worker starts it.
    pub fn submit_timeout<A, R>(&self, f: fn(A) -> R, x: A, limit: Duration) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.send(f, x, CallOptions::new().timeout(limit))
    }

    /// As [`submit`](Self::submit), with options for this call: a limit, retries.
    pub fn submit_with<A, R>(&self, options: CallOptions, f: fn(A) -> R, x: A) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.send(f, x, options)
    }

    /// Encodes a call and hands it to the core.
    fn send<A, R>(&self, f: fn(A) -> R, x: A, options: CallOptions) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let config = self.core.config();
        let limit = options.timeout.or(config.call_timeout);
        let call = Call::new(f, &x, config.max_payload, limit);
        // Its bytes travel; the value itself ends here, before anything is locked or sent.
        drop(x);
        match call {
            Ok(mut call) => {
                call.retry = options.retry;
                let handle = JoinHandle::new(Arc::clone(&call.ticket), Arc::downgrade(&self.core));
                self.core.submit(call);
                handle
            }
            Err(error) => JoinHandle::failed(error),
        }
    }

    /// Calls `f` with each item of `xs`; the results come in the order of `xs`.
    ///
    /// It is lazy: nothing is sent before the first `next`, and it takes no more than a bounded
    /// number of items ahead of what was consumed (see [`Map::buffer`]), so `xs` may be endless.
    /// Dropping it early cancels what has not started.
    pub fn map<I, R>(&self, f: fn(I::Item) -> R, xs: I) -> Map<'_, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        Map::new(self, f, xs.into_iter())
    }

    /// As [`map`](Self::map), but the results come as they are finished.
    pub fn map_unordered<I, R>(
        &self,
        f: fn(I::Item) -> R,
        xs: I,
    ) -> MapUnordered<'_, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        MapUnordered::new(self, f, xs.into_iter())
    }

    /// From now on the first Ctrl-C (SIGINT) closes the pool: what was submitted runs, what is
    /// submitted later is [`JoinError::Cancelled`] at once. The second one cancels what no worker has
    /// started and kills the workers; their calls are [`JoinError::WorkerLost`]. A third one, or one
    /// when no such pool is left, ends the program as usual.
    ///
    /// The program itself goes on: it sees how its calls end, and drops the pool. Only the terminal's
    /// foreground process group gets the signal, and workers have groups of their own, so without
    /// this call Ctrl-C ends the program and by that its workers.
    ///
    /// Starts a thread, which all pools share and which sleeps until a signal comes; and has the
    /// signal handled for the life of the process, beside what else handles it through the crate
    /// `signal-hook`.
    ///
    /// # Errors
    /// The system's: no threads or descriptors are left.
    #[cfg(feature = "interrupt")]
    pub fn close_on_interrupt(&self) -> io::Result<()> {
        crate::interrupt::watch(&self.core)
    }

    /// True once the pool takes no more calls: it is being shut down, or Ctrl-C has closed it.
    pub fn is_closing(&self) -> bool {
        self.core.is_closing()
    }

    /// The process ids of the workers that are alive now.
    pub fn pids(&self) -> Vec<u32> {
        self.core.pids()
    }

    /// What the pool is doing.
    pub fn stats(&self) -> Stats {
        let view = self.core.view();
        Stats {
            workers: self.workers(),
            queued: view.queued as u64,
            running: view.running as u64,
            ready: view.ready,
            done: view.counters.done,
            panicked: view.counters.panicked,
            failed: view.counters.failed,
            cancelled: view.counters.cancelled,
            started: view.counters.started,
            retried: view.counters.retried,
            recycled: view.counters.recycled,
            lost: view.counters.lost,
        }
    }

    /// Runs everything that was queued, then ends the workers and waits for them. Calls take as
    /// long as they take; a worker that does not leave within the grace period after its last
    /// call is killed.
    pub fn shutdown(mut self) {
        self.finish(true);
    }

    /// Cancels what no worker has started and ends the workers. Running calls may end within the
    /// grace period; then their workers are killed and the calls are
    /// [`JoinError::WorkerLost`].
    pub fn shutdown_now(mut self) -> Unrun {
        Unrun { count: self.finish(false) }
    }

    /// Closes the core and joins the threads; once.
    fn finish(&mut self, drain: bool) -> usize {
        let Some(threads) = self.threads.take() else { return 0 };
        let unrun = self.core.close(drain);
        if threads.are_here() {
            // They cannot wait for their own end; they come to it when the workers have.
            return unrun;
        }
        self.core.wait_until_ended();
        threads.join();
        self.core.finish_callbacks();
        unrun
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.finish(true);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.core.config().name)
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

/// A moment's view of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that the pool is to have.
    pub workers: usize,
    /// Calls that have not started.
    pub queued: u64,
    /// Calls that are being executed.
    pub running: u64,
    /// Workers that are ready for calls.
    pub ready: usize,
    /// Calls that returned a value.
    pub done: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that failed in another way: worker lost, timed out, codec.
    pub failed: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Worker processes that were started, replacements included.
    pub started: u64,
    /// Times that a call was run again.
    pub retried: u64,
    /// Workers that were replaced because they had executed enough calls or used too much memory.
    pub recycled: u64,
    /// Workers that ended although nobody had told them to, those included that were killed for
    /// their call.
    pub lost: u64,
}

/// What [`Pool::shutdown_now`] did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "these calls never ran"]
pub struct Unrun {
    /// How many calls.
    count: usize,
}

impl Unrun {
    /// How many calls were cancelled.
    pub fn count(self) -> usize {
        self.count
    }
}
