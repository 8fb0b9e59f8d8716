//! What a thread needs to fork in a pool.

use super::count::Count;
use super::forked::Fork;
use super::heartbeat::Heartbeat;
use super::node::Node;
use super::post::Post;
use super::stack::JoinStack;
use super::task::{Cells, Task};
use crate::cancel;
use crate::deadline::Deadline;
use crate::primitives::{invisible, thread_local};
use crate::settings::Waiting;
use crate::shared::Shared;
use crate::waiting::{self, GREATEST_DEPTH};
use crate::worker;
use crossbeam_deque::Worker as Deque;
use std::cell::Cell;
use std::hint;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Every so many direct joins, a look at whether somebody has nothing to do. A power of two.
const TICK: u32 = 64;

/// Looks at the flag before a waiting thread blocks: some microseconds.
const SPINS: u32 = 200;

/// Every so many of those, a look at the board.
const BOARD_SPINS: u32 = 16;

/// Nested forks on one stack from which on a waiting worker rather blocks, so that the next
/// one begins with another worker's empty stack. Each may use 16 KiB of the usual 2 MiB.
pub(crate) const DEPTH: u32 = 128;

thread_local! {
    /// The context in which the current thread forks; null outside of all pools.
    static CURRENT: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

/// What a thread needs to fork in a pool. A worker has one for good. Any other thread
/// borrows one while it is in [`Pool::install`](crate::Pool::install) or the like.
///
/// Only its thread uses it, and only inside of [`Context::enter`], but for making it, comparing its
/// pool, and taking it apart.
pub(crate) struct Context {
    /// The pool. Whoever calls `enter` has a reference to it for as long as that takes. The context
    /// has none of its own, which a guest would keep the pool with.
    shared: NonNull<Shared>,
    /// What others see.
    post: Arc<Post>,
    /// Tasks spawned here and not begun, last in first out. Others take the oldest.
    pub(super) deque: Deque<Task>,
    /// Second closures of the joins that the thread is in.
    pub(super) stack: JoinStack,
    /// Direct joins, for [`TICK`].
    ticks: Cell<u32>,
    /// How often it gives something away.
    pub(super) heartbeat: Heartbeat,
    /// What is being run here belongs to; null outside of all forks and scopes.
    node: Cell<*const Node>,
    /// Forks that lie on top of each other on this thread's stack.
    depth: Cell<u32>,
    /// Memory for tasks.
    pub(super) cells: Cells,
}

impl Context {
    /// A context of the calling thread in this pool with this deque, for [`Context::enter`].
    pub(crate) fn new(shared: &Arc<Shared>, deque: Deque<Task>, post: Arc<Post>) -> Self {
        let shared = NonNull::from(&**shared);
        post.set_thread();
        Self {
            shared,
            post,
            deque,
            stack: JoinStack::new(),
            ticks: Cell::new(0),
            heartbeat: Heartbeat::default(),
            node: Cell::new(ptr::null()),
            depth: Cell::new(0),
            cells: Cells::default(),
        }
    }

    /// The deque, for the next context with the same post.
    pub(crate) fn into_deque(self) -> Deque<Task> {
        self.deque
    }

    /// Makes the context that of the calling thread while `f` runs. All else is done with it
    /// in `f` only.
    ///
    /// # Panics
    ///
    /// When it is a context of another pool.
    pub(crate) fn enter<R>(&self, shared: &Arc<Shared>, f: impl FnOnce() -> R) -> R {
        /// Restores the one before.
        struct Restore(*const Context);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.with(|current| current.set(self.0));
            }
        }
        assert!(self.is_of(shared), "a context is entered with its own pool");
        let _restore = Restore(CURRENT.with(|current| current.replace(self)));
        f()
    }

    /// Calls `f` with the calling thread's context, if it has one.
    #[inline]
    pub(crate) fn with<R>(f: impl FnOnce(Option<&Self>) -> R) -> R {
        let current = CURRENT.with(Cell::get);
        // SAFETY: `enter` sets it and takes it back before the context can go.
        f(unsafe { current.as_ref() })
    }

    /// The pool.
    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        // SAFETY: it is called inside of `enter` only, where the pool is there: the caller of that has
        // a reference to the `Arc` in which it lies, and `enter` has seen that it is this one.
        unsafe { self.shared.as_ref() }
    }

    /// This thread ran what another one had forked.
    pub(super) fn count_fork(&self) {
        self.shared().counters.forked();
    }

    /// The number of the worker that the context belongs to, if it does.
    pub(super) fn worker_index(&self) -> Option<usize> {
        worker::index_in(self.shared().number)
    }

    /// The task spawned here last.
    pub(crate) fn take_task(&self) -> Option<Task> {
        invisible();
        self.deque.pop()
    }

    /// Puts tasks back that were taken, newest first.
    pub(super) fn put_back(&self, tasks: Vec<Task>) {
        if !tasks.is_empty() {
            for task in tasks.into_iter().rev() {
                self.deque.push(task);
            }
            self.shared().tell_of_fork(); // Somebody may have looked meanwhile.
        }
    }

    /// Whether this is a context of that pool.
    pub(crate) fn is_of(&self, shared: &Shared) -> bool {
        ptr::eq(self.shared.as_ptr(), shared)
    }

    /// What others see of it.
    pub(super) fn post(&self) -> &Post {
        &self.post
    }

    /// What is being run here belongs to; null outside of all forks and scopes.
    pub(super) fn node(&self) -> *const Node {
        self.node.get()
    }

    /// Calls `f`, which belongs to this node.
    pub(super) fn within<R>(&self, node: &Node, f: impl FnOnce() -> R) -> R {
        let before = self.node.replace(node);
        let result = f();
        self.node.set(before);
        result
    }

    /// A direct join: now and then it looks at the world.
    #[inline]
    pub(super) fn tick(&self) {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if ticks.is_multiple_of(TICK) {
            self.look_around();
        }
    }

    /// Sees whether the work was cancelled, and whether somebody has nothing to do.
    #[cold]
    #[inline(never)]
    fn look_around(&self) {
        cancel::checkpoint();
        self.offer_one(false);
    }

    /// If some worker has nothing to do and the heartbeat allows it: gives it the oldest
    /// branch. Looks at the clock less often unless it `matters`.
    #[inline]
    pub(super) fn offer_one(&self, matters: bool) {
        if (matters || self.heartbeat.is_due()) && self.is_wanted() {
            self.offer_wanted();
        }
    }

    /// Gives the oldest branch to others, if there is one and the heartbeat allows it.
    #[cold]
    #[inline(never)]
    fn offer_wanted(&self) {
        if self.stack.has_private() && self.heartbeat.beat() {
            self.offer_oldest();
        }
    }

    /// Lets others have all branches, as this thread is about to block.
    pub(crate) fn offer_all(&self) {
        while self.stack.has_private() {
            self.offer_oldest();
        }
    }

    /// Lets others have the oldest branch that nobody knows of.
    pub(super) fn offer_oldest(&self) {
        if !self.stack.has_private() {
            return; // It was given away already, or the stack is full and the closures are called directly.
        }
        let fork = self.stack.share_oldest(&self.post);
        self.shared().publish_fork(fork);
    }

    /// Whether more workers have nothing to do than there are entries on the board.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        let shared = self.shared();
        let jobless = shared.sleep.jobless();
        jobless > 0 && jobless > shared.board.len()
    }

    /// Whether it is worth to split what is being done here, so that somebody else can have
    /// a part at once. Older branches go first.
    pub(super) fn demand(&self) -> bool {
        if !self.is_wanted() {
            return false;
        }
        if self.stack.has_private() {
            self.offer_wanted();
            return false;
        }
        self.heartbeat.beat()
    }

    /// Runs forked work.
    pub(crate) fn run(&self, fork: Fork) {
        let before = self.node.replace(fork.node());
        self.depth.set(self.depth.get() + 1);
        fork.run(self);
        self.depth.set(self.depth.get() - 1);
        self.node.set(before);
    }

    /// Runs something that descends from `node`, or anything if the pool says so, however deep
    /// the stack is; false if there is nothing.
    pub(super) fn help(&self, node: &Node) -> bool {
        let shared = self.shared();
        if let Some(task) = self.take_task() {
            if task.is_within(node) {
                self.run(task.into_fork());
                return true;
            }
            self.put_back(vec![task]);
        }
        if let Some(fork) = shared.board.take_first(|fork| fork.is_within(node)) {
            self.run(fork);
            return true;
        }
        shared.settings.waiting == Waiting::StealAny && self.help_anybody()
    }

    /// Runs any work of the pool that can be found; false if there is none, and if too much lies on
    /// the stack already: what belongs to nothing there can wait.
    fn help_anybody(&self) -> bool {
        if self.lies_deep() {
            return false;
        }
        if let Some(task) = self.deque.pop() {
            self.run(task.into_fork());
            return true;
        }
        if let Some(worker) = worker::current().filter(|worker| self.is_of(&worker.shared)) {
            // Jobs that were run in waits lie there, too.
            return worker.depth.get() < DEPTH && worker.execute_any();
        }
        self.shared().take_fork(0).is_some_and(|fork| {
            self.run(fork);
            true
        })
    }

    /// Whether so much lies on this thread's stack that what need not be run on top of it should not be.
    pub(super) fn lies_deep(&self) -> bool {
        self.depth.get() >= DEPTH
    }

    /// Whether so much lies on this thread's stack that more should rather be left to others,
    /// and there may be others.
    pub(super) fn is_deep(&self) -> bool {
        self.lies_deep() && self.shared().seats.could_step_aside()
    }

    /// Whether so much lies on this thread's stack, with what is about to run, that it could
    /// overflow. It is left to others long before if there are any.
    #[inline]
    pub(super) fn is_too_deep(&self) -> bool {
        self.depth.get() > GREATEST_DEPTH
    }

    /// Waits until the tasks of a scope have ended that this thread leaves to workers, as its
    /// stack is deep; false if there is no worker left who could run them.
    pub(super) fn wait_for_others(&self, count: &Count) -> bool {
        let shared = self.shared();
        let _listed = shared.deep.enter(&self.post);
        let is_alone = || !shared.seats.any_seated();
        waiting::aside(Deadline::Never, |deadline| {
            let ended = count.wait(deadline, is_alone);
            if ended || is_alone() { Some(ended) } else { None }
        })
        .unwrap_or(true)
    }

    /// Waits until something has ended that belongs to `node`: helps with it, spins for a
    /// moment, then blocks with `block`, which is true when it has ended and false when time
    /// is over.
    pub(super) fn wait(
        &self,
        node: &Node,
        has_ended: impl Fn() -> bool,
        block: impl Fn(Deadline) -> bool,
    ) {
        let mut spins = 0;
        while !has_ended() {
            if spins % BOARD_SPINS == 0 && !self.is_deep() && self.help(node) {
                spins = 0;
                continue;
            }
            if spins == SPINS {
                waiting::aside(Deadline::Never, |deadline| block(deadline).then_some(()));
                return;
            }
            spins += 1;
            hint::spin_loop();
        }
    }
}
