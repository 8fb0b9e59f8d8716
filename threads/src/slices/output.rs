//! Results that are written where they stay.
//!
//! This is one of the crate's few files with unsafe code: std has no vector that several
//! threads fill.

use std::iter;
use std::mem::{self, MaybeUninit};

/// The part of a vector that one row of items fills, from its first place on.
///
/// What it has been given is dropped with it, so that nothing is lost when the operation
/// unwinds.
pub(super) struct Output<'a, R> {
    /// Places of this row. Those below `filled` are initialized.
    places: &'a mut [MaybeUninit<R>],
    /// How many places have their result.
    filled: usize,
    /// The parts of the rows that were divided off, in order.
    behind: Vec<Self>,
}

impl<'a, R> Output<'a, R> {
    /// All places are empty.
    fn new(places: &'a mut [MaybeUninit<R>]) -> Self {
        Self { places, filled: 0, behind: Vec::new() }
    }

    /// Writes the results, as many as there are places left.
    pub(super) fn fill(&mut self, results: impl Iterator<Item = R>) {
        // The places come first: when they are used up, no result is taken in vain.
        for (place, result) in self.places[self.filled..].iter_mut().zip(results) {
            place.write(result);
            self.filled += 1;
        }
    }

    /// Keeps `ahead` of the places that are left, and gives the others away.
    ///
    /// # Panics
    ///
    /// When there are not so many, as an implementation of `Divide` is wrong.
    pub(super) fn divide(&mut self, ahead: usize) -> Self {
        let left = self.places.len() - self.filled;
        // Before the places are out of its hands: they are dropped with it.
        assert!(
            ahead <= left,
            "an implementation of `Divide` gives more items than its `length` says"
        );
        let (near, far) = mem::take(&mut self.places).split_at_mut(self.filled + ahead);
        self.places = near;
        Self::new(far)
    }

    /// Takes back what was given away.
    pub(super) fn append(&mut self, mut behind: Self) {
        let further = mem::take(&mut behind.behind);
        self.behind.push(behind);
        self.behind.extend(further);
    }

    /// Whether this and the parts behind it are full and have `length` places, one after the
    /// other from `start` on.
    fn is_complete(&self, start: *const R, length: usize) -> bool {
        let mut filled = 0;
        let mut parts = iter::once(self).chain(&self.behind);
        let in_a_row = parts.all(|part| {
            let begins_there = part.places.as_ptr().cast() == start.wrapping_add(filled);
            filled += part.filled;
            begins_there && part.filled == part.places.len()
        });
        in_a_row && filled == length
    }

    /// Leaves the results where they are.
    fn release(mut self) {
        self.filled = 0;
        self.behind.iter_mut().for_each(|part| part.filled = 0);
    }
}

impl<R> Drop for Output<'_, R> {
    fn drop(&mut self) {
        let filled = &mut self.places[..mem::take(&mut self.filled)];
        // SAFETY: `fill` has initialized the places below `filled`, in order, and counted
        // them after it did. They are dropped once: this is the only reference to them, and
        // ends here, and `release` has set `filled` to zero where they are to stay.
        unsafe { filled.assume_init_drop() };
    }
}

/// A vector of `length` results, which `produce` writes into its output.
///
/// # Panics
///
/// When it does not fill all places. Then, and when it unwinds, all results are dropped.
/// So they are when it returns an error.
pub(super) fn filled<R, E>(
    length: usize,
    produce: impl FnOnce(Output<'_, R>) -> Result<Output<'_, R>, E>,
) -> Result<Vec<R>, E> {
    let mut results = Vec::with_capacity(length);
    let start = results.as_ptr();
    let output = produce(Output::new(&mut results.spare_capacity_mut()[..length]))?;
    assert!(
        output.is_complete(start, length),
        "an implementation of `Divide` must give as many items as its `length` says ({length}), \
         and divide them where it is told"
    );
    output.release();
    // SAFETY: the capacity is at least `length`. All elements below are initialized: the
    // output and the parts behind it are full, the first begins with the vector, each other
    // one where the one before it ends, and they have `length` places in sum. They have been
    // released, so that nothing else drops the elements.
    unsafe { results.set_len(length) };
    Ok(results)
}
