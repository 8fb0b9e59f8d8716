//! What works on slices.

/// The results of `f`, called with each element.
pub(crate) fn par_map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    items.iter().map(f).collect()
}

/// What `reduce` makes of the results of `map`, called with each element.
pub(crate) fn par_map_reduce<T: Sync, R: Send>(
    items: &[T],
    map: impl Fn(&T) -> R + Sync,
    reduce: impl Fn(R, R) -> R + Sync,
) -> Option<R> {
    items.iter().map(map).reduce(reduce)
}

/// Sorts; equal elements stay in their order.
pub(crate) fn par_sort<T: Ord + Send>(items: &mut [T]) {
    items.sort();
}

/// Sorts; equal elements may change places.
pub(crate) fn par_sort_unstable<T: Ord + Send>(items: &mut [T]) {
    items.sort_unstable();
}
