//! A payload that is being encoded: in a vector as long as it is short, then where it will stay.

use std::io;
use std::sync::Arc;

use super::{ARENA_ABOVE, Arena, Block};

/// A payload that is being encoded, perhaps behind a header.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// Where a long payload goes, if there is an arena.
    arena: Option<&'a Arc<Arena>>,
    /// The header, and the payload as long as it is short, or when there is no room in the arena.
    head: Vec<u8>,
    /// The length of the header, which stays in `head`.
    header: usize,
    /// The longest payload that stays in `head`; changed when there is no room elsewhere.
    short: usize,
    /// The payload, once it is long.
    block: Option<Block>,
}

impl<'a> Draft<'a> {
    /// An empty payload, which goes into the arena when it is longer than `short` bytes, if there is
    /// an arena. `capacity` is what a vector should have room for at once.
    pub(crate) fn new(arena: Option<&'a Arc<Arena>>, short: usize, capacity: usize) -> Self {
        Self::behind(Vec::with_capacity(capacity), arena, short)
    }

    /// The usual one.
    pub(crate) fn short(arena: Option<&'a Arc<Arena>>) -> Self {
        Self::new(arena, ARENA_ABOVE, 0)
    }

    /// An empty payload behind a header.
    pub(crate) fn behind(head: Vec<u8>, arena: Option<&'a Arc<Arena>>, short: usize) -> Self {
        let header = head.len();
        let short = if arena.is_some() { short } else { usize::MAX };
        Self { arena, head, header, short, block: None }
    }

    /// The header and, if that is not in a block, the payload.
    pub(crate) fn finish(self) -> (Vec<u8>, Option<Block>) {
        let Self { head, mut block, .. } = self;
        if let Some(block) = &mut block {
            block.finish();
        }
        (head, block)
    }

    /// How long the payload is so far.
    pub(crate) fn len(&self) -> usize {
        self.block.as_ref().map_or(self.head.len() - self.header, Block::len)
    }

    /// Appends to a payload that has just become too long for where it is.
    #[inline(never)]
    fn move_on(&mut self, bytes: &[u8]) {
        if self.block.is_none() {
            self.block = self.arena.and_then(|arena| {
                let least = (self.head.len() - self.header).saturating_add(bytes.len());
                let like_last = arena.lock().last_len;
                let mut block =
                    Block::new(arena, least.max(like_last)).or_else(|| Block::new(arena, least))?;
                let moved = block.append(&self.head[self.header..]);
                debug_assert!(moved, "there is room for all of it");
                self.head.truncate(self.header);
                Some(block)
            });
        }
        let written = self.block.as_mut().is_some_and(|block| {
            block.append(bytes) || block.grow(bytes.len()) && block.append(bytes)
        });
        if !written {
            // No room: it stays in private memory from now on.
            if let Some(block) = self.block.take() {
                self.head.extend_from_slice(&block.steady());
            }
            self.short = usize::MAX;
            self.head.extend_from_slice(bytes);
        }
    }
}

impl io::Write for Draft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Never fails.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = match &mut self.block {
            None => self.head.len() - self.header + bytes.len() <= self.short,
            Some(block) => {
                if block.append(bytes) {
                    return Ok(());
                }
                false
            }
        };
        if fits {
            self.head.extend_from_slice(bytes);
        } else {
            self.move_on(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
