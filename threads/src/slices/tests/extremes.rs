//! Items without size, ranges at the ends of their types, lengths that are wrong.

use super::{Counted, everywhere};
use crate::slices::chunks::chunks;
use crate::slices::divide::Divide;
use crate::slices::each::for_each;
use crate::slices::habit::{HABITS, Habit};
use crate::slices::map::{map, try_map};
use crate::slices::scan::scan;
use crate::slices::search::first;
use crate::slices::{stable, unstable};
use crate::unwind::catch;
use std::ops::Range;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};

#[test]
fn items_without_size() {
    everywhere(|habit, length| {
        let live = AtomicUsize::new(0);
        let mut units = vec![(); length];
        for_each(habit, &mut units[..], &|(): &mut ()| {
            live.fetch_add(1, SeqCst);
        });
        assert_eq!(live.load(SeqCst), length);
        scan(habit, &mut units, &|(), ()| ());
        stable::sort_with_leaves(habit, &mut units, &<()>::cmp, 1);
        unstable::sort_with_leaves(habit, &mut units, &<()>::cmp, 1);
        assert_eq!(first(habit, &units[..], &|(): &()| Some(())).is_some(), length > 0);
    });
}

#[test]
fn chunks_of_more_items_than_memory_has() {
    let units = [(); usize::MAX];
    let (near, far) = chunks(&units, 2).divide_at(1 << (usize::BITS - 1));
    assert_eq!((near.length(), far.length()), (1 << (usize::BITS - 1), 0));
}

/// Without size, and dropped once each.
struct Unit;

/// Those that were dropped.
static UNITS_DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Drop for Unit {
    fn drop(&mut self) {
        UNITS_DROPPED.fetch_add(1, SeqCst);
    }
}

#[test]
fn results_without_size_are_dropped_once() {
    for habit in HABITS {
        UNITS_DROPPED.store(0, SeqCst);
        let units = map(habit, 0..100, &|_| Unit);
        assert_eq!((units.len(), UNITS_DROPPED.load(SeqCst)), (100, 0), "{habit:?}");
        drop(units);
        assert_eq!(UNITS_DROPPED.load(SeqCst), 100, "{habit:?}");
        let count = AtomicUsize::new(0);
        let make = |x| {
            assert_ne!(x, 70, "this one");
            count.fetch_add(1, SeqCst);
            Unit
        };
        assert!(catch(|| map(habit, 0..100, &make)).is_err());
        assert_eq!(UNITS_DROPPED.load(SeqCst), 100 + count.load(SeqCst), "{habit:?}");
    }
}

#[test]
fn ranges_at_the_ends_of_their_types() {
    for habit in HABITS {
        assert_eq!(map(habit, i64::MIN..i64::MIN + 3, &|x| x).last(), Some(&(i64::MIN + 2)));
        assert_eq!(map(habit, u64::MAX - 3..u64::MAX, &|x| x).last(), Some(&(u64::MAX - 1)));
        assert_eq!(map(habit, i32::MIN..i32::MIN + 2, &|x| x), [i32::MIN, i32::MIN + 1]);
        assert_eq!(map(habit, -2..2_i64, &|x| x), [-2, -1, 0, 1]);
        let (low, high) = (3, 7);
        assert_eq!(map(habit, high..low, &|x: u32| x), [0; 0], "a range that is backwards");
        let (low, high) = (i64::MIN, i64::MAX);
        assert_eq!(first(habit, high..low, &Some), None);
    }
    assert_eq!(first(Habit::Forwards, 0..usize::MAX, &Some), Some(0));
}

/// Tells one item more or less than there are, or divides elsewhere.
#[derive(Clone)]
struct Liar {
    items: Range<usize>,
    more: isize,
    further: isize,
}

impl IntoIterator for Liar {
    type Item = usize;
    type IntoIter = Range<usize>;

    fn into_iter(self) -> Range<usize> {
        self.items
    }
}

impl Divide for Liar {
    fn length(&self) -> usize {
        self.items.len().saturating_add_signed(self.more)
    }

    fn divide_at(self, index: usize) -> (Self, Self) {
        let place = index.saturating_add_signed(self.further).min(self.items.len());
        let (near, far) = self.items.clone().divide_at(place);
        (Self { items: near, ..self }, Self { items: far, ..self })
    }
}

#[test]
fn a_wrong_length_is_a_panic_or_a_wrong_result_only() {
    for habit in [Habit::Alone, Habit::Forwards, Habit::Backwards] {
        for (more, further) in [(-1, 0), (1, 1), (-3, 0), (0, 1), (-1, 1), (0, -1)] {
            let live = AtomicIsize::new(0);
            let make = |x| Counted::new(&live, x);
            let items = Liar { items: 0..40, more, further };
            drop(catch(|| map(habit, items.clone(), &make)));
            assert_eq!(live.load(SeqCst), 0, "{habit:?} {more} {further}");
            drop(catch(|| try_map(habit, items.clone(), &|x| Ok::<_, ()>(make(x)))));
            assert_eq!(live.load(SeqCst), 0, "{habit:?} {more} {further}");
        }
    }
}
