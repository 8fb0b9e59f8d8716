//! The timers against a sorted map.

use std::collections::BTreeMap;

use super::*;
use crate::class::Class;

/// A small generator so that the test needs no crate: Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A distance in nanoseconds: each order of magnitude up to `bits` bits is as likely.
    fn distance(&mut self, bits: u32) -> u64 {
        let bits = self.below(u64::from(bits) + 1);
        self.next() & ((1 << bits) - 1)
    }
}

/// The timers, and what they should be.
struct Model {
    timers: Timers,
    /// The waiting timers in the order in which they fire.
    sorted: BTreeMap<Key, TimerId>,
    /// Nanoseconds since `start`.
    now: u64,
    start: Instant,
}

impl Model {
    fn new() -> Self {
        let start = Instant::now();
        Self { timers: Timers::new(start), sorted: BTreeMap::new(), now: 0, start }
    }

    fn at(&self, ns: u64) -> Instant {
        self.start + Duration::from_nanos(ns)
    }

    fn insert(&mut self, ns: u64) {
        let deadline = self.at(ns);
        let key = Key { deadline, serial: self.timers.next_serial };
        let rank = Class::NORMAL.strict_rank();
        let id = self.timers.insert(deadline, Waker::noop().clone(), rank);
        assert!(self.sorted.insert(key, id).is_none());
    }

    /// Removes one that waits, any.
    fn remove(&mut self, random: &mut Random) {
        let Some(chosen) = random.next().checked_rem(self.sorted.len() as u64) else { return };
        let key = self.sorted.keys().nth(usize::try_from(chosen).unwrap()).copied();
        let id = self.sorted.remove(&key.expect("there are so many")).expect("it is one of them");
        assert!(self.timers.waiter(id).is_some() && self.timers.remove(id).is_some());
        assert!(self.timers.remove(id).is_none(), "an id is void after its timer is gone");
    }

    /// Has all fire that are due, in the right order.
    fn fire(&mut self) {
        let now = self.at(self.now);
        while let Some(first) =
            self.sorted.first_entry().filter(|first| first.key().deadline <= now)
        {
            let id = first.remove();
            assert!(self.timers.waiter(id).is_some());
            assert!(self.timers.pop_due(now).is_some(), "one is due");
            assert!(self.timers.waiter(id).is_none(), "another one fired before the least one");
        }
        assert!(self.timers.pop_due(now).is_none(), "none is due");
    }

    /// What is to hold at any time.
    fn check(&self) {
        assert_eq!(self.timers.len(), self.sorted.len());
        let is_armed = self.timers.armed() == Class::NORMAL.strict_rank().bit();
        assert!(is_armed || (self.sorted.is_empty() && self.timers.armed() == 0));
        let first = self.sorted.first_key_value().map(|(key, _)| key.deadline);
        let next = self.timers.next();
        assert_eq!(next.is_some(), first.is_some());
        assert!(next <= first, "it would be slept through");
        if self.sorted.len() < LOOKED_AT {
            assert_eq!(next, first, "few timers: the time is exact");
        }
        assert_eq!(self.timers.armed() != 0, !self.sorted.is_empty());
    }

    /// Jumps from one time to wake up to the next until all have fired, as a reactor in virtual time
    /// does; how many jumps that were.
    fn jump(&mut self) -> usize {
        let mut jumps = 0;
        while let Some(next) = self.timers.next() {
            let next = u64::try_from((next - self.start).as_nanos()).unwrap();
            assert!(next > self.now || jumps == 0, "it does not come closer");
            self.now = self.now.max(next);
            self.fire();
            self.check();
            jumps += 1;
        }
        jumps
    }
}

/// Random operations, with deadlines that are so many bits of nanoseconds away, and pauses.
fn agree(seed: u64, operations: u64, bits: u32, pauses: u32) {
    let mut random = Random(seed | 1);
    let mut model = Model::new();
    for _ in 0..operations {
        match random.below(8) {
            0..=3 => {
                let distance = random.distance(bits);
                // Some are past.
                let deadline = (model.now + distance).saturating_sub(random.distance(15));
                model.insert(deadline);
            }
            4 | 5 => model.remove(&mut random),
            6 => {
                model.now += random.distance(pauses);
                model.fire();
            }
            _ => model.check(),
        }
    }
    model.jump();
    assert_eq!(model.timers.len(), 0);
    let free = model.timers.entries.iter().filter(|entry| entry.place == Place::Free).count();
    assert_eq!(free, model.timers.entries.len());
}

#[test]
fn random_operations_agree_with_a_sorted_map() {
    for seed in 0..40_u64 {
        // Within a tick, within a level, over all of them, and beyond.
        for (bits, pauses) in [(9, 8), (14, 14), (20, 18), (30, 28), (45, 44), (57, 50)] {
            agree(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), 400, bits, pauses);
        }
    }
    agree(7, 20_000, 40, 30);
}

#[test]
fn the_same_deadline_is_in_the_order_of_insertion() {
    let mut model = Model::new();
    for ns in [5 << 40, 1 << 20, 5 << 40, 0, 1 << 20, 5 << 40, 0] {
        for _ in 0..50 {
            model.insert(ns);
        }
    }
    model.fire();
    assert_eq!(model.sorted.len(), 250);
    model.jump();
}

#[test]
fn few_timers_take_one_jump_each() {
    let mut model = Model::new();
    let deadlines = [1, 16_383, 16_384, 1 << 20, (1 << 20) + 1, 1 << 26, 1 << 38, 1 << 56, 1 << 60];
    for ns in deadlines {
        model.insert(ns);
    }
    assert_eq!(model.jump(), deadlines.len());
}

#[test]
fn many_timers_take_a_jump_more_for_each_level() {
    let mut model = Model::new();
    let far = 3_u64 << 52;
    for _ in 0..1_000 {
        model.insert(far);
    }
    assert!(model.jump() <= 8, "seven levels, and the deadline");
    assert_eq!(model.now, far);
}

#[test]
fn the_end_of_the_clock_is_a_deadline_like_others() {
    let start = Instant::now();
    let mut last = Duration::MAX;
    let end = loop {
        match start.checked_add(last) {
            Some(end) => break end,
            None => last /= 2,
        }
    };
    let before = end.checked_sub(Duration::from_nanos(1)).expect("the clock reaches further");
    let mut timers = Timers::new(start);
    let rank = Class::NORMAL.strict_rank();
    for deadline in [end, before, end] {
        timers.insert(deadline, Waker::noop().clone(), rank);
    }
    assert_eq!(timers.next(), Some(before));
    assert!(timers.pop_due(before).is_some());
    assert!(timers.pop_due(before).is_none());
    assert!(timers.pop_due(end).is_some() && timers.pop_due(end).is_some());
    assert_eq!(timers.next(), None);
}

#[test]
fn what_was_there_is_handed_back() {
    let mut model = Model::new();
    for ns in [0, 1 << 15, 1 << 30, 1 << 62] {
        model.insert(ns);
    }
    assert_eq!(model.timers.clear().len(), 4);
    assert_eq!((model.timers.len(), model.timers.next(), model.timers.armed()), (0, None, 0));
    for id in std::mem::take(&mut model.sorted).into_values() {
        assert!(model.timers.remove(id).is_none());
    }
    model.insert(1 << 20);
    model.jump();
}

#[test]
fn ranks_are_armed_while_somebody_of_them_waits() {
    let start = Instant::now();
    let mut timers = Timers::new(start);
    let [urgent, normal, idle] = [Class::RT, Class::NORMAL, Class::IDLE].map(Class::strict_rank);
    let mut insert = |rank| timers.insert(start, Waker::noop().clone(), rank);
    let (first, second) = (insert(idle), insert(normal));
    timers.set_rank(first, urgent);
    assert_eq!(timers.armed(), urgent.bit() | normal.bit());
    timers.set_rank(first, urgent);
    assert!(timers.remove(second).is_some());
    assert_eq!(timers.armed(), urgent.bit());
    assert!(timers.pop_due(start).is_some());
    assert_eq!(timers.armed(), 0);
    // One that has fired has no rank any more.
    timers.set_rank(first, normal);
    assert_eq!(timers.armed(), 0);
}
