//! A block that has a key, so that others can say that they read it: what a buffer is in the parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::segment::SegmentId;

use super::holds::Readers;
use super::places::Name;
use super::{Arena, Block, Steady};

/// A block that has a key. When it is dropped it goes back, as soon as no worker holds it.
#[derive(Debug)]
pub(crate) struct Keyed {
    /// The key, which no other block of this process ever has; not zero.
    key: u64,
    /// The block, until it goes.
    block: Option<Block>,
    /// Who may hold it.
    readers: Arc<Readers>,
    /// What is in it.
    bytes: Steady,
}

impl Keyed {
    /// Gives a finished block a key.
    pub(crate) fn new(mut block: Block, readers: Arc<Readers>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        block.finish();
        let (key, bytes) = (NEXT.fetch_add(1, Ordering::Relaxed), block.steady());
        Self { key, block: Some(block), readers, bytes }
    }

    /// Drops handles, of which many may be the last ones: who holds what is looked at once for all.
    pub(crate) fn let_go(handles: Vec<Arc<Self>>) {
        let (mut readers, mut blocks) = (None, Vec::new());
        for mut keyed in handles.into_iter().filter_map(Arc::into_inner) {
            let readers = readers.get_or_insert_with(|| Arc::clone(&keyed.readers));
            // One of another arena goes by itself.
            if Arc::ptr_eq(readers, &keyed.readers)
                && let Some(block) = keyed.take_block()
            {
                blocks.push((keyed.key, block));
            }
        }
        if let Some(readers) = readers {
            readers.retire(blocks);
        }
    }

    /// The key.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// Bytes of its pages.
    pub(crate) fn room(&self) -> usize {
        self.block.as_ref().map_or(0, Block::room)
    }

    /// The id of the arena that it lies in.
    pub(super) fn arena_id(&self) -> SegmentId {
        self.block.as_ref().expect("it is there until the drop").arena_id()
    }

    /// Takes the block out, in the process whose it is. A copy in a child that was forked must not wait for
    /// a lock that nobody there can release.
    fn take_block(&mut self) -> Option<Block> {
        self.block.take().filter(Block::is_home)
    }

    /// What is in it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its name, if it lies in `arena`.
    pub(crate) fn name_in(&self, arena: &Arc<Arena>) -> Option<Name> {
        let here = self.block.as_ref().is_some_and(|block| block.is_of(arena));
        here.then(|| (arena.id(), self.key))
    }

    /// What a list of [places](super::places) says about it: key, offset and length.
    pub(super) fn entry(&self) -> [u64; 3] {
        let block = self.block.as_ref().expect("it is there until the drop");
        [self.key, block.offset() as u64, block.len() as u64]
    }
}

impl Drop for Keyed {
    fn drop(&mut self) {
        if let Some(block) = self.take_block() {
            self.readers.retire([(self.key, block)]);
        }
    }
}
