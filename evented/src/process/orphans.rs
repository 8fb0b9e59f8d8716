//! Children that nobody waits for any more, and that must not stay behind as zombies.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

/// Those of which no reactor takes care. Looked through by [`sweep`].
static LEFT: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Remembers a child.
pub(super) fn add(child: Child) {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(child);
}

/// Takes the ended ones away. Costs one system call per child that is left; most often there is none.
pub(super) fn sweep() {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    // An error means that there is nothing to wait for: somebody else did.
    left.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
