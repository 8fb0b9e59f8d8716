//! Sorting.

use crate::slices::workers::current;
use crate::slices::{stable, unstable};
use std::cmp::Ordering;

/// Sorts a slice; equal values stay in order.
///
/// Like [`slice::sort`], with workers that have nothing else to do. It needs as much memory
/// again as the slice has. Short slices are sorted as std does it; sorted and reversed ones
/// take linear time.
///
/// ```
/// let mut words = ["one", "three", "two"];
/// threads::par_sort(&mut words);
/// assert_eq!(words, ["one", "three", "two"]);
/// threads::par_sort_by_key(&mut words, |word| word.len());
/// assert_eq!(words, ["one", "two", "three"]);
/// ```
///
/// # Panics
///
/// When the comparison does, and perhaps when it is not a total order. The slice has its
/// values then, each once, in unspecified order; so it has when this is cancelled.
pub fn par_sort<T: Ord + Send>(slice: &mut [T]) {
    par_sort_by(slice, T::cmp);
}

/// Sorts a slice with a comparison; equal values stay in order. See [`par_sort`].
///
/// ```
/// let mut numbers = [0.5, -1.0, 0.0];
/// threads::par_sort_by(&mut numbers, f64::total_cmp);
/// assert_eq!(numbers, [-1.0, 0.0, 0.5]);
/// ```
///
/// # Panics
///
/// Like [`par_sort`].
pub fn par_sort_by<T, F>(slice: &mut [T], compare: F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    current(|workers| stable::sort(workers, slice, &compare));
}

/// Sorts a slice by a key, which is made anew for each comparison; those with equal keys stay
/// in order. See [`par_sort`].
///
/// ```
/// let mut numbers = [-2, 1, -1];
/// threads::par_sort_by_key(&mut numbers, |x: &i32| x.abs());
/// assert_eq!(numbers, [1, -1, -2]);
/// ```
///
/// # Panics
///
/// Like [`par_sort`], and when `key` does.
pub fn par_sort_by_key<T, K, F>(slice: &mut [T], key: F)
where
    T: Send,
    K: Ord,
    F: Fn(&T) -> K + Sync,
{
    par_sort_by(slice, |a, b| key(a).cmp(&key(b)));
}

/// Sorts a slice; equal values may change places.
///
/// Like [`slice::sort_unstable`], with workers that have nothing else to do. Faster than
/// [`par_sort`] for most types, and in place. Short slices are sorted as std does it; sorted
/// and reversed ones take linear time.
///
/// ```
/// let mut numbers = [3, 1, 2];
/// threads::par_sort_unstable(&mut numbers);
/// assert_eq!(numbers, [1, 2, 3]);
/// ```
///
/// # Panics
///
/// Like [`par_sort`].
pub fn par_sort_unstable<T: Ord + Send>(slice: &mut [T]) {
    par_sort_unstable_by(slice, T::cmp);
}

/// Sorts a slice with a comparison; equal values may change places. See
/// [`par_sort_unstable`].
///
/// ```
/// let mut numbers = [1, 3, 2];
/// threads::par_sort_unstable_by(&mut numbers, |a, b| b.cmp(a));
/// assert_eq!(numbers, [3, 2, 1]);
/// ```
///
/// # Panics
///
/// Like [`par_sort`].
pub fn par_sort_unstable_by<T, F>(slice: &mut [T], compare: F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    current(|workers| unstable::sort(workers, slice, &compare));
}

/// Sorts a slice by a key, which is made anew for each comparison; those with equal keys may
/// change places. See [`par_sort_unstable`].
///
/// ```
/// let mut words = ["three", "to"];
/// threads::par_sort_unstable_by_key(&mut words, |word| word.len());
/// assert_eq!(words, ["to", "three"]);
/// ```
///
/// # Panics
///
/// Like [`par_sort`], and when `key` does.
pub fn par_sort_unstable_by_key<T, K, F>(slice: &mut [T], key: F)
where
    T: Send,
    K: Ord,
    F: Fn(&T) -> K + Sync,
{
    par_sort_unstable_by(slice, |a, b| key(a).cmp(&key(b)));
}
