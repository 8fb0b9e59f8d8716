//! The memory of an arena: a part of a segment, in whole pages.
//!
//! This is one of the crate's few files with unsafe code: it reads and writes through pointers.

use std::ops::Range;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use crate::segment::{Segment, SegmentId};

use super::Block;

/// A part of a segment. Which bytes are whose is for its users to know; that they are inside is
/// checked here, each time.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// The mapping.
    segment: Arc<Segment>,
    /// Where the part begins; at a page.
    start: usize,
    /// How many bytes it has.
    len: usize,
}

/// Bytes that nobody changes as long as this lives.
///
/// In the process that has written them they belong to a [block](super::Block); in a worker they are
/// an argument of a call that it has claimed, or a buffer that it [holds](super::holds), which the
/// parent leaves alone until the call has ended, or the buffer is let go.
#[derive(Debug)]
pub(crate) struct Steady {
    /// Where they are.
    memory: Memory,
    /// Which they are; inside.
    range: Range<usize>,
}

impl Memory {
    /// The bytes of `segment` from `start` on.
    ///
    /// # Panics
    /// If they are not all inside, or do not begin at a page.
    pub(crate) fn new(segment: Arc<Segment>, start: usize, len: usize) -> Self {
        assert!(start.is_multiple_of(rustix::param::page_size()), "a part begins at a page");
        let end = start.checked_add(len);
        assert!(end.is_some_and(|end| end <= segment.len()), "a part is inside of its segment");
        Self { segment, start, len }
    }

    /// The id of its segment.
    pub(super) fn id(&self) -> SegmentId {
        self.segment.id()
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies `bytes` to `at`. They must be the caller's to write: nobody else looks at them now.
    ///
    /// # Panics
    /// If they would not all be inside.
    #[inline]
    pub(super) fn write(&self, at: usize, bytes: &[u8]) {
        self.check(at, bytes.len());
        let Some(to) = self.pointer(at) else { return };
        // SAFETY: the range is inside of the mapping (checked above), which is writable as only its
        // owner makes blocks of it, and lives as long as `self`. No reference to it exists: what is
        // handed out as a slice belongs to another block, or borrows the block that writes.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies bytes within the memory, to a place that is the caller's to write.
    ///
    /// # Panics
    /// If they are not all inside, before or after.
    pub(super) fn move_within(&self, from: usize, to: usize, len: usize) {
        self.check(from, len);
        self.check(to, len);
        let (Some(from), Some(to)) = (self.pointer(from), self.pointer(to)) else { return };
        // SAFETY: as in `write`; both may overlap.
        unsafe { from.copy_to(to, len) };
    }

    /// A copy of bytes, whoever may change them meanwhile; none when they are not all inside.
    pub(crate) fn copy(&self, at: usize, len: usize) -> Option<Vec<u8>> {
        if !self.contains(at, len) {
            return None;
        }
        let mut copy = Vec::<u8>::with_capacity(len);
        if let Some(from) = self.pointer(at) {
            // SAFETY: the range is inside of the mapping (checked above), and the vector has room
            // for it. If another process writes there now, against the rules, we get bytes that
            // mean nothing, in memory of our own.
            unsafe { copy.as_mut_ptr().copy_from_nonoverlapping(from, len) };
            // SAFETY: so many bytes have just been filled in.
            unsafe { copy.set_len(len) };
        }
        Some(copy)
    }

    /// Bytes that the caller knows to be [`Steady`]; none when they are not all inside.
    pub(crate) fn steady(&self, at: usize, len: usize) -> Option<Steady> {
        self.contains(at, len).then(|| Steady { memory: self.clone(), range: at..at + len })
    }

    /// The bytes of a block.
    ///
    /// # Panics
    /// If they are not all inside.
    pub(super) fn of_block<'b>(&self, block: &'b mut Block, len: usize) -> &'b mut [u8] {
        let at = block.offset();
        self.check(at, len);
        let Some(from) = self.pointer(at) else { return &mut [] };
        // SAFETY: the range is inside of the mapping, which the block keeps alive, and which is
        // writable, as blocks are made by the owner only. The block is borrowed exclusively, its pages
        // are no other block's, and no other process reads them before it is told where they are.
        unsafe { std::slice::from_raw_parts_mut(from, len) }
    }

    /// The bytes in use of a block.
    ///
    /// # Panics
    /// If they are not all inside.
    pub(super) fn of_block_to_read<'b>(&self, block: &'b Block) -> &'b [u8] {
        self.check(block.offset(), block.len());
        let Some(from) = self.pointer(block.offset()) else { return &[] };
        // SAFETY: as in `of_block`; while the block is borrowed nobody changes its bytes.
        unsafe { std::slice::from_raw_parts(from, block.len()) }
    }

    /// Has memory put behind the pages of a range now, at once instead of one by one. False when
    /// there is none left: touching them would end the process.
    pub(super) fn populate(&self, range: Range<usize>) -> bool {
        match self.advise(range, Advice::LinuxPopulateWrite) {
            // Before Linux 5.14 they are populated one by one.
            Ok(()) | Err(Errno::INVAL) => true,
            Err(_) => false,
        }
    }

    /// Gives the memory behind the pages of a range back to the system; they read as zero from then
    /// on. False when the system does not want it.
    pub(super) fn release(&self, range: Range<usize>) -> bool {
        self.advise(range, Advice::LinuxRemove).is_ok()
    }

    /// Advises the kernel about a range.
    fn advise(&self, range: Range<usize>, advice: Advice) -> Result<(), Errno> {
        self.check(range.start, range.len());
        let Some(from) = self.pointer(range.start) else { return Ok(()) };
        // SAFETY: the range is inside of a mapping that lives as long as `self`. Populating changes
        // no content. What is released is the caller's: nobody looks at it now.
        unsafe { madvise(from.cast(), range.len(), advice) }
    }

    /// True when the bytes are inside.
    fn contains(&self, at: usize, len: usize) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len)
    }

    /// Panics when the bytes are not all inside.
    #[inline]
    fn check(&self, at: usize, len: usize) {
        assert!(self.contains(at, len), "{len} bytes at {at} are not in {} bytes", self.len);
    }

    /// The address of a byte; none for the end.
    #[inline]
    fn pointer(&self, at: usize) -> Option<*mut u8> {
        (at < self.len).then(|| self.segment.at(self.start + at).as_ptr())
    }
}

impl std::ops::Deref for Steady {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some(from) = self.memory.pointer(self.range.start) else { return &[] };
        // SAFETY: the range is inside of the mapping (checked when this was made), which lives as
        // long as `self`, and nobody changes the bytes meanwhile: see the type's documentation.
        unsafe { std::slice::from_raw_parts(from, self.range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_not_reached() {
        let segment = Segment::create(3 * rustix::param::page_size()).unwrap();
        let page = rustix::param::page_size();
        let memory = Memory::new(Arc::clone(&segment), page, page);
        memory.write(page - 4, b"last");
        assert_eq!(memory.copy(page - 4, 4).unwrap(), b"last");
        assert_eq!(&*memory.steady(page - 4, 4).unwrap(), b"last");
        assert_eq!(&*memory.steady(page, 0).unwrap(), b"");
        for (at, len) in
            [(page - 3, 4), (page + 1, 0), (0, page + 1), (usize::MAX, 1), (1, usize::MAX)]
        {
            assert!(
                memory.copy(at, len).is_none() && memory.steady(at, len).is_none(),
                "{at} {len}"
            );
        }
        let out = std::panic::catch_unwind(|| memory.write(page - 3, b"last"));
        assert!(out.is_err());
        assert_eq!(segment.len(), 3 * page);
    }

    #[test]
    fn released_pages_read_as_zero() {
        let page = rustix::param::page_size();
        let memory = Memory::new(Segment::create(2 * page).unwrap(), 0, 2 * page);
        assert!(memory.populate(0..2 * page));
        memory.write(0, &vec![7; 2 * page]);
        assert!(memory.release(page..2 * page));
        assert_eq!(memory.copy(page - 1, 2).unwrap(), [7, 0]);
    }
}
