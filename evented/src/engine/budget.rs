//! How much a task may do in one poll.
//!
//! A poll is never interrupted, so a task has to give way by itself. Leaf futures do it: after
//! [`OPERATIONS_PER_POLL`] operations that were ready at once, or when the slice of the task's class is
//! over, they yield although they could go on. Code without leaf futures asks `yield_if_needed`.

use std::task::Context;
use std::time::{Duration, Instant};

use super::Engine;
use crate::tasks::NONE;
use crate::turn::SLICE;

/// How many operations that are ready at once a task may do in one poll. After that leaf futures
/// yield, so that a socket that is always readable cannot keep the loop.
pub(super) const OPERATIONS_PER_POLL: i32 = 128;

/// After how many operations in one poll that were refused more are allowed. Whoever heeds a refusal has returned
/// long before; what does not is an executor inside of the task, which polls the same future again and again, and
/// would do so for ever.
const MOST_REFUSED: i32 = 1_024;

/// The most questions of a task between two looks at the clock. They may be steps of work that are longer
/// than those before.
const MOST_QUESTIONS: u32 = 16;

/// How long the task that is being polled has been at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stint {
    /// The number of the poll.
    poll: u64,
    /// When it was first asked for in this poll.
    began: Instant,
    /// When the clock was last looked at.
    looked: Instant,
    /// Questions until the next look.
    left: u32,
    /// Questions between two looks, as far apart as they come in short order.
    gap: u32,
}

impl Engine {
    /// Charges one operation to the task being polled. False if it has to yield: it has been woken
    /// and the leaf future returns `Pending`.
    #[inline]
    pub(crate) fn may_operate(&self, cx: &Context<'_>) -> bool {
        let may = self.take_operation();
        if !may {
            cx.waker().wake_by_ref();
        }
        may
    }

    /// Charges one operation to the task being polled. False if none is left. Always true outside of a poll, where
    /// nobody could yield.
    #[inline]
    pub(crate) fn take_operation(&self) -> bool {
        if self.tasks.classes.has_slices() && self.has_used_slice() {
            self.operations_left.set(self.operations_left.get().min(0));
        }
        let left = self.operations_left.get();
        self.operations_left.set(left - 1);
        left > 0 || self.is_asked_in_vain(left)
    }

    /// Whether to allow an operation although none is left, after so many less than 0 were refused.
    #[cold]
    fn is_asked_in_vain(&self, left: i32) -> bool {
        let allowed = self.running.get() == NONE || left <= -MOST_REFUSED;
        if allowed {
            self.operations_left.set(OPERATIONS_PER_POLL);
        }
        allowed
    }

    /// Whether the task being polled has used up the slice that its class asks for. Not with the first
    /// operation.
    #[cold]
    fn has_used_slice(&self) -> bool {
        let slice = self.tasks.classes.slice(self.running_class());
        slice.is_some_and(|slice| {
            let now = self.now();
            now - self.stint(now).began >= slice
        })
    }

    /// Whether the task being polled should let others run: somebody more urgent is ready, or may be,
    /// or it has used up its slice. Cheap to ask: the clock is looked at now and then.
    pub(crate) fn is_yield_needed(&self) -> bool {
        if self.running.get() == NONE {
            return false;
        }
        let classes = &self.tasks.classes;
        let class = self.running_class();
        let urgent = classes.urgent_ranks(class);
        if classes.is_any_ready(urgent) || self.mailbox.inbox().is_pending() {
            return true;
        }
        let poll = self.counters.polls.get();
        if let Some(mut stint) = self.stint.get()
            && stint.poll == poll
            && stint.left > 1
        {
            stint.left -= 1;
            self.stint.set(Some(stint));
            return false;
        }
        let now = self.now();
        let armed = self.sources.armed() & urgent;
        let own = classes.slice(class).unwrap_or(SLICE);
        let slice = if armed == 0 { own } else { own.min(classes.latency(armed)) };
        let timers = self.timers.borrow();
        let is_due = timers.armed() & urgent != 0 && timers.next().is_some_and(|next| next <= now);
        is_due || self.look(now, slice)
    }

    /// Whether a slice is over. Decides when to look again.
    fn look(&self, now: Instant, slice: Duration) -> bool {
        let mut stint = self.stint(now);
        let since = now - stint.looked;
        // Nothing is known yet of how long the steps are when it has only just begun.
        if now != stint.began && since < slice / 32 {
            stint.gap = (stint.gap * 2).min(MOST_QUESTIONS);
        } else if since > slice / 8 {
            stint.gap = (stint.gap / 2).max(1);
        }
        (stint.looked, stint.left) = (now, stint.gap);
        self.stint.set(Some(stint));
        now - stint.began >= slice
    }

    /// The stint of this poll, which begins now if it has not.
    fn stint(&self, now: Instant) -> Stint {
        let poll = self.counters.polls.get();
        let stint = self.stint.get().filter(|stint| stint.poll == poll);
        stint.unwrap_or_else(|| {
            let stint = Stint { poll, began: now, looked: now, left: 1, gap: 1 };
            self.stint.set(Some(stint));
            stint
        })
    }
}
