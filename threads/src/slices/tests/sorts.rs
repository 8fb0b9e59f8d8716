//! Sorts: the order, and the values after comparisons that panic or lie.

use super::{Counted, everywhere};
use crate::slices::habit::HABITS;
use crate::slices::{stable, unstable};
use crate::unwind::catch;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};

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
