//! A result for each item.

use crate::slices::divide::Divide;
use crate::slices::drive::{Fold, drive};
use crate::slices::output::{Output, filled};
use crate::slices::search::Earliest;
use crate::slices::workers::{Workers, current};
use std::convert::Infallible;

/// Calls `f` for each item, and returns the results in the order of the items.
///
/// Each result is written to its place in the vector at once. In what order `f` is called,
/// and what that costs, is as for [`par_for`](crate::par_for).
///
/// ```
/// let lengths = threads::par_map(&["one", "three"][..], |word| word.len());
/// assert_eq!(lengths, [3, 5]);
/// ```
///
/// # Panics
///
/// When `f` does; the results are dropped. When there are fewer items than
/// [`Divide::length`] has told.
pub fn par_map<I, R, F>(items: I, f: F) -> Vec<R>
where
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> R + Sync,
{
    current(|workers| map(workers, items, &f))
}

/// Calls `f` for each item, and returns the results in the order of the items, or an error.
///
/// ```
/// let numbers = threads::try_par_map(&["1", "2"][..], |text| text.parse::<u32>());
/// assert_eq!(numbers, Ok(vec![1, 2]));
/// assert!(threads::try_par_map(&["1", "?"][..], |text| text.parse::<u32>()).is_err());
/// ```
///
/// # Errors
///
/// The one that a loop would have met first: that of the first item for which `f` fails.
/// What comes after it is not begun any more, and results are dropped.
///
/// # Panics
///
/// Like [`par_map`].
pub fn try_par_map<I, R, E, F>(items: I, f: F) -> Result<Vec<R>, E>
where
    I: Divide,
    R: Send,
    E: Send,
    F: Fn(I::Item) -> Result<R, E> + Sync,
{
    current(|workers| try_map(workers, items, &f))
}

/// [`par_map`] with these workers.
pub(super) fn map<W, I, R, F>(workers: W, items: I, f: &F) -> Vec<R>
where
    W: Workers,
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> R + Sync,
{
    let length = items.length();
    let Ok(results) = filled(length, |output| {
        Ok::<_, Infallible>(drive(workers, items, Results { f, output }).output)
    });
    results
}

/// [`try_par_map`] with these workers.
pub(super) fn try_map<W, I, R, E, F>(workers: W, items: I, f: &F) -> Result<Vec<R>, E>
where
    W: Workers,
    I: Divide,
    R: Send,
    E: Send,
    F: Fn(I::Item) -> Result<R, E> + Sync,
{
    let earliest = Earliest::new();
    filled(items.length(), |output| {
        let results = TryResults { f, output, error: None, place: 0, earliest: &earliest };
        let results = drive(workers, items, results);
        results.error.map_or(Ok(results.output), Err)
    })
}

/// Results of one row.
struct Results<'a, 'o, F, R> {
    /// Makes them.
    f: &'a F,
    /// Where they are written.
    output: Output<'o, R>,
}

impl<I, R, F> Fold<I> for Results<'_, '_, F, R>
where
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> R + Sync,
{
    fn block(&mut self, items: I) {
        self.output.fill(items.into_iter().map(self.f));
    }

    fn divide(&mut self, ahead: usize) -> Self {
        Self { f: self.f, output: self.output.divide(ahead) }
    }

    fn append(&mut self, behind: Self) {
        self.output.append(behind.output);
    }
}

/// Results of one row, as long as there is no error.
struct TryResults<'a, 'o, F, R, E> {
    /// Makes them.
    f: &'a F,
    /// Where they are written. Has gaps if there is an error.
    output: Output<'o, R>,
    /// Of the first item of this row for which there was one.
    error: Option<E>,
    /// Of the next item, among all.
    place: usize,
    /// Where the first error is, among all.
    earliest: &'a Earliest,
}

impl<I, R, E, F> Fold<I> for TryResults<'_, '_, F, R, E>
where
    I: Divide,
    R: Send,
    E: Send,
    F: Fn(I::Item) -> Result<R, E> + Sync,
{
    fn block(&mut self, items: I) {
        self.place += items.length();
        let (error, f) = (&mut self.error, self.f);
        let results = items.into_iter().map(f);
        self.output.fill(results.map_while(|result| result.map_err(|e| *error = Some(e)).ok()));
        if self.error.is_some() {
            self.earliest.found(self.place - 1);
        }
    }

    fn divide(&mut self, ahead: usize) -> Self {
        Self { output: self.output.divide(ahead), error: None, place: self.place + ahead, ..*self }
    }

    fn append(&mut self, behind: Self) {
        self.output.append(behind.output);
        self.error = self.error.take().or(behind.error);
    }

    fn is_over(&self) -> bool {
        self.earliest.is_before(self.place)
    }
}
