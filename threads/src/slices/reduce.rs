//! Many items become one value.

use crate::slices::divide::Divide;
use crate::slices::drive::{Fold, drive};
use crate::slices::workers::{Workers, current};

/// Calls `map` for each item, and combines the results with `reduce`, two at a time, in the
/// order of the items. `None` if there are no items.
///
/// `reduce` has to be associative: how the results are grouped depends on when workers are
/// idle, and may differ each time. It need not be commutative: the left argument always
/// comes from items in front of those of the right one. Where nothing is divided, the
/// results are combined from the left, like [`Iterator::reduce`] does.
///
/// Addition of floating point numbers is not associative: the last digits of a sum may
/// differ from run to run. Where that is not good enough, sum up [`chunks`](crate::chunks)
/// with [`par_map`](crate::par_map), and the few results in a loop.
///
/// ```
/// use threads::par_map_reduce;
///
/// assert_eq!(par_map_reduce(&[3, 1, 4][..], |x| *x, i32::max), Some(4));
/// let text = par_map_reduce(0..4_u32, |x| x.to_string(), |left, right| left + &right);
/// assert_eq!(text.as_deref(), Some("0123"));
/// ```
///
/// # Panics
///
/// When one of the functions does; with one of the panics, if there are several.
pub fn par_map_reduce<I, R, M, C>(items: I, map: M, reduce: C) -> Option<R>
where
    I: Divide,
    R: Send,
    M: Fn(I::Item) -> R + Sync,
    C: Fn(R, R) -> R + Sync,
{
    current(|workers| map_reduce(workers, items, &map, &reduce))
}

/// [`par_map_reduce`] with these workers.
pub(super) fn map_reduce<W, I, R, M, C>(workers: W, items: I, map: &M, reduce: &C) -> Option<R>
where
    W: Workers,
    I: Divide,
    R: Send,
    M: Fn(I::Item) -> R + Sync,
    C: Fn(R, R) -> R + Sync,
{
    drive(workers, items, Reduction { map, reduce, value: None }).value
}

/// What the items of a row have become.
struct Reduction<'a, M, C, R> {
    /// Called for each item.
    map: &'a M,
    /// Called with neighbours.
    reduce: &'a C,
    /// Of all items seen; none before the first.
    value: Option<R>,
}

impl<I, R, M, C> Fold<I> for Reduction<'_, M, C, R>
where
    I: Divide,
    R: Send,
    M: Fn(I::Item) -> R + Sync,
    C: Fn(R, R) -> R + Sync,
{
    fn block(&mut self, items: I) {
        let mut results = items.into_iter().map(self.map);
        // From the left, across blocks: grouping depends on dividing alone.
        let first = self.value.take().or_else(|| results.next());
        self.value = first.map(|first| results.fold(first, self.reduce));
    }

    fn divide(&mut self, _ahead: usize) -> Self {
        Self { value: None, ..*self }
    }

    fn append(&mut self, behind: Self) {
        self.value = match (self.value.take(), behind.value) {
            (Some(left), Some(right)) => Some((self.reduce)(left, right)),
            (left, right) => left.or(right),
        };
    }
}
