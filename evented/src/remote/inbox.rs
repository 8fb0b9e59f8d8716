//! What other threads have for a reactor, and whether it sleeps.

use std::collections::VecDeque;

use super::primitives::{AtomicBool, AtomicU8, Mutex, Ordering};

/// Something is in the queue, or about to be seen there.
const PENDING: u8 = 1;
/// The reactor sleeps in the driver, or is about to.
const PARKED: u8 = 2;

/// Wakes and calls from other threads.
///
/// | pending | parked | meaning                                                       |
/// |---------|--------|---------------------------------------------------------------|
/// | 0       | 0      | the reactor runs; nothing has come                             |
/// | 1       | 0      | the reactor runs and drains before it polls the next task      |
/// | 0       | 1      | the reactor sleeps; the next push unparks it                   |
/// | 1       | 1      | it has been unparked and has not woken up yet; pushes are silent |
///
/// Names are bounded: one per task, because of the notified bit of [`Word`](super::Word). Calls are
/// not: each is a deliberate act of the user, see `Handle::call`.
#[derive(Debug)]
pub(crate) struct Inbox<C> {
    /// The two flags of the table.
    state: AtomicU8,
    /// What has been pushed. Held for a push or a swap only; nothing is called or dropped under it.
    queue: Mutex<Queue<C>>,
    /// The reader was shut down, see [`shut_down`](Self::shut_down).
    is_shut_down: AtomicBool,
}

/// The part of an inbox under its lock.
#[derive(Debug)]
struct Queue<C> {
    /// The unique id of the reactor that reads, 0 while there is none.
    reader: u64,
    /// Names of tasks to wake, as bits.
    names: Vec<u64>,
    /// Calls in the order in which they were made.
    calls: VecDeque<C>,
}

/// What was in the inbox.
#[derive(Debug)]
pub(crate) struct Drained<C> {
    /// Names of tasks to wake, as bits. Handed back to be filled again.
    pub(crate) names: Vec<u64>,
    /// Calls in the order in which they were made.
    pub(crate) calls: VecDeque<C>,
}

impl<C> Default for Drained<C> {
    fn default() -> Self {
        Self { names: Vec::new(), calls: VecDeque::new() }
    }
}

impl<C> Default for Inbox<C> {
    fn default() -> Self {
        let queue = Queue { reader: 0, names: Vec::new(), calls: VecDeque::new() };
        let (state, is_shut_down) = (AtomicU8::new(0), AtomicBool::new(false));
        Self { state, queue: Mutex::new(queue), is_shut_down }
    }
}

impl<C> Inbox<C> {
    /// From here on `reader` takes what is pushed.
    pub(crate) fn open(&self, reader: u64) {
        self.is_shut_down.store(false, Ordering::Relaxed);
        self.with_queue(|queue| queue.reader = reader);
    }

    /// From here on pushes are refused. Returns what nobody will take, to be dropped by the caller.
    pub(crate) fn close(&self) -> Drained<C> {
        self.state.fetch_and(!PENDING, Ordering::AcqRel);
        self.with_queue(|queue| {
            queue.reader = 0;
            Drained {
                names: std::mem::take(&mut queue.names),
                calls: std::mem::take(&mut queue.calls),
            }
        })
    }

    /// Pushes a name. True if the caller has to unpark the reactor.
    pub(crate) fn push_name(&self, bits: u64) -> bool {
        let accepted = self.with_queue(|queue| {
            let open = queue.reader != 0;
            if open {
                queue.names.push(bits);
            }
            open
        });
        accepted && self.announce()
    }

    /// Pushes a call for `reader`. `Ok(true)` if the caller has to unpark the reactor.
    ///
    /// # Errors
    ///
    /// Gives the call back when `reader` does not read this inbox any more.
    pub(crate) fn push_call(&self, reader: u64, call: C) -> Result<bool, C> {
        self.with_queue(|queue| {
            if queue.reader == reader {
                queue.calls.push_back(call);
                Ok(())
            } else {
                Err(call)
            }
        })?;
        Ok(self.announce())
    }

    /// Whether `reader` still takes what is pushed.
    pub(crate) fn is_read_by(&self, reader: u64) -> bool {
        self.with_queue(|queue| queue.reader == reader)
    }

    /// The reader cancels what is spawned from here on, and may never run again although it is alive.
    /// It has to run the calls that have come, *after* this.
    ///
    /// No task is waited for in vain then. Pushing and draining take the lock. If a push comes first, its
    /// call is drained and its task cancelled; if the drain does, what was stored before it is visible
    /// after the push, where [`is_shut_down`](Self::is_shut_down) is asked. Relaxed is therefore enough.
    pub(crate) fn shut_down(&self) {
        self.is_shut_down.store(true, Ordering::Relaxed);
    }

    /// Whether a call that has just been pushed may stay where it is for ever, see
    /// [`shut_down`](Self::shut_down).
    pub(crate) fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::Relaxed)
    }

    /// Cheap look from the reactor's thread: is there something to drain? May miss a push that is
    /// under way; `begin_park` does not.
    pub(crate) fn is_pending(&self) -> bool {
        self.state.load(Ordering::Relaxed) & PENDING != 0
    }

    /// Takes everything out. `drained` must be empty; its memory is used for the next pushes.
    pub(crate) fn drain(&self, drained: &mut Drained<C>) {
        // Before the queue is read: a push that comes after the swap below sets the flag again.
        self.state.fetch_and(!PENDING, Ordering::AcqRel);
        self.with_queue(|queue| {
            std::mem::swap(&mut queue.names, &mut drained.names);
            std::mem::swap(&mut queue.calls, &mut drained.calls);
        });
    }

    /// Announces that the reactor goes to sleep. False if there is something to drain instead; the
    /// reactor must not sleep then.
    #[must_use]
    pub(crate) fn begin_park(&self) -> bool {
        let previous = self.state.fetch_or(PARKED, Ordering::AcqRel);
        if previous & PENDING == 0 {
            return true;
        }
        self.end_park();
        false
    }

    /// The reactor is awake.
    pub(crate) fn end_park(&self) {
        self.state.fetch_and(!PARKED, Ordering::AcqRel);
    }

    /// Sets pending after a push. True if this is the push that has to unpark.
    fn announce(&self) -> bool {
        let previous = self.state.fetch_or(PENDING, Ordering::AcqRel);
        previous & (PENDING | PARKED) == PARKED
    }

    fn with_queue<R>(&self, f: impl FnOnce(&mut Queue<C>) -> R) -> R {
        // Nothing under the lock can panic short of running out of memory, so a poisoned queue is whole.
        f(&mut self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
