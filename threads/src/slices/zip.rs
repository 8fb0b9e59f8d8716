//! Two rows of items, taken in pairs.

use crate::slices::divide::Divide;
use std::iter;

/// Pairs of the items of `a` and those of `b`, as far as both have some: what the longer
/// one has more is left out, like in [`Iterator::zip`].
///
/// With a range it tells the place of each item:
///
/// ```
/// let words = ["zero", "one", "two"];
/// let mut lines = threads::par_map(threads::zip(0..3usize, &words[..]), |(place, word)| {
///     format!("{place}: {word}")
/// });
/// assert_eq!(lines, ["0: zero", "1: one", "2: two"]);
/// ```
pub fn zip<A: Divide, B: Divide>(a: A, b: B) -> Zip<A, B> {
    let (a_length, b_length) = (a.length(), b.length());
    let a = if a_length > b_length { a.divide_at(b_length).0 } else { a };
    let b = if b_length > a_length { b.divide_at(a_length).0 } else { b };
    Zip { a, b }
}

/// Pairs of items; from [`zip`].
#[derive(Debug)]
pub struct Zip<A, B> {
    /// The first items of the pairs.
    a: A,
    /// The second ones, as many.
    b: B,
}

impl<A: IntoIterator, B: IntoIterator> IntoIterator for Zip<A, B> {
    type Item = (A::Item, B::Item);
    type IntoIter = iter::Zip<A::IntoIter, B::IntoIter>;

    fn into_iter(self) -> Self::IntoIter {
        self.a.into_iter().zip(self.b)
    }
}

impl<A: Divide, B: Divide> Divide for Zip<A, B> {
    fn length(&self) -> usize {
        self.a.length()
    }

    fn divide_at(self, index: usize) -> (Self, Self) {
        let (a_near, a_far) = self.a.divide_at(index);
        let (b_near, b_far) = self.b.divide_at(index);
        (Self { a: a_near, b: b_near }, Self { a: a_far, b: b_far })
    }
}
