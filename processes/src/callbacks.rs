//! Callbacks of handles, and the thread that calls them.
//!
//! The pool's own threads call none: a callback may take long, or wait for another call, and the
//! thread that it waits for would be the one it runs on. So a core gets a third thread, the *desk*,
//! with the first callback that is registered. Without one (no thread could be started, or the
//! pool has ended) whoever ends a call calls its callbacks.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::error::Outcome;
use crate::unwind;

/// Told how a call has ended.
pub(crate) type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// The callbacks of one call, in the order in which they were registered, and how it ended.
type Task = (Vec<Callback>, Outcome);

/// The callbacks of a call that is not finished.
pub(crate) struct Followers {
    /// Who calls them.
    desk: Arc<Desk>,
    /// In the order in which they were registered.
    callbacks: Vec<Callback>,
}

impl Followers {
    /// None so far.
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, callbacks: Vec::new() }
    }

    /// One more.
    pub(crate) fn push(&mut self, callback: Callback) {
        self.callbacks.push(callback);
    }

    /// The call has ended.
    pub(crate) fn tell(self, outcome: Outcome) {
        self.desk.post((self.callbacks, outcome));
    }
}

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followers").field("count", &self.callbacks.len()).finish_non_exhaustive()
    }
}

/// Where callbacks are handed in to be called.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Its thread, once there is one.
    clerk: Mutex<Clerk>,
}

/// The thread of a desk.
#[derive(Debug, Default)]
struct Clerk {
    /// To the thread; none before there is one, and after the end.
    tasks: Option<Sender<Task>>,
    /// The thread.
    thread: Option<thread::JoinHandle<()>>,
}

impl Desk {
    /// Starts the thread unless there is one.
    pub(crate) fn open(&self, name: &str) {
        let mut clerk = self.lock();
        if clerk.thread.is_some() {
            return;
        }
        let (tasks, inbox) = mpsc::channel::<Task>();
        let work = move || inbox.into_iter().for_each(run);
        if let Ok(thread) = thread::Builder::new().name(format!("{name}-callbacks")).spawn(work) {
            *clerk = Clerk { tasks: Some(tasks), thread: Some(thread) };
        }
    }

    /// Has callbacks called.
    fn post(&self, task: Task) {
        let clerk = self.lock();
        let left = match &clerk.tasks {
            Some(tasks) => tasks.send(task).err().map(|refused| refused.0),
            None => Some(task),
        };
        drop(clerk);
        left.into_iter().for_each(run);
    }

    /// Waits until everything that was handed in has been called; what comes later is called by
    /// whoever brings it. Called by a callback, it does not wait.
    pub(crate) fn close(&self) {
        let mut clerk = self.lock();
        clerk.tasks = None;
        let thread = clerk.thread.take();
        drop(clerk);
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            // It catches all panics, so there is none that was not reported.
        }
    }

    /// The thread. No user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, Clerk> {
        self.clerk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls the callbacks of a call.
fn run((callbacks, outcome): Task) {
    for callback in callbacks {
        call(callback, outcome);
    }
}

/// Calls a callback. Its panic, which the panic hook has reported, ends here.
pub(crate) fn call(callback: Callback, outcome: Outcome) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(outcome))) {
        unwind::discard(payload);
    }
}
