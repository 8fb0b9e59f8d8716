//! What processes change one at a time and sleep on: the memory of an event, a semaphore, a
//! condition or a barrier.
//!
//! ```text
//! mutex | kind | epoch | words of 8 bytes
//! ```
//!
//! # Killed in the middle
//!
//! The words are changed under the robust mutex, and each operation *commits* by a single store,
//! so that a process that is killed inside of it has done it or has not; what it prepared before
//! is looked at by nobody.
//!
//! A commit that others sleep for must not be separated from their wake-up either: whoever was
//! killed in between would leave them asleep, and nobody else need ever come. So such a commit is
//! a change of the epoch, a futex word, and [`Monitor::ring`] has the *kernel* make the change and
//! wake all sleepers in one system call (`FUTEX_WAKE_OP`), in the middle of which a process is not
//! killed.
//!
//! # Sleeping
//!
//! A sleeper reads the epoch first, then looks whether it has to wait, and then has the kernel
//! put it to sleep only if the epoch is still the same. A change in between is seen there. All
//! sleepers are woken, not one: that one might be killed (or be stopped for an hour) before it
//! does what it was woken for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, WakeOp, WakeOpCmp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;
use crate::robust::{self, MUTEX_BYTES, Owned, Patience};
use crate::scope;
use crate::segment::Segment;

/// Where the kind is, as an index of 8-byte words: after the mutex.
const KIND: usize = MUTEX_BYTES / 8;

/// Where the epoch is, as an index of 4-byte words.
const EPOCH: usize = (KIND + 1) * 2;

/// Index of the first word of the state, in words of 8 bytes.
const STATE: usize = KIND + 2;

/// As many sleepers as the kernel can be told to wake.
const EVERYBODY: u32 = i32::MAX.unsigned_abs();

/// What the memory is for; it is noted there, so that one thing is not taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A flag.
    Event = 0x7472_6901,
    /// Permits without an upper bound.
    Semaphore,
    /// Permits, never more than in the beginning.
    BoundedSemaphore,
    /// A count of notifications.
    Condition,
    /// Rounds.
    Barrier,
}

/// The memory of one shared object.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    /// Mutex, kind, epoch, words.
    segment: Arc<Segment>,
}

impl Monitor {
    /// Makes one with this many words, all zero.
    ///
    /// # Errors
    /// No descriptors or memory are left.
    pub(crate) fn create(kind: Kind, words: usize) -> io::Result<Self> {
        let segment = Segment::create((STATE + words) * 8)?;
        robust::create(&segment)?;
        segment.atomic_u64(KIND).store(kind as u64, Ordering::Relaxed);
        Ok(Self { segment })
    }

    /// The one in a segment that came from elsewhere; none if it is something else.
    fn adopt(kind: Kind, segment: Arc<Segment>) -> Option<Self> {
        let is_one = segment.len() >= STATE * 8
            && segment.atomic_u64(KIND).load(Ordering::Relaxed) == kind as u64;
        is_one.then_some(Self { segment })
    }

    /// Waits for the right to change the words.
    ///
    /// Whoever had it and was killed may have changed something that others sleep for.
    pub(crate) fn lock(&self) -> Owned {
        let held = robust::lock_words(&self.segment, Patience::Forever)
            .expect("waiting for ever ends with the lock");
        if held.owner_died {
            self.nudge();
        }
        held
    }

    /// A word of the state.
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        self.segment.atomic_u64(STATE + index)
    }

    /// The epoch.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch_word().load(Ordering::Acquire)
    }

    /// Adds `step` to the epoch and wakes all sleepers, both or neither.
    pub(crate) fn ring(&self, step: u16) {
        let word = self.epoch_word();
        let rung = futex::wake_op(
            word,
            Flags::empty(),
            EVERYBODY,
            0,
            word,
            WakeOp::Add,
            WakeOpCmp::Eq,
            step,
            0,
        );
        if rung.is_err() {
            // The address is mapped and the step below 4096, so this kernel has no such call: it
            // is an imitation that lacks it, or a filter forbids it. Then it takes two steps.
            word.fetch_add(u32::from(step), Ordering::Release);
            self.nudge();
        }
    }

    /// Takes `bits` out of the epoch, under the mutex. Nobody who sleeps waits for that.
    pub(crate) fn retract(&self, bits: u32) {
        self.epoch_word().fetch_and(!bits, Ordering::Release);
    }

    /// Wakes all sleepers and changes nothing; they look again.
    fn nudge(&self) {
        // It fails only for an address that is not mapped.
        let _woken = futex::wake(self.epoch_word(), Flags::empty(), EVERYBODY);
    }

    /// Sleeps until the epoch is not `epoch` any more, at most until `deadline_ns`. It may also
    /// return early. False when the time was over before.
    pub(crate) fn sleep(&self, epoch: u32, deadline_ns: Option<u64>) -> bool {
        let timeout = match deadline_ns.map(clock::left) {
            None => None,
            Some(None) => return false,
            Some(Some(left)) => Some(clock::timespec(left)),
        };
        // Woken, interrupted, timed out, or the epoch had changed already: the caller looks again.
        match futex::wait(self.epoch_word(), Flags::empty(), epoch, timeout.as_ref()) {
            Ok(()) | Err(_) => true,
        }
    }

    /// The futex word.
    fn epoch_word(&self) -> &AtomicU32 {
        self.segment.atomic_u32(EPOCH)
    }

    /// Has it travel with the argument of a call.
    ///
    /// # Errors
    /// No argument of a call is being encoded.
    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(&self.segment).map_err(serde::ser::Error::custom)?;
        id.serialize(serializer)
    }

    /// The one that travelled with the argument of a call.
    ///
    /// # Errors
    /// No call is being decoded, or what came is something else.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        kind: Kind,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(serde::de::Error::custom)?;
        let wrong = || serde::de::Error::custom(format!("the shared memory is no {kind:?}"));
        Self::adopt(kind, segment).ok_or_else(wrong)
    }
}

/// When a wait of this length ends; none when that is never.
pub(crate) fn deadline_ns(limit: Duration) -> Option<u64> {
    Some(clock::after_ns(limit)).filter(|&at_ns| at_ns != u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let monitor = Monitor::create(Kind::Event, 0).unwrap();
        let segment = Arc::clone(&monitor.segment);
        assert!(Monitor::adopt(Kind::Semaphore, Arc::clone(&segment)).is_none());
        assert!(Monitor::adopt(Kind::Event, segment).is_some());
        assert!(Monitor::adopt(Kind::Event, Segment::create(8).unwrap()).is_none());
    }

    #[test]
    fn a_ring_counts_and_wakes() {
        let monitor = Monitor::create(Kind::Event, 1).unwrap();
        let epoch = monitor.epoch();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let limit = Some(clock::after_ns(Duration::from_secs(30)));
                let begin = clock::now_ns();
                while monitor.epoch() == epoch {
                    assert!(monitor.sleep(epoch, limit), "it was not woken");
                }
                clock::now_ns() - begin
            });
            // Most likely it sleeps by now; if not, it sees the change.
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            monitor.ring(3);
            assert!(sleeper.join().unwrap() < 20_000_000_000, "it slept on");
        });
        assert_eq!(monitor.epoch(), epoch + 3);
        assert!(!monitor.sleep(epoch + 3, Some(clock::now_ns())));
    }
}
