//! The second closures of the joins that a thread is in.

use super::branch;
use super::forked::Fork;
use super::post::Post;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

/// With so many branches that nobody knows of, the closures of a join are called directly.
/// Others take the oldest only, one at a time, and then there is room for another one.
const DIRECT: usize = 2;

/// The most branches: [`DIRECT`], and those that others have.
const CAPACITY: usize = 128;

/// Branches, oldest first. Only its thread uses it: no atomics.
pub(super) struct JoinStack {
    /// Below `base` are those that were given to others, and up to `top` those that nobody knows
    /// of.
    branches: [Cell<NonNull<()>>; CAPACITY],
    /// The first branch that nobody knows of; at most `top`.
    base: Cell<usize>,
    /// The end.
    top: Cell<usize>,
}

impl JoinStack {
    /// An empty one.
    pub(super) fn new() -> Self {
        let branches = [const { Cell::new(NonNull::dangling()) }; CAPACITY];
        Self { branches, base: Cell::new(0), top: Cell::new(0) }
    }

    /// Whether a join should call its closures directly.
    #[inline]
    pub(super) fn is_direct(&self) -> bool {
        self.top.get() - self.base.get() >= DIRECT
    }

    /// Whether no more branches fit.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.top.get() == CAPACITY
    }

    /// Whether there are branches that nobody knows of.
    #[inline]
    pub(super) fn has_private(&self) -> bool {
        self.base.get() < self.top.get()
    }

    /// Puts a branch on top; gives its place for [`JoinStack::pop`].
    ///
    /// # Safety
    ///
    /// A fork of it may be made until it is popped, see [`branch::to_fork`].
    #[inline]
    pub(super) unsafe fn push(&self, branch: NonNull<()>) -> usize {
        let place = self.top.get();
        self.branches[place].set(branch);
        self.top.set(place + 1);
        place
    }

    /// Takes the branch at `place`, the last one; true if nobody else knows of it.
    #[inline]
    pub(super) fn pop(&self, place: usize) -> bool {
        self.top.set(place);
        let private = self.base.get() <= place;
        if !private {
            self.base.set(place);
        }
        private
    }

    /// The oldest branch that nobody knows of, for others. Its thread has this post.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(super) fn share_oldest(&self, owner: &Arc<Post>) -> Fork {
        assert!(self.has_private(), "there is a branch to share");
        let base = self.base.get();
        self.base.set(base + 1);
        // SAFETY: it was pushed and not popped, so a fork of it may be made, once: `base` has moved on.
        unsafe { branch::to_fork(self.branches[base].get(), NonNull::from(&**owner)) }
    }
}
