//! The one thing about a task that other threads may touch.

use super::primitives::{AtomicU32, Ordering};

/// Generation and notified bit of one task slot. Never freed, so a stale waker reads valid memory.
///
/// | generation | notified | meaning                                                    |
/// |------------|----------|------------------------------------------------------------|
/// | matches    | 0        | nothing on its way                                         |
/// | matches    | 1        | the name is in the inbox, or a waker is about to push it   |
/// | differs    | any      | the slot was freed since the name was made: the wake is void |
///
/// `clear` and `retire` run on the reactor's thread, `notify` anywhere.
#[derive(Debug)]
pub(crate) struct Word {
    /// Generation shifted left by one, notified in bit 0.
    bits: AtomicU32,
}

const NOTIFIED: u32 = 1;

impl Default for Word {
    fn default() -> Self {
        Self { bits: AtomicU32::new(0) }
    }
}

impl Word {
    /// The current generation.
    pub(crate) fn generation(&self) -> u32 {
        self.bits.load(Ordering::Relaxed) >> 1
    }

    /// Sets the notified bit. True if the caller has to push the name: the generation matches and
    /// the bit was not set.
    pub(crate) fn notify(&self, generation: u32) -> bool {
        let idle = generation << 1;
        // AcqRel: the waker's writes become visible to the poll that `clear` precedes, even when
        // another waker's push is the one that the reactor sees.
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            if seen >> 1 != generation {
                return false;
            }
            // An already notified word is written again: the release half of this operation is what
            // makes the second waker's writes visible to the coming poll.
            match self.bits.compare_exchange_weak(
                seen,
                idle | NOTIFIED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(previous) => return previous & NOTIFIED == 0,
                Err(now) => seen = now,
            }
        }
    }

    /// Clears the notified bit before the task is polled. False if the slot was freed meanwhile.
    pub(crate) fn clear(&self, generation: u32) -> bool {
        let idle = generation << 1;
        self.bits
            .compare_exchange(idle | NOTIFIED, idle, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Frees the slot: every name with the old generation is void from here on.
    ///
    /// A `notify` of the old generation that runs at the same time comes either before it, and is
    /// wiped out, or after it, and fails. A plain store would do as well, for no other write can come
    /// between what a compare-exchange reads and what it writes; but loom does not know that rule for
    /// stores, and with a swap the model in `tests/loom` can check the reuse of slots, too.
    pub(crate) fn retire(&self, next_generation: u32) {
        self.bits.swap(next_generation << 1, Ordering::AcqRel);
    }
}
