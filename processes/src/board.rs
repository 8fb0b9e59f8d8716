//! The claim board: shared memory that tells which call a worker is executing.
//!
//! Each worker has a board of its own. Every call that is in flight occupies one slot, and so does
//! a *frame*, many items of a map that were sent as one call; a single call is a frame of one item.
//! The slot's word holds the sequence number of what was sent, the index of an item in it, and a
//! state. All transitions are compare-and-swaps of the whole word, so an old frame can never claim
//! a newer one, and nothing is said about any item but the one that is meant.
//!
//! | state | set by | meaning | if the worker is dead |
//! |---|---|---|---|
//! | `QUEUED` | parent, with a new sequence | sent, not started | nothing of it ran: requeue |
//! | `CLAIMED(i)` | worker, from `QUEUED` or `DONE(i-1)` | executing item `i` since `started` | that item is to blame |
//! | `DONE(i)` | worker, from `CLAIMED(i)` | its result is ready, perhaps published | result seen, or blame |
//! | `REVOKED` | parent, from `QUEUED` | taken back; the worker skips it | nothing to do |
//! | `DOOMED(i)` | parent, from `CLAIMED(i)` | the parent kills this worker | the verdict of the killer |
//!
//! In all states of the worker's, items before `i` have their results in the ring, which survives
//! the worker (see [`crate::results`]), and those after it have not been touched: whoever reads the
//! word knows which single item a death concerns. A worker that has overwritten its own board may have
//! said what cannot be: that it has not claimed what it has answered. It is killed as soon as the parent
//! finds that, and to blame is everything of the frame that was not answered, as any of it may have run.
//! The flag `CUT`, set by the parent in `CLAIMED`
//! or `DONE`, takes the items after `i` back: the swap to `CLAIMED(i+1)` expects it not to be set,
//! so exactly one side has them.
//!
//! The worker stores the start time *before* the swap to `CLAIMED`, so whoever sees `CLAIMED`
//! also sees when. It swaps to `DONE` *before* it publishes the result: when that swap fails the
//! item was doomed, and the worker parks until the signal arrives. That makes a kill exact: it
//! cannot hit the next item. It claims the next one only after the result was published, so a dead
//! worker's board has at most one item to blame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::segment::Segment;

/// Calls that may be in flight to one worker.
pub(crate) const SLOTS: usize = 64;

/// Words of a slot: a cache line, so that the parent, when it fills one, does not disturb the
/// worker, which changes another one for each item.
const SLOT_WORDS: usize = 8;

/// Bytes of a board.
pub(crate) const BOARD_BYTES: usize = SLOTS * SLOT_WORDS * size_of::<u64>();

/// Sent, not started.
const QUEUED: u64 = 1;
/// Executing an item.
const CLAIMED: u64 = 2;
/// An item was executed; its result is on its way.
const DONE: u64 = 3;
/// Taken back by the parent.
const REVOKED: u64 = 4;
/// About to be killed by the parent.
const DOOMED: u64 = 5;

/// The bits of a state.
const STATE: u64 = 0xff;

/// The items after this one were taken back by the parent.
const CUT: u64 = 1 << 8;

/// Where a word holds the index.
const INDEX_SHIFT: u32 = 16;

/// Where a word holds the sequence number.
const SEQUENCE_SHIFT: u32 = 32;

/// What the board says about one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Not started.
    Queued,
    /// Executes an item.
    Running {
        /// Which.
        index: u16,
        /// Since when, see [`crate::clock::now_ns`].
        started_ns: u64,
    },
    /// Has executed this item, or is about to be killed for it.
    Between {
        /// Which.
        index: u16,
    },
    /// Revoked, or a newer frame has the slot.
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

    /// Parent: offers a frame in `slot`.
    pub(crate) fn offer(&self, slot: u16, sequence: u32) {
        self.word(slot).store(pack(sequence, 0, QUEUED), Ordering::Release);
    }

    /// Parent: takes an offered frame back. True when the worker will never execute it.
    pub(crate) fn revoke(&self, slot: u16, sequence: u32) -> bool {
        self.swap(slot, pack(sequence, 0, QUEUED), pack(sequence, 0, REVOKED)).is_ok()
    }

    /// Parent: takes back what the worker has not claimed of a frame that it has begun. Returns the
    /// index of the first item that it will not execute; none when the frame is not begun, was cut
    /// before, or is over.
    pub(crate) fn cut(&self, slot: u16, sequence: u32) -> Option<u16> {
        let mut word = self.word(slot).load(Ordering::Acquire);
        loop {
            let begun = matches!(word & STATE, CLAIMED | DONE) && word & CUT == 0;
            if sequence_of(word) != sequence || !begun {
                return None;
            }
            match self.swap(slot, word, word | CUT) {
                Ok(_) => return index_of(word).checked_add(1),
                Err(now) => word = now,
            }
        }
    }

    /// Parent: marks a running item for killing. True when the worker will execute nothing else.
    pub(crate) fn doom(&self, slot: u16, sequence: u32, index: u16) -> bool {
        let (running, doomed) = (pack(sequence, index, CLAIMED), pack(sequence, index, DOOMED));
        self.swap(slot, running, doomed).is_ok()
            || self.swap(slot, running | CUT, doomed | CUT).is_ok()
    }

    /// Parent: what became of a frame so far.
    pub(crate) fn look(&self, slot: u16, sequence: u32) -> Claim {
        let word = self.word(slot).load(Ordering::Acquire);
        if sequence_of(word) != sequence {
            return Claim::Over;
        }
        let index = index_of(word);
        match word & STATE {
            QUEUED => Claim::Queued,
            CLAIMED => {
                Claim::Running { index, started_ns: self.started(slot).load(Ordering::Relaxed) }
            }
            DONE | DOOMED => Claim::Between { index },
            _ => Claim::Over,
        }
    }

    /// Parent: when the worker began with the first item of a frame that it has begun.
    pub(crate) fn begun_ns(&self, slot: u16) -> u64 {
        self.begun(slot).load(Ordering::Relaxed)
    }

    /// Parent: how long a frame took whose last result was published.
    pub(crate) fn taken_ns(&self, slot: u16) -> u64 {
        self.taken(slot).load(Ordering::Relaxed)
    }

    /// Worker: starts an offered frame with its first item. False when it was taken back.
    pub(crate) fn claim(&self, slot: u16, sequence: u32, now_ns: u64) -> bool {
        self.begun(slot).store(now_ns, Ordering::Relaxed);
        self.started(slot).store(now_ns, Ordering::Relaxed);
        self.swap(slot, pack(sequence, 0, QUEUED), pack(sequence, 0, CLAIMED)).is_ok()
    }

    /// Worker: ends an item. False when the parent is about to kill this process.
    pub(crate) fn finish(&self, slot: u16, sequence: u32, index: u16) -> bool {
        let (running, done) = (pack(sequence, index, CLAIMED), pack(sequence, index, DONE));
        self.swap(slot, running, done).is_ok() || self.swap(slot, running | CUT, done | CUT).is_ok()
    }

    /// Worker: starts the item after `index`, whose result is published. False when it was taken
    /// back.
    pub(crate) fn advance(&self, slot: u16, sequence: u32, index: u16, now_ns: u64) -> bool {
        self.started(slot).store(now_ns, Ordering::Relaxed);
        self.swap(slot, pack(sequence, index, DONE), pack(sequence, index + 1, CLAIMED)).is_ok()
    }

    /// Worker: notes how long a whole frame took; before its last result is published.
    pub(crate) fn note_taken(&self, slot: u16, taken_ns: u64) {
        self.taken(slot).store(taken_ns, Ordering::Relaxed);
    }

    /// Changes the word of `slot` if it is what the caller believes; else says what it is.
    fn swap(&self, slot: u16, from: u64, to: u64) -> Result<u64, u64> {
        self.word(slot).compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The state word of `slot`.
    fn word(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * SLOT_WORDS)
    }

    /// The start time of the item that the worker executes.
    fn started(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * SLOT_WORDS + 1)
    }

    /// The start time of the frame.
    fn begun(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * SLOT_WORDS + 2)
    }

    /// How long the frame took.
    fn taken(&self, slot: u16) -> &AtomicU64 {
        self.segment.atomic_u64(usize::from(slot) * SLOT_WORDS + 3)
    }
}

/// A word: the sequence in the upper half, then the index, then the state.
fn pack(sequence: u32, index: u16, state: u64) -> u64 {
    u64::from(sequence) << SEQUENCE_SHIFT | u64::from(index) << INDEX_SHIFT | state
}

/// The sequence number in a word.
fn sequence_of(word: u64) -> u32 {
    u32::try_from(word >> SEQUENCE_SHIFT).expect("32 bits remain")
}

/// The index in a word.
fn index_of(word: u64) -> u16 {
    u16::try_from(word >> INDEX_SHIFT & 0xffff).expect("16 bits remain")
}

#[cfg(test)]
impl Board {
    /// As a worker that writes where it should not: says of everything that is executed that it is this
    /// item.
    pub(crate) fn spoil(&self, index: u16) {
        for slot in 0..u16::try_from(SLOTS).expect("there are few") {
            let word = self.word(slot).load(Ordering::Acquire);
            if word & STATE == CLAIMED {
                self.word(slot).store(pack(sequence_of(word), index, CLAIMED), Ordering::Release);
            }
        }
    }
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
        assert_eq!(board.look(3, 1), Claim::Running { index: 0, started_ns: 17 });
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
    fn a_doomed_item_does_not_finish_and_no_other_is_hit() {
        let board = board();
        board.offer(0, 1);
        assert!(!board.doom(0, 1, 0), "not started yet");
        assert!(board.claim(0, 1, 1));
        assert!(board.finish(0, 1, 0));
        assert!(!board.doom(0, 1, 0), "it is done");
        assert!(board.advance(0, 1, 0, 2));
        assert!(!board.doom(0, 1, 0), "another one runs");
        assert!(board.doom(0, 1, 1));
        assert!(!board.finish(0, 1, 1));
        assert_eq!(board.look(0, 1), Claim::Between { index: 1 });
        assert_eq!(board.cut(0, 1), None, "its burial takes the rest back");
    }

    #[test]
    fn exactly_one_side_has_each_item_of_a_cut_frame() {
        let board = board();
        board.offer(5, 9);
        assert_eq!(board.cut(5, 9), None, "it is not begun: it can be revoked");
        assert!(board.claim(5, 9, 1));
        assert_eq!(board.cut(5, 8), None, "another frame");
        assert_eq!(board.cut(5, 9), Some(1));
        assert_eq!(board.cut(5, 9), None, "once is enough");
        assert!(board.finish(5, 9, 0));
        assert!(!board.advance(5, 9, 0, 2));

        board.offer(5, 10);
        assert!(board.claim(5, 10, 1) && board.finish(5, 10, 0) && board.advance(5, 10, 0, 2));
        assert!(board.finish(5, 10, 1));
        assert_eq!(board.cut(5, 10), Some(2), "between two items");
        assert!(!board.advance(5, 10, 1, 3));

        board.offer(5, 11);
        assert!(board.claim(5, 11, 1));
        assert_eq!(board.cut(5, 11), Some(1));
        assert!(board.doom(5, 11, 0), "what is cut can be killed");
        assert!(!board.finish(5, 11, 0));
    }

    #[test]
    fn a_cut_races_with_the_next_claim() {
        for round in 0..2_000 {
            let board = board();
            board.offer(0, round);
            assert!(board.claim(0, round, 1));
            let executed = std::thread::scope(|scope| {
                let worker = scope.spawn(|| {
                    let mut index = 0;
                    while board.finish(0, round, index)
                        && index < 10_000
                        && board.advance(0, round, index, 1)
                    {
                        index += 1;
                    }
                    index + 1
                });
                let taken_from = board.cut(0, round).unwrap();
                (worker.join().unwrap(), taken_from)
            });
            assert_eq!(executed.0, executed.1, "no item is executed twice or by nobody");
        }
    }
}
