//! What a thread needs to fork in a pool.

use super::branch;
use super::count::Count;
use super::heartbeat::Heartbeat;
use super::node::Node;
use super::task::{Cells, Task};
use crate::cancel;
use crate::deadline::Deadline;
use crate::primitives::{Mutex, Thread, current as current_thread, invisible, lock, thread_local};
use crate::settings::Waiting;
use crate::shared::Shared;
use crate::waiting;
use crate::worker;
use crossbeam_deque::{Stealer, Worker as Deque};
use std::cell::Cell;
use std::hint;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// With so many branches on the join stack, the closures of a join are called directly.
/// Others take the oldest only, one at a time, and then there is room for another one.
const DIRECT: usize = 3;

/// The most branches on a join stack: [`DIRECT`], and those that others have.
const CAPACITY: usize = 128;

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

/// What others see of a context. Belongs to the pool, and is there as long as it is.
pub(crate) struct Post {
    /// The other end of the context's deque.
    pub(crate) stealer: Stealer<Task>,
    /// The thread that has the context at present. Only ever locked for a moment.
    thread: Mutex<Option<Thread>>,
}

impl Post {
    /// Of this deque, for no thread yet.
    pub(crate) fn new(deque: &Deque<Task>) -> Self {
        Self { stealer: deque.stealer(), thread: Mutex::new(None) }
    }

    /// Unparks the context's thread.
    pub(crate) fn unpark(&self) {
        let thread = lock(&self.thread).clone();
        if let Some(thread) = thread {
            thread.unpark();
        }
    }
}

/// Forked work that has not begun: the right to run it, once. Dropping it does nothing,
/// which is for whoever forked it and runs it himself.
pub(crate) struct Fork {
    /// Runs it, which never unwinds, and tells who waits for it. Then it may be gone.
    run: unsafe fn(NonNull<()>, &Context, &Post),
    /// What `run` is to be called with.
    data: NonNull<()>,
    /// Who waits for it.
    owner: NonNull<Post>,
    /// What it belongs to: there for as long as the work has not ended.
    node: NonNull<Node>,
}

// SAFETY: what is forked is `Send`, and all that `run` does with `data` and `node` is made for
// being done on any thread.
unsafe impl Send for Fork {}

impl Fork {
    /// The right to run something.
    ///
    /// # Safety
    ///
    /// `run` may be called with `data`, once, on any thread, until the fork was retracted or
    /// its right was used; `node` is valid for as long, and `owner` belongs to the pool.
    pub(crate) unsafe fn new(
        run: unsafe fn(NonNull<()>, &Context, &Post),
        data: NonNull<()>,
        node: NonNull<Node>,
        owner: NonNull<Post>,
    ) -> Self {
        Self { run, data, owner, node }
    }

    /// Whether this is what is at this address.
    pub(crate) fn is(&self, data: NonNull<()>) -> bool {
        self.data == data
    }

    /// Whether it descends from `ancestor`.
    fn is_within(&self, ancestor: &Node) -> bool {
        // SAFETY: it has not begun, so its node is there, see `Fork::new`.
        let node = unsafe { self.node.as_ref() };
        // SAFETY: and so are its ancestors, which wait for it.
        unsafe { node.is_within(ancestor) }
    }
}

/// What a thread needs to fork in a pool. A worker has one for good. Any other thread
/// borrows one while it is in [`Pool::install`](crate::Pool::install) or the like.
///
/// Only its thread uses it.
pub(crate) struct Context {
    /// The pool, which is there while the context is that of a thread.
    shared: NonNull<Shared>,
    /// What others see.
    post: Arc<Post>,
    /// Tasks spawned here and not begun, last in first out. Others take the oldest.
    pub(super) deque: Deque<Task>,
    /// Branches, oldest first. Below `base` are those that were given to others, and up to
    /// `top` those that nobody knows of.
    stack: [Cell<NonNull<()>>; CAPACITY],
    /// The first branch that nobody knows of; at most `top`.
    base: Cell<usize>,
    /// The end of the stack.
    top: Cell<usize>,
    /// Direct joins, for [`TICK`].
    ticks: Cell<u32>,
    /// How often it gives something away.
    heartbeat: Heartbeat,
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
        *lock(&post.thread) = Some(current_thread());
        Self {
            shared,
            post,
            deque,
            stack: [const { Cell::new(NonNull::dangling()) }; CAPACITY],
            base: Cell::new(0),
            top: Cell::new(0),
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
        // SAFETY: whoever called `enter` has a reference, and this is called inside only.
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

    /// Whether a join should call its closures directly.
    #[inline]
    pub(super) fn is_direct(&self) -> bool {
        self.top.get() - self.base.get() >= DIRECT
    }

    /// Whether no more branches fit on the stack.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.top.get() == CAPACITY
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

    /// Puts a branch on the stack; gives its place for [`Context::pop`].
    ///
    /// # Safety
    ///
    /// A fork of it may be made until it is popped, see [`branch::to_fork`].
    #[inline]
    pub(super) unsafe fn push(&self, branch: NonNull<()>) -> usize {
        let place = self.top.get();
        self.stack[place].set(branch);
        self.top.set(place + 1);
        place
    }

    /// Takes the branch at `place`, the last one, off the stack; true if nobody else
    /// knows of it.
    #[inline]
    pub(super) fn pop(&self, place: usize) -> bool {
        self.top.set(place);
        let private = self.base.get() <= place;
        if !private {
            self.base.set(place);
        }
        private
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
        if self.base.get() < self.top.get() && self.heartbeat.beat() {
            self.offer_oldest();
        }
    }

    /// Lets others have all branches, as this thread is about to block.
    pub(crate) fn offer_all(&self) {
        while self.base.get() < self.top.get() {
            self.offer_oldest();
        }
    }

    /// Lets others have the oldest branch that nobody knows of.
    pub(super) fn offer_oldest(&self) {
        let base = self.base.get();
        let branch = self.stack[base].get();
        self.base.set(base + 1);
        // SAFETY: it is on the stack, so it was pushed and not popped.
        let fork = unsafe { branch::to_fork(branch, NonNull::from(&*self.post)) };
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
        if self.base.get() < self.top.get() {
            self.offer_wanted();
            return false;
        }
        self.heartbeat.beat()
    }

    /// Runs forked work.
    #[expect(clippy::needless_pass_by_value, reason = "the right to run it is used up")]
    pub(crate) fn run(&self, fork: Fork) {
        let before = self.node.replace(fork.node.as_ptr());
        self.depth.set(self.depth.get() + 1);
        // SAFETY: posts belong to the pool, which is there.
        let owner = unsafe { fork.owner.as_ref() };
        // SAFETY: `fork` is the right to do so once, and is used up.
        unsafe { (fork.run)(fork.data, self, owner) };
        self.depth.set(self.depth.get() - 1);
        self.node.set(before);
    }

    /// Runs something that descends from `node`, or anything if the pool says so; false if
    /// there is nothing.
    fn help(&self, node: &Node) -> bool {
        let shared = self.shared();
        if self.is_deep() {
            return false;
        }
        if let Some(fork) = shared.board.take_first(|fork| fork.is_within(node)) {
            self.run(fork);
            return true;
        }
        shared.settings.waiting == Waiting::StealAny && self.help_anybody()
    }

    /// Runs any work of the pool that can be found; false if there is none.
    fn help_anybody(&self) -> bool {
        if let Some(task) = self.deque.pop() {
            self.run(task.into_fork());
            return true;
        }
        if let Some(worker) = worker::current().filter(|worker| self.is_of(&worker.shared)) {
            return worker.execute_any();
        }
        self.shared().take_fork(0).is_some_and(|fork| {
            self.run(fork);
            true
        })
    }

    /// Whether so much lies on this thread's stack that more should rather be left to others,
    /// and there may be others.
    pub(super) fn is_deep(&self) -> bool {
        self.depth.get() >= DEPTH && self.shared().seats.could_step_aside()
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
            if spins % BOARD_SPINS == 0 && self.help(node) {
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
