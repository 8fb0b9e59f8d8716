//! The annex of a ring: words of those who build more on it.

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::robust::Owned;

use super::Ring;

impl Ring {
    /// The `index`th 8-byte word of the annex.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn annex_word(&self, index: usize) -> &AtomicU64 {
        self.word(self.annex() + index)
    }

    /// The size of the annex in bytes, as far as the segment tells.
    pub(crate) fn annex_len(&self) -> usize {
        self.segment.len().saturating_sub(self.annex() * 8)
    }

    /// The lower half of that word: one that can be slept on.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn annex_futex(&self, index: usize) -> &AtomicU32 {
        self.half_word((self.annex() + index) * 2)
    }

    /// Copies bytes into the annex, from its `index`th word on. False: none, as nothing is locked.
    ///
    /// # Panics
    /// If they are outside.
    #[must_use]
    pub(crate) fn annex_write(&self, held: &Owned, index: usize, bytes: &[u8]) -> bool {
        if held.is_broken() {
            return false;
        }
        self.copy_to((self.annex() + index) * 8, bytes);
        true
    }

    /// So many bytes of the annex, from its `index`th word on; none, when nothing is locked.
    ///
    /// # Panics
    /// If they are outside.
    pub(crate) fn annex_read(&self, held: &Owned, index: usize, length: usize) -> Option<Vec<u8>> {
        if held.is_broken() {
            return None;
        }
        let mut bytes = vec![0; length];
        self.copy_from((self.annex() + index) * 8, &mut bytes);
        Some(bytes)
    }

    /// Where the annex begins, in words.
    fn annex(&self) -> usize {
        (self.base() + self.bytes).div_ceil(8)
    }
}
