//! Fork-join: two closures, or many, that may run at the same time and borrow from
//! their caller.
//!
//! # The parts
//!
//! | part | what it is |
//! |---|---|
//! | [`context`] | what a thread needs to fork in a pool: a worker has one, a caller from outside borrows one |
//! | [`stack`] | the second closures of the joins that a thread is in |
//! | [`branch`] | the second closure of a `join`, in the frame of the first |
//! | [`task`] | a closure spawned in a scope |
//! | [`forked`] | the right to run a branch or a task |
//! | [`board`] | forked work that anybody may take |
//! | [`post`] | what others see of a thread that forks |
//! | [`guests`] | threads from outside that fork in a pool |
//! | [`node`] | which forked work belongs to which |
//! | [`heartbeat`] | how often a thread gives something away |
//! | [`mail`] | what a certain worker is to run: its part of a broadcast |
//! | [`count`] | how many tasks of a scope have not ended, and who waits for them |
//! | [`deep`] | threads with a deep stack that have left their work to workers |
//! | [`done`] | the end of a branch, and who waits for it |
//!
//! # A join
//!
//! `join(a, b)` puts `b` on the *join stack* of its thread, which nobody else sees, calls
//! `a`, and takes `b` back: no locked instruction, no allocation. With two branches
//! on it, not even that: `a` and `b` are simply called. Now and then it looks whether some
//! worker has nothing to do. If so, and if the heartbeat allows it, the *oldest* branch of
//! the stack, which is the largest one in most programs, goes to the board, and a worker is
//! woken. A branch that is still on the board when its `join` comes for it is retracted and
//! called; one that somebody has taken is waited for.
//!
//! # A scope
//!
//! A scope's closures go to the thread's own deque, last in first out, where others can
//! steal the oldest: they may wait for each other in ways that the pool cannot see (a
//! channel), so they are visible from the start. At its end, the scope runs those that are
//! left.
//!
//! # Waiting
//!
//! Who waits for a branch or a scope runs what descends from it, if some of that is on the
//! board or in its own deque, and nothing else (leapfrogging: Wagner and Calder, Leapfrogging: a
//! portable technique for implementing efficient futures, `PPoPP` 1993). So the stack does not grow by
//! unrelated work, no short wait becomes a long one, and a lock that is held across a `join` is only needed
//! by work that needs it in a sequential run, too. A worker that finds nothing spins for a moment, then
//! blocks, and after another moment gives its seat to a spare worker, as in any other wait (see
//! `src/waiting.rs`).
//!
//! # Why nothing dangles
//!
//! Branches, scopes and nodes lie in stack frames, and others have pointers to them. Each
//! of these frames ends only after what was forked in it has ended or was retracted, also
//! when it unwinds. Who ran it does nothing with it after having said that it ended.
//! Threads are unparked through their [`post::Post`], which belongs to the pool.

pub(crate) mod board;
#[expect(unsafe_code, reason = "lets other threads reach a closure in a stack frame")]
mod branch;
mod broadcast;
#[expect(unsafe_code, reason = "finds a thread's context without a lock or a count")]
pub(crate) mod context;
pub(crate) mod count;
pub(crate) mod deep;
pub(crate) mod done;
#[expect(unsafe_code, reason = "runs what lies in frames of those who wait")]
pub(crate) mod forked;
pub(crate) mod guests;
pub(crate) mod heartbeat;
mod join;
pub(crate) mod mail;
#[expect(unsafe_code, reason = "follows pointers to the frames of those who wait")]
pub(crate) mod node;
pub(crate) mod post;
#[expect(unsafe_code, reason = "lets closures borrow from a frame that waits for them")]
mod scope;
#[expect(unsafe_code, reason = "gives branches to others")]
mod stack;
#[expect(unsafe_code, reason = "recycles the memory of closures")]
pub(crate) mod task;

pub use broadcast::broadcast;
pub use join::join;

pub(crate) use join::{checkpoint, demand, join_shared};
pub use scope::{Scope, scope};

use crate::pool::Pool;
use context::Context;

/// Calls `f` with the calling thread's context: the one that it has, or one in the global
/// pool.
pub(crate) fn enrolled<R>(f: impl FnOnce(&Context) -> R) -> R {
    let mut f = Some(f);
    let mut take = || f.take().expect("it is called once");
    let inside = Context::with(|context| context.map(|context| take()(context)));
    inside.unwrap_or_else(|| guests::enter(&Pool::global().shared, take()))
}
