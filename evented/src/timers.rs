//! Timers: an indexed 4-ary heap over a slab.
//!
//! Insert and cancel cost O(log n), the nearest deadline O(1). Timers fire in the exact order of
//! (deadline, insertion). Nothing in this file runs user code, dropping a waker included: wakers are
//! handed back to the caller.

use std::task::Waker;
use std::time::Instant;

use crate::armed::Armed;
use crate::class::Rank;

/// Children per node: shallower than a binary heap, and the four keys share cache lines.
const ARITY: usize = 4;

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

/// A place in the slab.
#[derive(Debug)]
struct Entry {
    /// The serial number of the timer that has the place; void ids differ.
    generation: u64,
    /// Where the timer is in the heap.
    position: usize,
    /// Who is woken, with the rank of the task that waits. None: the place is free.
    waiter: Option<(Waker, Rank)>,
}

/// All timers of a reactor.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Keys with the slab places they belong to; the least is first.
    heap: Vec<(Key, u32)>,
    entries: Vec<Entry>,
    /// Free places of `entries`.
    free: Vec<u32>,
    /// The next serial number.
    next_serial: u64,
    /// How many timers wait per rank; tells whether somebody more urgent may become ready.
    armed: Armed,
}

impl Timers {
    /// How many timers wait.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The ranks of which a task waits for a timer.
    pub(crate) fn armed(&self) -> u8 {
        self.armed.ranks()
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(key, _)| key.deadline)
    }

    pub(crate) fn insert(&mut self, deadline: Instant, waker: Waker, rank: Rank) -> TimerId {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.armed.add(rank);
        let position = self.heap.len();
        let entry = Entry { generation: serial, position, waiter: Some((waker, rank)) };
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else {
            let slot = u32::try_from(self.entries.len()).expect("2^32 timers do not fit in memory");
            self.entries.push(entry);
            slot
        };
        self.heap.push((Key { deadline, serial }, slot));
        self.sift_up(position);
        TimerId { slot, generation: serial }
    }

    /// The waiter of a timer that has not fired.
    pub(crate) fn waiter(&mut self, id: TimerId) -> Option<&mut (Waker, Rank)> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        if entry.generation == id.generation { entry.waiter.as_mut() } else { None }
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
        let position = self.entries[id.slot as usize].position;
        self.remove_at(position)
    }

    /// Removes the first timer whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Waker, Rank)> {
        if self.next()? > now {
            return None;
        }
        self.remove_at(0)
    }

    /// Removes all timers.
    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        self.heap.clear();
        self.free.clear();
        self.armed = Armed::default();
        self.entries.drain(..).filter_map(|entry| Some(entry.waiter?.0)).collect()
    }

    fn remove_at(&mut self, position: usize) -> Option<(Waker, Rank)> {
        let (_, slot) = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.note_position(position);
            self.sift_up(position);
            self.sift_down(position);
        }
        self.free.push(slot);
        let waiter = self.entries[slot as usize].waiter.take();
        if let Some((_, rank)) = &waiter {
            self.armed.remove(*rank);
        }
        waiter
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent].0 <= self.heap[position].0 {
                break;
            }
            self.heap.swap(parent, position);
            self.note_position(position);
            position = parent;
        }
        self.note_position(position);
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let first = position * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].0) else { break };
            if self.heap[position].0 <= self.heap[least].0 {
                break;
            }
            self.heap.swap(position, least);
            self.note_position(position);
            position = least;
        }
        if position < self.heap.len() {
            self.note_position(position);
        }
    }

    fn note_position(&mut self, position: usize) {
        let slot = self.heap[position].1;
        self.entries[slot as usize].position = position;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A small generator so that the test needs no crate: Marsaglia's xorshift64.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn random_operations_agree_with_a_sorted_list() {
        let start = Instant::now();
        let mut state = 0x9E37_79B9_7F4A_7C15;
        let mut timers = Timers::default();
        // (deadline, order of insertion, id), the reference.
        let mut model: Vec<(Instant, u64, TimerId)> = Vec::new();
        for order in 0..20_000_u64 {
            match next(&mut state) % 4 {
                0 | 1 => {
                    let deadline = start + Duration::from_nanos(next(&mut state) % 500);
                    let id = timers.insert(
                        deadline,
                        Waker::noop().clone(),
                        crate::class::Class::NORMAL.strict_rank(),
                    );
                    model.push((deadline, order, id));
                }
                2 if !model.is_empty() => {
                    let chosen = usize::try_from(next(&mut state)).unwrap() % model.len();
                    let (_, _, id) = model.swap_remove(chosen);
                    assert!(timers.remove(id).is_some());
                    assert!(timers.remove(id).is_none(), "an id is void after its timer is gone");
                }
                _ => {
                    let now = start + Duration::from_nanos(next(&mut state) % 500);
                    model.sort_by_key(|&(deadline, order, _)| (deadline, order));
                    let due = model.first().is_some_and(|&(deadline, ..)| deadline <= now);
                    assert_eq!(timers.next(), model.first().map(|&(deadline, ..)| deadline));
                    if due {
                        let (_, _, id) = model.remove(0);
                        assert!(timers.waiter(id).is_some());
                        assert!(timers.pop_due(now).is_some());
                        assert!(
                            timers.waiter(id).is_none(),
                            "the least timer is the one that fired"
                        );
                    } else {
                        assert!(timers.pop_due(now).is_none());
                    }
                }
            }
            assert_eq!(timers.len(), model.len());
        }
    }
}
