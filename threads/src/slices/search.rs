//! The first item that is looked for, or any.

use crate::slices::divide::Divide;
use crate::slices::drive::{Fold, drive};
use crate::slices::workers::{Workers, current};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The first item for which `predicate` holds.
///
/// As soon as one is found, nothing behind it is begun any more; what is in front of it is
/// searched to the end. `predicate` may thus see items that a loop would not reach, and what
/// it has begun with one of them is waited for.
///
/// ```
/// assert_eq!(threads::par_find(1..u64::MAX, |x| x % 1009 == 0), Some(1009));
/// ```
///
/// # Panics
///
/// When `predicate` does, also for an item behind the one that is looked for.
pub fn par_find<I, F>(items: I, predicate: F) -> Option<I::Item>
where
    I: Divide,
    I::Item: Send,
    F: Fn(&I::Item) -> bool + Sync,
{
    current(|workers| first(workers, items, &|item| predicate(&item).then_some(item)))
}

/// An item for which `predicate` holds: whichever is found first. Then no other item is begun;
/// those that were are waited for.
///
/// ```
/// let even = threads::par_find_any(&[1, 2, 3, 4][..], |x| *x % 2 == 0);
/// assert!(even == Some(&2) || even == Some(&4));
/// ```
///
/// # Panics
///
/// When `predicate` does.
pub fn par_find_any<I, F>(items: I, predicate: F) -> Option<I::Item>
where
    I: Divide,
    I::Item: Send,
    F: Fn(&I::Item) -> bool + Sync,
{
    current(|workers| any(workers, items, &|item| predicate(&item).then_some(item)))
}

/// Whether `predicate` holds for some item. As soon as one is found, no other item is begun; those
/// that were are waited for.
///
/// ```
/// assert!(threads::par_any(&["a", ""][..], |word| word.is_empty()));
/// ```
///
/// # Panics
///
/// When `predicate` does.
pub fn par_any<I, F>(items: I, predicate: F) -> bool
where
    I: Divide,
    F: Fn(I::Item) -> bool + Sync,
{
    current(|workers| any(workers, items, &|item| predicate(item).then_some(())).is_some())
}

/// Whether `predicate` holds for all items. As soon as it does not for one, no other item is begun;
/// those that were are waited for.
///
/// ```
/// assert!(threads::par_all(0..100, |x: i32| x < 100));
/// ```
///
/// # Panics
///
/// When `predicate` does.
pub fn par_all<I, F>(items: I, predicate: F) -> bool
where
    I: Divide,
    F: Fn(I::Item) -> bool + Sync,
{
    !par_any(items, |item| !predicate(item))
}

/// Calls `f` for each item, until it fails for one.
///
/// ```
/// let check = |x: u32| if x == 7 { Err(x) } else { Ok(()) };
/// assert_eq!(threads::try_par_for(0..7, check), Ok(()));
/// assert_eq!(threads::try_par_for(0..9, check), Err(7));
/// ```
///
/// # Errors
///
/// The one that a loop would have met first: that of the first item for which `f` fails.
/// What comes after it is not begun any more, but may have been before.
///
/// # Panics
///
/// When `f` does.
pub fn try_par_for<I, E, F>(items: I, f: F) -> Result<(), E>
where
    I: Divide,
    E: Send,
    F: Fn(I::Item) -> Result<(), E> + Sync,
{
    current(|workers| first(workers, items, &|item| f(item).err()).map_or(Ok(()), Err))
}

/// What `look` finds in the first item in which it finds something.
pub(super) fn first<W, I, R, F>(workers: W, items: I, look: &F) -> Option<R>
where
    W: Workers,
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> Option<R> + Sync,
{
    let earliest = Earliest::new();
    let search = Search { look, found: None, place: 0, earliest: &earliest, any: false };
    drive(workers, items, search).found
}

/// What `look` finds in some item.
pub(super) fn any<W, I, R, F>(workers: W, items: I, look: &F) -> Option<R>
where
    W: Workers,
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> Option<R> + Sync,
{
    let earliest = Earliest::new();
    let search = Search { look, found: None, place: 0, earliest: &earliest, any: true };
    drive(workers, items, search).found
}

/// Where something was found that ends an operation: what comes after it is not needed.
pub(super) struct Earliest(AtomicUsize);

impl Earliest {
    /// Nothing was found.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    /// Something was found at `place`, or in the block that ends there: between the two
    /// there are no items of other rows. It is kept elsewhere: this publishes nothing, hence
    /// relaxed.
    pub(super) fn found(&self, place: usize) {
        self.0.fetch_min(place, Relaxed);
    }

    /// Whether something was found in front of `place`.
    pub(super) fn is_before(&self, place: usize) -> bool {
        self.0.load(Relaxed) < place
    }
}

/// The search through one row.
struct Search<'a, F, R> {
    /// Looks at an item.
    look: &'a F,
    /// What it has found in this row.
    found: Option<R>,
    /// Of the next item, among all.
    place: usize,
    /// Where the first one is that was found, among all.
    earliest: &'a Earliest,
    /// Any will do.
    any: bool,
}

impl<I, R, F> Fold<I> for Search<'_, F, R>
where
    I: Divide,
    R: Send,
    F: Fn(I::Item) -> Option<R> + Sync,
{
    fn block(&mut self, items: I) {
        self.place += items.length();
        self.found = items.into_iter().find_map(self.look);
        if self.found.is_some() {
            self.earliest.found(if self.any { 0 } else { self.place - 1 });
        }
    }

    fn divide(&mut self, ahead: usize) -> Self {
        Self { found: None, place: self.place + ahead, ..*self }
    }

    fn append(&mut self, behind: Self) {
        self.found = self.found.take().or(behind.found);
    }

    fn is_over(&self) -> bool {
        self.earliest.is_before(self.place)
    }
}
