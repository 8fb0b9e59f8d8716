//! Threads for one function each, with a name, a time limit for joining, and a list of them.

use crate::deadline::Deadline;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::registry::{self, Registered, ThreadInfo};
use crate::spawn::start;
use crate::unwind::{catch, quietly};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

/// What to call when a thread panics.
type OnPanic = Box<dyn FnOnce(&ThreadInfo, &str) + Send>;

thread_local! {
    /// What is known about the calling thread, if this crate has started it.
    static CURRENT: RefCell<Option<ThreadInfo>> = const { RefCell::new(None) };
}

/// Settings of a thread that is to be started for one function.
///
/// ```
/// use std::time::Duration;
///
/// let builder = threads::ThreadBuilder::new().name("sum");
/// let thread = builder.spawn(|| (1..=10).sum::<u32>())?;
/// assert_eq!(thread.name(), Some("sum"));
/// let sum = thread.join_timeout(Duration::from_secs(10)).expect("it is not that slow")?;
/// assert_eq!(sum, 55);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "settings do nothing until `spawn`"]
pub struct ThreadBuilder {
    /// See [`ThreadBuilder::name`].
    name: Option<String>,
    /// See [`ThreadBuilder::stack_size`].
    stack_size: Option<usize>,
    /// See [`ThreadBuilder::on_panic`].
    on_panic: Option<OnPanic>,
}

impl ThreadBuilder {
    /// Settings as those of [`spawn`](crate::spawn).
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, which panic messages, debuggers and [`enumerate`] show.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The size of the stack in bytes; the system may give more.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// What to call, in the thread itself, when its function panics, with the panic message.
    /// It is called before the thread counts as finished. If it panics, too, that has no
    /// further effect.
    pub fn on_panic(mut self, f: impl FnOnce(&ThreadInfo, &str) + Send + 'static) -> Self {
        self.on_panic = Some(Box::new(f));
        self
    }

    /// Starts a thread that runs `f`.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`] when the name contains a zero byte.
    /// - Whatever the system says when it cannot start a thread. `f` has been dropped then.
    pub fn spawn<F, R>(self, f: F) -> io::Result<Thread<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let mut builder = thread::Builder::new();
        if let Some(name) = &self.name {
            if name.contains('\0') {
                let text = format!("name a thread {name:?}: leave out the NUL byte");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            builder = builder.name(name.clone());
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        let registered = Registered::enter(self.name);
        let info = registered.info().clone();
        let begun = info.clone();
        let on_panic = self.on_panic;
        let body = move || match (catch(f), on_panic) {
            (Ok(result), _) => result,
            (Err(payload), on_panic) => {
                if let Some(on_panic) = on_panic {
                    quietly(|| on_panic(&begun, message(&*payload)));
                }
                resume_unwind(payload)
            }
        };
        let started = start(builder, body, registered);
        let handle = started.map_err(|error| match info.name() {
            Some(name) => io::Error::new(error.kind(), format!("start thread {name:?}: {error}")),
            None => io::Error::new(error.kind(), format!("start a thread: {error}")),
        })?;
        Ok(Thread { handle, info })
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ThreadBuilder");
        text.field("name", &self.name).field("stack_size", &self.stack_size);
        text.finish_non_exhaustive()
    }
}

/// The handle of a thread that runs one function.
///
/// Dropping it detaches the thread, which then ends at the latest with the process.
#[must_use = "dropping it detaches the thread; join it, or drop it explicitly"]
pub struct Thread<R> {
    /// Waits for the result.
    handle: JoinHandle<R>,
    /// What is known about it.
    info: ThreadInfo,
}

impl<R> Thread<R> {
    /// Waits for the end of the thread, and gives what its function returned.
    ///
    /// # Errors
    ///
    /// [`JoinError::Panicked`].
    ///
    /// # Panics
    ///
    /// When a thread joins itself.
    #[track_caller]
    pub fn join(self) -> Result<R, JoinError> {
        self.handle.join()
    }

    /// [`join`](Thread::join), but not longer than `limit`. When the function has ended in
    /// time, that is enough: the drop of thread-local values, with which the thread ends, may
    /// still go on.
    ///
    /// # Errors
    ///
    /// Gives the handle back when time is over. The inner errors are those of `join`.
    pub fn join_timeout(self, limit: Duration) -> Result<Result<R, JoinError>, Self> {
        let info = self.info;
        self.handle.join_timeout(limit).map_err(|handle| Self { handle, info })
    }

    /// Waits until the function has returned or panicked (true), but not longer than `limit`
    /// (false). Takes nothing, so several threads can wait.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.handle.wait_timeout(limit)
    }

    /// Whether the function has returned or panicked.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The opposite of [`is_finished`](Thread::is_finished).
    pub fn is_alive(&self) -> bool {
        !self.is_finished()
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.info.name()
    }

    /// See [`ThreadInfo::native_id`].
    pub fn native_id(&self) -> Option<u64> {
        self.info.native_id()
    }

    /// What is known about it.
    pub fn info(&self) -> &ThreadInfo {
        &self.info
    }

    /// A handle without name, as [`spawn`](crate::spawn) gives, for use with
    /// [`as_completed`](crate::as_completed).
    pub fn into_handle(self) -> JoinHandle<R> {
        self.handle
    }
}

impl<R> fmt::Debug for Thread<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("info", &self.info).field("handle", &self.handle).finish()
    }
}

/// How many threads run that were started by [`spawn`](crate::spawn) or a [`ThreadBuilder`].
///
/// Workers of pools, the timers' thread, and threads that were started otherwise (the main
/// thread, those of std) do not count.
pub fn active_count() -> usize {
    registry::count()
}

/// The threads that [`active_count`] counts, the oldest one first.
pub fn enumerate() -> Vec<ThreadInfo> {
    registry::list()
}

/// Waits until no thread that [`active_count`] counts runs, but the calling one; also for
/// those which are started meanwhile. Two of them that both call it wait for each other for
/// ever.
///
/// Their functions have ended then. What the system has to do for the end of a thread may
/// still go on.
pub fn join_all() {
    wait_for_all(Deadline::Never);
}

/// [`join_all`], but not longer than `limit`: false when time is over. [`enumerate`] says who
/// is left.
pub fn join_all_timeout(limit: Duration) -> bool {
    wait_for_all(Deadline::after(limit))
}

/// The one way to wait for all.
fn wait_for_all(deadline: Deadline) -> bool {
    let own = CURRENT.with_borrow(Option::clone);
    registry::wait_until_left(deadline, |info| own.as_ref().is_some_and(|own| own.is(info)))
}

/// Runs in a new thread before its function: it knows who it is from now on.
pub(crate) fn begin(registered: &Registered) {
    registered.begin();
    CURRENT.set(Some(registered.info().clone()));
}

/// What a thread panicked with, as text.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the payload is not a string")
}
