//! The permits of a semaphore, and which process holds how many of them.
//!
//! ```text
//! total | most | used | slots: holder and count, start of the holder's life
//! ```
//!
//! A permit that is held belongs to a process, so that it comes back when that process dies.
//! *Total* is how many permits exist, held ones included; each process that holds some has a
//! *slot* with their number; what is left is total less the sum of all slots. So each step commits
//! by one store, and a process that is killed in the middle has made it or has not:
//!
//! | step | changes |
//! |---|---|
//! | acquire | own slot + 1 (a new slot: its life first) |
//! | a permit is dropped | own slot - 1 |
//! | release by hand | total + n |
//! | a permit is forgotten | total - 1, then own slot - 1: in between it looks forgotten already |
//! | the dead are found | their slots = 0 |
//!
//! # The dead
//!
//! Nobody tells a process that another one died, except the parent that started it. So whoever
//! finds no permit left looks whether the holders live (see [`crate::life`]), before it gives up
//! or sleeps, and again every [`LOOK_AGAIN`] while it sleeps. As long as permits are left nobody
//! looks, and those who hold none are not watched: a killed waiter was never written down.
//!
//! A robust mutex for each holder would have the kernel tell, but its owner is a thread, and a
//! permit may be acquired in one thread and dropped in another one.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{self, Until};
use crate::life::{Home, Life};
use crate::monitor::{Kind, Monitor};
use crate::robust::Owned;

/// The most permits that a semaphore can have.
pub const MAX_PERMITS: usize = u32::MAX as usize;

/// How long a killed holder can go unnoticed by those who wait.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How many processes can hold permits at a time so that those come back when they die.
const SLOTS: usize = 4096;

/// Permits that exist.
const TOTAL: usize = 0;
/// What is left never exceeds this; constant.
const MOST: usize = 1;
/// Slots from here on were never used.
const USED: usize = 2;
/// The first slot; each takes two words: process id and count, start time.
const FIRST: usize = 3;

/// Whose a permit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// That of the process that acquired it.
    Process,
    /// Nobody's, as all slots were taken: it does not come back by itself. This is where it was
    /// acquired.
    Nobody(Home),
}

/// The permits of a semaphore.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    /// Counts and slots. The epoch changes with every release.
    monitor: Monitor,
}

impl Permits {
    /// So many permits, all of them left; never more than `most` will be.
    ///
    /// # Errors
    /// `InvalidInput` above [`MAX_PERMITS`]; otherwise no descriptors or memory are left.
    pub(crate) fn create(kind: Kind, left: usize, most: usize) -> io::Result<Self> {
        if left > MAX_PERMITS {
            let text = format!("a semaphore of {left} permits: the most is {MAX_PERMITS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let monitor = Monitor::create(kind, FIRST + 2 * SLOTS)?;
        monitor.word(TOTAL).store(left as u64, Ordering::Relaxed);
        monitor.word(MOST).store(most as u64, Ordering::Relaxed);
        Ok(Self { monitor })
    }

    /// Those in memory that came from elsewhere.
    pub(crate) fn of(monitor: Monitor) -> Self {
        Self { monitor }
    }

    /// Their memory.
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Takes a permit; none when there was none in time.
    pub(crate) fn acquire(&self, until: Until) -> Option<Holder> {
        loop {
            // Before looking, so that a release after it is not slept through.
            let epoch = self.monitor.epoch();
            if let Some(holder) = self.take() {
                return Some(holder);
            }
            let deadline_ns = until.deadline_ns();
            let look_ns = clock::look_ns(LOOK_AGAIN).min(deadline_ns.unwrap_or(u64::MAX));
            if !self.monitor.sleep(epoch, Some(look_ns)) && clock::is_over(deadline_ns) {
                return None;
            }
        }
    }

    /// Takes a permit if one is left.
    fn take(&self) -> Option<Holder> {
        let held = self.monitor.lock();
        if self.left(&held) == 0 {
            self.bury(&held);
        }
        if self.left(&held) == 0 {
            return None;
        }
        let Some(slot) = self.own_slot(&held).or_else(|| self.new_slot(&held)) else {
            self.monitor.word(TOTAL).fetch_sub(1, Ordering::Relaxed);
            return Some(Holder::Nobody(Home::here()));
        };
        self.set_count(slot, self.count(slot) + 1);
        Some(Holder::Process)
    }

    /// Gives back a permit that this process acquired. A copy in a child that was forked is none.
    pub(crate) fn give_back(&self, holder: Holder) {
        if let Holder::Nobody(home) = holder {
            if home.is_here() {
                // False after too many were released by hand: this one was among them.
                self.release(1);
            }
            return;
        }
        let held = self.monitor.lock();
        if let Some(slot) = self.own_slot(&held) {
            self.cut(&held, 1);
            self.set_count(slot, self.count(slot).saturating_sub(1));
            self.monitor.ring(1);
        }
    }

    /// Has a permit belong to nobody any more.
    pub(crate) fn forget(&self, holder: Holder) {
        if matches!(holder, Holder::Nobody(_)) {
            return;
        }
        let held = self.monitor.lock();
        if let Some(slot) = self.own_slot(&held) {
            self.monitor.word(TOTAL).fetch_sub(1, Ordering::Relaxed);
            self.set_count(slot, self.count(slot).saturating_sub(1));
        }
    }

    /// Adds permits; false, and nothing is changed, if there would be too many.
    pub(crate) fn release(&self, n: usize) -> bool {
        let held = self.monitor.lock();
        let room = self.most().saturating_sub(self.left(&held));
        if n as u64 > room {
            return false;
        }
        self.monitor.word(TOTAL).fetch_add(n as u64, Ordering::Relaxed);
        self.monitor.ring(1);
        true
    }

    /// How many are left, those of the dead included.
    pub(crate) fn available(&self) -> usize {
        let held = self.monitor.lock();
        self.bury(&held);
        usize::try_from(self.left(&held)).unwrap_or(usize::MAX).min(MAX_PERMITS)
    }

    /// How many are left.
    fn left(&self, _held: &Owned) -> u64 {
        let taken: u64 = self.slots().map(|slot| self.count(slot)).sum();
        self.monitor.word(TOTAL).load(Ordering::Relaxed).saturating_sub(taken)
    }

    /// Takes the permits of dead processes away from them.
    fn bury(&self, held: &Owned) {
        let own = Life::own();
        for slot in self.slots() {
            let count = self.count(slot);
            if count > 0 && self.life(slot) != own && self.life(slot).is_over() {
                self.cut(held, count);
                self.set_word(slot, 0);
                self.monitor.ring(1);
            }
        }
    }

    /// Before `count` permits come back: those that would be too many, because somebody released
    /// them by hand as well, cease to exist.
    fn cut(&self, held: &Owned, count: u64) {
        let excess = self.left(held).saturating_add(count).saturating_sub(self.most());
        self.monitor.word(TOTAL).fetch_sub(excess, Ordering::Relaxed);
    }

    /// What is left never exceeds this.
    fn most(&self) -> u64 {
        self.monitor.word(MOST).load(Ordering::Relaxed)
    }

    /// The slots that were ever used.
    fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        let used = self.monitor.word(USED).load(Ordering::Relaxed);
        (0..SLOTS).take(usize::try_from(used).unwrap_or(SLOTS))
    }

    /// This process's slot, if it holds permits.
    fn own_slot(&self, _held: &Owned) -> Option<usize> {
        let own = Life::own();
        self.slots().find(|&slot| self.count(slot) > 0 && self.life(slot) == own)
    }

    /// A slot for this process; none when there are too many holders.
    fn new_slot(&self, held: &Owned) -> Option<usize> {
        let used = self.slots().count();
        let mut free = self.slots().find(|&slot| self.count(slot) == 0);
        if free.is_none() && used == SLOTS {
            self.bury(held);
            free = self.slots().find(|&slot| self.count(slot) == 0);
        }
        let slot = free.or((used < SLOTS).then_some(used))?;
        let own = Life::own();
        self.monitor.word(FIRST + 2 * slot + 1).store(own.started, Ordering::Relaxed);
        self.set_word(slot, u64::from(own.pid) << 32);
        if slot == used {
            self.monitor.word(USED).store(used as u64 + 1, Ordering::Relaxed);
        }
        Some(slot)
    }

    /// Whose a slot is.
    fn life(&self, slot: usize) -> Life {
        let [pid, ..] = split(self.slot_word(slot));
        Life { pid, started: self.monitor.word(FIRST + 2 * slot + 1).load(Ordering::Relaxed) }
    }

    /// How many permits the holder of a slot has; 0 in a free one.
    fn count(&self, slot: usize) -> u64 {
        let [_pid, count] = split(self.slot_word(slot));
        u64::from(count)
    }

    /// Commits the number of permits in a slot.
    fn set_count(&self, slot: usize, count: u64) {
        let count = count.min(u64::from(u32::MAX));
        self.set_word(slot, self.slot_word(slot) & !u64::from(u32::MAX) | count);
    }

    /// Process id and count of a slot.
    fn slot_word(&self, slot: usize) -> u64 {
        self.monitor.word(FIRST + 2 * slot).load(Ordering::Relaxed)
    }

    /// Commits process id and count of a slot.
    fn set_word(&self, slot: usize, word: u64) {
        self.monitor.word(FIRST + 2 * slot).store(word, Ordering::Relaxed);
    }
}

/// The upper and the lower half of a word.
fn split(word: u64) -> [u32; 2] {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
    [half(word >> 32), half(word)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Permits of which a process that has the number 1 and another start time holds some.
    fn with_dead(total: usize, dead: u64) -> Permits {
        let permits = Permits::create(Kind::BoundedSemaphore, total, total).unwrap();
        permits.monitor.word(FIRST + 1).store(u64::MAX, Ordering::Relaxed);
        permits.set_word(0, 1 << 32 | dead);
        permits.monitor.word(USED).store(1, Ordering::Relaxed);
        permits
    }

    #[test]
    fn the_permits_of_the_dead_come_back() {
        let permits = with_dead(2, 2);
        assert_eq!(permits.acquire(Until::Now), Some(Holder::Process));
        assert_eq!(permits.available(), 1);
        permits.give_back(Holder::Process);
        assert_eq!(permits.available(), 2);
    }

    #[test]
    fn what_was_released_by_hand_does_not_come_back_twice() {
        let permits = with_dead(2, 2);
        assert!(permits.release(1));
        assert_eq!(permits.available(), 2);
    }

    #[test]
    fn words_that_cannot_be_do_no_harm() {
        for word in [u64::MAX, u64::MAX - 1, 1 << 63, 0] {
            for spoiled in [TOTAL, MOST, USED, FIRST, FIRST + 1] {
                let permits = with_dead(2, 1);
                let holder = permits.acquire(Until::Now).unwrap();
                permits.monitor.word(spoiled).store(word, Ordering::Relaxed);
                assert!(permits.available() <= MAX_PERMITS);
                permits.give_back(holder);
                permits.release(1);
                if let Some(holder) = permits.acquire(Until::Now) {
                    permits.forget(holder);
                }
            }
        }
    }

    #[test]
    fn time_is_over_only_when_it_is_that_of_the_caller() {
        let permits = Permits::create(Kind::Semaphore, 0, MAX_PERMITS).unwrap();
        let deadline_ns = clock::after_ns(Duration::from_millis(30));
        let none = crate::fault::hurried(|| permits.acquire(Until::Deadline(deadline_ns)));
        assert_eq!(none, None);
        assert!(clock::now_ns() >= deadline_ns, "it has given up when it was to look again");
    }

    #[test]
    fn with_all_slots_taken_a_permit_is_nobodys() {
        let permits = Permits::create(Kind::Semaphore, 2 * SLOTS, MAX_PERMITS).unwrap();
        // Process 1 lives as long as the machine (or the container).
        (0..SLOTS).for_each(|slot| permits.set_word(slot, 1 << 32 | 1));
        permits.monitor.word(USED).store(SLOTS as u64, Ordering::Relaxed);
        let nobodys = Holder::Nobody(Home::here());
        assert_eq!(permits.acquire(Until::Now), Some(nobodys));
        let held = permits.monitor.lock();
        assert_eq!(permits.left(&held), SLOTS as u64 - 1);
        drop(held);
        permits.give_back(Holder::Nobody(Home::elsewhere()));
        let held = permits.monitor.lock();
        assert_eq!(permits.left(&held), SLOTS as u64 - 1, "it is a copy");
        drop(held);
        permits.give_back(nobodys);
        let held = permits.monitor.lock();
        assert_eq!(permits.left(&held), SLOTS as u64);
    }
}
