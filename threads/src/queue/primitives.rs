//! The mutex, the atomics and the parking calls of the queue's protocol: those of
//! `parking_lot` and std, or their models when `tests/loom` explores the interleavings.

#[cfg(loom)]
pub(super) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64},
};
#[cfg(loom)]
pub(super) use model::{
    Deadline, Mutex, Patience, SKIPS, Thread, aside, dekker, has_failed, pause, spin,
};
#[cfg(not(loom))]
pub(super) use real::{
    Deadline, Mutex, Patience, SKIPS, Thread, UnsafeCell, aside, dekker, has_failed, pause, spin,
};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

/// What programs run with.
#[cfg(not(loom))]
mod real {
    use super::Spins;
    pub(crate) use crate::deadline::Deadline;
    pub(crate) use crate::waiting::{Patience, aside};
    pub(crate) use parking_lot::Mutex;
    use std::time::{Duration, Instant};
    use std::{cell, hint, thread};

    /// Rounds of spinning in which the processor pauses, each time twice as long.
    const PAUSES: u32 = 8;
    /// Rounds of waiting after that, in which other threads may run.
    const YIELDS: u32 = 12;
    /// How long a thread sleeps that has paused in vain: about as long as that takes anyway.
    const NAP: Duration = Duration::from_micros(50);

    /// See [`Gate::notify`](super::super::gate::Gate).
    pub(crate) const SKIPS: u32 = 32;

    /// A thread that can be parked.
    pub(crate) struct Thread(thread::Thread);

    impl Thread {
        /// The calling thread.
        pub(crate) fn current() -> Self {
            Self(thread::current())
        }

        /// Blocks the thread, which is the calling one, until unparked, woken for no reason,
        /// or `deadline`. False if that was over when this was called; the thread has not
        /// blocked then.
        #[expect(clippy::unused_self, reason = "a model needs to know whom to block")]
        pub(crate) fn park(&self, deadline: Deadline) -> bool {
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

        /// See [`thread::Thread::unpark`].
        pub(crate) fn unpark(&self) {
            self.0.unpark();
        }
    }

    /// A cell whose accesses a model can check.
    pub(crate) struct UnsafeCell<T>(cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// See [`cell::UnsafeCell::new`].
        pub(crate) fn new(value: T) -> Self {
            Self(cell::UnsafeCell::new(value))
        }

        /// Gives the pointer to `access`, which needs the value for itself.
        #[inline]
        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }

    /// A place where the single order of sequentially consistent operations matters. They
    /// are that by themselves; a model needs a fence. So a model does **not** tell whether an
    /// ordering may be weakened. These may not, for each is the first or the second half of "I
    /// announce it, then I look; you do it, then you look whether it was announced":
    ///
    /// - `wanted` of a gate is stored before `tail` and `head` are read (or the mutex of the store is
    ///   locked); `tail` or `head` is moved (or that mutex is unlocked) before `wanted` is read;
    /// - `wanted` of the tasks is stored before `done` and `tail` are read; `done` is moved before
    ///   `wanted` is read.
    #[inline]
    pub(crate) fn dekker() {}

    /// Whether this is the end of a model that has failed: never.
    pub(crate) fn has_failed() -> bool {
        false
    }

    /// Lets time pass until another thread is through with a few instructions.
    pub(crate) fn pause(round: u32) {
        if round < PAUSES {
            (0..1 << round).for_each(|_| hint::spin_loop());
        } else if round < PAUSES + YIELDS {
            thread::yield_now();
        } else {
            #[expect(clippy::disallowed_methods, reason = "what it waits for wakes nobody")]
            thread::sleep(NAP);
        }
    }

    /// Lets some time pass. False when this is not the way to wait any more, after so many
    /// rounds: then no time has passed.
    pub(crate) fn spin(round: u32, spins: Spins, deadline: Deadline) -> bool {
        let long = spins.long_pauses.0 + round.saturating_sub(spins.short_pauses);
        if long < spins.long_pauses.1 {
            (0..1 << long).for_each(|_| hint::spin_loop());
            return true;
        }
        if deadline.is_over() || long >= spins.long_pauses.1 + spins.yields {
            return false;
        }
        thread::yield_now();
        true
    }
}

/// How a thread spins.
#[derive(Clone, Copy)]
pub(super) struct Spins {
    /// Rounds in which the processor pauses once.
    pub(super) short_pauses: u32,
    /// Rounds after that, in each of which it pauses twice as often as in the one before: 2 to the
    /// power of the first number in the first, and the second number is the first of no round.
    pub(super) long_pauses: (u32, u32),
    /// Rounds in which other threads may run: the last ones.
    pub(super) yields: u32,
}

/// What loom explores.
#[cfg(loom)]
mod model {
    use super::Spins;
    use loom::sync::atomic::{Ordering, fence};
    use loom::sync::{MutexGuard, Notify};
    use std::sync::Arc;

    /// So that the models come by it.
    pub(crate) const SKIPS: u32 = 2;

    /// A time limit without a clock.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Deadline {
        /// There is no limit.
        Never,
        /// It is over when the thread looks at the clock, which is at any moment: loom lets
        /// the other threads run as far as they like before.
        Over,
    }

    impl Deadline {
        /// Whether it has come.
        pub(crate) fn is_over(self) -> bool {
            matches!(self, Self::Over)
        }
    }

    /// Locks like parking_lot's, without poisoning.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// See [`loom::sync::Mutex::lock`].
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("an execution ends with its first panic")
        }
    }

    /// A thread that can be parked. (The unpark of loom itself also wakes a thread that
    /// waits for a mutex.)
    pub(crate) struct Thread(Arc<Notify>);

    impl Thread {
        /// The calling thread.
        pub(crate) fn current() -> Self {
            Self(Arc::new(Notify::new()))
        }

        /// Blocks until unparked, or not at all.
        pub(crate) fn park(&self, deadline: Deadline) -> bool {
            match deadline {
                Deadline::Never => self.0.wait(),
                Deadline::Over => return false,
            }
            true
        }

        /// Has it go on.
        pub(crate) fn unpark(&self) {
            self.0.notify();
        }
    }

    /// Waits: no thread of a model is a worker.
    pub(crate) fn aside<T>(
        deadline: Deadline,
        mut wait: impl FnMut(Deadline) -> Option<T>,
    ) -> Option<T> {
        wait(deadline)
    }

    /// A wait of a thread that is no worker: see `crate::waiting::Patience`.
    pub(crate) struct Patience {
        /// When it ends.
        deadline: Deadline,
        /// Whether it has ended.
        is_over: bool,
    }

    impl Patience {
        /// A wait until `deadline` begins.
        pub(crate) fn new(deadline: Deadline) -> Self {
            Self { deadline, is_over: false }
        }

        /// How long to block.
        pub(crate) fn next(&self) -> Deadline {
            self.deadline
        }

        /// The caller has blocked until that time was over.
        pub(crate) fn time_is_over(&mut self) {
            self.is_over = true;
        }

        /// Whether the wait is over.
        pub(crate) fn is_over(&self) -> bool {
            self.is_over
        }

        /// No worker has to step aside.
        pub(crate) fn is_due(&self) -> bool {
            false
        }

        /// Nothing to do.
        pub(crate) fn step_aside(&mut self) {}
    }

    /// Loom has sequentially consistent fences, but no such operations.
    pub(crate) fn dekker() {
        fence(Ordering::SeqCst);
    }

    /// Whether this is the end of a model that has failed: then it has no more threads, and
    /// nothing of it can be used.
    pub(crate) fn has_failed() -> bool {
        std::thread::panicking()
    }

    /// Lets the others run.
    pub(crate) fn pause(_round: u32) {
        loom::thread::yield_now();
    }

    /// Never: spinning changes when a thread looks, not what it may see.
    pub(crate) fn spin(_round: u32, _spins: Spins, _deadline: Deadline) -> bool {
        false
    }
}
