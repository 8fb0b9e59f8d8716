//! A thread of its own for one function.

use crate::handle::JoinHandle;
use crate::home::{Home, Place};
use crate::job::{Job, JobRef};
use crate::registry::Registered;
use crate::thread::begin;
use crate::unwind::drop_quietly;
use std::io;
use std::sync::Arc;
use std::thread;

/// Does nothing. Programs that are to run with the `processes` crate as well call
/// it first in `main`, where it matters.
pub fn init() {}

/// Runs `f(x)` in a thread of its own.
///
/// For what would occupy a worker of a pool for long: a server's accept loop, a
/// blocking read. [`JoinHandle::join`] also waits for the end of the thread, with the drop
/// of its thread-local values (waits with a limit, and `.await`, do not). A worker of a pool that
/// calls it runs other jobs until the result is there, and stands still for that last part, of which the system
/// tells nobody but who blocks for it: where such drops take long, await the handle there, or wait with a limit;
/// `x` is there so that the same call works between processes, with a function and its argument;
/// dropping the handle detaches it, and like any thread it then ends at the latest
/// with the process.
///
/// # Errors
///
/// Whatever the system says when it cannot start a thread. `f` and `x` have been
/// dropped then.
///
/// ```
/// let handle = threads::spawn(|x: u64| x + 1, 41)?;
/// assert_eq!(handle.join()?, 42);
/// // A closure that has all it needs takes `()`.
/// let text = String::from("moved in");
/// assert_eq!(threads::spawn(move |()| text.len(), ())?.join()?, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn spawn<F, A, R>(f: F, x: A) -> io::Result<JoinHandle<R>>
where
    F: FnOnce(A) -> R + Send + 'static,
    A: Send + 'static,
    R: Send + 'static,
{
    let started = start(thread::Builder::new(), move || f(x), Registered::enter(None));
    started.map_err(|error| io::Error::new(error.kind(), format!("start a thread: {error}")))
}

/// Starts a thread that runs `body`, and is registered until its result is there.
pub(crate) fn start<F, R>(
    builder: thread::Builder,
    body: F,
    registered: Registered,
) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let job = Arc::new(Job::new(body, Home::thread(registered.info().clone()), None));
    let queued: JobRef = Arc::clone(&job) as JobRef;
    let main = move || {
        begin(&registered);
        queued.run(&Place::THREAD);
        drop_quietly(queued); // With the result, if its handle is gone.
        drop(registered);
    };
    job.home().set_thread(builder.spawn(main)?);
    Ok(JoinHandle::new(job))
}
