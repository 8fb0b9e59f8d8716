//! The stable sort: std's sort of leaves, merged pairwise.
//!
//! This is one of the crate's few files with unsafe code: it moves values between the slice
//! and a buffer of the same length.
//!
//! Each merge moves values from one of the two to the other, so that they are moved once
//! for each level. The slice owns the values all the time, whatever unwinds:
//!
//! | what happens | the slice has | the buffer has |
//! |---|---|---|
//! | leaves are sorted, or moved to the buffer | all values | nothing, or copies |
//! | a merge to the buffer | all values: only copied from | some copies |
//! | after it | all values | the same, in order |
//! | a merge to the slice | some copies; in the end, and when this unwinds, all values | all values |

use crate::slices::merge::{Run, merge};
use crate::slices::workers::Workers;
use std::cmp::Ordering;
use std::mem::{self, MaybeUninit};
use std::{ptr, slice};

/// Leaves are this part of the slice: few enough levels of merges, and enough leaves to
/// keep some workers busy.
const LEAVES: usize = 32;

/// But not shorter than this: then std's sort is the fastest,
const MIN_LEAF: usize = 4 * 1024;

/// and not longer: a leaf cannot be divided once it is being sorted.
const MAX_LEAF: usize = 256 * 1024;

/// Sorts; equal values stay in order.
pub(super) fn sort<W, T, F>(workers: W, values: &mut [T], compare: &F)
where
    W: Workers,
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let length = values.len();
    sort_with_leaves(workers, values, compare, (length / LEAVES).clamp(MIN_LEAF, MAX_LEAF));
}

/// Sorts, with leaves of at most this length.
pub(super) fn sort_with_leaves<W, T, F>(workers: W, values: &mut [T], compare: &F, leaf: usize)
where
    W: Workers,
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let length = values.len();
    if length <= leaf || size_of::<T>() == 0 {
        values.sort_by(compare);
        return;
    }
    if values.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    if values.is_sorted_by(|a, b| compare(a, b).is_gt()) {
        values.reverse(); // No two are equal.
        return;
    }
    let mut buffer = Vec::with_capacity(length);
    let levels = Levels { workers, compare, leaf };
    levels.sort(values, &mut buffer.spare_capacity_mut()[..length], Goal::Slice);
}

/// Where the values are to be in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// In the slice.
    Slice,
    /// In the buffer; the slice has them, too, in whatever order.
    Buffer,
}

/// What all levels have in common.
struct Levels<'a, W, F> {
    /// Who may take part.
    workers: W,
    /// The order.
    compare: &'a F,
    /// What is not longer is sorted by std.
    leaf: usize,
}

impl<W: Workers, F> Levels<'_, W, F> {
    /// Sorts the values of a slice, with a buffer of the same length.
    fn sort<T>(&self, values: &mut [T], buffer: &mut [MaybeUninit<T>], goal: Goal)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        self.workers.checkpoint();
        if values.len() <= self.leaf {
            values.sort_by(self.compare);
            if goal == Goal::Buffer {
                copy(values, buffer);
            }
            return;
        }
        let middle = values.len() / 2;
        let halves = match goal {
            Goal::Slice => Goal::Buffer,
            Goal::Buffer => Goal::Slice,
        };
        self.sort_halves(values, buffer, middle, halves);
        let is_less = |a: &T, b: &T| (self.compare)(a, b).is_lt();
        match goal {
            Goal::Buffer => {
                // SAFETY: nothing writes to these places: `merge` only copies from runs.
                let places = unsafe { as_places(values) };
                let (left, right) = places.split_at_mut(middle);
                // SAFETY: values of the slice are initialized.
                let left = unsafe { Run::new(left) };
                // SAFETY: as above.
                let right = unsafe { Run::new(right) };
                merge(self.workers, left, right, buffer, &is_less);
            }
            Goal::Slice => {
                let restore = Restore { values, buffer };
                let (left, right) = restore.buffer.split_at_mut(middle);
                // SAFETY: sorting the halves has initialized the buffer, as their goal says.
                let left = unsafe { Run::new(left) };
                // SAFETY: as above.
                let right = unsafe { Run::new(right) };
                // SAFETY: `merge` moves each value of the buffer there, or unwinds, and then
                // `restore` does.
                let places = unsafe { as_places(restore.values) };
                merge(self.workers, left, right, places, &is_less);
                mem::forget(restore);
            }
        }
    }

    /// Sorts both halves, perhaps at the same time.
    fn sort_halves<T>(
        &self,
        values: &mut [T],
        buffer: &mut [MaybeUninit<T>],
        middle: usize,
        goal: Goal,
    ) where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let (left, right) = values.split_at_mut(middle);
        let (left_buffer, right_buffer) = buffer.split_at_mut(middle);
        let sort_left = || self.sort(left, left_buffer, goal);
        let sort_right = || self.sort(right, right_buffer, goal);
        if self.workers.demand() {
            self.workers.join_shared(sort_left, sort_right);
        } else {
            self.workers.join(sort_left, sort_right);
        }
    }
}

/// Gives the slice its values back when it is dropped, which happens when a merge unwinds.
struct Restore<'a, T> {
    /// The slice; has some of the values twice and lacks others.
    values: &'a mut [T],
    /// All of the values.
    buffer: &'a mut [MaybeUninit<T>],
}

impl<T> Drop for Restore<'_, T> {
    fn drop(&mut self) {
        assert_eq!(self.values.len(), self.buffer.len(), "the buffer is as long as the slice");
        let (from, to) = (self.buffer.as_ptr().cast(), self.values.as_mut_ptr());
        // SAFETY: the buffer has one of each value of the slice, initialized, and merging
        // has only copied from it. Both are exclusive, so that they do not overlap, and are
        // of the same length.
        unsafe { ptr::copy_nonoverlapping(from, to, self.values.len()) };
    }
}

/// The slice as places that are written without dropping what is there.
///
/// # Safety
///
/// When the borrow ends, also when something unwinds, each place has a value, and each value
/// is there once.
unsafe fn as_places<T>(values: &mut [T]) -> &mut [MaybeUninit<T>] {
    let (start, length) = (values.as_mut_ptr().cast(), values.len());
    // SAFETY: the same memory, exclusive for the same time; `MaybeUninit<T>` has the layout
    // of `T`. What is written to it is up to the caller.
    unsafe { slice::from_raw_parts_mut(start, length) }
}

/// Copies the values to the buffer; the slice still owns them.
fn copy<T>(values: &[T], buffer: &mut [MaybeUninit<T>]) {
    assert_eq!(values.len(), buffer.len(), "the buffer is as long as the slice");
    let (from, to) = (values.as_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: both are slices of the same length. The buffer is exclusive, so that they do not
    // overlap, and what is written there is not dropped.
    unsafe { ptr::copy_nonoverlapping(from, to, values.len()) };
}
