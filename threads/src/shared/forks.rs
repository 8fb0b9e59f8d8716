//! Forked work, as the workers of a pool share it.

use super::Shared;
use crate::fork::context::Context;
use crate::fork::forked::Fork;
use crate::fork::post::Post;
use crate::fork::task::Task;
use crate::primitives::invisible;
use crossbeam_deque::{Steal, Worker as Deque};
use std::sync::Arc;

impl Shared {
    /// From now on there may be something for a certain worker, whose thread is about to start.
    pub(crate) fn open_mail(&self, index: usize) {
        self.slots().nth(index).expect("it was opened").mail.open();
    }

    /// The thread could not be started: what was meant for it is counted as ended. No user code
    /// runs, as the calling thread is not the worker that it is for.
    pub(crate) fn return_mail(self: &Arc<Self>, index: usize) {
        let slot = self.slots().nth(index).expect("it was opened");
        while let Some(fork) = slot.mail.close() {
            let deque = Deque::new_lifo();
            let post = Arc::new(Post::new(&deque));
            let context = Context::new(self, deque, post);
            context.enter(self, || context.run(fork));
        }
    }

    /// Whether there is forked work that nobody has begun and anybody may take.
    pub(super) fn has_forks(&self) -> bool {
        self.board.len() > 0
            || self.slots().any(|slot| !slot.post.stealer.is_empty())
            || self.guests.any(|post| !post.stealer.is_empty())
    }

    /// Makes forked work known to all, and sees to it that a worker looks at it.
    pub(crate) fn publish_fork(&self, fork: Fork) {
        self.board.push(fork);
        self.tell_of_fork();
    }

    /// Forked work has been made visible: sees to it that a worker looks at it, also while the
    /// pool ends.
    pub(crate) fn tell_of_fork(&self) {
        self.sleep.publish(); // With a fence, which comes before the next look.
        self.seats.offer_fork(self);
    }

    /// Takes forked work that anybody may take: from the board, or the oldest task of some
    /// thread, beginning after the slot `first`.
    pub(crate) fn take_fork(&self, first: usize) -> Option<Fork> {
        if let Some(fork) = self.board.take() {
            return Some(fork);
        }
        let mut taken = None;
        let mut steal = |post: &Arc<Post>| {
            while !post.stealer.is_empty() {
                invisible();
                match post.stealer.steal() {
                    Steal::Success(task) => {
                        taken = Some(task);
                        return true;
                    }
                    Steal::Empty => return false,
                    Steal::Retry => std::hint::spin_loop(),
                }
            }
            false
        };
        let later = self.slots().skip(first + 1);
        let mut workers = later.chain(self.slots().take(first));
        let _found = workers.any(|slot| steal(&slot.post)) || self.guests.any(steal);
        taken.map(Task::into_fork)
    }
}
