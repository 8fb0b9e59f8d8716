//! What can be divided among workers.

use std::ops::Range;

/// Items in a row that can be divided into two rows, again and again.
///
/// Implemented for slices, ranges of integers, [`chunks`](crate::chunks) and
/// [`chunks_mut`](crate::chunks_mut) of a slice, and [`zip`](crate::zip) of two of them. A
/// vector is divided as a slice: `&numbers[..]`.
///
/// An implementation that tells a wrong length, or loses items, causes wrong results and
/// panics, but no undefined behaviour.
///
/// ```
/// use threads::{Divide, par_map};
///
/// /// The even numbers in front of twice `end`.
/// struct Evens { start: usize, end: usize }
///
/// impl IntoIterator for Evens {
///     type Item = usize;
///     type IntoIter = std::iter::Map<std::ops::Range<usize>, fn(usize) -> usize>;
///
///     fn into_iter(self) -> Self::IntoIter {
///         (self.start..self.end).map(|x| 2 * x)
///     }
/// }
///
/// impl Divide for Evens {
///     fn length(&self) -> usize {
///         self.end - self.start
///     }
///
///     fn divide_at(self, index: usize) -> (Self, Self) {
///         let middle = self.start + index;
///         (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
///     }
/// }
///
/// assert_eq!(par_map(Evens { start: 0, end: 4 }, |x| x + 1), [1, 3, 5, 7]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be divided among workers",
    note = "of a vector or an array, pass a slice: `&items[..]` or `&mut items[..]`"
)]
pub trait Divide: IntoIterator + Send + Sized {
    /// How many items there are.
    fn length(&self) -> usize;

    /// The first `index` items, and the others. Never called with more than
    /// [`length`](Divide::length).
    fn divide_at(self, index: usize) -> (Self, Self);
}

impl<T: Sync> Divide for &[T] {
    fn length(&self) -> usize {
        self.len()
    }

    fn divide_at(self, index: usize) -> (Self, Self) {
        self.split_at(index)
    }
}

impl<T: Send> Divide for &mut [T] {
    fn length(&self) -> usize {
        self.len()
    }

    fn divide_at(self, index: usize) -> (Self, Self) {
        self.split_at_mut(index)
    }
}

/// Ranges of integers. One that has more numbers than a `usize` can count panics.
macro_rules! divide_ranges {
    ($($integer:ty)*) => {$(
        impl Divide for Range<$integer> {
            fn length(&self) -> usize {
                let distance = wide(self.end) - wide(self.start);
                usize::try_from(distance.max(0)).expect("a usize counts the range")
            }

            fn divide_at(self, index: usize) -> (Self, Self) {
                let middle = wide(self.start) + wide(index);
                let middle = <$integer>::try_from(middle).expect("it is not behind the end");
                (self.start..middle, middle..self.end)
            }
        }
    )*};
}

divide_ranges!(usize u32 u64 i32 i64);

/// The number, where differences do not overflow.
fn wide(number: impl TryInto<i128>) -> i128 {
    number.try_into().ok().expect("at most 64 bits")
}
