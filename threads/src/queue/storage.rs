//! The order in which values leave a queue.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::mem;

/// Bytes that are allocated at once, and no more for a larger bound: many queues never fill up.
const PREALLOCATED: usize = 1024;

/// For how many values of this type room is made at once.
fn preallocated<T>(capacity: usize) -> usize {
    capacity.min(PREALLOCATED / size_of::<T>().max(1))
}

/// Where the values of a queue are. The store sees to the bound.
pub(super) trait Storage {
    /// A value.
    type Item;

    /// For at most `capacity` values.
    fn new(capacity: usize) -> Self;

    /// Adds a value.
    fn push(&mut self, value: Self::Item);

    /// Takes the value whose turn it is.
    fn pop(&mut self) -> Option<Self::Item>;

    /// Takes all values, in no order.
    fn take_all(&mut self) -> Vec<Self::Item>;

    /// How many values there are.
    fn len(&self) -> usize;
}

/// First in, first out.
pub(super) struct Fifo<T>(VecDeque<T>);

impl<T> Storage for Fifo<T> {
    type Item = T;

    fn new(capacity: usize) -> Self {
        Self(VecDeque::with_capacity(preallocated::<T>(capacity)))
    }

    fn push(&mut self, value: T) {
        self.0.push_back(value);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn take_all(&mut self) -> Vec<T> {
        mem::take(&mut self.0).into()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Last in, first out.
pub(super) struct Lifo<T>(Vec<T>);

impl<T> Storage for Lifo<T> {
    type Item = T;

    fn new(capacity: usize) -> Self {
        Self(Vec::with_capacity(preallocated::<T>(capacity)))
    }

    fn push(&mut self, value: T) {
        self.0.push(value);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn take_all(&mut self) -> Vec<T> {
        mem::take(&mut self.0)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Smallest first; among equal ones, first in, first out.
pub(super) struct Smallest<T> {
    /// The values, the next one on top.
    heap: BinaryHeap<Ranked<T>>,
    /// The number of the next value.
    next: u64,
}

/// A value and when it came.
struct Ranked<T> {
    /// The value.
    value: T,
    /// Counts up from the queue's first value.
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    /// The greatest one is on top of the heap: the smallest, or the oldest of such.
    fn cmp(&self, other: &Self) -> Ordering {
        other.value.cmp(&self.value).then_with(|| other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}

impl<T: Ord> Storage for Smallest<T> {
    type Item = T;

    fn new(capacity: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(preallocated::<Ranked<T>>(capacity)), next: 0 }
    }

    fn push(&mut self, value: T) {
        let number = self.next;
        self.next += 1;
        self.heap.push(Ranked { value, number });
    }

    fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|ranked| ranked.value)
    }

    fn take_all(&mut self) -> Vec<T> {
        self.heap.drain().map(|ranked| ranked.value).collect()
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}
