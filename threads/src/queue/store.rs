//! Where the values of a queue are: what the protocol of [`core`](super::core) asks of a store.

use std::vec;

/// Values that any number of threads put in and take out. None of them waits for a value or a
/// place here, only for others to be through with theirs.
///
/// The order of each store's steps, seen from the protocol: a thread that announces itself
/// and then finds a store full (or empty) is seen by whoever takes (or puts) afterwards and
/// then looks for announcements. Both stores say how they come by that.
pub(super) trait Store {
    /// A value.
    type Item;

    /// For at most `capacity` values, which is at least 1.
    fn new(capacity: usize) -> Self;

    /// Puts a value in, or gives it back: there is no place, or the store is closed.
    fn push(&self, value: Self::Item) -> Result<(), (Self::Item, Refused)>;

    /// Takes the value whose turn it is. When there is none, tells whether one can come.
    fn pop(&self) -> Result<Self::Item, Refused>;

    /// Puts this value and the rest in, in order; stops at one that it gives back, as `push`
    /// does.
    fn push_many(
        &self,
        first: Self::Item,
        rest: &mut vec::IntoIter<Self::Item>,
    ) -> Result<(), (Self::Item, Refused)>;

    /// Takes at most so many values. When there is none, tells whether one can come.
    fn pop_many(&self, most: usize) -> Result<Vec<Self::Item>, Refused>;

    /// Takes all values that are in a closed store.
    fn take_all(&self) -> Vec<Self::Item>;

    /// From now on nothing can be put in.
    fn close(&self);

    /// Whether it is closed.
    fn is_closed(&self) -> bool;

    /// How many values there are.
    fn len(&self) -> usize;

    /// How many values there were a moment ago: for threads that spin.
    fn hint(&self) -> usize;

    /// How many values were ever put in. Never goes down.
    fn puts(&self) -> u64;
}

/// Why a value was not put, or not got.
///
/// As wide as a register, and so is then the tag of a `Result` with it: narrow ones are copied together
/// with the padding behind them, in two words that overlap, and to read back what was just written
/// in other pieces stalls the processor. A get took 16 ns instead of 7 with a tag of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Refused {
    /// There is no place or no value; or there was none until time was over.
    NotNow,
    /// The queue is shut down.
    ShutDown,
}

impl Refused {
    /// Why nothing was got from an empty store.
    pub(super) fn of_empty(is_closed: bool) -> Self {
        if is_closed { Self::ShutDown } else { Self::NotNow }
    }
}
