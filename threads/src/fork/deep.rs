//! Threads with a deep stack that have left their work to workers.
//!
//! If all workers wait now, nobody is left for that work: those threads have to do it after
//! all. A thread is listed here before it looks whether somebody has a seat (see
//! `src/seats.rs`), and who gives up the last seat looks at the list after that. So one of the
//! two sees the other.

use super::context::Post;
use crate::primitives::{Mutex, lock};
use std::sync::Arc;

/// The threads. There are few, and seldom.
pub(crate) struct Deep {
    /// Their posts.
    posts: Mutex<Vec<Arc<Post>>>,
}

impl Deep {
    /// No threads.
    pub(crate) fn new() -> Self {
        Self { posts: Mutex::new(Vec::new()) }
    }

    /// Lists a thread until the guard is dropped.
    pub(crate) fn enter(&self, post: &Arc<Post>) -> Listed<'_> {
        lock(&self.posts).push(Arc::clone(post));
        Listed { deep: self, post: Arc::clone(post) }
    }

    /// Has all of them look again.
    pub(crate) fn unpark(&self) {
        lock(&self.posts).iter().for_each(|post| post.unpark());
    }
}

/// From [`Deep::enter`].
pub(crate) struct Listed<'a> {
    /// Where.
    deep: &'a Deep,
    /// Who.
    post: Arc<Post>,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut posts = lock(&self.deep.posts);
        let place = posts.iter().rposition(|post| Arc::ptr_eq(post, &self.post));
        let post = place.map(|place| posts.swap_remove(place));
        drop(posts);
        drop(post);
    }
}
