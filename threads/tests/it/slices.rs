//! Slices and ranges in real pools: results are those of a loop, and idle workers take part.
//! Where to divide is chosen by tests in `src/slices/tests.rs`.

use crate::support::{in_time, rounds};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use threads::{
    CancelToken, Cancelled, JoinError, Pool, chunks, chunks_mut, par_all, par_any, par_chunks_mut,
    par_find, par_find_any, par_for, par_map, par_map_reduce, par_scan, par_sort, par_sort_by,
    par_sort_by_key, par_sort_unstable, par_sort_unstable_by, par_sort_unstable_by_key,
    try_par_for, try_par_map, zip,
};

/// Takes its time, so that others want to help.
fn slow(x: usize) -> usize {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(20) {
        std::hint::spin_loop();
    }
    x
}

/// Calls `check` outside of all pools, in a pool's job, and with it as the current pool.
fn from_everywhere(check: impl Fn() + Copy + Send + 'static) {
    in_time(move || {
        check();
        for workers in [1, 3] {
            let pool = Pool::new(workers).unwrap();
            pool.install(check);
            pool.spawn(check).join().unwrap();
        }
        Pool::inline().install(check);
    });
}

/// Counts how many there are.
#[derive(Debug)]
struct Live<'a>(&'a AtomicIsize, usize);

impl<'a> Live<'a> {
    fn new(count: &'a AtomicIsize, value: usize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count, value)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn smoke() {
    from_everywhere(|| {
        let mut numbers: Vec<usize> = (0..500).rev().collect();
        par_for(&mut numbers[..], |x| *x = slow(*x) + 1);
        assert!(numbers.iter().copied().eq((1..=500).rev()));
        par_sort(&mut numbers);
        assert_eq!(par_map(&numbers[..], |x| slow(*x)), numbers);
        assert_eq!(par_map_reduce(0..500_usize, slow, |a, b| a + b), Some(499 * 250));
        par_scan(&mut numbers, |a, b| slow(a + b));
        assert!(numbers.iter().copied().eq((1..=500).map(|x| x * (x + 1) / 2)));
        par_chunks_mut(&mut numbers, 7, |place, chunk| chunk.fill(slow(place)));
        assert!(numbers.iter().copied().eq((0..500).map(|x| x / 7)));
        assert_eq!(par_find(0..500_usize, |x| slow(*x) >= 123), Some(123));
        assert!(par_find_any(0..500_usize, |x| slow(*x) >= 123).is_some_and(|x| x >= 123));
        assert!(par_any(0..500_usize, |x| slow(x) == 499) && par_all(0..500_usize, |x| x < 500));
        assert_eq!(
            try_par_for(0..500_usize, |x| if slow(x) > 77 { Err(x) } else { Ok(()) }),
            Err(78)
        );
        assert_eq!(try_par_map(0..9_u32, Ok::<_, ()>).map(|xs| xs.len()), Ok(9));
        let sums = par_map(zip(chunks(&numbers, 100), 0..3_u64), |(xs, _)| xs.len());
        assert_eq!(sums, [100; 3]);
    });
}

#[test]
fn nothing_to_do() {
    from_everywhere(|| {
        let mut none: [usize; 0] = [];
        par_for(&none[..], |_| panic!("there is none"));
        assert_eq!(par_map(7..7_i64, |x| x), []);
        assert_eq!(par_map_reduce(3..3_usize, |x| x, |a, _| a), None);
        assert_eq!(par_find(&none[..], |_| true), None);
        assert!(!par_any(&none[..], |_| true) && par_all(&none[..], |_| false));
        assert_eq!(try_par_map(&none[..], |_| Err::<(), _>(1)), Ok(vec![]));
        par_scan(&mut none, |_, _| panic!("there is none"));
        par_chunks_mut(&mut none, usize::MAX, |_, _| panic!("there is none"));
        par_for(chunks_mut(&mut none, 1), |_| panic!("there is none"));
        par_sort(&mut none);
        par_sort_unstable(&mut none);
    });
}

#[test]
fn idle_workers_take_part() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        // It may take some tries: a worker that has nothing to do is not always seen.
        for _ in 0..1_000 {
            let (first, others) = (thread::current().id(), AtomicBool::new(false));
            pool.install(|| {
                par_for(0..64_usize, |x| {
                    others.fetch_or(thread::current().id() != first, SeqCst);
                    slow(x);
                });
            });
            if others.load(SeqCst) {
                return;
            }
        }
        panic!("the caller has done everything");
    });
}

#[test]
fn one_inside_the_other() {
    from_everywhere(|| {
        let rows = par_map(0..20_usize, |row| {
            let mut cells = par_map(0..20_usize, |column| slow(row * column % 7));
            par_sort(&mut cells);
            par_map_reduce(&cells[..], |x| slow(*x), |a, b| a + b).unwrap()
        });
        let expected = (0..20).map(|row| (0..20).map(|column| row * column % 7).sum());
        assert_eq!(rows, expected.collect::<Vec<usize>>());
    });
}

#[test]
fn panics_go_on_in_the_caller_and_nothing_is_lost() {
    from_everywhere(|| {
        for place in [0, 1, 30, 98, 99] {
            let live = AtomicIsize::new(0);
            let make = |x| {
                assert_ne!(slow(x), place, "out of cheese");
                Live::new(&live, x)
            };
            let result = catch_unwind(AssertUnwindSafe(|| par_map(0..100, make)));
            let payload = result.expect_err("one has panicked");
            assert!(payload.downcast_ref::<String>().unwrap().contains("out of cheese"));
            assert_eq!(live.load(SeqCst), 0, "{place}");
            let result = try_par_map(0..100, |x| {
                if slow(x) == place { Err(x) } else { Ok(Live::new(&live, x)) }
            });
            assert_eq!(result.expect_err("one has failed"), place);
            assert_eq!(live.load(SeqCst), 0, "{place}");
        }
    });
}

#[test]
fn a_cancelled_operation_unwinds() {
    in_time(|| {
        let (token, seen) = (CancelToken::new(), AtomicUsize::new(0));
        let result = token.run(|| {
            par_for(0..u64::MAX, |_| {
                if seen.fetch_add(1, SeqCst) == 100 {
                    token.cancel();
                }
            });
        });
        assert_eq!(result, Err(Cancelled));
        // A sort has all its values then.
        let (token, seen) = (CancelToken::new(), AtomicUsize::new(0));
        for sort in [par_sort_by::<usize, _>, par_sort_unstable_by::<usize, _>] {
            let mut values: Vec<_> = (0..100_000).map(|x| x * 7_919 % 100_003).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            let result = token.run(|| {
                sort(&mut values, |a: &usize, b: &usize| {
                    if seen.fetch_add(1, SeqCst) == 10_000 {
                        token.cancel();
                    }
                    a.cmp(b)
                });
            });
            assert_eq!(result, Err(Cancelled));
            values.sort_unstable();
            assert_eq!(values, expected);
        }
    });
}

#[test]
fn a_job_that_is_cancelled_in_a_loop_ends_as_cancelled() {
    in_time(|| {
        let (pool, token) = (Pool::new(2).unwrap(), CancelToken::new());
        let inner = token.clone();
        let job = pool.spawn_with(&token, move || {
            par_for(0..u64::MAX, |x| {
                if x == 1_000 {
                    inner.cancel();
                }
            });
        });
        assert!(matches!(job.join(), Err(JoinError::Cancelled)));
    });
}

/// A comparison that contradicts itself, or panics at a certain call.
fn lie(calls: &AtomicUsize, panics_at: usize, a: usize, b: usize) -> Ordering {
    let call = calls.fetch_add(1, SeqCst);
    assert_ne!(call, panics_at, "out of cheese");
    if call % 5 == 3 { b.cmp(&a) } else { a.cmp(&b) }
}

#[test]
fn sorts_keep_their_values_whatever_comparisons_do() {
    from_everywhere(|| {
        let length = 20_000;
        for panics_at in [0, 19_998, 20_100, 150_000, 250_000, usize::MAX] {
            let (live, calls) = (AtomicIsize::new(0), AtomicUsize::new(0));
            let make = |x: usize| Live::new(&live, x * 7_919 % 20_011);
            let mut values: Vec<_> = (0..length).map(make).collect();
            let mut expected: Vec<_> = values.iter().map(|value| value.1).collect();
            expected.sort_unstable();
            for unstable in [false, true] {
                calls.store(0, SeqCst);
                let compare = |a: &Live<'_>, b: &Live<'_>| lie(&calls, panics_at, a.1, b.1);
                // Whether the lies are noticed is not promised.
                drop(catch_unwind(AssertUnwindSafe(|| {
                    if unstable {
                        par_sort_unstable_by(&mut values, compare);
                    } else {
                        par_sort_by(&mut values, compare);
                    }
                })));
                let mut kept: Vec<_> = values.iter().map(|value| value.1).collect();
                kept.sort_unstable();
                assert_eq!(kept, expected, "{panics_at} {unstable}");
            }
            drop(values);
            assert_eq!(live.load(SeqCst), 0, "{panics_at}");
        }
    });
}

#[test]
fn large_sorts() {
    from_everywhere(|| {
        let random = |x: u64| x.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        for spread in [1, 2, 100, u64::MAX] {
            let mut pairs: Vec<_> = (0..60_000).map(|x| (random(x) % spread, x)).collect();
            let mut expected = pairs.clone();
            expected.sort_by_key(|pair| pair.0);
            let mut other = pairs.clone();
            par_sort_by_key(&mut pairs, |pair| pair.0);
            assert!(pairs == expected, "{spread}");
            par_sort_unstable_by_key(&mut other, |pair| *pair);
            expected.sort_unstable();
            assert!(other == expected, "{spread}");
            par_sort_by(&mut other, |a, b| b.cmp(a));
            assert!(other.iter().rev().eq(&expected), "{spread}");
        }
    });
}

/// The pool of all properties.
fn in_pool<R>(f: impl FnOnce() -> R) -> R {
    static POOL: std::sync::LazyLock<Pool> = std::sync::LazyLock::new(|| Pool::new(3).unwrap());
    POOL.install(f)
}

/// Some slices, without files about those that failed.
fn config() -> ProptestConfig {
    let cases = rounds(64, 2_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn maps_and_totals_are_those_of_std(values: Vec<u32>, wanted: u32, size in 1..50_usize) {
        let text = |x: &u32| slow(*x as usize).to_string();
        let all: Vec<_> = values.iter().map(text).collect();
        prop_assert_eq!(in_pool(|| par_map(&values[..], text)), &all[..]);
        let joined = in_pool(|| par_map_reduce(&values[..], text, |a, b| a + &b));
        prop_assert_eq!(joined.unwrap_or_default(), all.concat());
        let found = in_pool(|| par_find(&values[..], |x| **x > wanted));
        prop_assert_eq!(found, values.iter().find(|x| **x > wanted));
        let check = |x: &u32| if *x > wanted { Err(*x) } else { Ok(*x) };
        let tried: Result<Vec<_>, _> = values.iter().map(check).collect();
        prop_assert_eq!(in_pool(|| try_par_map(&values[..], check)), tried);
        let sums = in_pool(|| par_map(chunks(&values, size), <[u32]>::to_vec));
        prop_assert!(sums.iter().eq(values.chunks(size)));
        let mut totals = values.clone();
        in_pool(|| par_scan(&mut totals, |a, b| a.wrapping_add(*b)));
        let mut sum = 0_u32;
        for (total, x) in totals.iter().zip(&values) {
            sum = sum.wrapping_add(*x);
            prop_assert_eq!(*total, sum);
        }
    }

    #[test]
    fn sorts_are_those_of_std(
        values in proptest::collection::vec(0..2_000_u16, 0..20_000), bits in 0..16_u32,
    ) {
        let mut expected: Vec<_> = values.iter().map(|x| x >> bits).zip(0..).collect();
        let (mut stable, mut unstable): (Vec<(u16, u32)>, Vec<_>) =
            (expected.clone(), expected.clone());
        expected.sort_by_key(|pair| pair.0);
        in_pool(|| par_sort_by_key(&mut stable, |pair| pair.0));
        prop_assert_eq!(&stable, &expected);
        in_pool(|| par_sort_unstable(&mut unstable));
        prop_assert_eq!(&unstable, &expected);
    }
}
