//! The pool: a number of worker processes that execute calls.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broadcast::Broadcast;
use crate::buffer::BufferMut;
use crate::builder::{Builder, check_workers};
use crate::call::Call;
use crate::core::{Config, Core, Threads};
use crate::engine::Engine;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::life::Home;
use crate::map::{Map, MapUnordered};
use crate::options::CallOptions;
use crate::stats::{Stats, Unrun};

/// A number of worker processes that execute calls.
///
/// Dropping the pool is [`shutdown`](Self::shutdown): it runs what was queued and waits for it. In a
/// process that your program has forked, without executing another one, it does nothing.
/// Only when the last owner is a waker that a finished call wakes (a task that holds the pool),
/// nobody waits: the pool then ends on its own.
pub struct Pool {
    /// The part shared with handles and threads.
    engine: Arc<dyn Engine>,
    /// The pool's threads, until they are joined.
    threads: Option<Threads>,
    /// The process that has these threads: not one that was forked by it.
    home: Home,
}

impl Pool {
    /// Starts to describe a pool.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a pool.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub(crate) fn start(config: Config, workers: usize) -> io::Result<Self> {
        let (core, threads) = Core::start(config)?;
        let pool = Self::of_engine(Arc::clone(&core) as _, threads);
        // When one cannot be started, dropping the pool stops the others.
        core.open_seats(workers)?;
        Ok(pool)
    }

    /// The pool whose calls this engine executes.
    pub(crate) fn of_engine(engine: Arc<dyn Engine>, threads: Threads) -> Self {
        Self { engine, threads: Some(threads), home: Home::here() }
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
        self.engine.workers()
    }

    /// Changes the number of workers. More start at once. Fewer means that those with the least to
    /// do end after the call that they execute, if they do; no call is lost.
    ///
    /// # Errors
    /// - `InvalidInput`: no workers, or more than [`MAX_WORKERS`](crate::MAX_WORKERS); nothing has changed.
    /// - The system's, as [`Builder::build`]; the pool has the workers that could be started.
    /// - More workers, and the pool is closing ([`close_on_interrupt`](Self::close_on_interrupt)); nothing has changed.
    pub fn resize(&self, workers: usize) -> io::Result<()> {
        check_workers(workers)?;
        self.engine.resize(workers)
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
    /// A closure that never returns has the result `!`, which cannot be encoded (error E0277, "`!:
    /// Serialize` is not satisfied"), unless something else says what the result would be:
    ///
    /// ```
    /// let pool = processes::Pool::new(1)?;
    /// let lost = pool.submit(|()| -> u32 { std::process::abort() }, ()).join();
    /// assert!(matches!(lost, Err(processes::JoinError::WorkerLost { signal: Some(6), .. })));
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

    /// Bytes in memory that the workers of this pool see, to be filled where they lie, and then sent to
    /// any number of calls without being copied: see [`BufferMut::freeze`] and [`Buffer`](crate::Buffer).
    ///
    /// What they are at first is not specified: zeros, or what earlier payloads have left. Where there
    /// is no room ([`Builder::arena`]) they lie in memory of this process, and are copied when they
    /// are sent; [`BufferMut::is_shared`] says so.
    ///
    /// [`Builder::max_payload`] is about what is encoded. Of a buffer that is shared that is its place, so
    /// it may be longer than that, up to the size of the arena; one that is copied counts with all of its
    /// bytes, and its call is [`JoinError::TooLarge`] then.
    ///
    /// # Errors
    /// `OutOfMemory`: there is no room, and this process has no memory for so many bytes either.
    ///
    /// ```
    /// use processes::{Buffer, Pool};
    ///
    /// let pool = Pool::new(2)?;
    /// let mut bytes = pool.buffer(1 << 20)?;
    /// bytes.fill(3);
    /// let bytes = bytes.freeze();
    /// let sum: fn((Buffer, usize)) -> u64 =
    ///     |(bytes, half)| bytes.chunks(1 << 19).nth(half).unwrap().iter().map(|&x| u64::from(x)).sum();
    /// let halves: Vec<_> = (0..2).map(|half| pool.submit(sum, (bytes.clone(), half))).collect();
    /// for half in halves {
    ///     assert_eq!(half.join()?, 3 << 19);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer(&self, len: usize) -> io::Result<BufferMut> {
        BufferMut::new(&*self.engine, len)
    }

    /// Encodes a value once, for any number of calls of this pool.
    ///
    /// Each call that gets it decodes it when it asks for it, see [`Broadcast::get`]; nothing is sent
    /// but where it lies. A value that is to be read without being decoded is a
    /// [`Buffer`](crate::Buffer).
    ///
    /// # Errors
    /// It cannot be encoded, which is so for shared objects inside of it, or it is too long.
    pub fn broadcast<T: Serialize>(&self, value: &T) -> Result<Broadcast<T>, JoinError> {
        Broadcast::new(&*self.engine, value)
    }

    /// The part shared with handles and threads.
    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Encodes a call and hands it to the core.
    fn send<A, R>(&self, f: fn(A) -> R, x: A, options: CallOptions) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let limit = options.timeout.or(self.engine.call_timeout());
        let call = Call::new(f, &x, self.engine.ways(), limit);
        // Its bytes travel; the value itself ends here, before anything is locked or sent.
        drop(x);
        match call {
            Ok((mut call, ticket)) => {
                call.retry = options.retry;
                let handle = JoinHandle::new(ticket, Arc::downgrade(&self.engine));
                self.engine.submit(call);
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
    ///
    /// [`JoinError::Cancelled`]: crate::JoinError::Cancelled
    /// [`JoinError::WorkerLost`]: crate::JoinError::WorkerLost
    #[cfg(feature = "interrupt")]
    pub fn close_on_interrupt(&self) -> io::Result<()> {
        crate::interrupt::watch(&self.engine)
    }

    /// True once the pool takes no more calls: it is being shut down, or Ctrl-C has closed it.
    pub fn is_closing(&self) -> bool {
        self.engine.is_closing()
    }

    /// The process ids of the workers that are alive now.
    pub fn pids(&self) -> Vec<u32> {
        self.engine.pids()
    }

    /// What the pool is doing.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
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

    /// False in a child that was forked: it has a copy of the pool, without its threads.
    pub(crate) fn is_here(&self) -> bool {
        self.home.is_here()
    }

    /// Closes the core and joins the threads; once.
    fn finish(&mut self, drain: bool) -> usize {
        let Some(threads) = self.threads.take() else { return 0 };
        if !self.is_here() {
            // There are no threads here that could end it, and it goes on elsewhere.
            return 0;
        }
        let unrun = self.engine.close(drain);
        if threads.are_here() {
            // They cannot wait for their own end; they come to it when the workers have.
            return unrun;
        }
        self.engine.wait_until_ended();
        threads.join();
        self.engine.finish_callbacks();
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
            .field("name", &self.engine.name())
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}
