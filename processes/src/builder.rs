//! How a pool is described and started.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::core::Config;
use crate::error::JoinError;
use crate::pool::Pool;
use crate::worker;

/// A pool may have this many workers at most. Each needs four descriptors and some megabytes, so
/// the system's limits come first.
pub const MAX_WORKERS: usize = 1024;

/// Encoded arguments and results may be this large unless the pool says otherwise: 1 GiB.
pub const DEFAULT_MAX_PAYLOAD: usize = 1 << 30;

/// The shared memory for large arguments may take so many bytes unless the pool says
/// otherwise: 128 MiB.
pub const DEFAULT_ARENA: usize = 128 << 20;

/// The most that it may take: 64 GiB.
pub const MAX_ARENA: usize = 64 << 30;

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
        let mut config = Config::new("pool", DEFAULT_MAX_PAYLOAD, DEFAULT_GRACE);
        config.arena_bytes = DEFAULT_ARENA;
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
    /// replaced, and another one executes the call. Without a limit that takes 20 s.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.config.call_timeout = Some(limit);
        self
    }

    /// The largest encoded argument or result in bytes; beyond it a call is
    /// [`JoinError::TooLarge`]. The default is
    /// [`DEFAULT_MAX_PAYLOAD`].
    ///
    /// Of a [`Buffer`](crate::Buffer) that lies where the workers see it only the place is encoded: its
    /// length is limited by [`arena`](Self::arena), not by this.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.max_payload = bytes;
        self
    }

    /// The size of the shared memory in which arguments of more than 16 KiB, and
    /// [buffers](crate::Buffer), travel to the workers; rounded up to whole pages. Zero: there is none, nor
    /// for results. The default is [`DEFAULT_ARENA`].
    ///
    /// It is a limit and a range of addresses: memory is used as far as payloads are under way, and
    /// up to 32 MiB of it are kept for the next ones. Where there is no room, a payload goes another
    /// way, which costs more: nothing waits, and nothing fails. Each worker has it mapped, and 32 MiB
    /// of addresses for its own results, which counts where the addresses of a worker are limited.
    pub fn arena(mut self, bytes: usize) -> Self {
        self.config.arena_bytes = bytes;
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
    /// replaced, with growing pauses. After five in a row, and when no other worker serves, every
    /// call is [`JoinError::Broken`] at once, which says why. The first call that comes more than a
    /// second later (two, four, up to a minute, if that fails as well) waits while one worker is
    /// tried; when that is ready, the pool has all of its workers again. `build` does not wait for
    /// it.
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

    /// How many bytes of memory of its own a worker may have resident before it is replaced, as with
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
    ///   an arena above [`MAX_ARENA`], or an argument of the initializer that cannot be encoded (the
    ///   [`JoinError`] is inside).
    /// - [`NotInitialised`](crate::NotInitialised) inside an `Other`: see [`init`](crate::init).
    /// - `Unsupported`: nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    /// - `InvalidFilename`: the path of the folder for temporary files (`TMPDIR`) is longer than 89
    ///   bytes, and a socket in it would have no address.
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
        if self.config.arena_bytes > MAX_ARENA {
            return invalid(format!("too large an arena; the most is {MAX_ARENA} bytes"));
        }
        if let Some(error) = self.wrong {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        if self.config.name.contains('\0') {
            return invalid("a pool's name must not contain a zero byte; remove it".to_owned());
        }
        worker::may_start_workers()?;
        Pool::start(self.config, workers)
    }
}

/// Refuses numbers of workers that no pool can have.
pub(crate) fn check_workers(workers: usize) -> io::Result<()> {
    let text = if workers == 0 {
        "give a pool 0 workers: ask for at least 1, or leave the number out".to_owned()
    } else if workers > MAX_WORKERS {
        format!("give a pool {workers} workers: the most is {MAX_WORKERS}")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}
