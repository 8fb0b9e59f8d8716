//! What is told about a panic that was caught.

use crate::error::message;
use crate::unwind::quietly;
use std::any::Any;
use std::sync::Arc;
use std::thread;

/// Where a panic came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicOrigin {
    /// A job. Its handle yields the panic, too, if it was not dropped.
    Job,
    /// A callback of [`JoinHandle::on_done`](crate::JoinHandle::on_done) or
    /// [`on_result`](crate::JoinHandle::on_result), or the waker of a task.
    Callback,
    /// The pool's initializer. The pool is broken, too.
    Initializer,
    /// The drop of something that a job left to the pool: the closure of one that was
    /// cancelled, or a result or panic payload when its handle was gone.
    Drop,
}

/// A panic that a pool caught, for [`Builder::on_panic`](crate::Builder::on_panic).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PanicReport<'a> {
    /// What panicked.
    pub origin: PanicOrigin,
    /// The name of the thread on which it did: that of a worker, or of a thread
    /// that cancelled a job or registered a callback too late.
    pub thread: Option<&'a str>,
    /// The panic message, or a sentence saying that there is none.
    pub message: &'a str,
}

/// A pool's hook.
pub(crate) type Hook = Arc<dyn Fn(&PanicReport<'_>) + Send + Sync>;

/// Calls the hook about a panic on the calling thread. A panic of the hook
/// itself is swallowed.
pub(crate) fn report(hook: &Hook, origin: PanicOrigin, payload: &(dyn Any + Send)) {
    let current = thread::current();
    let report = PanicReport { origin, thread: current.name(), message: message(payload) };
    quietly(|| hook(&report));
}
