//! Which forked work belongs to which.
//!
//! Whoever waits for a fork may help with what that fork has forked in turn, but with
//! nothing else: other work could need a lock that the waiting one holds, or take for ever.
//! A *node* is a fork or a scope; its *parent* is the node in which it was forked. So
//! descendants of a node are what its end depends on.
//!
//! Nodes lie in the frames of those who wait for them. A fork that has not begun keeps all
//! its ancestors from ending, so their nodes are there for as long as it is on the board.

use std::ptr;

/// A fork or a scope.
pub(crate) struct Node {
    /// The node in which this one was forked; null if it is the first one on its thread.
    parent: *const Node,
}

impl Node {
    /// A node below `parent`, which may be null.
    #[inline]
    pub(crate) fn below(parent: *const Self) -> Self {
        Self { parent }
    }

    /// Whether this is `ancestor`, or descends from it.
    ///
    /// # Safety
    ///
    /// The ancestors of this node are there: what it stands for has not ended.
    pub(crate) unsafe fn is_within(&self, ancestor: &Self) -> bool {
        let mut at = ptr::from_ref(self);
        // SAFETY: it is this node or an ancestor, which are there, or null.
        while let Some(node) = unsafe { at.as_ref() } {
            if ptr::eq(at, ancestor) {
                return true;
            }
            at = node.parent;
        }
        false
    }
}
