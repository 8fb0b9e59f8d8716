//! One lock around everything that computes: what threads are worth under a global interpreter
//! lock.
//!
//! As in CPython since 3.2, the lock is given up around every call that blocks, and handed to a
//! waiting thread when its holder has had it for 5 ms, here at the end of a slice of computing
//! (<https://docs.python.org/3/library/sys.html#sys.setswitchinterval>).

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use common::{
    BlockingIo, Job, Output,
    blocking::{Around, drive},
    body,
};
use parking_lot::{Mutex, MutexGuard};

/// The lock.
static LOCK: Mutex<()> = Mutex::new(());

/// How long a holder keeps the lock while others wait: CPython's switch interval.
const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// Runs a task under the lock.
pub(crate) fn run(job: &Job, index: u64) -> Result<Output, String> {
    let held = Held { guard: RefCell::new(LOCK.lock()), since: Cell::new(Instant::now()) };
    drive(body::run(&BlockingIo::new(&held), job, index)).map_err(|error| error.to_string())
}

/// The lock, held by the task that runs on this thread.
struct Held {
    /// The lock.
    guard: RefCell<MutexGuard<'static, ()>>,
    /// Since when.
    since: Cell<Instant>,
}

impl Around for &Held {
    fn blocking<T>(&self, blocking: impl FnOnce() -> T) -> T {
        let result = MutexGuard::unlocked(&mut *self.guard.borrow_mut(), blocking);
        self.since.set(Instant::now());
        result
    }

    fn slice_end(&self) {
        if self.since.get().elapsed() >= SWITCH_INTERVAL {
            // Hands the lock to a thread that waits, if one does, and queues up behind it.
            MutexGuard::bump(&mut *self.guard.borrow_mut());
            self.since.set(Instant::now());
        }
    }
}
