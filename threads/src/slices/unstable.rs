//! The unstable sort: partitions, and std's sort of what has become short.

use crate::slices::workers::Workers;
use std::cmp::Ordering;

/// Leaves are this part of the slice: few partitions, and enough leaves to keep some
/// workers busy.
const LEAVES: usize = 32;

/// But not shorter than this: then std's sort is the fastest,
const MIN_LEAF: usize = 4 * 1024;

/// and not longer: a leaf cannot be divided once it is being sorted.
const MAX_LEAF: usize = 256 * 1024;

/// The pivot is the median of as many values.
const SAMPLE: usize = 33;

/// A partition is bad if one side has less than this part of the values.
const BAD: usize = 8;

/// As many bad partitions may follow each other on the way to a leaf. Then std's sort, which
/// never takes quadratic time, has the rest.
const BAD_PARTITIONS: u32 = 4;

/// Sorts; equal values may change places.
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
    if values.len() <= leaf.max(SAMPLE) || size_of::<T>() == 0 {
        values.sort_unstable_by(compare);
        return;
    }
    if values.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    if values.is_sorted_by(|a, b| compare(a, b).is_ge()) {
        values.reverse();
        return;
    }
    let partitions = Partitions { workers, compare, leaf: leaf.max(SAMPLE) };
    partitions.sort(values, BAD_PARTITIONS);
}

/// What all partitions have in common.
struct Partitions<'a, W, F> {
    /// Who may take part.
    workers: W,
    /// The order.
    compare: &'a F,
    /// What is not longer is sorted by std. At least [`SAMPLE`].
    leaf: usize,
}

impl<W: Workers, F> Partitions<'_, W, F> {
    /// Sorts; so many partitions may still be bad.
    fn sort<T>(&self, mut values: &mut [T], mut bad_left: u32)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        loop {
            self.workers.checkpoint();
            let length = values.len();
            if length <= self.leaf || bad_left == 0 {
                values.sort_unstable_by(self.compare);
                return;
            }
            let pivot = median(values, self.compare);
            values.swap(0, pivot);
            let less = partition(values, |x, pivot| (self.compare)(x, pivot).is_lt());
            if less == 0 {
                // The least value, and probably not alone: those equal to it are done.
                let equal = partition(values, |x, pivot| !(self.compare)(pivot, x).is_lt());
                bad_left -= u32::from(equal < length / BAD);
                values = &mut values[equal + 1..];
                continue;
            }
            let (near, far) = values.split_at_mut(less);
            let far = &mut far[1..];
            bad_left -= u32::from(near.len().min(far.len()) < length / BAD);
            let sort_near = || self.sort(near, bad_left);
            let sort_far = || self.sort(far, bad_left);
            if self.workers.demand() {
                self.workers.join_shared(sort_near, sort_far);
            } else {
                self.workers.join(sort_near, sort_far);
            }
            return;
        }
    }
}

/// Where a value is that about half of the values are less than.
fn median<T>(values: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let mut sample: [usize; SAMPLE] = std::array::from_fn(|nth| {
        // Equal distances, but for a stagger, so that no period of the values is met.
        let step = values.len() / SAMPLE;
        nth * step + (nth * nth * 7 + nth * 3) % step
    });
    sample.sort_unstable_by(|a, b| compare(&values[*a], &values[*b]));
    sample[SAMPLE / 2]
}

/// Moves the first value, the pivot, behind those that belong in front of it, and tells how
/// many these are.
fn partition<T>(values: &mut [T], belongs_in_front: impl Fn(&T, &T) -> bool) -> usize {
    let Some((pivot, others)) = values.split_first_mut() else { return 0 };
    let mut front = 0;
    for next in 0..others.len() {
        // No branch on the answer, which cannot be predicted: if it is no, the value is
        // where the next one is swapped with it.
        let is_in_front = belongs_in_front(&others[next], pivot);
        others.swap(front, next);
        front += usize::from(is_in_front);
    }
    values.swap(0, front);
    front
}
