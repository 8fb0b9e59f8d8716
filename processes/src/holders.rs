//! Which processes hold an end of a channel, so that the other side learns when none is left.
//!
//! ```text
//! used | slots: process id and count, start of the holder's life
//! ```
//!
//! The table lies in the annex of a [`Ring`] and is changed under its mutex. Each process that has
//! handles of an end has a slot with their number; each change commits by one store, so a process
//! that is killed in the middle has made it or has not. When the last holder leaves, the ring is
//! shut down, which wakes whoever waits, and is for good: a handle comes only from a handle.
//!
//! A handle on its way to another process is counted, too: the call that it travels with holds one
//! (see [`crate::scope::send_counted`]), from before the caller's own is dropped until the call has
//! ended. By then the other process has entered, or is dead, or has dropped its own.
//!
//! # The dead
//!
//! They do not leave by themselves. Whoever waits for the other side looks whether its holders live
//! (see [`crate::life`]), before it sleeps and every [`LOOK_AGAIN`] while it does; and whoever
//! leaves looks as well, which is how the end of a call tells at once. Nobody needs to look as long
//! as this process holds the other side itself, or the parent of a worker does, for no worker
//! outlives its parent. When they leave, they have the sleepers look again, who from then on watch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;
use crate::life::Life;
use crate::ring::{Direction, Ring};
use crate::robust::Owned;

/// How many processes can hold handles of one end.
pub const MAX_HOLDERS: usize = 512;

/// How long a killed holder can go unnoticed by those who wait.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Where it is counted how many slots were ever used.
const USED: usize = 0;

/// The holders of one end.
#[derive(Clone, Debug)]
pub(crate) struct Holders {
    /// The memory.
    ring: Ring,
    /// Where the table begins, as an index of words of the annex.
    first: usize,
}

impl Holders {
    /// Words of a table.
    pub(crate) const WORDS: usize = 1 + 2 * MAX_HOLDERS;

    /// The table there.
    pub(crate) fn new(ring: &Ring, first: usize) -> Self {
        Self { ring: ring.clone(), first }
    }

    /// This process has one handle more. False, and nothing has changed, when too many processes
    /// have one, or when it has come too late.
    pub(crate) fn enter(&self) -> bool {
        let own = Life::own();
        let held = self.ring.lock();
        let known = self.slots().find(|&slot| self.count(slot) > 0 && self.life(slot) == own);
        let Some(slot) = known.or_else(|| self.free_slot(&held)) else { return false };
        if self.count(slot) == 0 {
            self.word(slot + 1).store(own.started, Ordering::Relaxed);
        }
        let word = u64::from(own.pid) << 32 | (self.count(slot) + 1);
        self.word(slot).store(word, Ordering::Relaxed);
        let used = (slot - USED - 1) / 2 + 1;
        if used > self.slots().count() {
            self.word(USED).store(used as u64, Ordering::Relaxed);
        }
        true
    }

    /// This process has one handle fewer. A child that was forked has none: copies do not count.
    pub(crate) fn leave(&self) {
        self.leave_under(&self.ring.lock());
    }

    /// As [`leave`](Self::leave), for one who waits for nobody. False, and nothing has changed, when somebody has the
    /// memory locked.
    pub(crate) fn leave_soon(&self) -> bool {
        self.ring.lock_soon().is_some_and(|held| {
            self.leave_under(&held);
            true
        })
    }

    /// Leaves, under the mutex.
    fn leave_under(&self, held: &Owned) {
        let own = Life::own();
        let known = self.slots().find(|&slot| self.count(slot) > 0 && self.life(slot) == own);
        let Some(slot) = known else { return };
        let left = self.count(slot).saturating_sub(1);
        self.word(slot).store(u64::from(own.pid) << 32 | left, Ordering::Relaxed);
        if self.count(slot) > 0 {
            return;
        }
        if self.is_anybody(held) {
            // Those who had relied on this process watch the others now.
            self.ring.nudge(held);
        } else {
            self.ring.end(held);
        }
    }

    /// True when nobody is left. Shuts the ring down then.
    pub(crate) fn are_gone(&self) -> bool {
        let held = self.ring.lock();
        let gone = !self.is_anybody(&held);
        drop(held);
        if gone {
            self.ring.shut_down();
        }
        gone
    }

    /// Sleeps until `direction` has moved on from `epoch`, or the deadline, and looks now and then
    /// whether these holders live. False: it is over.
    pub(crate) fn sleep(&self, direction: Direction, epoch: u32, deadline_ns: Option<u64>) -> bool {
        if self.are_gone() {
            return true; // The ring says so.
        }
        let until_ns = match self.watch_ns() {
            Some(look_ns) => Some(deadline_ns.map_or(look_ns, |at_ns| at_ns.min(look_ns))),
            None => deadline_ns,
        };
        self.ring.sleep(direction, epoch, until_ns) || !clock::is_over(deadline_ns)
    }

    /// When to look again whether they live; none when somebody will say so.
    pub(crate) fn watch_ns(&self) -> Option<u64> {
        let held = self.ring.lock();
        let relied_on = [Some(Life::own()), Life::parent()];
        let safe = self
            .slots()
            .any(|slot| self.count(slot) > 0 && relied_on.contains(&Some(self.life(slot))));
        drop(held);
        (!safe).then(|| clock::look_ns(LOOK_AGAIN))
    }

    /// Whether one of them lives. Takes the others out, until it comes across one.
    fn is_anybody(&self, _held: &Owned) -> bool {
        let own = Life::own();
        let holding = || self.slots().filter(|&slot| self.count(slot) > 0);
        if holding().any(|slot| self.life(slot) == own) {
            return true;
        }
        for slot in holding() {
            if !self.life(slot).is_over() {
                return true;
            }
            self.word(slot).store(0, Ordering::Relaxed);
        }
        false
    }

    /// A slot that nobody has; none when all holders live.
    fn free_slot(&self, _held: &Owned) -> Option<usize> {
        let free = self.slots().find(|&slot| self.count(slot) == 0);
        let used = self.slots().count();
        let next = (used < MAX_HOLDERS).then_some(USED + 1 + 2 * used);
        let dead = || self.slots().find(|&slot| self.life(slot).is_over());
        let slot = free.or(next).or_else(dead)?;
        self.word(slot).store(0, Ordering::Relaxed);
        Some(slot)
    }

    /// The slots that were ever used, by their first word.
    fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        let used = self.word(USED).load(Ordering::Relaxed);
        let used = usize::try_from(used).unwrap_or(MAX_HOLDERS).min(MAX_HOLDERS);
        (0..used).map(|number| USED + 1 + 2 * number)
    }

    /// Whose a slot is.
    fn life(&self, slot: usize) -> Life {
        let pid = u32::try_from(self.word(slot).load(Ordering::Relaxed) >> 32);
        let started = self.word(slot + 1).load(Ordering::Relaxed);
        Life { pid: pid.expect("the upper half of 64 bits"), started }
    }

    /// How many handles the holder has; 0 in a free slot.
    fn count(&self, slot: usize) -> u64 {
        self.word(slot).load(Ordering::Relaxed) & u64::from(u32::MAX)
    }

    /// A word of the table.
    fn word(&self, index: usize) -> &AtomicU64 {
        self.ring.annex_word(self.first + index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring whose end is held by nobody.
    fn empty() -> (Ring, Holders) {
        let ring = Ring::create_with(2, 16, Holders::WORDS * 8).unwrap();
        let holders = Holders::new(&ring, 0);
        (ring, holders)
    }

    /// Process 1 lives as long as the machine (or the container).
    fn add(holders: &Holders, pid: u64, started: u64) {
        let used = holders.slots().count();
        let slot = USED + 1 + 2 * used;
        holders.word(slot + 1).store(started, Ordering::Relaxed);
        holders.word(slot).store(pid << 32 | 1, Ordering::Relaxed);
        holders.word(USED).store(used as u64 + 1, Ordering::Relaxed);
    }

    #[test]
    fn the_last_one_shuts_the_ring_down() {
        let (ring, holders) = empty();
        assert!(holders.enter() && holders.enter());
        holders.leave();
        assert!(!ring.is_shut_down());
        holders.leave();
        assert!(ring.is_shut_down());
    }

    #[test]
    fn the_dead_do_not_count_and_the_living_do() {
        let (ring, holders) = empty();
        add(&holders, 1, u64::MAX);
        assert!(holders.enter());
        assert!(!holders.are_gone());
        holders.leave();
        assert!(ring.is_shut_down(), "process 1 was started at another time");
        let (ring, holders) = empty();
        add(&holders, 1, 0);
        assert!(holders.enter());
        holders.leave();
        assert!(!ring.is_shut_down(), "nobody knows when process 1 was started");
    }

    #[test]
    fn only_others_are_watched_and_sleepers_are_told_to() {
        let (ring, holders) = empty();
        add(&holders, 1, 0);
        assert!(holders.watch_ns().is_some());
        assert!(holders.enter());
        assert!(holders.watch_ns().is_none());
        let epoch = ring.futex(Direction::Message).load(Ordering::Relaxed);
        holders.leave();
        assert_ne!(ring.futex(Direction::Message).load(Ordering::Relaxed), epoch);
    }

    #[test]
    fn time_is_over_only_when_it_is_that_of_the_caller() {
        let (ring, holders) = empty();
        add(&holders, 1, 0);
        let epoch = ring.futex(Direction::Message).load(Ordering::Relaxed);
        let sleep = |deadline_ns| holders.sleep(Direction::Message, epoch, deadline_ns);
        crate::fault::hurried(|| {
            assert!(sleep(None) && sleep(Some(clock::after_ns(Duration::from_mins(1)))));
            assert!(!sleep(Some(clock::now_ns())));
        });
    }

    #[test]
    fn a_full_table_takes_nobody_but_instead_of_the_dead() {
        let (_ring, holders) = empty();
        (0..MAX_HOLDERS).for_each(|_| add(&holders, 1, 0));
        assert!(!holders.enter());
        let slot = USED + 1 + 2 * 7;
        holders.word(slot + 1).store(u64::MAX, Ordering::Relaxed);
        assert!(holders.enter());
        assert_eq!(holders.life(slot), Life::own());
    }
}
