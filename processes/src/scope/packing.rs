//! The buffers of an argument that is being encoded.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::arena::Keyed;
use crate::arena::freight::Brings;

/// The buffers inside an argument, each once. Mostly there is one, for which nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// The first one.
    first: Option<Packed>,
    /// The others, by key.
    others: BTreeMap<u64, Packed>,
}

/// A buffer that was met.
#[derive(Debug)]
struct Packed {
    /// The buffer.
    buffer: Arc<Keyed>,
    /// How often.
    times: usize,
}

impl Packed {
    /// One that was met for the first time.
    fn new(buffer: &Arc<Keyed>) -> Self {
        Self { buffer: Arc::clone(buffer), times: 1 }
    }

    /// Bytes of the arena that are free when this argument is gone: all, if it has the only handles.
    fn own_bytes(&self) -> usize {
        let only = Arc::strong_count(&self.buffer) <= self.times.saturating_add(1);
        if only { self.buffer.room() } else { 0 }
    }
}

impl Packing {
    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// A buffer was met.
    pub(super) fn add(&mut self, buffer: &Arc<Keyed>) {
        match &mut self.first {
            None => self.first = Some(Packed::new(buffer)),
            Some(first) if Arc::ptr_eq(&first.buffer, buffer) => first.times += 1,
            Some(_) => match self.others.entry(buffer.key()) {
                Entry::Occupied(mut known) => known.get_mut().times += 1,
                Entry::Vacant(vacant) => drop(vacant.insert(Packed::new(buffer))),
            },
        }
    }

    /// Bytes of the arena that nobody but this argument needs, as far as that can be known: a handle that
    /// is dropped at the same time may count as one that stays.
    pub(super) fn own_bytes(&self) -> usize {
        let all = self.first.iter().chain(self.others.values());
        all.map(Packed::own_bytes).fold(0, usize::saturating_add)
    }

    /// All of them.
    pub(super) fn unpack(self) -> Brings {
        let Some(Packed { buffer: first, .. }) = self.first else { return Brings::Nothing };
        if self.others.is_empty() {
            return Brings::One(first);
        }
        let others = self.others.into_values().map(|packed| packed.buffer);
        Brings::Many(std::iter::once(first).chain(others).collect())
    }
}
