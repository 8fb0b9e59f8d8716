//! Whatever is divided, and wherever, results are those of a loop.

use crate::cancel::Cancelled;
use crate::slices::chunks::{chunks, chunks_mut};
use crate::slices::each::for_each;
use crate::slices::habit::{HABITS, Habit};
use crate::slices::map::{map, try_map};
use crate::slices::reduce::map_reduce;
use crate::slices::search::{any, first};
use crate::slices::zip::zip;
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
            let look = |x: usize| (x == place || x > place && x % 3 == 0).then_some(x);
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
    let habits = [Habit::Forwards, Habit::Backwards];
    for (habit, place) in habits.into_iter().zip([0, 1 << 40]) {
        let seen = AtomicUsize::new(0);
        let payload = catch(|| {
            for_each(habit, 0..(1_usize << 40) + 1, &|x| {
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
