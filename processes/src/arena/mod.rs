//! Large payloads: memory that a process shares with its workers for as long as they live, so that
//! a payload costs one copy and neither a system call nor a page fault.
//!
//! An *arena* is a piece of shared memory and the books of its one owner, who alone writes to it and
//! alone knows what is free. The books are in the owner's private memory: no process that goes wild
//! can spoil them, and nothing has to be repaired when one is killed. There are two kinds:
//!
//! | arena | owner | read by | gives out |
//! |---|---|---|---|
//! | of a pool | the parent | its workers, which have it mapped for reading only | arguments, [buffers](crate::Buffer) |
//! | of a worker | the worker | the parent | results, see [`lend`] |
//!
//! # Whose a block is
//!
//! A [`Block`] is some pages of an arena, and a value: it goes back when it is dropped, once. So who
//! has the value says who may read:
//!
//! - That of an argument is in its call. The call is in the queue, or in the books of the seat whose
//!   worker has it, until it was answered, or was taken back on the claim board before the worker
//!   claimed it, or its worker was *reaped*. Only then it is dropped, or sent to another worker. So no
//!   process reads a block that was given out again, whatever is killed at whatever moment: that is
//!   the claim board's doing, see [`crate::board`].
//! - That of a result is in the worker until the parent, which copies the bytes before it looks at
//!   them, says that it has done so; a worker that dies takes its arena with it, as soon as the
//!   parent has dropped the last result that lies there.
//! - That of a buffer is in the handles of the parent and in the calls, or [items](freight) of calls, that
//!   it travels with; when there are none left, a worker may still [hold](holds) it.
//!
//! # Full
//!
//! An arena has a size, and nobody waits for room: a payload for which there is none goes the way it
//! would without arenas, in a frame if it is short, or in a sealed memfd of its own.
//!
//! So does one for a worker that could not map the arena, as no descriptor or no addresses were left when
//! it started. Such a worker executes all calls; the buffers that one brings are copied for it into the
//! same memfd, each time, which is slower and nothing else.
//!
//! # Memory
//!
//! The size of an arena is that of a range of addresses. Memory stands behind the pages that were
//! used, is kept for the next payload up to a limit ([`Arena::new`]), and beyond it goes back to the
//! system when a block does. Memory for a block is made sure of before it is written to
//! (`MADV_POPULATE_WRITE`): when there is none, that is no signal in the middle of a copy.

mod block;
mod draft;
mod extents;
pub(crate) mod freight;
pub(crate) mod holds;
mod keyed;
pub(crate) mod lend;
mod memory;
pub(crate) mod places;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use block::Block;
pub(crate) use draft::Draft;
pub(crate) use keyed::Keyed;
pub(crate) use memory::{Memory, Steady};
pub(crate) use window::{Window, window};

use crate::fault;
use crate::life::Home;
use crate::segment::SegmentId;

use extents::{Extents, Run};

/// Longer payloads go through an arena. Shorter ones cost less in a frame than a page of their own.
pub(crate) const ARENA_ABOVE: usize = 16 * 1024;

/// Shared memory and its owner's books.
#[derive(Debug)]
pub(crate) struct Arena {
    /// The memory.
    memory: Memory,
    /// Bytes of a page.
    page: usize,
    /// How many free pages may have memory behind them.
    keep_pages: usize,
    /// The owner: not a process that was forked by it.
    home: Home,
    /// What is free.
    books: Mutex<Books>,
}

/// The books of an arena.
#[derive(Debug)]
struct Books {
    /// Which pages are free.
    extents: Extents,
    /// How many blocks are given out.
    blocks: usize,
    /// The length of the payload that was finished last: the next one is probably like it.
    last_len: usize,
}

/// What an arena has given out, and what it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Blocks that are given out.
    pub(crate) blocks: usize,
    /// Bytes of their pages.
    pub(crate) used_bytes: usize,
    /// Bytes of free pages with memory behind them.
    pub(crate) kept_bytes: usize,
}

impl Arena {
    /// An arena in `memory`, of which this is the only owner. Memory behind free pages is kept up to
    /// `keep_bytes`.
    pub(crate) fn new(memory: Memory, keep_bytes: usize) -> Arc<Self> {
        let page = rustix::param::page_size();
        let extents = Extents::new(memory.len() / page);
        let books = Mutex::new(Books { extents, blocks: 0, last_len: 0 });
        let (keep_pages, home) = (keep_bytes / page, Home::here());
        Arc::new(Self { memory, page, keep_pages, home, books })
    }

    /// The id of its memory.
    pub(crate) fn id(&self) -> SegmentId {
        self.memory.id()
    }

    /// What it has given out, and what it keeps.
    pub(crate) fn usage(&self) -> Usage {
        let books = self.lock();
        Usage {
            blocks: books.blocks,
            used_bytes: books.extents.used_pages() * self.page,
            kept_bytes: books.extents.kept_pages() * self.page,
        }
    }

    /// Pages for at least so many bytes; none when no such run is free, or no memory is left. And none in a
    /// child that was forked by the owner: what is free in its copy of the books may be in use.
    fn take(&self, bytes: usize) -> Option<Run> {
        if !self.home.is_here() {
            return None;
        }
        let count = bytes.max(1).div_ceil(self.page);
        let mut books = self.lock();
        let (run, cold) = books.extents.take(count)?;
        books.blocks += 1;
        drop(books);
        if cold && !self.populate(run.clone()) {
            self.give_up(run, 1);
            return None;
        }
        Some(run)
    }

    /// More pages behind those that end there; none in such a child.
    fn extend(&self, end: usize, count: usize) -> bool {
        if !self.home.is_here() {
            return false;
        }
        let Some(cold) = self.lock().extents.extend(end, count) else { return false };
        let run = end..end + count;
        if cold && !self.populate(run.clone()) {
            self.give_up(run, 0);
            return false;
        }
        true
    }

    /// Takes pages back, and so many blocks. They are free when that is done: memory that is not
    /// to be kept goes first. In a child that was forked by the owner nothing happens: its books are
    /// copies, and the memory is not.
    fn give_back(&self, run: Run, blocks: usize) {
        if !self.home.is_here() {
            return;
        }
        let mut books = self.lock();
        if books.extents.kept_pages() + run.len() > self.keep_pages {
            drop(books);
            let released = self.memory.release(run.start * self.page..run.end * self.page);
            books = self.lock();
            if released {
                books.extents.cool(run.clone());
            }
        }
        books.extents.put(run);
        books.blocks -= blocks;
    }

    /// Takes pages back, and so many blocks, for which there was not enough memory. What some of them got
    /// goes, too; all of them are cold, so nobody writes to them before there is some.
    fn give_up(&self, run: Run, blocks: usize) {
        let (true | false) = self.memory.release(run.start * self.page..run.end * self.page);
        let mut books = self.lock();
        books.extents.cool(run.clone());
        books.extents.put(run);
        books.blocks -= blocks;
    }

    /// Has memory put behind pages.
    fn populate(&self, run: Run) -> bool {
        !fault::refuses_memory() && self.memory.populate(run.start * self.page..run.end * self.page)
    }

    /// The books; no user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::chaos::{Random, for_seeds};
    use crate::segment::Segment;

    /// An arena of so many pages that keeps so many.
    fn arena(pages: usize, keep: usize) -> Arc<Arena> {
        let page = rustix::param::page_size();
        let segment = Segment::create(pages * page).unwrap();
        Arena::new(Memory::new(segment, 0, pages * page), keep * page)
    }

    #[test]
    fn blocks_do_not_overlap_and_leave_nothing() {
        for_seeds(10, 6, |seed| {
            let (mut random, arena) = (Random::new(seed), arena(64, 8));
            let page = rustix::param::page_size();
            let mut blocks: Vec<(Block, u8)> = Vec::new();
            for round in 0..400_u64 {
                let mark = round.to_le_bytes()[0];
                if random.percent(60) {
                    let len = random.index(12 * page);
                    let mut draft = Draft::new(Some(&arena), 0, 0);
                    let mut left = len;
                    while left > 0 {
                        let part = left.min(1 + random.index(page));
                        draft.write_all(&vec![mark; part]).unwrap();
                        left -= part;
                    }
                    if let (_head, Some(block)) = draft.finish() {
                        assert_eq!(block.len(), len);
                        blocks.push((block, mark));
                    }
                } else if !blocks.is_empty() {
                    drop(blocks.swap_remove(random.index(blocks.len())));
                }
                for (block, mark) in &blocks {
                    assert!(block.steady().iter().all(|byte| byte == mark), "round {round}");
                }
                let usage = arena.usage();
                assert_eq!(usage.blocks, blocks.len());
                let pages: usize = blocks.iter().map(|(block, _)| block.len().div_ceil(page)).sum();
                assert_eq!(
                    usage.used_bytes,
                    pages * page,
                    "a finished block has no pages to spare"
                );
                assert!(usage.kept_bytes <= 64 * page);
            }
            blocks.clear();
            let usage = arena.usage();
            assert_eq!((usage.blocks, usage.used_bytes), (0, 0));
        });
    }

    #[test]
    fn memory_beyond_what_is_kept_goes_back() {
        let (arena, page) = (arena(100, 10), rustix::param::page_size());
        let blocks: Vec<_> = (0..10).map(|_| Block::new(&arena, 10 * page).unwrap()).collect();
        assert!(Block::new(&arena, 1).is_none(), "it is full");
        assert_eq!(arena.usage().used_bytes, 100 * page);
        drop(blocks);
        assert_eq!(arena.usage(), Usage { blocks: 0, used_bytes: 0, kept_bytes: 10 * page });
    }

    #[test]
    fn where_there_was_no_memory_it_is_asked_for_again() {
        let (arena, page) = (arena(10, 10), rustix::param::page_size());
        fault::without_memory_once();
        assert!(Block::new(&arena, 2 * page).is_none());
        assert_eq!(arena.usage(), Usage::default(), "nothing is behind these pages");
        // It is asked for, and there is none again.
        fault::without_memory_once();
        assert!(Block::new(&arena, 2 * page).is_none());
        let mut block = Block::new(&arena, 2 * page).unwrap();
        fault::without_memory_once();
        assert!(!arena.extend(block.offset() / page + 2, 3));
        fault::without_memory_once();
        assert!(!arena.extend(block.offset() / page + 2, 3));
        assert!(block.append(&vec![7; 2 * page]) && block.grow(page));
        assert!(block.bytes().iter().all(|&byte| byte == 7), "only free pages go back");
        drop(block);
        assert_eq!((arena.usage().blocks, arena.usage().used_bytes), (0, 0));
    }

    #[test]
    fn a_copy_in_a_child_that_was_forked_gives_out_nothing() {
        let mut arena = arena(4, 4);
        drop(Block::new(&arena, 1).unwrap());
        Arc::get_mut(&mut arena).unwrap().home = Home::elsewhere();
        let kept = arena.usage();
        assert!(Block::new(&arena, 1).is_none() && !arena.extend(0, 1));
        assert_eq!(arena.usage(), kept);
    }

    #[test]
    fn many_threads_share_an_arena() {
        let arena = arena(40, 5);
        std::thread::scope(|scope| {
            for mark in 0..4_u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for round in 0..300_usize {
                        let len = 1 + round * 977 % 40_000;
                        let mut draft = Draft::new(Some(arena), 0, 0);
                        for _ in 0..len.div_ceil(1_000) {
                            draft.write_all(&[mark; 1_000]).unwrap();
                        }
                        let (head, block) = draft.finish();
                        match block {
                            Some(block) => assert!(block.steady().iter().all(|&byte| byte == mark)),
                            None => assert!(head.iter().all(|&byte| byte == mark)),
                        }
                    }
                });
            }
        });
        assert_eq!((arena.usage().blocks, arena.usage().used_bytes), (0, 0));
    }
}
