//! What all pools can do: run a job, now or later.

use std::{sync::mpsc, thread};

use crate::pools::ChannelPool;

/// A pool of worker threads.
pub(crate) trait Executor: Sized {
    /// What contenders that use it are called.
    const NAME: &'static str;

    /// A pool with so many workers.
    fn start(workers: usize) -> Self;

    /// Has a job run once, on any worker; nobody waits for it.
    fn execute(&self, job: impl FnOnce() + Send + 'static);

    /// Has `f` called with `x` and waits for its result, with a channel for it: for pools that have
    /// no handles.
    fn ask<A: Send + 'static, R: Send + 'static>(
        &self,
        f: impl FnOnce(A) -> R + Send + 'static,
        x: A,
    ) -> R {
        let (send, receive) = mpsc::channel();
        self.execute(move || send.send(f(x)).expect("the caller waits for the result"));
        receive.recv().expect("the job sends its result")
    }
}

/// Calls `f` on a thread of its own: for contenders without workers, where others do the same on a
/// worker. The stack of the main thread lies elsewhere, and the same recursion has taken a fifth
/// longer there.
pub(crate) fn on_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(f).join().expect("what is called does not panic")
}

impl Executor for threads::Pool {
    const NAME: &'static str = "threads";

    fn start(workers: usize) -> Self {
        Self::new(workers).expect("threads can be started")
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        threads::Pool::execute(self, job);
    }

    fn ask<A: Send + 'static, R: Send + 'static>(
        &self,
        f: impl FnOnce(A) -> R + Send + 'static,
        x: A,
    ) -> R {
        self.submit(f, x).join().expect("the job does not panic")
    }
}

impl Executor for rayon::ThreadPool {
    const NAME: &'static str = "rayon";

    fn start(workers: usize) -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(workers);
        builder.build().expect("threads can be started")
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn(job);
    }
}

impl Executor for threadpool::ThreadPool {
    const NAME: &'static str = "threadpool";

    fn start(workers: usize) -> Self {
        Self::new(workers)
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        Self::execute(self, job);
    }
}

impl Executor for ChannelPool {
    const NAME: &'static str = "std-channel";

    fn start(workers: usize) -> Self {
        Self::new(workers)
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        Self::execute(self, job);
    }
}
