//! Timers: a hierarchical wheel over a slab, after Varghese and Lauck, "Hashed and hierarchical timing
//! wheels" (1987), with a heap for the current tick.
//!
//! Time is counted in ticks of 2^14 ns, 16 us. A timer whose tick has not come lies in one of the
//! [`Wheel`]'s lists: to insert it and to remove it costs the same, however many there are. When its
//! tick comes it goes to the [`Heap`], in which all is in exact order, by (deadline, insertion), and
//! from there it fires, never before its deadline. A timer for the current tick, or an earlier one, is
//! inserted into the heap. As a rule the heap is all but empty: most timers are removed before their
//! tick comes.
//!
//! What is in the heap is earlier than all that is in the wheel. So the nearest deadline is exact
//! when the heap has one, and else when the wheel's next list is short; of a long one, the beginning
//! of the time that it stands for is given, when its timers come closer: whoever sleeps until then
//! wakes up once more.
//!
//! Nothing in this file runs user code, dropping a waker included: wakers are handed back to the
//! caller.

mod heap;
mod wheel;

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::armed::Armed;
use crate::class::Rank;

use heap::Heap;
use wheel::{List, Wheel};

/// Nanoseconds of a tick, as a power of two.
const TICK_BITS: u32 = 14;

/// How many timers of the wheel's next list are looked at for the nearest deadline.
const LOOKED_AT: usize = 32;

/// No timer.
const NONE: u32 = u32::MAX;

/// Refers to a timer. Void after it fired or was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    slot: u32,
    generation: u64,
}

/// Order in which timers fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    deadline: Instant,
    /// Unique, in order of insertion.
    serial: u64,
}

/// Where a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At this position of the heap.
    Heap(u32),
    /// In this list of the wheel.
    List(List),
    /// Nowhere: the place in the slab is free.
    Free,
}

/// A place in the slab.
#[derive(Debug)]
struct Entry {
    /// Its deadline, and the serial number of the timer that has the place; void ids differ.
    key: Key,
    /// Who is woken, with the rank of the task that waits. None: the place is free.
    waiter: Option<(Waker, Rank)>,
    /// The next timer in the same list, or the next free place.
    next: u32,
    /// The previous timer in the same list.
    previous: u32,
    place: Place,
}

/// All timers of a reactor.
#[derive(Debug)]
pub(crate) struct Timers {
    entries: Vec<Entry>,
    /// The first free place of `entries`.
    free: u32,
    /// How many timers wait.
    len: usize,
    /// Those of the current tick and of those before it.
    heap: Heap,
    /// Those of later ticks.
    wheel: Wheel,
    /// When tick 0 begins.
    epoch: Instant,
    /// The next serial number.
    next_serial: u64,
    /// How many timers wait per rank; tells whether somebody more urgent may become ready.
    armed: Armed,
}

impl Timers {
    /// None, at this time.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            len: 0,
            heap: Heap::default(),
            wheel: Wheel::new(),
            epoch: now,
            next_serial: 0,
            armed: Armed::default(),
        }
    }

    /// How many timers wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The ranks of which a task waits for a timer.
    pub(crate) fn armed(&self) -> u8 {
        self.armed.ranks()
    }

    /// The nearest deadline, or a time before it at which fewer timers will be as near.
    pub(crate) fn next(&self) -> Option<Instant> {
        if let Some(key) = self.heap.first() {
            return Some(key.deadline);
        }
        let (list, begin) = self.wheel.next()?;
        let mut nearest: Option<Instant> = None;
        let mut slot = self.wheel.first(list);
        for _ in 0..LOOKED_AT {
            let Some(entry) = self.entries.get(slot as usize) else { return nearest };
            let deadline = entry.key.deadline;
            nearest = Some(nearest.map_or(deadline, |nearest| nearest.min(deadline)));
            slot = entry.next;
        }
        Some(self.epoch + Duration::from_nanos(begin << TICK_BITS))
    }

    /// Starts a timer.
    ///
    /// # Panics
    ///
    /// When there are 2^32 - 1 of them.
    pub(crate) fn insert(&mut self, deadline: Instant, waker: Waker, rank: Rank) -> TimerId {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.armed.add(rank);
        self.len += 1;
        let key = Key { deadline, serial };
        let waiter = Some((waker, rank));
        let entry = Entry { key, waiter, next: NONE, previous: NONE, place: Place::Free };
        let slot = self.free;
        let slot = if let Some(place) = self.entries.get_mut(slot as usize) {
            self.free = place.next;
            *place = entry;
            slot
        } else {
            let slot = u32::try_from(self.entries.len()).ok().filter(|slot| *slot != NONE);
            self.entries.push(entry);
            slot.expect("2^32 timers do not fit in memory")
        };
        self.put(slot);
        TimerId { slot, generation: serial }
    }

    /// The waiter of a timer that has not fired.
    pub(crate) fn waiter(&mut self, id: TimerId) -> Option<&mut (Waker, Rank)> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        if entry.key.serial == id.generation { entry.waiter.as_mut() } else { None }
    }

    /// The task that waits for a timer has another rank now.
    pub(crate) fn set_rank(&mut self, id: TimerId, rank: Rank) {
        if let Some((_, old)) = self.waiter(id)
            && *old != rank
        {
            let old = std::mem::replace(old, rank);
            self.armed.remove(old);
            self.armed.add(rank);
        }
    }

    /// Removes a timer and gives its waiter back, unless it has fired or was removed.
    pub(crate) fn remove(&mut self, id: TimerId) -> Option<(Waker, Rank)> {
        self.waiter(id)?;
        match self.entries[id.slot as usize].place {
            Place::Heap(position) => self.heap.remove(&mut self.entries, position),
            Place::List(list) => self.wheel.remove(&mut self.entries, list, id.slot),
            Place::Free => return None,
        }
        self.release(id.slot)
    }

    /// Removes the first timer whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Waker, Rank)> {
        if self.len == 0 {
            self.wheel.pass(self.tick(now));
            return None;
        }
        self.turn(now);
        let first = self.heap.first().filter(|key| key.deadline <= now)?;
        let slot = self.heap.pop(&mut self.entries, first);
        self.release(slot)
    }

    /// Removes all timers.
    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        self.heap = Heap::default();
        self.wheel.clear();
        self.free = NONE;
        self.len = 0;
        self.armed = Armed::default();
        self.entries.drain(..).filter_map(|entry| Some(entry.waiter?.0)).collect()
    }

    /// Turns the wheel up to this time, but not beyond a list that has a timer for the heap.
    fn turn(&mut self, now: Instant) {
        let tick = self.tick(now);
        while self.heap.first().is_none() {
            let Some(list) = self.wheel.turn(tick) else { return };
            // Its timers belong to the current tick or into lists that stand for less time.
            let mut slot = self.wheel.take(list);
            while slot != NONE {
                let next = self.entries[slot as usize].next;
                self.put(slot);
                slot = next;
            }
        }
    }

    /// Puts a timer where it belongs.
    fn put(&mut self, slot: u32) {
        let key = self.entries[slot as usize].key;
        match self.wheel.list_of(self.tick(key.deadline)) {
            Some(list) => self.wheel.push(&mut self.entries, list, slot),
            None => self.heap.push(&mut self.entries, key, slot),
        }
    }

    /// Frees the place of a timer that is in neither heap nor wheel.
    fn release(&mut self, slot: u32) -> Option<(Waker, Rank)> {
        let entry = &mut self.entries[slot as usize];
        entry.place = Place::Free;
        entry.next = self.free;
        let waiter = entry.waiter.take();
        self.free = slot;
        self.len -= 1;
        if let Some((_, rank)) = &waiter {
            self.armed.remove(*rank);
        }
        waiter
    }

    /// The tick of a moment; 0 for those before the reactor was built.
    fn tick(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        let seconds = since.as_secs().saturating_mul(1_000_000_000);
        // What is more than 500 years away has one tick; within it the heap keeps the order.
        seconds.saturating_add(u64::from(since.subsec_nanos())) >> TICK_BITS
    }
}

#[cfg(test)]
mod tests;
