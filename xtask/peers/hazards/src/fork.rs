//! What the programs need of a pool.

use std::sync::mpsc;

/// A pool, and how its jobs fork.
pub(crate) trait Fork: Send + Sync + Sized + 'static {
    /// A pool with so many workers, set up as its users do.
    fn start(workers: usize) -> Self;

    /// Has a worker call this.
    fn spawn(&self, f: impl FnOnce() + Send + 'static);

    /// Has what `f` forks run in this pool.
    fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R;

    /// Calls both, in the pool of the caller.
    fn join<RA: Send, RB: Send>(
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB);

    /// A scope in the pool of the caller, in which `task` is spawned before `body` is called.
    fn scope(task: impl FnOnce() + Send, body: impl FnOnce() + Send);

    /// Has a worker call this, and waits for it outside of the pool.
    fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        let (send, receive) = mpsc::channel();
        self.spawn(move || send.send(f()).expect("the result is waited for"));
        receive.recv().expect("the job does not panic")
    }
}

impl Fork for threads::Pool {
    fn start(workers: usize) -> Self {
        Self::new(workers).expect("threads can be started")
    }

    fn spawn(&self, f: impl FnOnce() + Send + 'static) {
        drop(self.spawn(f));
    }

    fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.install(f)
    }

    fn join<RA: Send, RB: Send>(
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        threads::join(a, b)
    }

    fn scope(task: impl FnOnce() + Send, body: impl FnOnce() + Send) {
        threads::scope(|scope| {
            scope.spawn(task);
            body();
        });
    }
}

impl Fork for rayon::ThreadPool {
    fn start(workers: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers);
        pool.build().expect("threads can be started")
    }

    fn spawn(&self, f: impl FnOnce() + Send + 'static) {
        self.spawn(f);
    }

    fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.install(f)
    }

    fn join<RA: Send, RB: Send>(
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        rayon::join(a, b)
    }

    fn scope(task: impl FnOnce() + Send, body: impl FnOnce() + Send) {
        rayon::scope(|scope| {
            scope.spawn(|_| task());
            body();
        });
    }
}
