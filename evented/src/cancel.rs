//! Telling many at once to stop.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::current;
use crate::sync::waiters::{Ticket, Waiters, wake};

/// Tells those who have it to stop: tasks that [run](Self::run) under it or ask. Cloning it makes another
/// handle of the same token; it may be used from any thread.
///
/// Cancelling goes down, never up: to every [`child`](Self::child). It cannot be taken back. A token in
/// between need not be kept: `root.child().child()` is cancelled with `root`.
///
/// ```
/// use evented::{CancelToken, Cancelled, spawn};
///
/// # evented::block_on(async {
/// let server = CancelToken::new();
/// let request = server.child();
/// let task = spawn(async move { request.run(std::future::pending::<()>()).await });
/// server.cancel();
/// assert_eq!(task.await.expect("it returns"), Err(Cancelled));
/// # });
/// ```
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

/// It was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was cancelled")]
pub struct Cancelled;

/// A token's place in the tree. It keeps those above, and knows those below without keeping them: it is
/// there for as long as something below depends on it, and nothing is left of those below that are gone.
struct Node {
    /// The token above, and the number under which that knows this one. Taken when this one goes.
    parent: Option<(Arc<Node>, u64)>,
    /// Set once, under the lock of the state.
    cancelled: AtomicBool,
    /// Wakers are used and dropped outside the lock.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those who wait.
    waiting: Waiters,
    /// The tokens below, none once it is cancelled.
    children: BTreeMap<u64, Weak<Node>>,
    /// The number of the next child.
    next_child: u64,
}

impl Node {
    fn new(parent: Option<(Arc<Node>, u64)>, cancelled: bool) -> Self {
        Self { parent, cancelled: AtomicBool::new(cancelled), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Step by step: a long line of tokens of which only the last was kept must not use up the stack.
        let mut above = self.parent.take();
        while let Some((parent, number)) = above {
            let gone = parent.lock().children.remove(&number);
            drop(gone);
            above = Arc::into_inner(parent).and_then(|mut node| node.parent.take());
        }
    }
}

impl CancelToken {
    /// A token with none above it.
    pub fn new() -> Self {
        Self { node: Arc::new(Node::new(None, false)) }
    }

    /// A token that is cancelled with this one, or alone.
    #[must_use = "a token does nothing by itself"]
    pub fn child(&self) -> Self {
        let mut state = self.node.lock();
        if self.is_cancelled() {
            return Self { node: Arc::new(Node::new(None, true)) };
        }
        let number = state.next_child;
        state.next_child += 1;
        let node = Arc::new(Node::new(Some((Arc::clone(&self.node), number)), false));
        state.children.insert(number, Arc::downgrade(&node));
        Self { node }
    }

    /// Cancels it and all below, and wakes those who wait for that. Does nothing the second time.
    pub fn cancel(&self) {
        let mut nodes = vec![Arc::clone(&self.node)];
        let mut woken: Vec<Waker> = Vec::new();
        while let Some(node) = nodes.pop() {
            let mut state = node.lock();
            if node.cancelled.swap(true, Ordering::AcqRel) {
                continue;
            }
            woken.extend(state.waiting.take());
            let children = std::mem::take(&mut state.children);
            drop(state);
            nodes.extend(children.into_values().filter_map(|child| child.upgrade()));
        }
        // All of them are cancelled before anybody is told.
        for waker in woken {
            wake(Some(waker));
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// For work in steps: goes on, or ends with `?`.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when it was.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Waits until it is cancelled.
    pub fn cancelled(&self) -> WaitForCancel {
        WaitForCancel { node: Arc::clone(&self.node), ticket: Ticket::default() }
    }

    /// Runs `future` until it is ready or the token is cancelled; then the future is dropped, on the spot.
    /// The token is looked at first: once it is cancelled, nothing of the future runs.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when the token was cancelled before the future was ready.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Cancelled> {
        let mut cancelled = self.cancelled();
        let mut future = pin!(future);
        poll_fn(|cx| {
            if Pin::new(&mut cancelled).poll(cx).is_ready() {
                return Poll::Ready(Err(Cancelled));
            }
            if self.is_cancelled() {
                // Only this poll has no operations left to say so: the task was woken, for the next.
                return Poll::Pending;
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

/// Future of [`CancelToken::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitForCancel {
    node: Arc<Node>,
    /// Its place among those who wait.
    ticket: Ticket,
}

impl Future for WaitForCancel {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.node.lock();
        if this.node.is_cancelled() {
            drop(state);
            // A loop that asks a token again and again must not keep the reactor.
            return if current::may_operate(cx) { Poll::Ready(()) } else { Poll::Pending };
        }
        let old = state.waiting.wait(&mut this.ticket, waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for WaitForCancel {
    fn drop(&mut self) {
        if self.ticket.is_taken() {
            let own = self.node.lock().waiting.leave(&mut self.ticket);
            // Outside the lock.
            drop(own);
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks.
        let children = self.node.state.try_lock().ok().map(|state| state.children.len());
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("children", &children)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitForCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancel")
            .field("waits", &self.ticket.is_taken())
            .finish_non_exhaustive()
    }
}
