//! A block: some pages of an arena, as a value.

use std::sync::Arc;

use crate::segment::SegmentId;

use super::extents::Run;
use super::{Arena, Steady};

/// Some pages of an arena, and how many of their bytes are in use. It goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Block {
    /// Whose pages they are.
    arena: Arc<Arena>,
    /// The pages.
    run: Run,
    /// How many bytes are in use.
    len: usize,
    /// How many there is room for.
    room: usize,
}

impl Block {
    /// A block with room for at least so many bytes, none of them in use; none when there is no room
    /// or no memory.
    pub(crate) fn new(arena: &Arc<Arena>, bytes: usize) -> Option<Self> {
        let run = arena.take(bytes)?;
        let room = run.len() * arena.page;
        Some(Self { arena: Arc::clone(arena), run, len: 0, room })
    }

    /// True for a block of this arena.
    pub(super) fn is_of(&self, arena: &Arc<Arena>) -> bool {
        Arc::ptr_eq(&self.arena, arena)
    }

    /// True in the process whose block it is.
    pub(super) fn is_home(&self) -> bool {
        self.arena.home.is_here()
    }

    /// The id of its arena.
    pub(super) fn arena_id(&self) -> SegmentId {
        self.arena.id()
    }

    /// Bytes of its pages.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// What is in it, while nobody changes it.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.arena.memory.of_block_to_read(self)
    }

    /// What is in it, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let (arena, len) = (Arc::clone(&self.arena), self.len);
        arena.memory.of_block(self, len)
    }

    /// Puts so many bytes in use, whatever they are.
    ///
    /// # Panics
    /// If there is no room for them.
    pub(crate) fn set_len(&mut self, len: usize) {
        assert!(len <= self.room, "{len} bytes in a block for {}", self.room);
        self.len = len;
    }

    /// Where it begins in the arena, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.run.start * self.arena.page
    }

    /// How many bytes are in use.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is in it.
    pub(crate) fn steady(&self) -> Steady {
        let steady = self.arena.memory.steady(self.offset(), self.len);
        steady.expect("a block is inside of its arena")
    }

    /// Appends bytes. False, and nothing was done, when there is no room.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room - self.len {
            return false;
        }
        self.arena.memory.write(self.offset() + self.len, bytes);
        self.len += bytes.len();
        true
    }

    /// Makes room for `more` bytes and as many again as there are, where it is or, if others are in
    /// the way, elsewhere. False when there is none.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let wanted = |bytes: usize| bytes.div_ceil(self.arena.page).saturating_sub(self.run.len());
        let least = wanted(self.len.saturating_add(more));
        for count in [wanted(self.len.saturating_mul(2).saturating_add(more)), least] {
            if self.arena.extend(self.run.end, count) {
                self.run.end += count;
                self.room = self.run.len() * self.arena.page;
                return true;
            }
        }
        let doubled = self.len.saturating_mul(2).saturating_add(more);
        let bytes = [doubled, self.len.saturating_add(more)];
        let Some(mut other) = bytes.into_iter().find_map(|bytes| Self::new(&self.arena, bytes))
        else {
            return false;
        };
        self.arena.memory.move_within(self.offset(), other.offset(), self.len);
        other.len = self.len;
        *self = other;
        true
    }

    /// Gives back the pages that are not in use: the payload is finished.
    pub(crate) fn finish(&mut self) {
        let used = self.len.max(1).div_ceil(self.arena.page);
        let spare = self.run.start + used..self.run.end;
        if !spare.is_empty() {
            self.run.end = spare.start;
            self.room = self.run.len() * self.arena.page;
            self.arena.give_back(spare, 0);
        }
        self.arena.lock().last_len = self.len;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.arena.give_back(self.run.clone(), 1);
    }
}
