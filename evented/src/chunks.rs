//! Where element `n` of a slab lives that grows by doubling and never moves what it holds.
//!
//! Chunk 0 holds 64 elements and each further chunk twice as many as the one before, so an element's
//! address is stable and finding it takes one `leading_zeros`.

use std::cell::OnceCell;

const FIRST_BITS: u32 = 6;
/// How many chunks there are at most.
pub(crate) const CHUNKS: usize = 18;
/// How many elements all chunks hold together.
pub(crate) const CAPACITY: u32 = (64 << CHUNKS) - 64;

/// The chunk of element `index` and its place in the chunk.
#[inline]
pub(crate) fn locate(index: u32) -> (usize, usize) {
    let shifted = index + (1 << FIRST_BITS);
    let chunk = shifted.ilog2() - FIRST_BITS;
    (chunk as usize, (shifted - (1 << (chunk + FIRST_BITS))) as usize)
}

/// How many elements chunk `chunk` holds.
pub(crate) fn size_of_chunk(chunk: usize) -> usize {
    1 << (FIRST_BITS as usize + chunk)
}

/// Such a slab for one thread. Elements are reached by shared reference and hold `Cell`s.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// Chunk `k` exists once an element of it has been asked for.
    chunks: [OnceCell<Box<[T]>>; CHUNKS],
}

impl<T: Default> Chunks<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: [const { OnceCell::new() }; CHUNKS] }
    }

    /// Element `index`, made with `T::default` together with its chunk if need be.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`CAPACITY`].
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &T {
        let (chunk, place) = locate(index);
        match self.chunks[chunk].get() {
            Some(elements) => &elements[place],
            None => &self.add_chunk(chunk)[place],
        }
    }

    #[cold]
    fn add_chunk(&self, chunk: usize) -> &[T] {
        self.chunks[chunk]
            .get_or_init(|| std::iter::repeat_with(T::default).take(size_of_chunk(chunk)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_its_own_place() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == size_of_chunk(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(locate(CAPACITY - 1), (CHUNKS - 1, size_of_chunk(CHUNKS - 1) - 1));
    }
}
