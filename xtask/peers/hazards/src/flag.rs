//! What the threads of a program wait for. No pool sees that they do.

use std::{
    sync::{Condvar, Mutex},
    time::Duration,
};

/// Something that happens once.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    /// Whether it has happened.
    is_set: Mutex<bool>,
    /// Tells those who wait.
    changed: Condvar,
}

impl Flag {
    /// It has happened.
    pub(crate) fn set(&self) {
        *self.is_set.lock().expect("nobody panics under the lock") = true;
        self.changed.notify_all();
    }

    /// Waits for it.
    pub(crate) fn wait(&self) {
        self.wait_at_most(Duration::MAX);
    }

    /// Waits for it, but not for ever; whether it has happened.
    pub(crate) fn wait_at_most(&self, limit: Duration) -> bool {
        let is_set = self.is_set.lock().expect("nobody panics under the lock");
        let waited = self.changed.wait_timeout_while(is_set, limit, |is_set| !*is_set);
        *waited.expect("nobody panics under the lock").0
    }
}
