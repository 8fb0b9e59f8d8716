//! The epochs of a ring: what holds, and on what one sleeps.
//!
//! Who waits for a message sleeps on `put`'s epoch, who waits for room on `got`'s. A sleeper sets
//! the flag that somebody sleeps and reads the epoch under the mutex, unlocks, and has the kernel
//! put it to sleep if the epoch is still the same. A commit that finds the flag set wakes *all*
//! sleepers of that direction: were it only one, and that one killed, the others would sleep on a
//! message.
//!
//! Nobody may be killed between a commit and its wake-up: the sleepers would sleep on, and nobody
//! else need ever come. So the *kernel* makes the change and wakes them in one system call
//! (`FUTEX_WAKE_OP`), in the middle of which a process is not killed. Only then the flag is
//! cleared; a flag that stays set, also that of a sleeper that was killed or timed out, costs one
//! futile wake-up and mends itself.
//!
//! A shutdown has to wake both directions, and that call changes one word. So it first adds 4 to
//! `got`'s epoch, which means nothing, but whoever is about to sleep there looks again, and then
//! waits for the mutex; the call then sets the bit in `put`'s epoch and wakes who sleeps on either.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, WakeOp, WakeOpCmp};

use crate::clock;
use crate::robust::Owned;

use super::{FLAGS, Refusal, Ring, WORDS};

/// What a commit adds to an epoch: it changes the bit that chooses the copy.
pub(super) const COMMIT: u16 = 2;
/// What can be added to an epoch and means nothing.
pub(super) const NUDGE: u32 = 4;
/// The bit of `put`'s epoch that says that the queue was shut down.
pub(super) const SHUT_DOWN: u16 = 1;
/// As many sleepers as the kernel can be told to wake.
const EVERYBODY: u32 = i32::MAX.unsigned_abs();

/// What one waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// A message (or the shutdown): the next put.
    Message,
    /// Room (or the shutdown): the next get.
    Room,
}

impl Direction {
    /// The first copy of the counter; the second one follows.
    pub(super) fn counter(self) -> usize {
        match self {
            Self::Message => WORDS,
            Self::Room => WORDS + 2,
        }
    }

    /// The futex word.
    pub(super) fn epoch(self) -> usize {
        match self {
            Self::Message => FLAGS,
            Self::Room => FLAGS + 1,
        }
    }

    /// The flag that somebody sleeps on it.
    pub(super) fn sleepers(self) -> usize {
        match self {
            Self::Message => FLAGS + 2,
            Self::Room => FLAGS + 3,
        }
    }
}

impl Ring {
    /// Sleeps until `direction` has moved on from `epoch`, or the deadline. False: it is over.
    pub(crate) fn sleep(&self, direction: Direction, epoch: u32, deadline_ns: Option<u64>) -> bool {
        let timeout = match deadline_ns.map(clock::left) {
            None => None,
            Some(None) => return false,
            Some(Some(left)) => Some(left.min(Duration::from_secs(u64::from(u32::MAX)))),
        };
        let timeout = timeout.map(clock::timespec);
        let word = self.half_word(direction.epoch());
        // Woken, interrupted, timed out, or the epoch had moved already: the caller looks again.
        match futex::wait(word, Flags::empty(), epoch, timeout.as_ref()) {
            Ok(()) | Err(_) => true,
        }
    }

    /// Registers a sleeper; under the mutex.
    pub(super) fn wait(&self, direction: Direction) -> Refusal {
        self.half_word(direction.sleepers()).store(1, Ordering::Relaxed);
        Refusal::Wait(self.half_word(direction.epoch()).load(Ordering::Relaxed))
    }

    /// Writes the copy of a counter that does not hold; under the mutex.
    pub(super) fn prepare(&self, direction: Direction, count: u64) {
        let epoch = self.half_word(direction.epoch()).load(Ordering::Relaxed);
        self.copy(direction, epoch.wrapping_add(COMMIT.into())).store(count, Ordering::Relaxed);
    }

    /// Makes what was prepared hold, and wakes the sleepers if there are any; under the mutex.
    pub(super) fn commit(&self, direction: Direction) {
        let flag = self.half_word(direction.sleepers());
        if flag.load(Ordering::Relaxed) == 0 {
            self.half_word(direction.epoch()).fetch_add(COMMIT.into(), Ordering::Release);
        } else {
            self.change(direction, COMMIT, direction);
            flag.store(0, Ordering::Relaxed);
        }
    }

    /// Adds `step` to the epoch of a direction and wakes all sleepers of both, which may be the
    /// same, all or nothing; under the mutex.
    pub(super) fn change(&self, direction: Direction, step: u16, other: Direction) {
        let word = self.half_word(direction.epoch());
        // The comparison is to be true: nobody else changes the word under the mutex.
        let not = if word.load(Ordering::Relaxed) == 1 { 2 } else { 1 };
        let changed = futex::wake_op(
            self.half_word(other.epoch()),
            Flags::empty(),
            EVERYBODY,
            EVERYBODY,
            word,
            WakeOp::Add,
            WakeOpCmp::Ne,
            step,
            not,
        );
        if changed.is_err() {
            // The addresses are mapped and the step is small, so this kernel has no such call: it
            // is an imitation that lacks it, or a filter forbids it. Then it takes two steps.
            word.fetch_add(step.into(), Ordering::Release);
            self.wake(direction);
            self.wake(other);
        }
    }

    /// What one sleeps on who waits for this.
    pub(crate) fn futex(&self, direction: Direction) -> &AtomicU32 {
        self.half_word(direction.epoch())
    }

    /// Has everybody who sleeps look again; under the mutex.
    pub(crate) fn nudge(&self, _held: &Owned) {
        self.wake(Direction::Message);
        self.wake(Direction::Room);
    }

    /// Moves the epoch on, which means nothing, and wakes all sleepers; under the mutex.
    pub(super) fn wake(&self, direction: Direction) {
        let word = self.half_word(direction.epoch());
        word.fetch_add(NUDGE, Ordering::Relaxed);
        // It fails only for an address that is not mapped.
        let _woken = futex::wake(word, Flags::empty(), EVERYBODY);
    }
}
