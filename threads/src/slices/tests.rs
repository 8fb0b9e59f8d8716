//! Whatever is divided, and wherever, results are those of a loop.

use crate::Cancelled;
use crate::slices::chunks::{chunks, chunks_mut};
use crate::slices::divide::Divide;
use crate::slices::each::for_each;
use crate::slices::habit::{HABITS, Habit};
use crate::slices::map::{map, try_map};
use crate::slices::reduce::map_reduce;
use crate::slices::scan::scan;
use crate::slices::search::{any, first};
use crate::slices::zip::zip;
use crate::slices::{stable, unstable};
use crate::unwind::catch;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicIsize, AtomicU8, AtomicUsize, Ordering::SeqCst};

/// Lengths with few and many ways to divide.
const LENGTHS: [usize; 8] = [0, 1, 2, 3, 7, 64, 100, 3000];

/// Counts how many there are.
#[derive(Debug)]
struct Counted<'a>(&'a AtomicIsize, usize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicIsize, value: usize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count, value)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Calls `check` with each habit and length.
fn everywhere(check: impl Fn(Habit<'_>, usize)) {
    for habit in HABITS {
        for length in LENGTHS {
            check(habit, length);
        }
    }
}

#[test]
fn each_item_is_seen_once() {
    everywhere(|habit, length| {
        let seen: Vec<_> = (0..length).map(|_| AtomicU8::new(0)).collect();
        for_each(habit, 0..length, &|x: usize| {
            seen[x].fetch_add(1, SeqCst);
        });
        assert!(seen.iter().all(|x| x.load(SeqCst) == 1), "{habit:?} {length}");
        let mut numbers = vec![1; length];
        for_each(habit, &mut numbers[..], &|x: &mut i32| *x += 1);
        assert_eq!(numbers, vec![2; length], "{habit:?}");
    });
}

#[test]
fn results_are_in_order() {
    everywhere(|habit, length| {
        let expected: Vec<_> = (0..length).map(|x| x.to_string()).collect();
        assert_eq!(map(habit, 0..length, &|x: usize| x.to_string()), expected, "{habit:?}");
        let tried = try_map(habit, 0..length, &|x: usize| Ok::<_, ()>(x.to_string()));
        assert_eq!(tried, Ok(expected), "{habit:?}");
        let joined = map_reduce(habit, 0..length, &|x: usize| vec![x], &|a, b| [a, b].concat());
        assert_eq!(joined.unwrap_or_default(), (0..length).collect::<Vec<_>>(), "{habit:?}");
        assert_eq!(map(habit, 0..length, &|_| ()).len(), length);
    });
}

#[test]
fn chunks_and_pairs_are_those_of_std() {
    everywhere(|habit, length| {
        let mut numbers: Vec<_> = (0..length).collect();
        for size in [1, 2, 7, 1000, usize::MAX] {
            let found = map(habit, chunks(&numbers, size), &<[usize]>::to_vec);
            assert_eq!(found, numbers.chunks(size).map(<[usize]>::to_vec).collect::<Vec<_>>());
            let mut mine = numbers.clone();
            for_each(habit, chunks_mut(&mut mine, size), &<[usize]>::reverse);
            numbers.chunks_mut(size).for_each(<[usize]>::reverse);
            assert_eq!(mine, numbers);
            let mut pairs = map(habit, zip(&numbers[..], 0..50u32), &|(a, b)| (*a, b));
            assert_eq!(pairs, numbers.iter().copied().zip(0..50).collect::<Vec<_>>());
            pairs = map(habit, zip(&mine[..], 0..50u32), &|(a, b)| (*a, b));
            assert_eq!(pairs.len(), length.min(50));
        }
    });
}

#[test]
fn the_first_is_found_wherever_it_is() {
    everywhere(|habit, length| {
        for place in (0..length).step_by(length / 16 + 1) {
            let look = |x: usize| (x == place || x > place && x.is_multiple_of(3)).then_some(x);
            assert_eq!(first(habit, 0..length, &look), Some(place), "{habit:?} {length}");
            let found = any(habit, 0..length, &look);
            assert!(found.is_some_and(|x| look(x).is_some()), "{habit:?} {length} {found:?}");
            let tried = try_map(habit, 0..length, &|x| look(x).map_or(Ok(x), Err));
            assert_eq!(tried, Err(place), "{habit:?} {length}");
        }
        assert_eq!(first(habit, 0..length, &|_| None::<()>), None);
        assert_eq!(any(habit, 0..length, &|_| None::<()>), None);
    });
}

#[test]
fn what_was_found_ends_the_search() {
    // Backwards, all that is in front would have to be searched.
    for habit in [Habit::Alone, Habit::Forwards, Habit::Threads] {
        let looked = AtomicUsize::new(0);
        let look = |x: i64| {
            looked.fetch_add(1, SeqCst);
            (x > i64::MIN + 99_999).then_some(x)
        };
        // All but forever, if it were searched to the end.
        let all: Range<i64> = i64::MIN..i64::MAX;
        assert_eq!(first(habit, all.clone(), &look), Some(i64::MIN + 100_000), "{habit:?}");
        assert!(looked.load(SeqCst) < 400_000, "{habit:?}: {looked:?}");
    }
    for habit in HABITS {
        assert_eq!(any(habit, 0..u64::MAX, &|x| (x > 99_999).then_some(())), Some(()));
    }
}

#[test]
fn a_panic_at_any_place_loses_nothing() {
    for habit in HABITS {
        for length in [1, 2, 5, 40] {
            for place in 0..length {
                let live = AtomicIsize::new(0);
                let make = |x: usize| {
                    if x == place {
                        resume_unwind(Box::new(x));
                    }
                    Counted::new(&live, x)
                };
                let payload = catch(|| map(habit, 0..length, &make)).unwrap_err();
                assert_eq!(payload.downcast_ref(), Some(&place), "{habit:?} {length}");
                assert_eq!(live.load(SeqCst), 0, "{habit:?} {length} {place}");
                let tried = catch(|| try_map(habit, 0..length, &|x| Ok::<_, ()>(make(x))));
                assert!(tried.is_err());
                assert_eq!(live.load(SeqCst), 0, "{habit:?} {length} {place}");
                let reduced = catch(|| map_reduce(habit, 0..length, &make, &|a, _| a));
                assert!(reduced.is_err());
                assert_eq!(live.load(SeqCst), 0, "{habit:?} {length} {place}");
            }
        }
    }
}

#[test]
fn an_error_drops_the_results() {
    everywhere(|habit, length| {
        let live = AtomicIsize::new(0);
        let results =
            try_map(habit, 0..length, &|x| if x > 5 { Err(x) } else { Ok(Counted::new(&live, x)) });
        match results {
            Ok(results) => assert!(results.iter().map(|result| result.1).eq(0..length)),
            Err(place) => assert_eq!(place, 6),
        }
        assert_eq!(live.load(SeqCst), 0, "{habit:?} {length}");
    });
}

#[test]
fn a_panic_ends_what_was_divided_off() {
    const END: usize = 1 << 40;
    let habits = [Habit::Forwards, Habit::Backwards];
    for (habit, place) in habits.into_iter().zip([0, END - 1]) {
        let seen = AtomicUsize::new(0);
        let payload = catch(|| {
            for_each(habit, 0..END, &|x| {
                seen.fetch_add(1, SeqCst);
                if x == place {
                    resume_unwind(Box::new("out of cheese"));
                }
            });
        });
        assert!(payload.is_err());
        assert_eq!(seen.load(SeqCst), 1, "{habit:?}: a loop of years");
    }
}

#[test]
fn cancelling_unwinds_and_drops() {
    for after in 1..50 {
        let (live, left) = (AtomicIsize::new(0), AtomicUsize::new(after));
        let make = |x| Counted::new(&live, x);
        let payload = catch(|| map(Habit::Cancelled(&left), 0..1000, &make)).unwrap_err();
        assert!(payload.is::<Cancelled>());
        assert_eq!(live.load(SeqCst), 0, "{after}");
    }
}

#[test]
fn a_scan_is_a_loop() {
    everywhere(|habit, length| {
        // Not commutative: it keeps both ends.
        let combine = |a: &(usize, usize), b: &(usize, usize)| (a.0, b.1);
        let mut pairs: Vec<_> = (0..length).map(|x| (x, x)).collect();
        scan(habit, &mut pairs, &combine);
        assert!(pairs.into_iter().eq((0..length).map(|x| (0, x))), "{habit:?} {length}");
        let mut texts: Vec<_> = (0..length.min(64)).map(|x| format!("{x}.")).collect();
        let mut expected = texts.clone();
        for place in 1..expected.len() {
            expected[place] = format!("{}{}", expected[place - 1], expected[place]);
        }
        scan(habit, &mut texts, &|a, b| format!("{a}{b}"));
        assert_eq!(texts, expected, "{habit:?} {length}");
    });
}

/// Values with many kinds of order.
fn patterns(length: usize) -> Vec<Vec<usize>> {
    let mut state = 88_172_645_463_325_252_usize;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    vec![
        (0..length).map(|_| random()).collect(),
        (0..length).collect(),
        (0..length).rev().collect(),
        (0..length).rev().map(|x| x / 2).collect(),
        vec![7; length],
        (0..length).map(|_| random() % 3).collect(),
        (0..length).map(|x| x % 11).collect(),
        (0..length).map(|x| x.min(length - x)).collect(),
        (0..length).map(|x| if x % 97 == 5 { 0 } else { x }).collect(),
    ]
}

#[test]
fn sorts_like_std() {
    everywhere(|habit, length| {
        for values in patterns(length) {
            for leaf in [1, 3, 64] {
                // What comes first in a pair is the key, and what comes second tells order.
                let mut pairs: Vec<_> = values.iter().copied().zip(0..length).collect();
                let mut expected = pairs.clone();
                expected.sort_by_key(|pair| pair.0);
                let by_key = |a: &(usize, usize), b: &(usize, usize)| a.0.cmp(&b.0);
                stable::sort_with_leaves(habit, &mut pairs, &by_key, leaf);
                assert_eq!(pairs, expected, "{habit:?} {leaf}");
                let mut values = values.clone();
                unstable::sort_with_leaves(habit, &mut values, &usize::cmp, leaf);
                assert!(values.iter().eq(expected.iter().map(|pair| &pair.0)), "{habit:?} {leaf}");
            }
        }
    });
}

#[test]
fn a_large_merge_is_cut_into_pieces() {
    for habit in HABITS {
        for values in patterns(200_000) {
            let mut pairs: Vec<_> = values.into_iter().zip(0..).collect();
            let mut expected: Vec<(usize, u32)> = pairs.clone();
            expected.sort_by_key(|pair| pair.0);
            stable::sort_with_leaves(habit, &mut pairs, &|a, b| a.0.cmp(&b.0), 30_000);
            assert!(pairs == expected, "{habit:?}");
        }
    }
}

#[test]
fn a_sort_that_unwinds_or_is_lied_to_keeps_its_values() {
    for habit in HABITS {
        for length in [2, 9, 100, 500] {
            for values in patterns(length) {
                for last in (0..3 * length).step_by(length / 20 + 1) {
                    let (live, compared) = (AtomicIsize::new(0), AtomicUsize::new(0));
                    let make = |x: &usize| Counted::new(&live, *x);
                    let mut mine: Vec<_> = values.iter().map(make).collect();
                    let mut expected = values.clone();
                    expected.sort_unstable();
                    // Right at first, then it lies, and then it panics.
                    let compare = |a: &Counted<'_>, b: &Counted<'_>| {
                        let count = compared.fetch_add(1, SeqCst);
                        if count == last {
                            resume_unwind(Box::new(()));
                        }
                        if count % 7 == 6 { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) }
                    };
                    for unstable in [false, true] {
                        compared.store(0, SeqCst);
                        // It may get through: with few comparisons, or those of std's sort.
                        drop(catch(|| {
                            if unstable {
                                unstable::sort_with_leaves(habit, &mut mine, &compare, 3);
                            } else {
                                stable::sort_with_leaves(habit, &mut mine, &compare, 3);
                            }
                        }));
                        let mut kept: Vec<_> = mine.iter().map(|value| value.1).collect();
                        kept.sort_unstable();
                        assert_eq!(kept, expected, "{habit:?} {length} {last}");
                    }
                    drop(mine);
                    assert_eq!(live.load(SeqCst), 0, "{habit:?} {length} {last}");
                }
            }
        }
    }
}

#[test]
fn a_scan_that_unwinds_keeps_an_item_in_each_place() {
    for habit in HABITS {
        for length in [2, 3, 10, 60] {
            for last in 0..2 * length {
                let (live, combined) = (AtomicIsize::new(0), AtomicUsize::new(0));
                let mut items: Vec<_> = (0..length).map(|x| Counted::new(&live, x)).collect();
                let combine = |a: &Counted<'_>, b: &Counted<'_>| {
                    if combined.fetch_add(1, SeqCst) == last {
                        resume_unwind(Box::new(last));
                    }
                    Counted::new(&live, a.1 + b.1)
                };
                let result = catch(|| scan(habit, &mut items, &combine));
                assert_eq!(result.is_err(), combined.load(SeqCst) > last, "{habit:?} {length}");
                assert_eq!(live.load(SeqCst), length.cast_signed(), "{habit:?} {length} {last}");
                drop(items);
                assert_eq!(live.load(SeqCst), 0, "{habit:?} {length} {last}");
            }
        }
    }
}

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
