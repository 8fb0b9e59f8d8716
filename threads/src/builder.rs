//! How a pool is set up.

use crate::pool::Pool;
use crate::shared::{Phase, Shared};
use crate::worker;
use crossbeam_deque::Worker as Deque;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

/// The most workers a pool can have. Far above what computing can use on any
/// machine, and at this number already a sign that an event loop would serve
/// better.
pub const MAX_WORKERS: usize = 4096;

/// How a pool is set up; from [`Pool::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    /// How many workers; `None`: as many as the process may use.
    workers: Option<usize>,
    /// What the names of the workers' threads begin with.
    name: Option<String>,
}

impl Builder {
    /// The number of workers. Default: [`std::thread::available_parallelism`], which
    /// honors CPU affinity and quotas, or 1 if that is unknown.
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// What the workers' threads are called: `name-0`, `name-1` and so on; the
    /// default is `worker`. Linux shows the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`]: zero workers, more than
    ///   [`MAX_WORKERS`], or a name with a NUL byte in it.
    /// - Whatever the system says when it cannot start a thread. The workers
    ///   that were started before have ended when this returns.
    pub fn build(self) -> io::Result<Pool> {
        let workers = self.workers.unwrap_or_else(default_workers);
        let name = self.name.unwrap_or_else(|| "worker".to_owned());
        check(workers, &name)?;
        let deques: Vec<_> = (0..workers).map(|_| Deque::new_fifo()).collect();
        let shared = Arc::new(Shared::new(deques.iter().map(Deque::stealer).collect()));
        let mut pool = Pool { shared, threads: Vec::with_capacity(workers) };
        for (index, deque) in deques.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let started = thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || worker::main(shared, index, deque));
            match started {
                Ok(thread) => pool.threads.push(thread),
                Err(error) => {
                    pool.end(Phase::Stopping);
                    let text = format!("start worker {index} of {workers}: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
        Ok(pool)
    }
}

/// As many as can run at the same time.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS)
}

/// Refuses what no pool can be built from.
fn check(workers: usize, name: &str) -> io::Result<()> {
    let text = if workers == 0 {
        "build a pool of 0 workers: ask for at least 1, or leave the number out".to_owned()
    } else if workers > MAX_WORKERS {
        format!("build a pool of {workers} workers: the most is {MAX_WORKERS}")
    } else if name.contains('\0') {
        format!("name workers {name:?}: leave out the NUL byte")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}
