//! Running totals.

use crate::slices::drive::{Fold, drive};
use crate::slices::each::for_each;
use crate::slices::workers::{Workers, current};

/// Replaces each item by the combination of all items up to it, itself included.
///
/// `combine` has to be associative: how items are grouped depends on when workers are idle.
/// It need not be commutative: the left argument always comes from items in front of those of
/// the right one. For floating point numbers, which are not associative, the last digits may
/// differ from run to run; see [`par_map_reduce`](crate::par_map_reduce).
///
/// What stays with the caller is combined once. What is given away is combined twice, so that
/// with two workers it takes about three quarters of the time of a loop.
///
/// ```
/// let mut numbers = [1, 2, 3, 4];
/// threads::par_scan(&mut numbers, |a, b| a + b);
/// assert_eq!(numbers, [1, 3, 6, 10]);
/// ```
///
/// # Panics
///
/// When `combine` does. Some items are replaced then, and others are not.
pub fn par_scan<T, F>(slice: &mut [T], combine: F)
where
    T: Send + Sync,
    F: Fn(&T, &T) -> T + Sync,
{
    current(|workers| scan(workers, slice, &combine));
}

/// [`par_scan`] with these workers.
pub(super) fn scan<W, T, F>(workers: W, slice: &mut [T], combine: &F)
where
    W: Workers,
    T: Send + Sync,
    F: Fn(&T, &T) -> T + Sync,
{
    let rows = Rows { combine, last: None, length: 0, behind: Vec::new() };
    let Rows { length, behind, .. } = drive(workers, &mut *slice, rows);
    // The first row is complete; each other one lacks what is in front of it. That is the
    // last item of the row before, once this one has it.
    let (first, mut rest) = slice.split_at_mut(length);
    let Some(mut before) = first.last() else { return };
    let mut lacking = Vec::with_capacity(behind.len());
    for length in behind {
        let (row, later) = rest.split_at_mut(length);
        let (last, others) = row.split_last_mut().expect("no empty row is divided off");
        *last = combine(before, last);
        lacking.push((others, before));
        (before, rest) = (last, later);
    }
    for_each(workers, &mut lacking[..], &|(row, before): &mut (&mut [T], &T)| {
        for_each(workers, &mut row[..], &|item: &mut T| *item = combine(before, item));
    });
}

/// A row with its own running totals, which lack what is in front of it.
struct Rows<'a, 's, T, F> {
    /// Combines neighbours.
    combine: &'a F,
    /// The last item that has its total.
    last: Option<&'s T>,
    /// How many there are up to it.
    length: usize,
    /// The lengths of the rows that were divided off, in order.
    behind: Vec<usize>,
}

impl<'s, T, F> Fold<&'s mut [T]> for Rows<'_, 's, T, F>
where
    T: Send + Sync,
    F: Fn(&T, &T) -> T + Sync,
{
    fn block(&mut self, items: &'s mut [T]) {
        self.length += items.len();
        let mut last = self.last;
        for item in items {
            if let Some(last) = last {
                *item = (self.combine)(last, item);
            }
            last = Some(item);
        }
        self.last = last;
    }

    fn divide(&mut self, _ahead: usize) -> Self {
        Self { combine: self.combine, last: None, length: 0, behind: Vec::new() }
    }

    fn append(&mut self, behind: Self) {
        self.behind.push(behind.length);
        self.behind.extend(behind.behind);
    }
}
