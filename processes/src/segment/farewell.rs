//! Who is told when memory is dropped here that workers have as well.
//!
//! A worker keeps the memory of a shared object until it is told that nobody in its parent has it any
//! more, which happens when something is sent to it. So that much memory does not stay with a worker that
//! gets nothing, its pool is told of such a drop.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Memory of less is no reason to wake anybody: 1 MiB.
const MUCH_BYTES: usize = 1 << 20;

/// Told of it.
pub(crate) trait Listener: fmt::Debug + Send + Sync {
    /// Memory that workers have as well is not used here any more. Waits for nobody.
    fn memory_is_gone(&self);
}

/// All that are to be told.
static LISTENERS: Mutex<Vec<Weak<dyn Listener>>> = Mutex::new(Vec::new());

/// From now on, as long as it lives, `listener` is told.
pub(crate) fn listen(listener: Weak<dyn Listener>) {
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|one| one.strong_count() > 0);
    listeners.push(listener);
}

/// So many bytes that workers have as well are not used here any more.
pub(super) fn tell(bytes: usize) {
    if bytes < MUCH_BYTES {
        return;
    }
    let listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<Arc<dyn Listener>> = listeners.iter().filter_map(Weak::upgrade).collect();
    drop(listeners);
    for one in all {
        one.memory_is_gone();
    }
}
