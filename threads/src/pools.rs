//! All pools of the process, by number: for the few times when a job needs its
//! pool although no worker has it at hand.

use crate::deadline::lock;
use crate::shared::Shared;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

/// The pools that are there. Only ever locked for a moment.
static POOLS: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// The number of the next pool.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number that no other pool has or had.
pub(crate) fn number() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// Makes a pool known.
pub(crate) fn add(shared: &Arc<Shared>) {
    lock(&POOLS).insert(shared.number, Arc::downgrade(shared));
}

/// Forgets a pool.
pub(crate) fn remove(number: u64) {
    lock(&POOLS).remove(&number);
}

/// The pool of this number, if it is still there.
pub(crate) fn find(number: u64) -> Option<Arc<Shared>> {
    lock(&POOLS).get(&number)?.upgrade()
}
