//! A function called for each item.

use crate::slices::chunks::chunks_mut;
use crate::slices::divide::Divide;
use crate::slices::drive::{Fold, drive};
use crate::slices::workers::{Workers, current};
use crate::slices::zip::zip;

/// Calls `f` for each item, on the caller and on workers that have nothing else to do.
///
/// It borrows what it needs: `f` may use variables of its caller, and this returns when all
/// is done. Each item is passed to `f` once. The order in which that happens is not
/// specified; where nothing is divided, it is that of the items.
///
/// Nothing is given away as long as nobody is idle, and then half of what is left. So a
/// thousand cheap items cost about as much as in a loop, and two expensive ones run at the
/// same time.
///
/// ```
/// let mut numbers = [1, 2, 3, 4];
/// threads::par_for(&mut numbers[..], |x| *x *= 10);
/// assert_eq!(numbers, [10, 20, 30, 40]);
/// ```
///
/// # Panics
///
/// When `f` does; with one of the panics, if there are several. Items that were not begun
/// are left out.
///
/// # Cancellation
///
/// When the [`CancelToken`](crate::CancelToken) of the running job is cancelled, this
/// unwinds after the block of items that is being done, and the job ends as cancelled. That
/// holds for all operations on slices and ranges.
pub fn par_for<I, F>(items: I, f: F)
where
    I: Divide,
    F: Fn(I::Item) + Sync,
{
    current(|workers| for_each(workers, items, &f));
}

/// Calls `f` for each chunk of `size` items of the slice, with the number of the chunk. The
/// last chunk may be shorter.
///
/// Like [`par_for`] over [`chunks_mut`](crate::chunks_mut) in all else.
///
/// ```
/// let mut pixels = [0; 7];
/// threads::par_chunks_mut(&mut pixels, 3, |row, pixels| pixels.fill(row));
/// assert_eq!(pixels, [0, 0, 0, 1, 1, 1, 2]);
/// ```
///
/// # Panics
///
/// When `size` is zero, and when `f` panics.
#[track_caller]
pub fn par_chunks_mut<T, F>(slice: &mut [T], size: usize, f: F)
where
    T: Send,
    F: Fn(usize, &mut [T]) + Sync,
{
    par_for(zip(0..usize::MAX, chunks_mut(slice, size)), |(number, chunk)| f(number, chunk));
}

/// [`par_for`] with these workers.
pub(super) fn for_each<W, I, F>(workers: W, items: I, f: &F)
where
    W: Workers,
    I: Divide,
    F: Fn(I::Item) + Sync,
{
    drive(workers, items, Calls(f));
}

/// Calls its function; makes nothing.
struct Calls<'a, F>(&'a F);

impl<I: Divide, F: Fn(I::Item) + Sync> Fold<I> for Calls<'_, F> {
    fn block(&mut self, items: I) {
        items.into_iter().for_each(self.0);
    }

    fn divide(&mut self, _ahead: usize) -> Self {
        Self(self.0)
    }

    fn append(&mut self, _behind: Self) {}
}
