//! The second closure of a join, in the frame of the join.
//!
//! Its thread puts it on the join stack, and from there it may get to the board. Who has
//! the right to its closure:
//!
//! | the branch is | the closure belongs to |
//! |---|---|
//! | on the stack, or popped from it | its own thread |
//! | on the board | whoever removes it from there, under the board's lock |
//! | taken | the thread that took it, until it has set `done` |

use super::context::Context;
use super::done::Done;
use super::forked::Fork;
use super::node::Node;
use super::post::Post;
use crate::cancel::{self, CancelToken};
use crate::error::Cancelled;
use crate::unwind::{AbortOnUnwind, catch, drop_quietly};
use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::{self, MaybeUninit};
use std::panic::resume_unwind;
use std::ptr::NonNull;

/// What is the same for all branches; comes first in each.
struct Head {
    /// Runs the branch that this is the head of.
    run: unsafe fn(NonNull<()>, &Context, &Post),
    /// What it belongs to, and what it forks.
    node: Node,
    /// Whether it has ended.
    done: Done,
}

/// A closure that may be run by another thread, and the place of its result.
#[repr(C)]
pub(super) struct Branch<F, R> {
    /// See [`Head`].
    head: Head,
    /// What cancels it.
    token: Option<CancelToken>,
    /// The closure, until somebody takes it.
    closure: UnsafeCell<MaybeUninit<F>>,
    /// The result, when `done` is set.
    result: UnsafeCell<MaybeUninit<Result<R, Box<dyn Any + Send>>>>,
}

/// The fork of a branch on the stack.
///
/// # Safety
///
/// This is a branch whose frame does not end before what is made here was used, and the branch
/// is done, or was retracted; it is made once for a branch. The post is that of its thread.
pub(super) unsafe fn to_fork(branch: NonNull<()>, owner: NonNull<Post>) -> Fork {
    // SAFETY: every branch begins with a head, and is there, says the caller.
    let head = unsafe { branch.cast::<Head>().as_ref() };
    // SAFETY: `run` is the one for this branch, may be called once, on any thread, as closure and
    // result are `Send`, and never unwinds. The branch, in which the node lies, is there for
    // as long, says the caller, and the post is that of a context of the pool.
    unsafe { Fork::new(head.run, branch, NonNull::from(&head.node), owner) }
}

impl<F, R> Branch<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    /// A branch that is in nobody's hands yet.
    #[inline]
    pub(super) fn new(context: &Context, closure: F) -> Self {
        Self {
            head: Head { run: Self::run, node: Node::below(context.node()), done: Done::new() },
            token: cancel::inherited(),
            closure: UnsafeCell::new(MaybeUninit::new(closure)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts it on the join stack, on top of which `f` is called, and takes it off. The
    /// closure comes back if nobody has begun it; if somebody has, its result.
    ///
    /// If `f` panics, that goes on when the closure was dropped, or has ended. It is caught
    /// first: what this thread may have to run meanwhile should not find it unwinding.
    #[inline]
    pub(super) fn call_on_top<A>(
        &self,
        context: &Context,
        f: impl FnOnce() -> A,
    ) -> (A, Half<F, R>) {
        let address = NonNull::from(self).cast();
        let guard = AbortOnUnwind;
        // SAFETY: it is popped below, and then retracted or waited for; nothing can unwind
        // before that.
        let place = unsafe { context.stack.push(address) };
        context.offer_one(place == 0);
        let result = catch(f);
        let half = self.take_back(context, place);
        mem::forget(guard);
        match result {
            Ok(result) => (result, half),
            Err(payload) => half.give_way(payload),
        }
    }

    /// Takes the branch off the stack.
    #[inline]
    fn take_back(&self, context: &Context, place: usize) -> Half<F, R> {
        if context.stack.pop(place) {
            // SAFETY: it has been on this thread's stack all the time, and is popped once.
            Half::Closure(unsafe { self.take() })
        } else {
            self.take_back_shared(context)
        }
    }

    /// Takes back a branch that others know of.
    #[cold]
    #[inline(never)]
    fn take_back_shared(&self, context: &Context) -> Half<F, R> {
        let address = NonNull::from(self).cast();
        if context.shared().board.retract(|fork| fork.is(address)) {
            // SAFETY: it was on the board until now, so nobody has taken it, and nobody will.
            return Half::Closure(unsafe { self.take() });
        }
        context.heartbeat.taken();
        let done = &self.head.done;
        context.wait(&self.head.node, || done.is_set(), |deadline| done.wait(deadline));
        // SAFETY: `done` is set, so who ran it is done with it; it is read once, as the branch is
        // taken back once.
        let result = unsafe { self.result.get().read() };
        // SAFETY: and has written the result.
        Half::Result(unsafe { result.assume_init() })
    }

    /// The closure.
    ///
    /// # Safety
    ///
    /// It belongs to the caller, see the module's table, and was not taken before.
    #[inline]
    unsafe fn take(&self) -> F {
        // SAFETY: it belongs to the caller, so nobody else reads or writes it at the same time.
        let closure = unsafe { self.closure.get().read() };
        // SAFETY: it was there when the branch was made, and was not taken before.
        unsafe { closure.assume_init() }
    }

    /// Runs the branch at this address, and says so. Never unwinds.
    ///
    /// # Safety
    ///
    /// It is there and of this type, and was removed from the board by the caller.
    unsafe fn run(address: NonNull<()>, context: &Context, owner: &Post) {
        // SAFETY: says the caller; it is shared with its own thread, which reads `head` only.
        let branch = unsafe { address.cast::<Self>().as_ref() };
        // SAFETY: the caller removed it from the board, so it belongs to this thread.
        let closure = unsafe { branch.take() };
        let result = {
            let _inside = cancel::enter(branch.token.clone());
            catch(closure)
        };
        let target = branch.result.get();
        // SAFETY: only this thread has the right to the branch until `done` is set.
        unsafe { target.write(MaybeUninit::new(result)) };
        context.count_fork();
        if branch.head.done.set() {
            owner.unpark(); // The branch may be gone, its owner's post is not.
        }
    }
}

/// What is left of a branch when it has been taken back.
pub(super) enum Half<F, R> {
    /// Nobody has begun it.
    Closure(F),
    /// Another thread ran it.
    Result(Result<R, Box<dyn Any + Send>>),
}

impl<F, R> Half<F, R> {
    /// Goes on with the first closure's panic, unless that only says that the work was
    /// cancelled and the second one had a real one.
    #[cold]
    fn give_way(self, payload: Box<dyn Any + Send>) -> ! {
        match self {
            Self::Result(Err(other)) if payload.is::<Cancelled>() => resume_unwind(other),
            half => {
                drop_quietly(half);
                resume_unwind(payload)
            }
        }
    }
}

impl<F: FnOnce() -> R, R> Half<F, R> {
    /// The result: calls the closure, or goes on with the other thread's panic.
    #[inline]
    pub(super) fn finish(self) -> R {
        match self {
            Self::Closure(closure) => closure(),
            Self::Result(Ok(result)) => result,
            Self::Result(Err(payload)) => resume_unwind(payload),
        }
    }
}
