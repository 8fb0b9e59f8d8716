//! Panics, errors and cancelling: nothing is lost, nothing is dropped twice.

use super::{Counted, everywhere};
use crate::Cancelled;
use crate::slices::each::for_each;
use crate::slices::habit::{HABITS, Habit};
use crate::slices::map::{map, try_map};
use crate::slices::reduce::map_reduce;
use crate::slices::scan::scan;
use crate::unwind::catch;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};

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
