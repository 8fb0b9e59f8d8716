//! Zeros in memory of this process.
//!
//! This is one of the crate's few files with unsafe code: it asks the allocator for memory that is zero
//! already, or for an answer when there is none, which a vector offers one at a time only.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::slice_from_raw_parts_mut;

/// So many zeros; none when there is no memory for them. Where the system gives pages that are zero,
/// nothing is written, and a page takes memory from when it is used.
pub(crate) fn zeros(len: usize) -> Option<Vec<u8>> {
    if len == 0 {
        return Some(Vec::new());
    }
    let layout = Layout::array::<u8>(len).ok()?;
    // SAFETY: the layout is not of zero bytes.
    let bytes = unsafe { alloc_zeroed(layout) };
    if bytes.is_null() {
        return None;
    }
    // SAFETY: the global allocator has just given these bytes, all of them zero, with the layout that the
    // box gives back, and nobody else has them.
    let bytes = unsafe { Box::from_raw(slice_from_raw_parts_mut(bytes, len)) };
    Some(bytes.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_asked_for_or_none() {
        for len in [0, 1, 100_000] {
            assert_eq!(zeros(len).unwrap(), vec![0; len]);
        }
        assert!(zeros(usize::MAX).is_none());
    }
}
