//! An indexed 4-ary heap: exact order, and each timer knows its position.

use super::{Entry, Key, Place};

/// Children per node: shallower than a binary heap, and the four keys share cache lines.
const ARITY: usize = 4;

/// Keys with the slab places they belong to; the least is first.
#[derive(Debug, Default)]
pub(super) struct Heap(Vec<(Key, u32)>);

impl Heap {
    /// The least key.
    #[inline]
    pub(super) fn first(&self) -> Option<Key> {
        self.0.first().map(|(key, _)| *key)
    }

    /// Adds a timer.
    pub(super) fn push(&mut self, entries: &mut [Entry], key: Key, slot: u32) {
        let position = self.0.len();
        self.0.push((key, slot));
        self.sift_up(entries, position);
    }

    /// Removes the first timer, which has this key, and gives its place in the slab.
    pub(super) fn pop(&mut self, entries: &mut [Entry], first: Key) -> u32 {
        let (key, slot) = self.0[0];
        debug_assert_eq!(key, first, "the least key is the first");
        self.remove(entries, 0);
        slot
    }

    /// Removes the timer at a position.
    pub(super) fn remove(&mut self, entries: &mut [Entry], position: u32) {
        let position = position as usize;
        self.0.swap_remove(position);
        if position < self.0.len() {
            self.sift_up(entries, position);
            self.sift_down(entries, position);
        }
    }

    fn sift_up(&mut self, entries: &mut [Entry], mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.0[parent].0 <= self.0[position].0 {
                break;
            }
            self.0.swap(parent, position);
            self.note(entries, position);
            position = parent;
        }
        self.note(entries, position);
    }

    fn sift_down(&mut self, entries: &mut [Entry], mut position: usize) {
        loop {
            let first = position * ARITY + 1;
            let children = first..(first + ARITY).min(self.0.len());
            let Some(least) = children.min_by_key(|&child| self.0[child].0) else { break };
            if self.0[position].0 <= self.0[least].0 {
                break;
            }
            self.0.swap(position, least);
            self.note(entries, position);
            position = least;
        }
        self.note(entries, position);
    }

    /// Tells the timer at a position that it is there.
    fn note(&self, entries: &mut [Entry], position: usize) {
        let slot = self.0[position].1;
        let position = u32::try_from(position).expect("there are fewer timers than 2^32");
        entries[slot as usize].place = Place::Heap(position);
    }
}
