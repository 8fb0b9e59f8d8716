//! Waiting until everything that was put has been dealt with.

use super::core::{Core, State};
use super::primitives::Deadline;
use super::storage::Storage;
use super::waiter::{Waiter, Wakes};
use std::sync::Arc;

impl<S: Storage> Core<S> {
    /// One value has been dealt with. False if there was none left.
    pub(super) fn task_done(&self) -> bool {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        if state.unfinished == 0 {
            return false;
        }
        state.unfinished -= 1;
        state.tell_joiners(&mut wakes);
        true
    }

    /// Waits until nothing is unfinished (true) or time is over (false). True also if that
    /// was so for a moment only, while the thread waited.
    pub(super) fn join(&self, deadline: Deadline) -> bool {
        let joiner = Waiter::mine();
        {
            let mut state = self.state.lock();
            if state.unfinished == 0 {
                return true;
            }
            state.joiners.push(Arc::clone(&joiner));
        }
        joiner.wait(deadline) || !self.state.lock().joiners.remove(&joiner)
    }
}

impl<S: Storage> State<S> {
    /// Has those go on who wait until nothing is unfinished, if so.
    pub(super) fn tell_joiners(&mut self, wakes: &mut Wakes) {
        if self.unfinished == 0 {
            self.joiners.tell_all(wakes);
        }
    }
}
