//! The doorbell: one word of shared memory on which the receiver of a core sleeps, and which every
//! worker of the core can ring.
//!
//! | word | set by | meaning |
//! |---|---|---|
//! | `AWAKE` | receiver when it has woken up; whoever rings | it will look at all rings before it sleeps |
//! | `ASLEEP` | receiver, before its last look | whoever announces has to ring |
//!
//! A worker announces, then reads the word; the receiver sets the word, then looks for what was
//! announced. Both put a full fence in between, so at least one of them sees the other: no result
//! is left lying, and a worker makes no system call while the receiver is busy anyway.
//!
//! Ringing changes the word *and* wakes, in one system call (`FUTEX_WAKE_OP`), in the middle of
//! which a process is neither killed nor stopped. In two steps, a worker that dies between them
//! would leave a word that says `AWAKE` and a receiver that sleeps, and no other worker would ring.
//! Who dies between announcing and ringing is reaped by the parent, which rings for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, WakeOp, WakeOpCmp};

use crate::clock;
use crate::segment::Segment;

/// The receiver looks at all rings before it sleeps.
const AWAKE: u32 = 0;
/// The receiver sleeps, or takes its last look before.
const ASLEEP: u32 = 1;

/// The doorbell of a core, in the parent and in its workers alike.
#[derive(Clone, Debug)]
pub(crate) struct Doorbell {
    /// One word.
    segment: Arc<Segment>,
}

impl Doorbell {
    /// A doorbell.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    pub(crate) fn create() -> io::Result<Self> {
        Ok(Self { segment: Segment::create(size_of::<u32>())? })
    }

    /// The one whose memory came from the parent.
    pub(crate) fn adopt(segment: Arc<Segment>) -> Self {
        Self { segment }
    }

    /// Its memory.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// After something was published: wakes the receiver if it sleeps.
    pub(crate) fn announce(&self) {
        fence(Ordering::SeqCst);
        if self.word().load(Ordering::Relaxed) == ASLEEP {
            self.ring();
        }
    }

    /// Has the receiver look at everything.
    pub(crate) fn ring(&self) {
        let word = self.word();
        let awake = u16::try_from(AWAKE).expect("a small number");
        let rung = futex::wake_op(
            word,
            Flags::empty(),
            1,
            0,
            word,
            WakeOp::Set,
            WakeOpCmp::Eq,
            awake,
            u16::MAX >> 4,
        );
        if rung.is_err() {
            // The address is mapped, so this kernel is an imitation that lacks the call, or a
            // filter forbids it. Then it takes two steps.
            word.store(AWAKE, Ordering::SeqCst);
            // It fails only for an address that is not mapped.
            let _woken = futex::wake(word, Flags::empty(), 1);
        }
    }

    /// Receiver: from now on whoever publishes rings. What follows is the last look, then
    /// [`sleep`](Self::sleep).
    pub(crate) fn lie_down(&self) {
        self.word().store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Receiver: sleeps unless somebody has rung since [`lie_down`](Self::lie_down).
    pub(crate) fn sleep(&self) {
        // Woken, interrupted, or rung before: the caller looks at everything in any case.
        match futex::wait(self.word(), Flags::empty(), ASLEEP, None) {
            Ok(()) | Err(_) => self.stay_up(),
        }
    }

    /// As [`sleep`](Self::sleep), but not longer than `limit`. True when nobody has rung.
    pub(crate) fn nap(&self, limit: Duration) -> bool {
        let limit = clock::timespec(limit);
        match futex::wait(self.word(), Flags::empty(), ASLEEP, Some(&limit)) {
            Ok(()) | Err(_) => self.word().swap(AWAKE, Ordering::Relaxed) == ASLEEP,
        }
    }

    /// Receiver: the last look found something.
    pub(crate) fn stay_up(&self) {
        self.word().store(AWAKE, Ordering::Relaxed);
    }

    /// The word.
    fn word(&self) -> &AtomicU32 {
        self.segment.atomic_u32(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rung_only_when_somebody_sleeps() {
        let bell = Doorbell::create().unwrap();
        bell.announce();
        assert_eq!(bell.word().load(Ordering::Relaxed), AWAKE);
        bell.lie_down();
        bell.announce();
        assert_eq!(bell.word().load(Ordering::Relaxed), AWAKE);
        // It was rung between the two, so this returns.
        bell.sleep();
    }

    #[test]
    fn a_nap_ends_and_says_whether_somebody_rang() {
        let bell = Doorbell::create().unwrap();
        bell.lie_down();
        assert!(bell.nap(Duration::from_millis(1)));
        bell.lie_down();
        bell.announce();
        assert!(!bell.nap(Duration::from_hours(1)));
    }

    #[test]
    fn a_sleeper_is_woken() {
        let bell = Doorbell::create().unwrap();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                bell.lie_down();
                bell.sleep();
            });
            while !sleeper.is_finished() {
                bell.announce();
                std::thread::yield_now();
            }
        });
    }
}
