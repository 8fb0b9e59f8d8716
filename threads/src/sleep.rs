//! How workers fall asleep and are woken, without ever losing a wake-up.
//!
//! # The problem
//!
//! A worker that finds no job parks. Whoever makes a job available must wake
//! it, but waking costs a system call, so it should happen only when it is
//! needed. The danger is the gap between "found nothing" and "parked": a job
//! published in that gap could be seen by nobody.
//!
//! # The state
//!
//! | part | meaning | written by |
//! |---|---|---|
//! | `idle`, one bit per worker | set: the worker parks, or is about to, and must be claimed by whoever wants it awake | set by the worker itself; cleared by the waker that claims it, or by the worker itself when its re-check found work |
//! | `searching` | how many workers look for a job, or have been claimed in order to look for one | see below |
//!
//! | a worker is | bit | counted in `searching` |
//! |---|---|---|
//! | running a job, or taking the next one from its own deque | clear | no |
//! | searching: looks at every source | clear | yes |
//! | parked, or about to park | set | no |
//! | claimed, not yet back from parking | clear | yes |
//!
//! # The protocol
//!
//! *Publisher* ([`Sleep::publish`]): make the job visible, **`SeqCst` fence**,
//! read `searching`. Above zero: somebody who is looking takes care of it, no
//! system call. Otherwise claim one sleeper: clear its bit, count it as
//! searching on its behalf, unpark it. It is the *waker* who clears the bit, so
//! that two publishers never spend two system calls on the same sleeper.
//!
//! *Sleeper* ([`Sleep::park`]): set the own bit, leave `searching`, **`SeqCst`
//! fence**, *re-check every source*. Something there: take the bit back and
//! search again. Nothing: park until the bit is clear. The bit is the truth, the
//! park token only a hint: a token that a job consumed or left behind does no
//! harm.
//!
//! *Searcher that found a job* ([`Sleep::found`]): leave `searching`; if it was
//! the last one, **`SeqCst` fence**, look at every source once more, and if there
//! is more, claim a sleeper for it. This is what makes it right for a publisher
//! to rely on "somebody is searching", and it also covers jobs which a searcher
//! moved into its own deque while others looked elsewhere.
//!
//! *A change that is no job* (the pool ends, there are more workers than seats): made
//! visible, then [`Sleep::wake_all`] or [`Sleep::wake_one`], whose fence takes the
//! place of the publisher's. Sleepers look at it in their re-check. A worker that
//! was claimed for a job and sees such a change first leaves as if it had found
//! something, so that the job is passed on.
//!
//! # Why no wake-up is lost
//!
//! Take a publisher P with its fence Fp and a worker W that leaves `searching`
//! with its fence Fw (as a sleeper or as the last searcher). The fences are
//! totally ordered.
//!
//! - Fp before Fw: what P published before Fp is visible to the look W takes
//!   after Fw. W finds the job, or somebody else already has.
//! - Fw before Fp: what W wrote before Fw is visible to P after Fp. P sees that
//!   W has left `searching`, and if W is a sleeper, its bit. P claims W, or
//!   another sleeper, or relies on another searcher, for whom the same argument
//!   holds; the last of them cannot rely on anybody.
//!
//! `searching` may be too low for a moment: a claimed worker that wakes early
//! can leave before its waker has counted it (hence a signed number). Then a
//! publisher wakes one worker too many, or one more worker looks again: a cost,
//! no loss. It is never too high, because a waker counts a worker only *after*
//! having claimed it. Counting first would be a defect: the claim may fail, and
//! in between another publisher would have relied on a searcher who never was.
//!
//! Workers come and go (see `src/seats.rs`). One that comes begins by searching; one
//! that goes does so between two jobs, counted nowhere, and publishes what it leaves
//! in its deque. Bits are allotted up to the most workers there may ever be.
//!
//! `tests/loom` explores these interleavings, with the re-check (passes) and
//! without it (deadlocks). The scheme is that of Go's scheduler ("spinning" Ms,
//! `src/runtime/proc.go`) with the idle set of rayon-core's `sleep` module.
//!
//! # Not promised
//!
//! Which sleeper is woken (it is the lowest index), and that a woken worker
//! finds anything: another one may be faster.

use crate::primitives::{
    AtomicIsize, AtomicU64, AtomicUsize, Mutex, Thread, current, fence, lock, park,
};
use crossbeam_utils::CachePadded;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

/// Bits in one word of [`Sleep::idle`].
const WORD_BITS: usize = u64::BITS as usize;

/// Who sleeps, who searches. See the module for the protocol.
#[derive(Debug)]
pub(crate) struct Sleep {
    /// Bit `i % 64` of word `i / 64`: worker `i` may only be woken by a claim.
    idle: Box<[AtomicU64]>,
    /// How many workers search, or have been claimed to do so; see the module.
    searching: AtomicIsize,
    /// How many workers have nothing to do: they search or sleep. Only a hint for those who
    /// could give something away; it is read often and written seldom.
    jobless: CachePadded<AtomicUsize>,
    /// The thread of each worker, set before it first sets its bit. Another thread
    /// may have the number later: a waker that is late then leaves it a park
    /// token, which does no harm. Only ever locked for a moment.
    threads: Box<[Mutex<Option<Thread>>]>,
}

impl Sleep {
    /// The state for at most this many workers, none of which sleeps.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            idle: (0..workers.div_ceil(WORD_BITS)).map(|_| AtomicU64::new(0)).collect(),
            searching: AtomicIsize::new(0),
            jobless: CachePadded::new(AtomicUsize::new(0)),
            threads: (0..workers).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// Makes the calling thread known as that of `worker`. Comes before every
    /// other call for this worker by that thread.
    pub(crate) fn register(&self, worker: usize) {
        *lock(&self.threads[worker]) = Some(current());
    }

    /// The calling worker begins to search.
    pub(crate) fn start_search(&self) {
        self.searching.fetch_add(1, AcqRel);
        self.jobless.fetch_add(1, Relaxed);
    }

    /// How many workers have nothing to do, or had a moment ago.
    #[inline]
    pub(crate) fn jobless(&self) -> usize {
        self.jobless.load(Relaxed)
    }

    /// The calling searcher has a job (or ends for good). If no other worker
    /// searches and `work_left` sees more, a sleeper is woken for it.
    pub(crate) fn found(&self, work_left: impl FnOnce() -> bool) {
        self.jobless.fetch_sub(1, Relaxed);
        if self.searching.fetch_sub(1, AcqRel) <= 1 {
            fence(SeqCst);
            if work_left() {
                self.claim_one();
            }
        }
    }

    /// Something was published before this call: sees to it that a worker
    /// looks at it.
    pub(crate) fn publish(&self) {
        fence(SeqCst);
        if self.searching.load(Acquire) <= 0 {
            self.claim_one();
        }
    }

    /// Wakes one sleeper, if there is one, for a change that concerns any of them and
    /// that was made before this call.
    pub(crate) fn wake_one(&self) {
        fence(SeqCst);
        self.claim_one();
    }

    /// Wakes every sleeper, for a change that concerns all of them and that was
    /// made before this call. Each is woken once, and may sleep again at once: whoever
    /// falls asleep later sees the change in its re-check.
    pub(crate) fn wake_all(&self) {
        fence(SeqCst);
        for (index, word) in self.idle.iter().enumerate() {
            let mut bits = word.swap(0, AcqRel);
            while bits != 0 {
                self.wake(index, bits);
                bits &= bits - 1;
            }
        }
    }

    /// The calling searcher sleeps until it is claimed, unless `work_left`, asked
    /// after it has become visible as a sleeper, says that there is no reason
    /// to. Comes back as a searcher, and may have been woken for nothing.
    pub(crate) fn park(&self, worker: usize, work_left: impl FnOnce() -> bool) {
        let (word, bit) = self.place(worker);
        word.fetch_or(bit, AcqRel);
        self.searching.fetch_sub(1, AcqRel);
        fence(SeqCst);
        if work_left() {
            if word.fetch_and(!bit, AcqRel) & bit != 0 {
                self.searching.fetch_add(1, AcqRel);
            } // else a waker was faster, and counts this worker as searching.
            return;
        }
        while word.load(Acquire) & bit != 0 {
            park();
        }
    }

    /// Claims the first sleeper and wakes it. False when nobody sleeps.
    fn claim_one(&self) -> bool {
        for (index, word) in self.idle.iter().enumerate() {
            let mut bits = word.load(Acquire);
            while bits != 0 {
                let rest = bits & (bits - 1);
                match word.compare_exchange_weak(bits, rest, AcqRel, Relaxed) {
                    Ok(_) => {
                        self.wake(index, bits);
                        return true;
                    }
                    Err(now) => bits = now,
                }
            }
        }
        false
    }

    /// Wakes the sleeper of the lowest of these bits of a word, which the caller has
    /// cleared: only now is it counted, see "never too high" in the module's text.
    fn wake(&self, index: usize, bits: u64) {
        self.searching.fetch_add(1, AcqRel);
        let worker = index * WORD_BITS + bits.trailing_zeros() as usize;
        let thread = lock(&self.threads[worker]).clone();
        thread.expect("a worker registers before it sets its bit").unpark();
    }

    /// Where the bit of `worker` is.
    fn place(&self, worker: usize) -> (&AtomicU64, u64) {
        (&self.idle[worker / WORD_BITS], 1 << (worker % WORD_BITS))
    }
}
