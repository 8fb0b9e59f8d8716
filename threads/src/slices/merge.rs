//! Merging two sorted runs, in pieces that workers take part in.
//!
//! This is one of the crate's few files with unsafe code: values are moved to where their
//! order is known, without a place in between.
//!
//! The order of the outputs decides where to cut: the first `k` of a merge of two runs come
//! from a prefix of each, which binary search finds (Odeh, Green, Mwassi, Shmueli, Birk:
//! *Merge Path*, 2012). Within a piece, outputs are made from both ends towards the middle,
//! so that the processor has two independent chains of comparisons to work on.
//!
//! Whatever comparisons say, and also when they contradict each other, each value is moved
//! once: how far each end may go is known before it is asked what is less.

use crate::slices::workers::Workers;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

/// Outputs of one piece: what is done between two looks at who is idle.
const PIECE: usize = 16 * 1024;

/// Values in a row, which are moved elsewhere. They are left in place as well, so that who
/// owns them can go back to these when something unwinds.
pub(super) struct Run<'a, T>(
    /// All of them are initialized. Exclusive: a value may be compared by one thread only.
    &'a mut [MaybeUninit<T>],
);

impl<'a, T> Run<'a, T> {
    /// A run of these values.
    ///
    /// # Safety
    ///
    /// All are initialized.
    pub(super) unsafe fn new(values: &'a mut [MaybeUninit<T>]) -> Self {
        Self(values)
    }

    /// How many values there are.
    fn length(&self) -> usize {
        self.0.len()
    }

    /// The value at this place.
    fn get(&self, place: usize) -> &T {
        // SAFETY: it is initialized, as all values of a run are.
        unsafe { self.0[place].assume_init_ref() }
    }

    /// The values in front of `place`, and the others.
    fn split_at(self, place: usize) -> (Self, Self) {
        let (near, far) = self.0.split_at_mut(place);
        (Self(near), Self(far))
    }

    /// Moves all values.
    fn move_to(&self, to: &mut [MaybeUninit<T>]) {
        assert_eq!(self.length(), to.len(), "a place for each value");
        let (from, count) = (self.0.as_ptr(), self.length());
        // SAFETY: both are slices of `count` elements, of which any bytes are valid, and do
        // not overlap, because both are exclusive.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), count) };
    }
}

/// Moves the values of both sorted runs to `to`, in order; of equal ones, those of `left`
/// come first. If `is_less` is no strict weak order, the order is unspecified.
///
/// # Panics
///
/// When `is_less` does; what is in `to` is unspecified then. When the number of places is
/// not that of the values.
pub(super) fn merge<W, T, F>(
    workers: W,
    mut left: Run<'_, T>,
    mut right: Run<'_, T>,
    mut to: &mut [MaybeUninit<T>],
    is_less: &F,
) where
    W: Workers,
    T: Send,
    F: Fn(&T, &T) -> bool + Sync,
{
    loop {
        let length = to.len();
        assert_eq!(left.length() + right.length(), length, "a place for each value");
        if left.length() == 0 || right.length() == 0 || are_in_order(&left, &right, is_less) {
            let (first, second) = to.split_at_mut(left.length());
            left.move_to(first);
            right.move_to(second);
            return;
        }
        if length <= PIECE {
            Ends::new(&left, &right, to).merge(is_less);
            return;
        }
        workers.checkpoint();
        let shared = workers.demand();
        let cut = if shared { length / 2 } else { PIECE };
        let from_left = rank(&left, &right, cut, is_less);
        let (left_near, left_far) = left.split_at(from_left);
        let (right_near, right_far) = right.split_at(cut - from_left);
        let (near, far) = to.split_at_mut(cut);
        if shared {
            workers.join_shared(
                || merge(workers, left_near, right_near, near, is_less),
                || merge(workers, left_far, right_far, far, is_less),
            );
            return;
        }
        Ends::new(&left_near, &right_near, near).merge(is_less);
        (left, right, to) = (left_far, right_far, far);
    }
}

/// Whether no value of `right` belongs in front of one of `left`. Both have some.
fn are_in_order<T, F>(left: &Run<'_, T>, right: &Run<'_, T>, is_less: &F) -> bool
where
    F: Fn(&T, &T) -> bool,
{
    !is_less(right.get(0), left.get(left.length() - 1))
}

/// How many of the first `count` outputs come from `left`. At most as many as there are; the
/// others are at most as many as there are in `right`.
fn rank<T, F>(left: &Run<'_, T>, right: &Run<'_, T>, count: usize, is_less: &F) -> usize
where
    F: Fn(&T, &T) -> bool,
{
    let mut low = count.saturating_sub(right.length());
    let mut high = count.min(left.length());
    while low < high {
        let middle = low.midpoint(high);
        if is_less(right.get(count - middle - 1), left.get(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// What is left to merge: from each pointer up to its end.
struct Ends<'a, T> {
    /// The next value of the left run.
    left: *const T,
    /// Behind its last one.
    left_end: *const T,
    /// The next value of the right run.
    right: *const T,
    /// Behind its last one.
    right_end: *const T,
    /// Where the next output goes.
    to: *mut T,
    /// Behind the last output. There are as many places as values.
    to_end: *mut T,
    /// What the pointers borrow.
    borrowed: PhantomData<(&'a [T], &'a mut [T])>,
}

impl<'a, T> Ends<'a, T> {
    /// All of the runs, which together have as many values as there are places.
    fn new(left: &'a Run<'_, T>, right: &'a Run<'_, T>, to: &'a mut [MaybeUninit<T>]) -> Self {
        assert_eq!(left.length() + right.length(), to.len(), "a place for each value");
        let (left, right, to) =
            (left.0.as_ptr_range(), right.0.as_ptr_range(), to.as_mut_ptr_range());
        Self {
            left: left.start.cast(),
            left_end: left.end.cast(),
            right: right.start.cast(),
            right_end: right.end.cast(),
            to: to.start.cast(),
            to_end: to.end.cast(),
            borrowed: PhantomData,
        }
    }

    /// Makes all outputs.
    fn merge<F: Fn(&T, &T) -> bool>(mut self, is_less: &F) {
        loop {
            // Half of the shorter run from each end: whichever values are taken, each run
            // has enough of them, and the ends do not meet.
            let round = self.left_length().min(self.right_length()) / 2;
            if round == 0 {
                break;
            }
            for _ in 0..round {
                // SAFETY: in this round, fewer than `2 * round` values were taken from each
                // run so far, and each had as many.
                unsafe { self.first(is_less) };
                // SAFETY: as above; `first` has taken one more, and still fewer.
                unsafe { self.last(is_less) };
            }
        }
        while self.left_length() > 0 && self.right_length() > 0 {
            // SAFETY: both runs have a value.
            unsafe { self.first(is_less) };
        }
        let (left, right) = (self.left_length(), self.right_length());
        // SAFETY: these are the values that are left, and there are as many places for them
        // and those of the right run. Runs and places do not overlap.
        unsafe { ptr::copy_nonoverlapping(self.left, self.to, left) };
        // SAFETY: as above; one of the two runs is empty.
        unsafe { ptr::copy_nonoverlapping(self.right, self.to, right) };
    }

    /// Values left in the left run.
    fn left_length(&self) -> usize {
        (self.left_end.addr() - self.left.addr()) / size_of::<T>()
    }

    /// Values left in the right run.
    fn right_length(&self) -> usize {
        (self.right_end.addr() - self.right.addr()) / size_of::<T>()
    }

    /// Makes the first output that is missing.
    ///
    /// # Safety
    ///
    /// Neither run is empty.
    #[inline]
    unsafe fn first<F: Fn(&T, &T) -> bool>(&mut self, is_less: &F) {
        // SAFETY: the next value of a run, which is not empty; all are initialized and
        // borrowed.
        let left = unsafe { &*self.left };
        // SAFETY: as above.
        let right = unsafe { &*self.right };
        let from_right = is_less(right, left);
        let from = if from_right { self.right } else { self.left };
        // SAFETY: `from` is a value of a run, and for each value that is left, there is a
        // place from `to` on. Runs and places do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, self.to, 1) };
        // At most one past the last value: neither run was empty.
        self.right = self.right.wrapping_add(usize::from(from_right));
        self.left = self.left.wrapping_add(usize::from(!from_right));
        self.to = self.to.wrapping_add(1);
    }

    /// Makes the last output that is missing.
    ///
    /// # Safety
    ///
    /// Neither run is empty.
    #[inline]
    unsafe fn last<F: Fn(&T, &T) -> bool>(&mut self, is_less: &F) {
        let (left_last, right_last) =
            (self.left_end.wrapping_sub(1), self.right_end.wrapping_sub(1));
        // SAFETY: the last value of a run, which is not empty; all are initialized and
        // borrowed.
        let left = unsafe { &*left_last };
        // SAFETY: as above.
        let right = unsafe { &*right_last };
        let from_left = is_less(right, left);
        let from = if from_left { left_last } else { right_last };
        self.to_end = self.to_end.wrapping_sub(1);
        // SAFETY: `from` is a value of a run, and for each value that is left, there is a
        // place in front of the earlier `to_end`. Runs and places do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, self.to_end, 1) };
        self.left_end = self.left_end.wrapping_sub(usize::from(from_left));
        self.right_end = self.right_end.wrapping_sub(usize::from(!from_left));
    }
}
