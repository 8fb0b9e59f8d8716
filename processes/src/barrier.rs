//! A place where processes wait for each other.
//!
//! The monitor's epoch is the number of the current round. A round ends when the epoch moves on,
//! which the kernel does together with waking everybody, so a party that is killed while it ends a
//! round has ended it for all or for nobody. How the last [`REMEMBERED`] rounds ended is written
//! down before, one bit each, so a party that wakes late still learns how its own round ended.
//!
//! | how a round ends | by | its bit | the next round |
//! |---|---|---|---|
//! | passed | the last party | 1 | open |
//! | broken | a time limit, `abort` | 0 | refuses everybody until `reset` |
//! | broken | `reset` | 0 | open |
//!
//! The number of those who have come is kept with the number of their round, so with the epoch it
//! is back at zero; which round refuses is a number of a round, too. What somebody wrote down who
//! was killed before the epoch moved is thus about a round that has not ended like that, and it is
//! written again when it does end.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::monitor::{Kind, Monitor, deadline_ns};
use crate::robust::Owned;

/// The most parties that a barrier can be for.
pub const MAX_PARTIES: usize = 1 << 20;

/// How many rounds a party may sleep through and still learn how its own ended.
const REMEMBERED: u32 = 1024;

/// How many parties a round needs; constant.
const PARTIES: usize = 0;
/// A round (upper half) and how many have come to it (lower half).
const ARRIVED: usize = 1;
/// The round that refuses everybody, plus one; 0 for none.
const REFUSED: usize = 2;
/// The first word of the bits.
const OUTCOMES: usize = 3;
/// Words of the state.
const WORDS: usize = OUTCOMES + REMEMBERED as usize / 64;

/// Why a process did not pass a [`Barrier`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BarrierError {
    /// The caller's own time limit was over; this broke the barrier for all.
    #[error("not all parties came to the barrier before the time limit")]
    TimedOut,
    /// The barrier is broken, or was while the caller waited: by the time limit of another
    /// process, by [`abort`](Barrier::abort) or by [`reset`](Barrier::reset).
    #[error("barrier is broken")]
    Broken,
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All parties have come.
    Passed,
    /// Somebody gave up; newcomers are refused.
    Broken,
    /// Another round begins instead.
    Reset,
}

/// Has processes wait until a number of them have come; then all go on, and the next round
/// begins.
///
/// A clone is another handle of the same barrier. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error.
///
/// When one party gives up (its time limit is over, or someone calls [`abort`](Barrier::abort)),
/// the barrier is *broken*: everyone who waits gets an error, as does everyone who comes later,
/// until [`reset`](Barrier::reset).
///
/// ```
/// use processes::{Barrier, Pool};
///
/// let (pool, barrier) = (Pool::new(3)?, Barrier::new(3)?);
/// let meet = |barrier: Barrier| barrier.wait();
/// let calls = [(); 3].map(|()| pool.submit(meet, barrier.clone()));
/// let mut places = Vec::new();
/// for call in calls {
///     places.push(call.join()??);
/// }
/// places.sort();
/// assert_eq!(places, [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A process that is killed while it waits has come: the others pass when the rest is there. For
/// one that is killed before it comes the others wait. Give them a limit, or call `abort` when the
/// `join` of its call fails.
///
/// Each call that waits occupies its worker: a pool with fewer workers than parties never passes.
#[derive(Clone)]
pub struct Barrier {
    /// The rounds.
    monitor: Monitor,
}

impl Barrier {
    /// A barrier for this many parties.
    ///
    /// # Errors
    /// `InvalidInput` when it is zero or above [`MAX_PARTIES`]; otherwise no descriptors or
    /// memory are left.
    pub fn new(parties: usize) -> io::Result<Self> {
        if parties == 0 || parties > MAX_PARTIES {
            let text = format!("a barrier for {parties} parties: ask for 1 to {MAX_PARTIES}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let monitor = Monitor::create(Kind::Barrier, WORDS)?;
        monitor.word(PARTIES).store(parties as u64, Ordering::Relaxed);
        Ok(Self { monitor })
    }

    /// Waits until all have come. Each gets a different place, from 0 for the first to come to
    /// one less than the number of parties: good for having one of them do something.
    ///
    /// # Errors
    /// [`BarrierError::Broken`].
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.wait_until(None)
    }

    /// Waits until all have come, but not longer than `limit`; then it breaks the barrier.
    ///
    /// # Errors
    /// [`BarrierError::TimedOut`], [`BarrierError::Broken`].
    pub fn wait_timeout(&self, limit: Duration) -> Result<usize, BarrierError> {
        self.wait_until(deadline_ns(limit))
    }

    /// Breaks the barrier, for a party that cannot come: better than to leave the others waiting.
    pub fn abort(&self) {
        let held = self.monitor.lock();
        self.end(&held, End::Broken);
    }

    /// Begins a new round, with nobody in it. Those who wait get [`BarrierError::Broken`].
    pub fn reset(&self) {
        let held = self.monitor.lock();
        self.end(&held, End::Reset);
    }

    /// Whether the barrier is broken.
    pub fn is_broken(&self) -> bool {
        let held = self.monitor.lock();
        self.refuses(&held)
    }

    /// How many parties a round needs.
    pub fn parties(&self) -> usize {
        to_usize(self.monitor.word(PARTIES).load(Ordering::Relaxed))
    }

    /// How many have come to the current round; those who were killed while they waited count.
    pub fn n_waiting(&self) -> usize {
        let held = self.monitor.lock();
        self.arrived(&held)
    }

    /// The one way to wait.
    fn wait_until(&self, deadline_ns: Option<u64>) -> Result<usize, BarrierError> {
        let held = self.monitor.lock();
        let round = self.monitor.epoch();
        if self.refuses(&held) {
            return Err(BarrierError::Broken);
        }
        let place = self.arrived(&held);
        if place + 1 >= self.parties() {
            self.end(&held, End::Passed);
            return Ok(place);
        }
        let arrived = u64::from(round) << 32 | (place as u64 + 1);
        self.monitor.word(ARRIVED).store(arrived, Ordering::Relaxed);
        drop(held);
        while self.monitor.epoch() == round {
            if !self.monitor.sleep(round, deadline_ns) {
                return self.give_up(round, place);
            }
        }
        let held = self.monitor.lock();
        self.outcome(&held, round, place)
    }

    /// Time is over for a party of `round`.
    fn give_up(&self, round: u32, place: usize) -> Result<usize, BarrierError> {
        let held = self.monitor.lock();
        if self.monitor.epoch() != round {
            // The others were faster.
            return self.outcome(&held, round, place);
        }
        self.end(&held, End::Broken);
        Err(BarrierError::TimedOut)
    }

    /// Ends the current round.
    fn end(&self, _held: &Owned, how: End) {
        let round = self.monitor.epoch();
        let refused = if how == End::Broken { u64::from(round.wrapping_add(1)) + 1 } else { 0 };
        let (word, bit) = outcome_bit(round);
        if how == End::Passed {
            self.monitor.word(word).fetch_or(bit, Ordering::Relaxed);
        } else {
            self.monitor.word(word).fetch_and(!bit, Ordering::Relaxed);
        }
        self.monitor.word(REFUSED).store(refused, Ordering::Relaxed);
        self.monitor.ring(1);
    }

    /// How a round ended that is over.
    fn outcome(&self, _held: &Owned, round: u32, place: usize) -> Result<usize, BarrierError> {
        let (word, bit) = outcome_bit(round);
        let known = self.monitor.epoch().wrapping_sub(round) <= REMEMBERED;
        let passed = self.monitor.word(word).load(Ordering::Relaxed) & bit != 0;
        if known && passed { Ok(place) } else { Err(BarrierError::Broken) }
    }

    /// How many have come to the current round.
    fn arrived(&self, _held: &Owned) -> usize {
        let arrived = self.monitor.word(ARRIVED).load(Ordering::Relaxed);
        let this_round = arrived >> 32 == u64::from(self.monitor.epoch());
        if this_round { to_usize(arrived & u64::from(u32::MAX)) } else { 0 }
    }

    /// True when the current round refuses everybody.
    fn refuses(&self, _held: &Owned) -> bool {
        let refused = self.monitor.word(REFUSED).load(Ordering::Relaxed);
        refused == u64::from(self.monitor.epoch()) + 1
    }
}

/// Where it is written down whether a round was passed.
fn outcome_bit(round: u32) -> (usize, u64) {
    let index = round % REMEMBERED;
    (OUTCOMES + index as usize / 64, 1 << (index % 64))
}

/// A number that is at most [`MAX_PARTIES`].
fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("it is at most `MAX_PARTIES`")
}

/// Works only inside the argument of a call; an error elsewhere.
impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.monitor.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { monitor: Monitor::deserialize(Kind::Barrier, deserializer)? })
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("parties", &self.parties()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sleeps_through_other_rounds_learns_about_its_own() {
        let barrier = Barrier::new(1).unwrap();
        barrier.wait().unwrap();
        barrier.reset();
        let passed = |round| barrier.outcome(&barrier.monitor.lock(), round, 7);
        for _ in 2..REMEMBERED {
            barrier.wait().unwrap();
        }
        assert_eq!((passed(0), passed(1)), (Ok(7), Err(BarrierError::Broken)));
        barrier.wait().unwrap();
        assert_eq!(passed(0), Err(BarrierError::Broken), "that is too long ago to know");
    }

    #[test]
    fn what_the_dead_prepared_is_nothing() {
        let barrier = Barrier::new(2).unwrap();
        // As if somebody was killed in `abort`, just before the epoch moves.
        barrier.monitor.word(REFUSED).store(2, Ordering::Relaxed);
        assert!(!barrier.is_broken());
        std::thread::scope(|scope| {
            scope.spawn(|| barrier.wait().unwrap());
            barrier.wait().unwrap();
        });
        assert!(!barrier.is_broken());
    }
}
