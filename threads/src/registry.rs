//! The threads that this crate has started for one function each, while they run.

use crate::condvar::wait_for;
use crate::deadline::Deadline;
use crate::waiting;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The threads that run.
struct Registry {
    /// Each thread under a number that counts up, so the oldest is the first.
    threads: BTreeMap<u64, ThreadInfo>,
    /// The number of the next thread.
    next: u64,
}

/// The threads that run.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry { threads: BTreeMap::new(), next: 0 });

/// Notified when a thread has left the registry.
static LEFT: Condvar = Condvar::new();

/// What is known about a thread that this crate has started for one function.
#[derive(Clone)]
pub struct ThreadInfo {
    /// What its handle, the registry and the thread itself share.
    shared: Arc<Known>,
}

/// What is known about a thread.
struct Known {
    /// Its number in the registry.
    number: u64,
    /// Its name, if it was given one.
    name: Option<String>,
    /// The number that the system knows it by, which it finds out when it begins. `None` in
    /// it where that is not supported.
    native_id: OnceLock<Option<u64>>,
}

impl ThreadInfo {
    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// The number that tools of the system show for it; `None` where this is not supported
    /// (now: other systems than Linux). The system may give the number to another thread
    /// after this one has ended. Waits for the thread to begin, if it has not.
    pub fn native_id(&self) -> Option<u64> {
        *self.shared.native_id.wait()
    }

    /// Waits until the thread is not listed any more (true) or until `deadline` (false).
    pub(crate) fn wait_until_left(&self, deadline: Deadline) -> bool {
        let number = self.shared.number;
        let left = |registry: &Registry| !registry.threads.contains_key(&number);
        wait_for(&LEFT, &mut REGISTRY.lock(), deadline, left)
    }

    /// Whether both are about the same thread.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for ThreadInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ThreadInfo");
        text.field("name", &self.shared.name);
        if let Some(id) = self.shared.native_id.get() {
            text.field("native_id", id);
        }
        text.finish_non_exhaustive()
    }
}

/// A place in the registry, until it is dropped.
pub(crate) struct Registered {
    /// Whose place it is.
    info: ThreadInfo,
}

impl Registered {
    /// Enters a thread that is about to be started.
    pub(crate) fn enter(name: Option<String>) -> Self {
        let mut registry = REGISTRY.lock();
        let number = registry.next;
        registry.next += 1;
        let shared = Arc::new(Known { number, name, native_id: OnceLock::new() });
        let info = ThreadInfo { shared };
        registry.threads.insert(number, info.clone());
        Self { info }
    }

    /// Whose place it is.
    pub(crate) fn info(&self) -> &ThreadInfo {
        &self.info
    }

    /// The thread itself has begun.
    pub(crate) fn begin(&self) {
        self.info.shared.native_id.get_or_init(native_id);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.info.shared.native_id.get_or_init(|| None); // It never began.
        let left = REGISTRY.lock().threads.remove(&self.info.shared.number);
        LEFT.notify_all();
        drop(left);
    }
}

/// The system's number of the calling thread.
fn native_id() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return u64::try_from(rustix::thread::gettid().as_raw_nonzero().get()).ok();
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// How many threads run.
pub(crate) fn count() -> usize {
    REGISTRY.lock().threads.len()
}

/// The threads that run, the oldest one first.
pub(crate) fn list() -> Vec<ThreadInfo> {
    REGISTRY.lock().threads.values().cloned().collect()
}

/// Waits until only threads that `stay` run (true) or until `deadline` (false).
pub(crate) fn wait_until_left(deadline: Deadline, stay: impl Fn(&ThreadInfo) -> bool) -> bool {
    let left = |registry: &Registry| registry.threads.values().all(&stay);
    let wait = |deadline| wait_for(&LEFT, &mut REGISTRY.lock(), deadline, left).then_some(());
    waiting::aside(deadline, wait).is_some()
}
