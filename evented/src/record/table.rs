//! The task table, and the memory that it grows into.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::file::Backing;
use super::layout::{GRAIN, Kind, NAME_IS_TEXT, NAME_WORDS, TASK_WORDS, Who, head, task, wait};
use super::mapping::Mapping;
use super::shared::{CHUNKS, Shared, first_of_chunk, locate, size_of_chunk};
use super::texts::store_name;
use crate::name::Name;

/// The writer's part of the table.
#[derive(Debug)]
pub(super) struct Table {
    /// The file, until the reactor is dropped, if there is one.
    backing: RefCell<Option<Backing>>,
    /// Cells of names that are free again.
    free: RefCell<Vec<u32>>,
    /// The first cell that was never used; 0 is none.
    next: Cell<u32>,
}

impl Table {
    pub(super) fn new(backing: Option<Backing>) -> Self {
        Self { backing: RefCell::new(backing), free: RefCell::default(), next: Cell::new(1) }
    }

    /// The file.
    pub(super) fn backing(&self) -> &RefCell<Option<Backing>> {
        &self.backing
    }

    /// A slot has a new task.
    #[inline]
    pub(super) fn fill(
        &self,
        shared: &Shared,
        new: Name,
        class: u8,
        parent: Who,
        place: u16,
        name: u32,
    ) {
        let index = new.slot();
        let Some(entry) = shared.task(index).or_else(|| {
            self.grow(shared, Kind::Tasks, locate(index).0);
            shared.task(index)
        }) else {
            self.free_name(name);
            return;
        };
        let about = u64::from(place) | u64::from(class) << 16 | task::LIVE << 24;
        // Who sees one of these sees that the slot was free.
        fence(Ordering::Release);
        let store = |word: usize, value| entry[word].store(value, Ordering::Relaxed);
        store(task::POLLS, 0);
        store(task::CPU, 0);
        store(task::ABOUT, about | u64::from(name) << 32);
        store(task::PARENT, parent.0);
        store(task::WAKER, Who::NOBODY.0);
        store(task::WAIT, wait::UNKNOWN);
        entry[task::TASK].store(Who::task(new).0, Ordering::Release);
    }

    /// A slot has no task any more.
    #[inline]
    pub(super) fn free(&self, shared: &Shared, index: u32) {
        let Some(entry) = shared.task(index) else { return };
        entry[task::TASK].store(Who::NOBODY.0, Ordering::Release);
        self.free_name((entry[task::ABOUT].load(Ordering::Relaxed) >> 32) as u32);
    }

    /// Writes a name into a cell, and returns the cell. 0 if there is no memory for it: then no cell is
    /// used, so that there are never more of them than tasks with names at one time.
    #[cold]
    pub(super) fn keep_name(&self, shared: &Shared, name: &str) -> u32 {
        let recycled = self.free.borrow_mut().pop();
        let cell = recycled.unwrap_or(self.next.get());
        if shared.name(cell).is_none() {
            self.grow(shared, Kind::Names, locate(cell).0);
        }
        let Some(words) = shared.name(cell) else { return 0 };
        if recycled.is_none() {
            self.next.set(cell + 1);
        }
        fence(Ordering::Release);
        store_name(words, name);
        cell
    }

    fn free_name(&self, name: u32) {
        if name > 0 && name & NAME_IS_TEXT == 0 {
            self.free.borrow_mut().push(name);
        }
    }

    /// Adds a chunk, in the file if there is room. Without memory there is none, nor beyond the last one.
    #[cold]
    fn grow(&self, shared: &Shared, kind: Kind, chunk: usize) {
        let (chunks, words): (&[OnceLock<Mapping>; CHUNKS], usize) = match kind {
            Kind::Names => (shared.names(), NAME_WORDS),
            Kind::Tasks | Kind::Events => (shared.tasks(), TASK_WORDS),
        };
        let Some(place) = chunks.get(chunk) else { return };
        let bytes = size_of_chunk(chunk) * words * size_of::<AtomicU64>();
        debug_assert!(bytes.is_multiple_of(GRAIN), "a chunk is a whole region");
        let in_file = self.backing.borrow_mut().as_mut().map(|file| map_more(file, bytes));
        let (mapping, at) = match in_file {
            Some(Ok((mapping, at))) => (Ok(mapping), Some(at)),
            Some(Err(_)) => {
                let unseen = &shared.header()[head::UNSEEN];
                unseen.store(unseen.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                (Mapping::anonymous(bytes), None)
            }
            None => (Mapping::anonymous(bytes), None),
        };
        let Ok(mapping) = mapping else { return };
        if place.set(mapping).is_ok()
            && let Some(at) = at
        {
            list(shared, kind, (at, bytes), first_of_chunk(chunk));
        }
    }
}

/// Makes a file longer and maps the new part. Returns where it begins, too.
pub(super) fn map_more(file: &mut Backing, bytes: usize) -> io::Result<(Mapping, usize)> {
    let at = file.extend(bytes)?;
    Ok((Mapping::of_file(file.fd(), at, bytes)?, at))
}

/// Lists a region of the file, for those who read it.
pub(super) fn list(shared: &Shared, kind: Kind, (at, bytes): (usize, usize), first: usize) {
    let count = &shared.header()[head::REGIONS];
    let region = count.load(Ordering::Relaxed);
    let at_word = head::REGION + 4 * usize::try_from(region).unwrap_or(usize::MAX / 8);
    let Some(words) = shared.header().get(at_word..at_word + 4) else { return };
    for (word, value) in words.iter().zip([kind as u64, at as u64, bytes as u64, first as u64]) {
        word.store(value, Ordering::Relaxed);
    }
    count.store(region + 1, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::super::clock::SharedClock;
    use super::super::layout::HEAD_BYTES;
    use super::*;

    fn shared() -> Shared {
        let map = |bytes| Mapping::anonymous(bytes).unwrap();
        Shared::new(SharedClock::Virtual, map(HEAD_BYTES), map(GRAIN))
    }

    #[test]
    fn cells_of_names_are_used_again() {
        let (shared, table) = (shared(), Table::new(None));
        let cells: Vec<u32> = (0..3).map(|_| table.keep_name(&shared, "name")).collect();
        assert_eq!(cells, [1, 2, 3]);
        table.free_name(2);
        assert_eq!(table.keep_name(&shared, "name"), 2);
        assert_eq!(table.keep_name(&shared, "name"), 4);
    }

    /// What is not kept uses nothing up, however often it is tried.
    #[test]
    fn a_name_without_memory_takes_no_cell() {
        let (shared, table) = (shared(), Table::new(None));
        let end = u32::try_from(first_of_chunk(CHUNKS)).unwrap();
        table.next.set(end - 1);
        table.free.borrow_mut().push(7);
        assert!(shared.name(7).is_none());
        // There is memory for the first one, which is in the first chunk.
        assert_eq!(table.keep_name(&shared, "first"), 7);
        table.next.set(end);
        for _ in 0..1_000 {
            assert_eq!(table.keep_name(&shared, "too many"), 0);
            assert_eq!(table.next.get(), end);
        }
    }
}
