//! The bytes of a ring, copied in and out.
//!
//! This is one of the crate's few files with unsafe code: it copies through pointers.

use super::Ring;

impl Ring {
    /// Copies a message into the ring, around its end if need be.
    pub(super) fn copy_in(&self, start: u64, message: &[u8]) {
        let (at, first) = self.span(start, message.len());
        let (head, tail) = message.split_at(first);
        self.copy_to(at, head);
        self.copy_to(self.base(), tail);
    }

    /// Copies bytes to `offset`; under the mutex.
    pub(super) fn copy_to(&self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let to = self.segment.span(offset, bytes.len()).as_ptr();
        // SAFETY: the `bytes.len()` bytes at `offset` are inside the mapping (`span` has looked), no
        // reference to them exists, and the mutex keeps other processes away from them; one that writes
        // there all the same spoils what is written and nothing else.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies a message out of the ring.
    pub(super) fn copy_out(&self, start: u64, length: usize) -> Vec<u8> {
        let mut message = vec![0; length];
        let (at, first) = self.span(start, length);
        let (head, tail) = message.split_at_mut(first);
        self.copy_from(at, head);
        self.copy_from(self.base(), tail);
        message
    }

    /// Copies bytes from `offset`; under the mutex.
    pub(super) fn copy_from(&self, offset: usize, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let from = self.segment.span(offset, bytes.len()).as_ptr();
        // SAFETY: as in `copy_to`, in the other direction.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(from, bytes.len()) };
    }

    /// Where a message begins in the segment, and how many of its bytes come before the end.
    fn span(&self, start: u64, length: usize) -> (usize, usize) {
        let offset = usize::try_from(start % self.bytes as u64).expect("less than the size");
        (self.base() + offset, length.min(self.bytes - offset))
    }
}
