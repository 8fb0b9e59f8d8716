//! The results are those of a loop.

use super::everywhere;
use crate::slices::chunks::{chunks, chunks_mut};
use crate::slices::each::for_each;
use crate::slices::habit::{HABITS, Habit};
use crate::slices::map::{map, try_map};
use crate::slices::reduce::map_reduce;
use crate::slices::scan::scan;
use crate::slices::search::{any, first};
use crate::slices::zip::zip;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};

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
