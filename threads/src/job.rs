//! A job: a closure that runs at most once, and the place where its result
//! waits.
//!
//! A job is one allocation with two owners: the pool's queues see it as a
//! [`Run`], its handle as a [`Unit`]. How far it is, is told by its [`Cell`].

use crate::cancel::{self, CancelToken};
use crate::cell::{Callback, Cell, Followers};
use crate::deadline::Deadline;
use crate::error::{Cancelled, JoinError, Outcome};
use crate::home::{Home, Place};
use crate::hook::PanicOrigin;
use crate::unwind::{catch, drop_and_report, drop_quietly};
use crate::waits;
use std::sync::Arc;
use std::task::Waker;

/// A job as the pool's queues hold it.
pub(crate) type JobRef = Arc<dyn Run>;

/// What a worker can do with a job.
pub(crate) trait Run: Send + Sync {
    /// Runs the closure on the calling thread and publishes its result, true if
    /// so; false if it has been taken or discarded. Never unwinds.
    fn run(&self, place: &Place<'_>) -> bool;

    /// The same for a job that nobody else has a reference to, without locking.
    fn run_detached(&mut self, place: &Place<'_>);

    /// True if the job was still queued; it will then never run, and its handle
    /// yields this error. Never unwinds.
    fn discard(&self, error: JoinError) -> bool;

    /// Whether the job waits for a worker.
    fn is_queued(&self) -> bool;

    /// The number of the thread that runs it, if one does; see `src/waits.rs`.
    fn runner(&self) -> Option<u64>;

    /// Where it runs.
    fn home(&self) -> &Home;
}

/// What a handle can do with a job.
pub(crate) trait Unit<R>: Run {
    /// Blocks until the job is finished (true) or time is over (false).
    fn wait(&self, deadline: Deadline) -> bool;

    /// See [`Cell::take`].
    fn take(&self) -> Option<Result<R, JoinError>>;

    /// See [`Cell::watch`].
    fn watch(&self, waker: Waker) -> bool;

    /// See [`Cell::follow`]; but a callback that comes too late is called at
    /// once (`None`).
    fn follow(&self, callback: Callback) -> Option<u64>;

    /// See [`Cell::unfollow`].
    fn unfollow(&self, number: u64);

    /// How the job ended, if it has.
    fn outcome(&self) -> Option<Outcome>;

    /// A word for `Debug`. Never blocks.
    fn stage_name(&self) -> &'static str;
}

/// A closure and the place of its result.
pub(crate) struct Job<F, R> {
    /// How far it is.
    cell: Cell<F, R>,
    /// Where it runs.
    home: Home,
    /// What cancels it, and what the jobs it spawns inherit.
    token: Option<CancelToken>,
}

impl<F, R> Job<F, R> {
    /// A job that is queued, or will be in a moment.
    pub(crate) fn new(f: F, home: Home, token: Option<CancelToken>) -> Self {
        Self { cell: Cell::new(f), home, token }
    }

    /// Where it runs.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Calls the closure, and counts and reports how it went: whoever sees the
    /// result also sees it counted.
    fn call(&self, f: F, place: &Place<'_>) -> Result<R, JoinError>
    where
        F: FnOnce() -> R,
    {
        place.count_start();
        let result = {
            let needs_token = self.token.is_some() || place.is_nested;
            let _inside = needs_token.then(|| cancel::enter(self.token.clone()));
            catch(f)
        };
        if let Err(payload) = &result
            && !payload.is::<Cancelled>()
        {
            place.report(PanicOrigin::Job, &**payload);
        }
        let result = result.map_err(JoinError::panicked);
        place.count_end(Outcome::of(&result));
        result
    }

    /// Tells those who follow the job of its end: the task first, then the
    /// callbacks in their order. The panic of one is reported, and the others are
    /// still called.
    fn announce(&self, followers: Option<Box<Followers>>, outcome: Outcome) {
        let Some(followers) = followers else { return };
        // This thread may be in the middle of a job that has nothing to do with it.
        let _outside = cancel::enter(None);
        if let Some(waker) = followers.waker {
            self.isolate(|| waker.wake());
        }
        for (_, callback) in followers.callbacks {
            self.isolate(|| callback(outcome));
        }
    }

    /// Calls `f` and reports its panic.
    fn isolate(&self, f: impl FnOnce()) {
        if let Err(payload) = catch(f) {
            self.home.report(PanicOrigin::Callback, &*payload);
            drop_quietly(payload);
        }
    }
}

impl<F, R> Run for Job<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    fn run(&self, place: &Place<'_>) -> bool {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            self.discard(JoinError::Cancelled);
            return false;
        }
        let Some(f) = self.cell.claim(Some(waits::this_thread())) else { return false };
        let result = self.call(f, place);
        let outcome = Outcome::of(&result);
        let followers = self.cell.finish(result);
        self.announce(followers, outcome);
        true
    }

    fn run_detached(&mut self, place: &Place<'_>) {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            self.discard(JoinError::Cancelled);
            return;
        }
        let Some(f) = self.cell.claim_mut() else { return };
        let result = self.call(f, place);
        let outcome = Outcome::of(&result);
        let followers = self.cell.finish_mut(result);
        self.announce(followers, outcome);
    }

    fn discard(&self, error: JoinError) -> bool {
        let outcome = error.outcome();
        let pool = self.home.pool();
        let count = || pool.iter().for_each(|shared| shared.count_discard());
        let Some((f, followers)) = self.cell.discard(error, count) else { return false };
        self.announce(followers, outcome);
        drop_and_report(f, |payload| self.home.report(PanicOrigin::Drop, payload));
        true
    }

    fn is_queued(&self) -> bool {
        self.cell.is_queued()
    }

    fn runner(&self) -> Option<u64> {
        self.cell.runner()
    }

    fn home(&self) -> &Home {
        &self.home
    }
}

impl<F, R> Unit<R> for Job<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    fn wait(&self, deadline: Deadline) -> bool {
        self.cell.wait(deadline)
    }

    fn take(&self) -> Option<Result<R, JoinError>> {
        self.cell.take()
    }

    fn watch(&self, waker: Waker) -> bool {
        self.cell.watch(waker)
    }

    fn follow(&self, callback: Callback) -> Option<u64> {
        match self.cell.follow(callback) {
            Ok(number) => Some(number),
            Err((callback, outcome)) => {
                self.isolate(|| callback(outcome));
                None
            }
        }
    }

    fn unfollow(&self, number: u64) {
        self.cell.unfollow(number);
    }

    fn outcome(&self) -> Option<Outcome> {
        self.cell.outcome()
    }

    fn stage_name(&self) -> &'static str {
        self.cell.stage_name()
    }
}
