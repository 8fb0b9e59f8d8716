//! One task that waits for several.

use super::{Gate, Place};
use crate::current;
use crate::name::Name;

/// A task that waits for several others, until this is dropped or told that it does not: they run as
/// urgently as it does.
#[derive(Debug, Default)]
pub(crate) struct Together {
    gate: Gate,
    place: Place,
}

impl Together {
    /// The task that is being polled waits. True if all the others have to be named.
    pub(crate) fn wait(&mut self) -> bool {
        let engine = current::try_engine();
        engine.is_some_and(|engine| self.gate.note(&engine, &mut self.place, None))
    }

    /// It waits for this one. Does nothing unless it waits.
    pub(crate) fn add(&self, task: Name) {
        // The place is gone with the task, or with the gate.
        let _place = self.gate.add_holder(task);
    }

    /// It does not wait any more.
    pub(crate) fn leave(&mut self) {
        self.gate.leave(&mut self.place);
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.leave();
    }
}
