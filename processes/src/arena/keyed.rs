//! A block that has a key, so that others can say that they read it: what a buffer is in the parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
        // A copy in a child that was forked must not wait for a lock that nobody there can release.
        if let Some(block) = self.block.take()
            && block.is_home()
        {
            self.readers.retire(self.key, block);
        }
    }
}
