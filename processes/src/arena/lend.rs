//! Results in the arena of their worker: lent to the parent, and given back.
//!
//! The arena lies in the worker's own segment, behind the ring. The worker encodes a long result into
//! a block of it, notes that it is lent, and publishes a record that says where it is. The parent
//! copies the bytes when somebody wants the result, and then says that it is done with it:
//!
//! | word | set by | meaning |
//! |---|---|---|
//! | `FREE` | parent, when the result was read or is not wanted | the worker may use the block again |
//! | `LENT` | worker, before it publishes the record | the block is the parent's |
//!
//! There is a word for each of [`LENDS`] blocks. Which block that is stands in the worker's private
//! memory. A worker that has lent as many, or has no room, sends results in memfds of their own.
//!
//! The parent believes nothing of what a record says: what is not inside of the arena is nonsense, and
//! ends the worker. That two records name the same bytes, or the bytes change while they are copied,
//! makes results wrong, of that worker, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::life::Home;
use crate::results::{LENDS_WORD, RESULTS_AT};
use crate::segment::Segment;

use super::{Arena, Block, Memory};

/// How many results a worker may have lent.
pub(crate) const LENDS: usize = 64;

/// Bytes of a worker's arena: 32 MiB of addresses.
pub(crate) const RESULT_ARENA_BYTES: usize = 32 << 20;

/// Memory behind free pages of a worker's arena is kept up to this. A longer block is never kept: see the
/// drop of [`Lent`].
const KEEP_BYTES: usize = 8 << 20;

/// Bytes of what a record says about a lent result: `index u16 | offset u64 | length u64`.
const BODY: usize = 18;

/// The block is the worker's.
const FREE: u64 = 0;

/// The block is the parent's.
const LENT: u64 = 1;

/// The worker's side.
#[derive(Debug)]
pub(crate) struct Lender {
    /// Board, ring, words, arena.
    segment: Arc<Segment>,
    /// The arena.
    arena: Arc<Arena>,
    /// What is lent, by the index of its word.
    lent: Vec<Option<Block>>,
    /// How many are lent.
    count: usize,
}

impl Lender {
    /// The owner of the arena in a worker's segment; none when it has none.
    pub(crate) fn new(segment: &Arc<Segment>) -> Option<Self> {
        let memory = memory_of(segment)?;
        let lent = (0..LENDS).map(|_| None).collect();
        let arena = Arena::new(memory, KEEP_BYTES);
        Some(Self { segment: Arc::clone(segment), arena, lent, count: 0 })
    }

    /// Where results go that are made now.
    pub(crate) fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Takes back what the parent has read.
    #[inline]
    pub(crate) fn collect(&mut self) {
        if self.count > 0 {
            self.look();
        }
    }

    /// As [`collect`](Self::collect), when something is lent.
    fn look(&mut self) {
        for (index, lent) in self.lent.iter_mut().enumerate() {
            if lent.is_some() && word(&self.segment, index).load(Ordering::Acquire) == FREE {
                *lent = None;
                self.count -= 1;
            }
        }
    }

    /// Lends a block, and gives what the record says about it.
    ///
    /// # Errors
    /// Too many are lent; the block comes back.
    pub(crate) fn lend(&mut self, block: Block) -> Result<[u8; BODY], Block> {
        let Some(index) = self.lent.iter().position(Option::is_none) else { return Err(block) };
        word(&self.segment, index).store(LENT, Ordering::Relaxed);
        let mut body = [0; BODY];
        let number = u16::try_from(index).expect("there are few words");
        body[..2].copy_from_slice(&number.to_le_bytes());
        body[2..10].copy_from_slice(&(block.offset() as u64).to_le_bytes());
        body[10..].copy_from_slice(&(block.len() as u64).to_le_bytes());
        self.lent[index] = Some(block);
        self.count += 1;
        Ok(body)
    }
}

/// A result in a worker's arena, in the parent. It is given back when it is dropped, once.
#[derive(Debug)]
pub(crate) struct Lent {
    /// Of the worker, which may be dead.
    segment: Arc<Segment>,
    /// The arena.
    memory: Memory,
    /// The index of its word.
    index: usize,
    /// Where it begins.
    at: usize,
    /// How many bytes it has.
    len: usize,
    /// The process that it is lent to: not one that was forked by it.
    home: Home,
}

impl Lent {
    /// What a record of the worker with this segment says; none when that makes no sense.
    pub(crate) fn new(segment: &Arc<Segment>, body: &[u8]) -> Option<Self> {
        let body: &[u8; BODY] = body.try_into().ok()?;
        let index = usize::from(u16::from_le_bytes([body[0], body[1]]));
        let number =
            |bytes: &[u8]| usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok();
        let (at, len) = (number(&body[2..10])?, number(&body[10..])?);
        let memory = memory_of(segment)?;
        let inside = at.checked_add(len).is_some_and(|end| end <= memory.len());
        let sane = index < LENDS && inside && at.is_multiple_of(rustix::param::page_size());
        let (segment, home) = (Arc::clone(segment), Home::here());
        // Only what is sane may be dropped.
        sane.then(|| Self { segment, memory, index, at, len, home })
    }

    /// A copy of the bytes, which the worker cannot change any more.
    pub(crate) fn copy(&self) -> Vec<u8> {
        self.memory.copy(self.at, self.len).expect("it was checked that they are inside")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.home.is_here() {
            return;
        }
        if self.len > KEEP_BYTES {
            // A worker that has nothing to do looks after nothing, so its memory goes back from
            // here. Pages behind the last byte are part of the block.
            //
            // The worker's books call the pages warm meanwhile, which harms nobody: they are of a block
            // that is lent, so they are not given out. When the worker collects it, it has more pages
            // than may be kept, so the worker releases them (again) and its books call them cold, before
            // they are free. So memory is made sure of before anybody writes there.
            let end = self.at + self.len.next_multiple_of(rustix::param::page_size());
            let _kept = self.memory.release(self.at..end.min(self.memory.len()));
        }
        word(&self.segment, self.index).store(FREE, Ordering::Release);
    }
}

/// The arena in a worker's segment, if it has one.
fn memory_of(segment: &Arc<Segment>) -> Option<Memory> {
    let len = segment.len().checked_sub(RESULTS_AT).filter(|&len| len > 0)?;
    Some(Memory::new(Arc::clone(segment), RESULTS_AT, len))
}

/// The word of a block that may be lent.
fn word(segment: &Segment, index: usize) -> &AtomicU64 {
    segment.atomic_u64(LENDS_WORD + index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::Random;

    /// A worker's segment.
    fn segment() -> Arc<Segment> {
        Segment::create(RESULTS_AT + RESULT_ARENA_BYTES).unwrap()
    }

    /// A block with so many bytes.
    fn block(lender: &Lender, byte: u8, len: usize) -> Block {
        let mut block = Block::new(lender.arena(), len).unwrap();
        assert!(block.append(&vec![byte; len]));
        block
    }

    #[test]
    fn what_is_lent_comes_back_once_it_was_read() {
        let segment = segment();
        let mut lender = Lender::new(&segment).unwrap();
        let bodies: Vec<_> = (0..LENDS)
            .map(|n| {
                let block = block(&lender, n.to_le_bytes()[0], 5_000);
                lender.lend(block).unwrap()
            })
            .collect();
        let one_more = block(&lender, 0, 1);
        let one_more = lender.lend(one_more).unwrap_err();
        let mut lent: Vec<_> =
            bodies.iter().map(|body| Lent::new(&segment, body).unwrap()).collect();
        lender.collect();
        assert_eq!(lender.arena().usage().blocks, LENDS + 1);
        let third = lent.remove(3);
        assert_eq!(third.copy(), [3; 5_000]);
        drop(third);
        lender.collect();
        assert_eq!(lender.arena().usage().blocks, LENDS);
        assert!(lender.lend(one_more).is_ok());
        assert!(lent.iter().all(|lent| lent.copy().len() == 5_000));
        drop(lent);
        lender.collect();
        assert_eq!(lender.arena().usage().blocks, 1);
    }

    #[test]
    fn a_large_result_is_given_back_to_the_system_at_once() {
        let segment = segment();
        let mut lender = Lender::new(&segment).unwrap();
        let block = block(&lender, 7, KEEP_BYTES + 1);
        let body = lender.lend(block).unwrap();
        let lent = Lent::new(&segment, &body).unwrap();
        assert!(lent.copy().iter().all(|&byte| byte == 7));
        drop(lent);
        let memory = memory_of(&segment).unwrap();
        assert_eq!(memory.copy(0, KEEP_BYTES + 1).unwrap(), vec![0; KEEP_BYTES + 1]);
        // Nor do the worker's books say that there is memory.
        lender.collect();
        let usage = lender.arena().usage();
        assert_eq!((usage.blocks, usage.used_bytes, usage.kept_bytes), (0, 0, 0));
    }

    #[test]
    fn nonsense_is_refused_and_reaches_nothing() {
        let segment = segment();
        let page = rustix::param::page_size() as u64;
        let body = |index: u16, at: u64, len: u64| {
            [index.to_le_bytes().as_slice(), &at.to_le_bytes(), &len.to_le_bytes()].concat()
        };
        let all = RESULT_ARENA_BYTES as u64;
        assert_eq!(Lent::new(&segment, &body(0, 0, all)).unwrap().copy().len(), RESULT_ARENA_BYTES);
        let wrong = [
            body(64, 0, 1),
            body(u16::MAX, 0, 1),
            body(0, 0, all + 1),
            body(0, page, all),
            body(0, 1, 1),
            body(0, all + page, 0),
            body(0, u64::MAX, 1),
            body(0, 0_u64.wrapping_sub(page), page),
            body(0, 0, u64::MAX),
            vec![0; 17],
            vec![0; 19],
            Vec::new(),
        ];
        for body in wrong {
            assert!(Lent::new(&segment, &body).is_none(), "{body:?}");
        }
        let mut random = Random::new(7);
        for _ in 0..10_000 {
            let (at, len) = (random.next() >> random.below(64), random.next() >> random.below(64));
            let body = body(random.next().to_le_bytes()[0].into(), at / page * page, len);
            if let Some(lent) = Lent::new(&segment, &body) {
                assert!(lent.at + lent.len <= RESULT_ARENA_BYTES && lent.index < LENDS);
                if lent.len < 1 << 16 {
                    assert_eq!(lent.copy().len(), lent.len);
                }
            }
        }
        // A segment without an arena has no results in it.
        let short = Segment::create(RESULTS_AT).unwrap();
        assert!(Lent::new(&short, &body(0, 0, 0)).is_none() && Lender::new(&short).is_none());
    }
}
