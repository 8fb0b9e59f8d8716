//! How far a job is, and those who wait for its end.
//!
//! Everything that changes sits behind one mutex which is held for a few
//! instructions at a time and never while user code runs: closures, results,
//! wakers and callbacks are moved out first, and called or dropped afterwards.
//!
//! | stage | left by | to |
//! |---|---|---|
//! | `Queued` | the worker (or the joiner on a worker) that takes the closure | `Running` |
//! | | whoever discards it: `cancel`, a token, the end of the pool | `Finished(Err(_))` |
//! | `Running` | the thread that runs the closure, when it returned or panicked | `Finished` |
//! | `Finished` | the handle | `Taken` |
//! | `Taken` | nobody | |
//!
//! As only one of them finds the closure in `Queued`, a job runs or is discarded,
//! never both and never twice. A job that was discarded while queued stays in its
//! queue as an empty shell until a worker comes across it (or it is swept, see
//! `src/sweep.rs`).
//!
//! # Why nobody misses the end
//!
//! There are three ways to learn of it: a blocked thread (`waiters`), a future's
//! waker, and callbacks. All three look at the stage and sign up under one lock,
//! and who finishes the job sets the stage and collects them under one lock. So
//! either the finisher collects the one who signed up, or that one saw the job
//! finished. A time limit changes nothing: who is out of time looks at the stage
//! once more before saying so. `tests/loom` explores this.

use crate::deadline::Deadline;
use crate::error::{JoinError, Outcome};
use crate::primitives::{Condvar, Mutex, lock, wait};
use std::mem;
use std::sync::{PoisonError, TryLockError};
use std::task::Waker;

/// What is called once when a job has finished.
pub(crate) type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// The states of a job; see the module's table.
enum Stage<F, R> {
    /// In a queue, with its closure.
    Queued(F),
    /// Its closure is being run.
    Running {
        /// By the thread with this number; `None` if nobody can ask.
        thread: Option<u64>,
    },
    /// Has a result that nobody has taken. Errors are rare and large: in a box, they do not make
    /// each job larger than what allocators have at hand for threads that only allocate and
    /// threads that only free.
    Finished(Result<R, Box<JoinError>>),
    /// The handle has the result.
    Taken(Outcome),
}

impl<F, R> Stage<F, R> {
    /// How the job ended, if it has.
    fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Queued(_) | Self::Running { .. } => None,
            Self::Finished(Ok(_)) => Some(Outcome::Returned),
            Self::Finished(Err(error)) => Some(error.outcome()),
            Self::Taken(outcome) => Some(*outcome),
        }
    }
}

/// What the mutex of a [`Cell`] protects.
struct State<F, R> {
    /// How far the job is.
    stage: Stage<F, R>,
    /// Threads blocked on [`Cell::finished`]. A notification costs a system call
    /// even when nobody waits.
    waiters: usize,
    /// Who is to be told of the end. Most jobs have nobody.
    followers: Option<Box<Followers>>,
}

/// Those who are told of a job's end without being blocked.
#[derive(Default)]
pub(crate) struct Followers {
    /// The task that polled the handle last.
    pub(crate) waker: Option<Waker>,
    /// Each with its number, in the order in which they signed up.
    pub(crate) callbacks: Vec<(u64, Callback)>,
    /// The number of the next callback.
    next: u64,
}

/// How far a job is, with its closure or its result.
pub(crate) struct Cell<F, R> {
    /// The state. Never locked while user code runs.
    state: Mutex<State<F, R>>,
    /// Notified when the job finishes and somebody waits.
    finished: Condvar,
}

impl<F, R> Cell<F, R> {
    /// A job that is queued, or will be in a moment.
    pub(crate) fn new(f: F) -> Self {
        let state = State { stage: Stage::Queued(f), waiters: 0, followers: None };
        Self { state: Mutex::new(state), finished: Condvar::new() }
    }

    /// Takes the closure for running it on this thread, if it is still there.
    pub(crate) fn claim(&self, thread: Option<u64>) -> Option<F> {
        let mut state = lock(&self.state);
        match mem::replace(&mut state.stage, Stage::Running { thread }) {
            Stage::Queued(f) => Some(f),
            other => {
                state.stage = other;
                None
            }
        }
    }

    /// Publishes the result of a claimed job. The caller tells the followers.
    pub(crate) fn finish(&self, result: Result<R, JoinError>) -> Option<Box<Followers>> {
        let mut state = lock(&self.state);
        state.stage = Stage::Finished(result.map_err(Box::new)); // Replaces `Running`: nothing of the user's is dropped.
        let followers = state.followers.take();
        let waiters = state.waiters;
        drop(state);
        self.wake(waiters);
        followers
    }

    /// Like [`Cell::claim`], where nobody else can look.
    pub(crate) fn claim_mut(&mut self) -> Option<F> {
        let state = self.state_mut();
        match mem::replace(&mut state.stage, Stage::Running { thread: None }) {
            Stage::Queued(f) => Some(f),
            other => {
                state.stage = other;
                None
            }
        }
    }

    /// Like [`Cell::finish`], where nobody else can look: the closure had no way to
    /// the job, and so nobody has one after it.
    pub(crate) fn finish_mut(&mut self, result: Result<R, JoinError>) -> Option<Box<Followers>> {
        let state = self.state_mut();
        state.stage = Stage::Finished(result.map_err(Box::new));
        state.followers.take()
    }

    /// The state, where nobody else can look.
    fn state_mut(&mut self) -> &mut State<F, R> {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes a job that is still queued with this error; its closure comes back.
    /// The caller tells the followers. `counted` is called before anybody can
    /// see the end.
    pub(crate) fn discard(
        &self,
        error: JoinError,
        counted: impl FnOnce(),
    ) -> Option<(F, Option<Box<Followers>>)> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Queued(_)) {
            drop(state); // Before the error.
            return None;
        }
        counted();
        let Stage::Queued(f) =
            mem::replace(&mut state.stage, Stage::Finished(Err(Box::new(error))))
        else {
            unreachable!("the stage was looked at under the same lock");
        };
        let followers = state.followers.take();
        let waiters = state.waiters;
        drop(state);
        self.wake(waiters);
        Some((f, followers))
    }

    /// Wakes the threads that were blocked when the job finished.
    fn wake(&self, waiters: usize) {
        if waiters > 0 {
            self.finished.notify_all();
        }
    }

    /// Blocks until the job is finished (true) or time is over (false).
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        let mut over = false;
        loop {
            if state.stage.outcome().is_some() {
                return true;
            }
            if over {
                return false;
            }
            state.waiters += 1;
            (state, over) = wait(&self.finished, &self.state, state, deadline);
            state.waiters -= 1;
        }
    }

    /// The result; `None` when the job is not finished, or its result has been taken.
    pub(crate) fn take(&self) -> Option<Result<R, JoinError>> {
        let mut state = lock(&self.state);
        // A closure is not moved for a look.
        let Stage::Finished(_) = &state.stage else { return None };
        let outcome = state.stage.outcome()?;
        match mem::replace(&mut state.stage, Stage::Taken(outcome)) {
            Stage::Finished(result) => Some(result.map_err(|error| *error)),
            _other => None,
        }
    }

    /// Has `waker` called once when the job finishes, in place of an earlier one.
    /// False when it is finished already; the waker is then not called.
    pub(crate) fn watch(&self, waker: Waker) -> bool {
        let mut state = lock(&self.state);
        if state.stage.outcome().is_some() {
            drop(state); // Before the waker, which is user code.
            return false;
        }
        let earlier = state.followers.get_or_insert_default().waker.replace(waker);
        drop(state);
        drop(earlier);
        true
    }

    /// Has `callback` called once when the job finishes, after those that came
    /// before; the number is for [`Cell::unfollow`]. Gives it back when the job is
    /// finished already.
    pub(crate) fn follow(&self, callback: Callback) -> Result<u64, (Callback, Outcome)> {
        let mut state = lock(&self.state);
        if let Some(outcome) = state.stage.outcome() {
            drop(state);
            return Err((callback, outcome));
        }
        let followers = state.followers.get_or_insert_default();
        let number = followers.next;
        followers.next += 1;
        followers.callbacks.push((number, callback));
        drop(state);
        Ok(number)
    }

    /// Forgets a callback that has not been called yet.
    pub(crate) fn unfollow(&self, number: u64) {
        let mut state = lock(&self.state);
        let callback = state.followers.as_mut().and_then(|followers| {
            let callbacks = &mut followers.callbacks;
            let place = callbacks.iter().position(|(other, _)| *other == number)?;
            Some(callbacks.remove(place))
        });
        drop(state);
        drop(callback);
    }

    /// How the job ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        lock(&self.state).stage.outcome()
    }

    /// Whether the job waits for a worker.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(lock(&self.state).stage, Stage::Queued(_))
    }

    /// The number of the thread that runs the job, if one does.
    pub(crate) fn runner(&self) -> Option<u64> {
        match lock(&self.state).stage {
            Stage::Running { thread } => thread,
            _ => None,
        }
    }

    /// A word for `Debug`. Never blocks.
    pub(crate) fn stage_name(&self) -> &'static str {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return "changing",
        };
        match state.stage {
            Stage::Queued(_) => "queued",
            Stage::Running { .. } => "running",
            Stage::Finished(_) => "finished",
            Stage::Taken(_) => "taken",
        }
    }
}
