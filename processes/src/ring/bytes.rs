//! The bytes of a ring, copied in and out.
//!
//! This is one of the crate's few files with unsafe code: it copies through pointers.

use super::{Ring, to_usize};

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
        let to = self.segment.at(offset + bytes.len() - 1).as_ptr();
        let to = to.wrapping_sub(bytes.len() - 1);
        // SAFETY: the `bytes.len()` bytes at `offset` are inside the mapping (the last one was
        // checked), no reference to them exists, and the mutex keeps other processes away from
        // them.
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
        let from = self.segment.at(offset + bytes.len() - 1).as_ptr();
        let from = from.wrapping_sub(bytes.len() - 1);
        // SAFETY: as in `copy_to`, in the other direction.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(from, bytes.len()) };
    }

    /// Where a message begins in the segment, and how many of its bytes come before the end.
    fn span(&self, start: u64, length: usize) -> (usize, usize) {
        let offset = to_usize(start % self.bytes() as u64);
        (self.base() + offset, length.min(self.bytes() - offset))
    }
}
