//! The mutex, the atomics and the parking calls of the queue's protocol: those of
//! `parking_lot` and std, or their models when `tests/loom` explores the interleavings.

#[cfg(loom)]
pub(super) use loom::{
    sync::atomic::{AtomicBool, AtomicUsize},
    thread::{Thread, current},
};
#[cfg(loom)]
pub(super) use model::{Deadline, Mutex, aside, park, spin};
#[cfg(not(loom))]
pub(super) use real::{Deadline, Mutex, aside, park, spin};
#[cfg(not(loom))]
pub(super) use std::{
    sync::atomic::{AtomicBool, AtomicUsize},
    thread::{Thread, current},
};

/// What programs run with.
#[cfg(not(loom))]
mod real {
    pub(crate) use crate::deadline::Deadline;
    pub(crate) use crate::waiting::aside;
    pub(crate) use parking_lot::Mutex;
    use std::time::Instant;
    use std::{hint, thread};

    /// Rounds of spinning in which the processor pauses, each time twice as long.
    const PAUSES: u32 = 4;
    /// Rounds of spinning after that, in which other threads may run.
    const YIELDS: u32 = 12;

    /// Blocks until unparked, woken for no reason, or `deadline`. False if that was over
    /// when this was called; the thread has not blocked then.
    pub(crate) fn park(deadline: Deadline) -> bool {
        match deadline {
            Deadline::Never => thread::park(),
            Deadline::At(end) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                thread::park_timeout(left);
            }
        }
        true
    }

    /// Lets some time pass. False when this is not the way to wait any more, after so many
    /// rounds: then no time has passed.
    pub(crate) fn spin(round: u32, deadline: Deadline) -> bool {
        if round < PAUSES {
            (0..1 << round).for_each(|_| hint::spin_loop());
            return true;
        }
        let over = matches!(deadline, Deadline::At(end) if end <= Instant::now());
        if over || round >= PAUSES + YIELDS {
            return false;
        }
        thread::yield_now();
        true
    }
}

/// What loom explores.
#[cfg(loom)]
mod model {
    use loom::sync::MutexGuard;

    /// A time limit without a clock.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Deadline {
        /// There is no limit.
        Never,
        /// It is over when the thread looks at the clock, which is at any moment: loom lets
        /// the other threads run as far as they like before.
        Over,
    }

    /// Locks like parking_lot's, without poisoning.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// See [`loom::sync::Mutex::new`].
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        /// See [`loom::sync::Mutex::lock`].
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("an execution ends with its first panic")
        }
    }

    /// Waits: no thread of a model is a worker.
    pub(crate) fn aside<T>(
        deadline: Deadline,
        mut wait: impl FnMut(Deadline) -> Option<T>,
    ) -> Option<T> {
        wait(deadline)
    }

    /// Blocks until unparked, or not at all.
    pub(crate) fn park(deadline: Deadline) -> bool {
        match deadline {
            Deadline::Never => loom::thread::park(),
            Deadline::Over => return false,
        }
        true
    }

    /// Never: spinning changes when a thread looks, not what it may see.
    pub(crate) fn spin(_round: u32, _deadline: Deadline) -> bool {
        false
    }
}
