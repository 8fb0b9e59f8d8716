//! Cancelling many jobs at once, also those that run, if they ask.

mod current;

pub(crate) use current::{checkpoint, current, enter, inherited, is_inside, is_over, unwind};

use crate::deadline::Deadline;
use crate::error::{Cancelled, JoinError};
use crate::job::{JobRef, Run};
use crate::primitives::{AtomicU8, Condvar, Mutex, lock, wait};
use crate::unwind::{catch, drop_quietly, quietly};
use crate::waiting;
use std::fmt;
use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// Jobs to remember before looking for those that are gone.
const FIRST_SWEEP: usize = 64;

/// Cancels the jobs it was given to, and tells those that run.
///
/// A job that was spawned with a token ([`Pool::spawn_with`]) is cancelled with it:
/// while it is queued, it will never run, and its handle yields
/// [`JoinError::Cancelled`] at once. A running job is not interrupted: it asks, with
/// [`is_cancelled`](CancelToken::is_cancelled) or
/// [`check`](CancelToken::check), and decides what to return.
///
/// In forked work it is looked at without asking: see [`run`](CancelToken::run).
///
/// Cancelling goes down, never up: to every [`child`](CancelToken::child), and to
/// the jobs that a job with a token spawns, which have its token unless they are
/// given another one. It cannot be taken back. A token in between need not be kept:
/// `root.child().child()` is cancelled with `root`.
///
/// Clones are the same token.
///
/// ```
/// use threads::{Cancelled, CancelToken, Pool};
///
/// let pool = Pool::new(1)?;
/// let token = CancelToken::new();
/// let stop = token.clone();
/// let endless = pool.spawn_with(&token, move || -> Result<(), Cancelled> {
///     loop {
///         stop.check()?; // Between two pieces of work.
///     }
/// });
/// let behind = pool.spawn_with(&token, || "never runs");
/// token.cancel();
/// assert!(behind.join().is_err());
/// # drop(endless);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Pool::spawn_with`]: crate::Pool::spawn_with
#[derive(Clone)]
pub struct CancelToken {
    /// What the clones share.
    node: Arc<Node>,
}

/// A token's place in the tree of tokens.
///
/// A node keeps those above it, and knows those below it without keeping them. So it is there
/// as long as something below depends on it, there is no circle, and a token that lives long
/// keeps nothing of those below that are gone, but for their callbacks.
struct Node {
    /// The token above. Taken when the node goes, and never changed before.
    parent: Option<Arc<Node>>,
    /// Zero, then one for good; set under the lock of `state`.
    cancelled: AtomicU8,
    /// Who is to be told. Never locked while user code runs.
    state: Mutex<State>,
    /// Notified when the token is cancelled.
    changed: Condvar,
}

/// What the mutex of a [`Node`] protects.
struct State {
    /// Tokens below. Those that are gone are swept like jobs.
    children: Vec<Weak<Node>>,
    /// Jobs that may still be queued.
    jobs: Vec<Weak<dyn Run>>,
    /// See [`CancelToken::on_cancel`].
    callbacks: Vec<Box<dyn FnOnce() + Send>>,
    /// At this many children and jobs, those that are gone are swept out, so that
    /// a token which lives long does not remember all it ever had.
    sweep_at: usize,
}

impl CancelToken {
    /// A token that depends on no other.
    pub fn new() -> Self {
        Self { node: Arc::new(Node::below(None)) }
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self { node: Arc::new(Node::below(Some(Arc::clone(&self.node)))) };
        let mut state = lock(&self.node.state);
        if self.is_cancelled() {
            drop(state);
            child.cancel();
        } else {
            state.children.push(Arc::downgrade(&child.node));
            state.sweep();
        }
        child
    }

    /// The token of the job that the calling thread runs, or of the [`run`](CancelToken::run)
    /// that it is in, if there is one.
    pub fn current() -> Option<Self> {
        current()
    }

    /// Calls `f` with this token as the current one: what it spawns and forks has the token.
    ///
    /// [`join`](crate::join), [`scope`](crate::scope()) and the operations on slices look at
    /// it now and then, on all threads that have a part of the work; when it is cancelled they
    /// unwind, without a word from the panic hook, up to here. (With `panic = "abort"`, that
    /// ends the program.)
    ///
    /// To the language that is a panic: what is dropped on the way, captures of closures that have not
    /// begun among it, must not panic itself, or the process is aborted, as by every panic during another.
    /// Nothing can be done about that here, as the frames in between are those of the caller. Drops
    /// that may fail belong where the token is [checked](CancelToken::check) by hand.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if `f` was left like that. If it returned, its result is given, cancelled
    /// or not.
    ///
    /// # Panics
    ///
    /// When `f` does.
    ///
    /// ```
    /// use threads::{Cancelled, CancelToken};
    ///
    /// fn endless(token: &CancelToken, depth: u64) {
    ///     if depth == 10 {
    ///         token.cancel(); // A button was pressed.
    ///     }
    ///     threads::join(|| endless(token, depth + 1), || ());
    /// }
    ///
    /// let token = CancelToken::new();
    /// assert_eq!(token.run(|| endless(&token, 0)), Err(Cancelled));
    /// ```
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> Result<R, Cancelled> {
        let inside = enter(Some(self.clone()));
        let result = catch(f);
        drop(inside);
        result.map_err(|payload| match payload.downcast::<Cancelled>() {
            Ok(cancelled) => *cancelled,
            Err(payload) => resume_unwind(payload),
        })
    }

    /// Cancels; true for the first time. When this returns, every job that was
    /// queued with this token or one below is finished, and the callbacks have
    /// been called, on this thread. (What another thread is cancelling at the same time, that one
    /// tells.)
    ///
    /// All tokens below are cancelled before anybody is told: a callback of this one can wait for
    /// what asks one of those.
    pub fn cancel(&self) -> bool {
        let Some(marked) = self.node.mark() else { return false };
        // A list, not a recursion: chains of children may be long.
        let mut all = vec![marked];
        let mut next = 0;
        while next < all.len() {
            let below = mem::take(&mut all[next].children);
            all.extend(below.iter().filter_map(Weak::upgrade).filter_map(|node| node.mark()));
            next += 1;
        }
        // What is told belongs to nothing that is cancelled.
        let _outside = enter(None);
        all.iter().for_each(Marked::discard_jobs);
        all.into_iter().for_each(Marked::call_back);
        true
    }

    /// Whether this token or one above was cancelled. One load: made to be called
    /// often.
    pub fn is_cancelled(&self) -> bool {
        self.node.cancelled.load(Acquire) != 0
    }

    /// For `?` in a job.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when [`is_cancelled`](CancelToken::is_cancelled).
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Waits until the token is cancelled.
    pub fn wait(&self) {
        self.wait_before(Deadline::Never);
    }

    /// Waits until the token is cancelled (true), but not longer than `limit`
    /// (false). A pause between two attempts that ends early when it should.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_before(Deadline::after(limit))
    }

    /// Has `f` called when the token is cancelled, on the thread that does; at once
    /// if it was cancelled before. A panic of it is swallowed after the panic hook
    /// has reported it.
    ///
    /// When nobody has the token any more, nor one below, `f` goes to the token above, which is
    /// then the only one that can be cancelled; if there is none, it is dropped, a panic of which is
    /// swallowed, too. So a token that
    /// lives long keeps what was registered below it, and an `f` that holds a token above its
    /// own keeps both until that is cancelled.
    pub fn on_cancel(&self, f: impl FnOnce() + Send + 'static) {
        self.node.call_back(vec![Box::new(f)]);
    }

    /// Has the job discarded when the token is cancelled; false if it was before.
    pub(crate) fn attach(&self, job: &JobRef) -> bool {
        let mut state = lock(&self.node.state);
        let open = !self.is_cancelled();
        if open {
            state.jobs.push(Arc::downgrade(job));
            state.sweep();
        }
        open
    }

    /// Blocks until the token is cancelled (true) or time is over (false).
    fn wait_before(&self, deadline: Deadline) -> bool {
        let waited = waiting::aside(deadline, |deadline| self.node.wait(deadline).then_some(()));
        waited.is_some()
    }
}

impl Node {
    /// A place below another one, which does not know of it yet.
    fn below(parent: Option<Arc<Self>>) -> Self {
        let state = State {
            children: Vec::new(),
            jobs: Vec::new(),
            callbacks: Vec::new(),
            sweep_at: FIRST_SWEEP,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { parent, cancelled: AtomicU8::new(0), state, changed }
    }

    /// Has these called when the token is cancelled, or now if it is.
    fn call_back(&self, callbacks: Vec<Box<dyn FnOnce() + Send>>) {
        let mut state = lock(&self.state);
        if self.cancelled.load(Acquire) == 0 {
            state.callbacks.extend(callbacks);
        } else {
            drop(state);
            let _outside = enter(None);
            callbacks.into_iter().for_each(quietly);
        }
    }

    /// The node goes: its callbacks are for the one above, which is given back. Without one, they
    /// are dropped: whoever had the token last need not be who registered them.
    fn leave(&mut self) -> Option<Arc<Self>> {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let callbacks = mem::take(&mut state.callbacks);
        let parent = self.parent.take();
        match &parent {
            Some(parent) if !callbacks.is_empty() => parent.call_back(callbacks),
            _ => callbacks.into_iter().for_each(drop_quietly),
        }
        parent
    }

    /// Cancels this one. The nodes below, and telling, are left to the caller; `None` if it had
    /// been cancelled before.
    fn mark(&self) -> Option<Marked> {
        let mut state = lock(&self.state);
        if self.cancelled.load(Acquire) != 0 {
            return None;
        }
        self.cancelled.store(1, Release);
        let marked = Marked {
            children: mem::take(&mut state.children),
            jobs: mem::take(&mut state.jobs),
            callbacks: mem::take(&mut state.callbacks),
        };
        drop(state);
        self.changed.notify_all();
        Some(marked)
    }

    /// Blocks until the token is cancelled (true) or time is over (false).
    fn wait(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        let mut over = false;
        loop {
            if self.cancelled.load(Acquire) != 0 {
                return true;
            }
            if over {
                return false;
            }
            (state, over) = wait(&self.changed, &self.state, state, deadline);
        }
    }
}

/// What a node had when it was cancelled.
struct Marked {
    /// Tokens below.
    children: Vec<Weak<Node>>,
    /// Jobs that may still be queued.
    jobs: Vec<Weak<dyn Run>>,
    /// See [`CancelToken::on_cancel`].
    callbacks: Vec<Box<dyn FnOnce() + Send>>,
}

impl Marked {
    /// Discards the jobs that are still queued.
    fn discard_jobs(&self) {
        for job in self.jobs.iter().filter_map(Weak::upgrade) {
            job.discard(JoinError::Cancelled);
            drop_quietly(job);
        }
    }

    /// Calls the callbacks.
    fn call_back(self) {
        self.callbacks.into_iter().for_each(quietly);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A loop, not a recursion: with this node, a long chain above it may go.
        let mut above = self.leave();
        while let Some(mut node) = above.and_then(Arc::into_inner) {
            above = node.leave();
        }
    }
}

impl State {
    /// Forgets what is gone, now and then. Only weak references are dropped here:
    /// no user code runs.
    fn sweep(&mut self) {
        if self.children.len() + self.jobs.len() >= self.sweep_at {
            self.children.retain(|child| child.strong_count() > 0);
            self.jobs.retain(|job| job.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * (self.children.len() + self.jobs.len()));
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}
