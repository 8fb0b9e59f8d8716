//! Waiting until everything that was put has been dealt with.
//!
//! What was put is counted by the store; what was dealt with, here. Who makes the second
//! number reach the first tells those who wait. A joiner announces itself (`wanted`) before it
//! looks at the numbers the last time: it finds them equal, or whoever makes them equal later
//! finds the announcement.

use super::core::Core;
use super::primitives::{AtomicBool, AtomicU64, Deadline, Mutex, aside, dekker};
use super::store::Store;
use super::waiter::{Line, Waiter};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// What was dealt with, and who waits for the rest.
#[derive(Default)]
pub(super) struct Tasks {
    /// Values that were dealt with, of those that were put: never more.
    done: AtomicU64,
    /// Whether somebody waits.
    wanted: AtomicBool,
    /// Who waits.
    joiners: Mutex<Line>,
}

impl Tasks {
    /// Values that were put and not dealt with.
    fn unfinished(&self, store: &impl Store) -> u64 {
        // This first: it never overtakes the other.
        let done = self.done.load(SeqCst);
        store.puts() - done
    }

    /// So many values have been dealt with, or as many as there are. False if there are none.
    pub(super) fn done_many(&self, count: u64, store: &impl Store) -> bool {
        let mut done = self.done.load(SeqCst);
        loop {
            let now = (done + count).min(store.puts());
            if now == done {
                return false;
            }
            match self.done.compare_exchange(done, now, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(other) => done = other,
            }
        }
        dekker();
        if self.unfinished(store) == 0 && self.wanted.load(SeqCst) {
            self.tell_joiners(store);
        }
        true
    }

    /// Has those go on who wait, if nothing is unfinished while they do: it may have been so
    /// before they came, and be so no more. Whoever ends that looks here again.
    fn tell_joiners(&self, store: &impl Store) {
        let all = {
            let mut joiners = self.joiners.lock();
            if self.unfinished(store) > 0 {
                return;
            }
            self.wanted.store(false, SeqCst);
            joiners.tell_all()
        };
        for joiner in all {
            joiner.wake();
        }
    }

    /// Waits until nothing is unfinished (true) or time is over (false).
    fn join(&self, deadline: Deadline, store: &impl Store) -> bool {
        if self.unfinished(store) == 0 {
            return true;
        }
        let joiner = Waiter::mine();
        joiner.forget_told();
        {
            let mut joiners = self.joiners.lock();
            joiners.push(Arc::clone(&joiner));
            self.wanted.store(true, SeqCst);
        }
        dekker();
        // Those who wait here are told together: nobody waits for one that steps aside.
        let wait = |deadline| joiner.wait(deadline).then_some(());
        let is_over = self.unfinished(store) == 0 || aside(deadline, wait).is_some();
        let was_told = {
            let mut joiners = self.joiners.lock();
            let was_told = !joiners.remove(&joiner);
            self.wanted.store(!joiners.is_empty(), SeqCst);
            was_told
        };
        is_over || was_told
    }
}

impl<S: Store> Core<S> {
    /// One value has been dealt with. False if there was none left.
    pub(super) fn task_done(&self) -> bool {
        self.tasks.done_many(1, &self.store)
    }

    /// How many values were put and not dealt with.
    pub(super) fn unfinished(&self) -> usize {
        usize::try_from(self.tasks.unfinished(&self.store)).unwrap_or(usize::MAX)
    }

    /// Waits until nothing is unfinished (true) or time is over (false). True also if that
    /// was so for a moment only, while the thread waited.
    pub(super) fn join(&self, deadline: Deadline) -> bool {
        self.tasks.join(deadline, &self.store)
    }
}
