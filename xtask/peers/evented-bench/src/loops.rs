//! What all event loops can do, in the words of each.

use std::{future::Future, time::Duration};

use async_executor::LocalExecutor;
use evented::{Reactor, record::RecorderSpec};

/// A loop that runs tasks on the thread that calls [`run`](Self::run).
pub(crate) trait Loop: 'static {
    /// What contenders that use it are called.
    const NAME: &'static str;

    /// A task; gives the result when awaited, and goes on without anybody who waits when it is given
    /// to [`detach`](Self::detach).
    type Task<T: Send + 'static>: Future<Output = T>;

    /// Waits for a duration when it is polled.
    type Sleep: Future;

    /// Runs a future on a new loop, together with the tasks that it spawns.
    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T;

    /// Spawns a task on the loop that runs. That it can be sent is what the runtime of tokio asks for
    /// that has no thread to call its own.
    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Nobody waits for this task.
    fn detach<T: Send + 'static>(task: Self::Task<T>);

    /// A sleep.
    fn sleep(duration: Duration) -> Self::Sleep;
}

/// A loop whose tasks never leave the thread, and therefore need not be `Send`.
pub(crate) trait Local: Loop {
    /// As [`Loop::Task`].
    type LocalTask<T: 'static>: Future<Output = T>;

    /// Spawns such a task.
    fn spawn_local<F>(future: F) -> Self::LocalTask<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Has a closure run when it is its turn.
    fn soon(call: impl FnOnce() + 'static);
}

/// Waits for a task whose handle speaks of panics.
#[derive(Debug)]
pub(crate) struct Unwrapped<H>(H);

impl<T, E, H> Future for Unwrapped<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
    E: std::fmt::Debug,
{
    type Output = T;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<T> {
        let polled = std::pin::Pin::new(&mut self.0).poll(cx);
        polled.map(|result| result.expect("no task panics"))
    }
}

/// Ours, with its recorder or without.
#[derive(Debug)]
pub(crate) struct Ours<const RECORDED: bool>;

/// Ours without the recorder: no peer has one, so this is what they are compared with.
pub(crate) type Evented = Ours<false>;

/// Ours as it is built by default.
pub(crate) type Recorded = Ours<true>;

impl<const RECORDED: bool> Loop for Ours<RECORDED> {
    const NAME: &'static str = if RECORDED { "evented-recorded" } else { "evented" };
    type Task<T: Send + 'static> = Unwrapped<evented::Task<T>>;
    type Sleep = evented::Sleep;

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let spec = if RECORDED { RecorderSpec::new() } else { RecorderSpec::off() };
        let reactor = Reactor::builder().recorder(spec).build();
        reactor.expect("descriptors are left").block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(evented::spawn(future))
    }

    fn detach<T: Send + 'static>(task: Self::Task<T>) {
        task.0.detach();
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        evented::sleep(duration)
    }
}

impl<const RECORDED: bool> Local for Ours<RECORDED> {
    type LocalTask<T: 'static> = Unwrapped<evented::Task<T>>;

    fn spawn_local<F>(future: F) -> Self::LocalTask<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Unwrapped(evented::spawn(future))
    }
    fn soon(call: impl FnOnce() + 'static) {
        drop(evented::call_soon(call));
    }
}

/// The runtime of tokio that one gets for one thread, as a rule.
#[derive(Debug)]
pub(crate) struct Tokio;

impl Loop for Tokio {
    const NAME: &'static str = "tokio";
    type Task<T: Send + 'static> = Unwrapped<tokio::task::JoinHandle<T>>;
    type Sleep = tokio::time::Sleep;

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("descriptors are left").block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(tokio::spawn(future))
    }

    fn detach<T: Send + 'static>(task: Self::Task<T>) {
        drop(task);
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }
}

/// The runtime of tokio that never leaves its thread.
#[derive(Debug)]
pub(crate) struct TokioLocal;

impl Loop for TokioLocal {
    const NAME: &'static str = "tokio-local";
    type Task<T: Send + 'static> = Unwrapped<tokio::task::JoinHandle<T>>;
    type Sleep = tokio::time::Sleep;

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(tokio::runtime::LocalOptions::default());
        runtime.expect("descriptors are left").block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(tokio::task::spawn_local(future))
    }

    fn detach<T: Send + 'static>(task: Self::Task<T>) {
        drop(task);
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }
}

impl Local for TokioLocal {
    type LocalTask<T: 'static> = Unwrapped<tokio::task::JoinHandle<T>>;

    fn spawn_local<F>(future: F) -> Self::LocalTask<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Unwrapped(tokio::task::spawn_local(future))
    }
    fn soon(call: impl FnOnce() + 'static) {
        drop(Self::spawn_local(async move { call() }));
    }
}

/// The executor and the reactor of smol, for tasks of one thread.
#[derive(Debug)]
pub(crate) struct Smol;

thread_local! {
    /// The executor of this thread; a program takes one sample.
    static EXECUTOR: &'static LocalExecutor<'static> = Box::leak(Box::new(LocalExecutor::new()));
}

impl Loop for Smol {
    const NAME: &'static str = "smol";
    type Task<T: Send + 'static> = async_executor::Task<T>;
    type Sleep = async_io::Timer;

    fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        async_io::block_on(EXECUTOR.with(|executor| executor.run(future)))
    }

    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn detach<T: Send + 'static>(task: Self::Task<T>) {
        task.detach();
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        async_io::Timer::after(duration)
    }
}

impl Local for Smol {
    type LocalTask<T: 'static> = async_executor::Task<T>;

    fn spawn_local<F>(future: F) -> Self::LocalTask<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        EXECUTOR.with(|executor| executor.spawn(future))
    }
    fn soon(call: impl FnOnce() + 'static) {
        Self::spawn_local(async move { call() }).detach();
    }
}
