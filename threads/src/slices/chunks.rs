//! Slices, cut into chunks of the same length.

use crate::slices::divide::Divide;
use std::mem;
use std::slice;

/// The chunks of `slice`, each of `size` items; the last one may be shorter.
///
/// ```
/// let sums = threads::par_map(threads::chunks(&[1, 2, 3, 4, 5], 2), |pair| pair.iter().sum());
/// assert_eq!(sums, [3, 7, 5]);
/// # let _: Vec<i32> = sums;
/// ```
///
/// # Panics
///
/// When `size` is zero.
#[track_caller]
pub fn chunks<T>(slice: &[T], size: usize) -> Chunks<'_, T> {
    assert!(size > 0, "a chunk has at least one item: the size must not be 0");
    Chunks { slice, size }
}

/// The chunks of `slice`, each of `size` items, to be changed; the last one may be shorter.
///
/// ```
/// let mut numbers = [1, 2, 3, 4, 5];
/// threads::par_for(threads::chunks_mut(&mut numbers, 2), |pair| pair.reverse());
/// assert_eq!(numbers, [2, 1, 4, 3, 5]);
/// ```
///
/// # Panics
///
/// When `size` is zero.
#[track_caller]
pub fn chunks_mut<T>(slice: &mut [T], size: usize) -> ChunksMut<'_, T> {
    assert!(size > 0, "a chunk has at least one item: the size must not be 0");
    ChunksMut { slice, size }
}

/// Chunks of a slice; from [`chunks`].
#[derive(Debug)]
pub struct Chunks<'a, T> {
    /// What is left of the slice.
    slice: &'a [T],
    /// Items of a chunk; not zero.
    size: usize,
}

/// Chunks of a slice, to be changed; from [`chunks_mut`].
#[derive(Debug)]
pub struct ChunksMut<'a, T> {
    /// What is left of the slice.
    slice: &'a mut [T],
    /// Items of a chunk; not zero.
    size: usize,
}

impl<'a, T> IntoIterator for Chunks<'a, T> {
    type Item = &'a [T];
    type IntoIter = slice::Chunks<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.slice.chunks(self.size)
    }
}

impl<'a, T> IntoIterator for ChunksMut<'a, T> {
    type Item = &'a mut [T];
    type IntoIter = slice::ChunksMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.slice.chunks_mut(self.size)
    }
}

impl<T: Sync> Divide for Chunks<'_, T> {
    fn length(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    fn divide_at(self, index: usize) -> (Self, Self) {
        let (near, far) = self.slice.split_at(items(index, self.size, self.slice.len()));
        (Self { slice: near, ..self }, Self { slice: far, ..self })
    }
}

impl<T: Send> Divide for ChunksMut<'_, T> {
    fn length(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    fn divide_at(mut self, index: usize) -> (Self, Self) {
        let slice = mem::take(&mut self.slice);
        let middle = items(index, self.size, slice.len());
        let (near, far) = slice.split_at_mut(middle);
        (Self { slice: near, ..self }, Self { slice: far, ..self })
    }
}

/// How many items there are in the first chunks: all of them, if the last is among these.
fn items(chunks: usize, size: usize, length: usize) -> usize {
    chunks.saturating_mul(size).min(length)
}
