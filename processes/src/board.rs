//! The claim board: shared memory that tells which call a worker is executing.
//!
//! Each worker has a board of its own. Every call that is in flight occupies one slot; its word
//! holds the call's sequence number and a state, and all transitions are compare-and-swaps
//! against that sequence, so an old frame can never claim a newer call.
//!
//! | state | set by | meaning | if the worker is dead |
//! |---|---|---|---|
//! | `QUEUED` | parent, with a new sequence | sent, not started | never ran: requeue |
//! | `CLAIMED` | worker, from `QUEUED` | executing since `started` | it was the one: blame |
//! | `DONE` | worker, from `CLAIMED` | result ready, about to be sent | result seen, or blame |
//! | `REVOKED` | parent, from `QUEUED` | taken back; the worker skips it | nothing to do |
//! | `DOOMED` | parent, from `CLAIMED` | the parent kills this worker | the verdict of the killer |
//!
//! The worker stores the start time *before* the swap to `CLAIMED`, so whoever sees `CLAIMED`
//! also sees when. It swaps to `DONE` *before* it sends the result: when that swap fails the
//! call was doomed, and the worker parks until the signal arrives. That makes a kill exact: it
//! cannot hit the next call. The worker claims the next call only after the result was published
//! in its ring (see [`crate::results`]), so a dead worker's board has at most one slot to blame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::segment::Segment;

/// Calls that may be in flight to one worker.
pub(crate) const SLOTS: usize = 64;

/// Bytes of a board: two words for each slot.
pub(crate) const BOARD_BYTES: usize = SLOTS * 2 * size_of::<u64>();

/// Sent, not started.
const QUEUED: u64 = 1;
/// Executing.
const CLAIMED: u64 = 2;
/// Executed; the result is on its way.
const DONE: u64 = 3;
/// Taken back by the parent.
const REVOKED: u64 = 4;
/// About to be killed by the parent.
const DOOMED: u64 = 5;

/// What the board says about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Not started.
    Queued,
    /// Started at this time of the monotonic clock.
    Running {
        /// Nanoseconds, see [`crate::clock::now_ns`].
        started_ns: u64,
    },
    /// Finished, revoked, doomed, or a newer call has the slot.
    Over,
}

/// A view of one worker's board, in the parent and in the worker alike.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    /// The shared memory; the board is its beginning.
    segment: Arc<Segment>,
}

impl Board {
    /// Views `segment` as a board; it must hold [`BOARD_BYTES`].
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        assert!(segment.len() >= BOARD_BYTES, "a board needs {BOARD_BYTES} bytes");
        Self { segment }
    }

    /// Its memory, in which the ring of results lies as well.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Parent: offers a call in `slot`.
    pub(crate) fn offer(&self, slot: u16, sequence: u32) {
        self.word(slot).store(pack(sequence, QUEUED), Ordering::Release);
    }

    /// Parent: takes an offered call back. True when the worker will never execute it.
    pub(crate) fn revoke(&self, slot: u16, sequence: u32) -> bool {
        self.swap(slot, sequence, QUEUED, REVOKED)
    }

    /// Parent: marks a running call for killing. True when the worker will execute nothing else.
    pub(crate) fn doom(&self, slot: u16, sequence: u32) -> bool {
        self.swap(slot, sequence, CLAIMED, DOOMED)
    }

    /// Parent: what became of a call so far.
    pub(crate) fn look(&self, slot: u16, sequence: u32) -> Claim {
        let word = self.word(slot).load(Ordering::Acquire);
        if word == pack(sequence, QUEUED) {
            Claim::Queued
        } else if word == pack(sequence, CLAIMED) {
            Claim::Running { started_ns: self.started(slot).load(Ordering::Relaxed) }
        } else {
            Claim::Over
        }
    }

    /// Worker: starts an offered call. False when it was taken back.
    pub(crate) fn claim(&self, slot: u16, sequence: u32, now_ns: u64) -> bool {
        self.started(slot).store(now_ns, Ordering::Relaxed);
        self.swap(slot, sequence, QUEUED, CLAIMED)
    }

    /// Worker: ends the call. False when the parent is about to kill this process.
    pub(crate) fn finish(&self, slot: u16, sequence: u32) -> bool {
        self.swap(slot, sequence, CLAIMED, DONE)
    }

    /// Moves `slot` from one state to another if it still holds `sequence`.
    fn swap(&self, slot: u16, sequence: u32, from: u64, to: u64) -> bool {
        self.word(slot)
            .compare_exchange(
                pack(sequence, from),
                pack(sequence, to),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// The state word of `slot`.
    fn word(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * 2)
    }

    /// The start time of `slot`.
    fn started(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * 2 + 1)
    }
}

/// Sequence in the upper bits, state in the lowest byte.
fn pack(sequence: u32, state: u64) -> u64 {
    u64::from(sequence) << 8 | state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Segment::create(BOARD_BYTES).unwrap())
    }

    #[test]
    fn only_one_side_gets_a_queued_call() {
        let board = board();
        board.offer(3, 1);
        assert!(board.claim(3, 1, 17));
        assert!(!board.revoke(3, 1));
        assert_eq!(board.look(3, 1), Claim::Running { started_ns: 17 });
        board.offer(3, 2);
        assert!(board.revoke(3, 2));
        assert!(!board.claim(3, 2, 18));
    }

    #[test]
    fn an_old_sequence_claims_nothing() {
        let board = board();
        board.offer(0, 8);
        assert!(!board.claim(0, 7, 1));
        assert_eq!(board.look(0, 7), Claim::Over);
        assert_eq!(board.look(0, 8), Claim::Queued);
    }

    #[test]
    fn a_doomed_call_does_not_finish() {
        let board = board();
        board.offer(0, 1);
        assert!(!board.doom(0, 1), "not started yet");
        assert!(board.claim(0, 1, 1));
        assert!(board.doom(0, 1));
        assert!(!board.finish(0, 1));
    }
}
