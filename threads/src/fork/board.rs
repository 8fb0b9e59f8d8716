//! Where forked work lies that anybody may take.
//!
//! One list for a pool, behind one mutex. That is enough: most forks get here only when some
//! worker has nothing to do, at most one for each of those, and not more often than the
//! heartbeat allows (see `src/fork/heartbeat.rs`). The others come seldom, but then there may be many
//! at once: branches of a thread that is about to block, tasks of outer scopes that lie on those
//! of an inner one, and tasks spawned by threads from outside. To take the oldest is still cheap;
//! to retract one, or to look for a descendant, may then mean to look at all of them.
//!
//! The mutex decides who has an entry: taking and retracting both remove it under the lock.
//! So an entry that is still listed has not begun, and what it points to, the frame of the
//! one who forked it, waits for it and is still there. Nothing that was removed is ever
//! looked at through the board again.

use crate::primitives::{AtomicUsize, Mutex, lock};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Forked work that nobody has begun, oldest first.
pub(crate) struct Board<E> {
    /// The entries. No user code runs under the lock.
    entries: Mutex<VecDeque<E>>,
    /// How many there are, for looking without the lock; written under it.
    len: AtomicUsize,
}

impl<E> Board<E> {
    /// An empty board.
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
    }

    /// How many entries there are, or were a moment ago.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// Adds an entry. The caller tells idle workers.
    pub(crate) fn push(&self, entry: E) {
        let mut entries = lock(&self.entries);
        entries.push_back(entry);
        self.len.store(entries.len(), Release);
    }

    /// Takes the oldest entry.
    pub(crate) fn take(&self) -> Option<E> {
        self.take_first(|_| true)
    }

    /// Takes the oldest entry for which `wanted` is true. It is asked under the lock, so
    /// what the entries point to is there.
    pub(crate) fn take_first(&self, wanted: impl FnMut(&E) -> bool) -> Option<E> {
        if self.len() == 0 {
            return None;
        }
        let mut entries = lock(&self.entries);
        let place = entries.iter().position(wanted)?;
        self.remove(&mut entries, place)
    }

    /// Takes back the entry for which `own` is true; false if somebody has it. The newest
    /// are looked at first, as whoever forked last retracts first.
    pub(crate) fn retract(&self, own: impl FnMut(&E) -> bool) -> bool {
        let mut entries = lock(&self.entries);
        let place = entries.iter().rposition(own);
        place.and_then(|place| self.remove(&mut entries, place)).is_some()
    }

    /// Removes the entry at this place.
    fn remove(&self, entries: &mut VecDeque<E>, place: usize) -> Option<E> {
        let entry = entries.remove(place);
        self.len.store(entries.len(), Release);
        entry
    }
}
