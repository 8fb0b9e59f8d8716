//! The buffers of items that travel together.
//!
//! Items of a map share a frame, but not what they bring: a buffer is free as soon as the last item has
//! ended that brings it, however long others of its frame take. Somebody may wait for just that memory:
//! the iterator of the map, for room in an arena that is full, and an item of the same frame for what the
//! iterator gives next. So a frame has a *freight*, which says for each of its items what that one brings:
//!
//! | an item is | its buffers are |
//! |---|---|
//! | in the tray, in the queue, with a worker, to be run again | in the freight |
//! | ended: answered, failed, cancelled | taken out of it, and dropped when no lock is held |
//!
//! Parts of a frame (what was cut, what a dead worker has not claimed, one item that is run again) share
//! the freight as they share the encoded bytes, and items are known by their numbers in the map: whatever
//! becomes of a frame, each item's buffers are taken when that item ends, and what is taken is gone.

use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Keyed;
use super::places::Brought;

/// The buffers that one item brings, each once.
#[derive(Debug, Default)]
pub(crate) enum Brings {
    /// None.
    #[default]
    Nothing,
    /// One.
    One(Arc<Keyed>),
    /// More.
    Many(Box<[Arc<Keyed>]>),
}

impl Brings {
    /// True when there are none.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// All of them.
    pub(crate) fn as_slice(&self) -> &[Arc<Keyed>] {
        match self {
            Self::Nothing => &[],
            Self::One(buffer) => slice::from_ref(buffer),
            Self::Many(buffers) => buffers,
        }
    }

    /// Moves them there.
    fn move_into(self, all: &mut Vec<Arc<Keyed>>) {
        match self {
            Self::Nothing => {}
            Self::One(buffer) => all.push(buffer),
            Self::Many(buffers) => all.extend(buffers),
        }
    }
}

/// What the items of a frame bring that have not ended.
#[derive(Debug)]
pub(crate) struct Freight {
    /// The number of the first item.
    first: u64,
    /// What each brings, as far as somebody brings something.
    brings: Mutex<Vec<Brings>>,
}

impl Freight {
    /// That of the items from this number on; none when they bring nothing.
    pub(crate) fn new(first: u64, brings: Vec<Brings>) -> Option<Arc<Self>> {
        let some = !brings.is_empty();
        some.then(|| Arc::new(Self { first, brings: Mutex::new(brings) }))
    }

    /// So many items have ended, from this number on: takes out what they have brought.
    pub(crate) fn take(&self, first: u64, count: u16, into: &mut Vec<Arc<Keyed>>) {
        let mut brings = self.lock();
        let skipped = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for one in brings.iter_mut().skip(skipped).take(count.into()) {
            std::mem::take(one).move_into(into);
        }
    }

    /// What an item brings that has not ended, as a call has it that is sent on its own.
    pub(crate) fn brought(&self, number: u64) -> Brought {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let brings = self.lock();
        Brought::listed(index.and_then(|index| brings.get(index)).map_or(&[], Brings::as_slice))
    }

    /// What each brings; no user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, Vec<Brings>> {
        self.brings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::holds::Readers;
    use crate::arena::{Arena, Block, Memory};
    use crate::segment::Segment;

    /// An arena with ten pages.
    fn arena() -> Arc<Arena> {
        let len = 10 * rustix::param::page_size();
        Arena::new(Memory::new(Segment::create(len).unwrap(), 0, len), len)
    }

    /// A buffer in it.
    fn buffer(arena: &Arc<Arena>) -> Arc<Keyed> {
        Arc::new(Keyed::new(Block::new(arena, 1).unwrap(), Arc::default()))
    }

    #[test]
    fn what_an_item_brings_is_taken_once_when_it_has_ended() {
        let arena = arena();
        let shared = buffer(&arena);
        let brings = vec![
            Brings::One(Arc::clone(&shared)),
            Brings::Nothing,
            Brings::Many([buffer(&arena), Arc::clone(&shared)].into()),
            Brings::One(buffer(&arena)),
        ];
        drop(shared);
        let freight = Freight::new(100, brings).unwrap();
        assert_eq!(arena.usage().blocks, 3);
        let take = |first, count| {
            let mut taken = Vec::new();
            freight.take(first, count, &mut taken);
            let count = taken.len();
            Keyed::let_go(taken);
            (count, arena.usage().blocks)
        };
        assert_eq!(take(103, 1), (1, 2), "nobody waits for those before it");
        assert_eq!(take(100, 2), (1, 2), "another one brings it, too");
        assert_eq!(take(100, 2), (0, 2), "once");
        assert_eq!(take(104, u16::MAX), (0, 2), "others bring nothing");
        assert_eq!(take(101, u16::MAX), (2, 0));
        assert!(Freight::new(0, Vec::new()).is_none());
    }

    #[test]
    fn what_is_left_goes_with_the_last_part() {
        let arena = arena();
        let freight = Freight::new(7, vec![Brings::One(buffer(&arena)), Brings::Nothing]).unwrap();
        let other = Arc::clone(&freight);
        drop(freight);
        assert_eq!(arena.usage().blocks, 1);
        assert!(matches!(other.brought(7), Brought::Listed(id, all)
            if id == arena.id() && all.len() == 1));
        for nothing in [0, 8, 9, u64::MAX] {
            assert!(!other.brought(nothing).is_listed(), "{nothing}");
        }
        drop(other);
        assert_eq!(arena.usage().blocks, 0);
    }

    #[test]
    fn many_are_let_go_at_once_but_for_those_that_somebody_holds() {
        let (arena, readers) = (arena(), Arc::<Readers>::default());
        let words = Segment::create(crate::results::BOARD_AND_RING_BYTES).unwrap();
        readers.add(&words);
        let keyed = || Arc::new(Keyed::new(Block::new(&arena, 1).unwrap(), Arc::clone(&readers)));
        let all = [(); 5].map(|()| keyed());
        let key = all[2].entry()[0];
        words
            .atomic_u64(crate::results::HOLDS_WORD + 9)
            .store(key, std::sync::atomic::Ordering::Release);
        let kept = Arc::clone(&all[4]);
        let others = [buffer(&arena)];
        Keyed::let_go(all.into_iter().chain(others).collect());
        assert_eq!(arena.usage().blocks, 2, "one that is held, and one that has a handle");
        drop(kept);
        readers.sweep();
        assert_eq!(arena.usage().blocks, 1);
        readers.remove(words.id());
        readers.sweep();
        assert_eq!(arena.usage().blocks, 0);
    }
}
