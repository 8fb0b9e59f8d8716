//! Forked work, whatever kind it is of.

use super::context::Context;
use super::node::Node;
use super::post::Post;
use std::ptr::NonNull;

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

// SAFETY: `run` may be called on any thread, see `Fork::new`. Nodes are only read, and posts are
// `Sync`.
unsafe impl Send for Fork {}

impl Fork {
    /// The right to run something.
    ///
    /// # Safety
    ///
    /// `run` may be called with `data`, once, on any thread, until the fork was retracted, and does
    /// not unwind. Until then, or until `run` says that the work has ended, `node` and its
    /// ancestors are there; `owner` is there as long as the pool.
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
    pub(super) fn is_within(&self, ancestor: &Node) -> bool {
        // SAFETY: it has not begun, so its node is there, see `Fork::new`.
        let node = unsafe { self.node.as_ref() };
        // SAFETY: and so are its ancestors, which wait for it.
        unsafe { node.is_within(ancestor) }
    }

    /// What it belongs to.
    pub(super) fn node(&self) -> *const Node {
        self.node.as_ptr()
    }

    /// Runs it on the thread of this context.
    pub(super) fn run(self, context: &Context) {
        // SAFETY: posts belong to the pool, which is there as the context is in use.
        let owner = unsafe { self.owner.as_ref() };
        // SAFETY: this is the right to do so once, and it is used up.
        unsafe { (self.run)(self.data, context, owner) };
    }
}
