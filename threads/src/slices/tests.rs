//! Whatever is divided, and wherever, results are those of a loop.

mod ends;
mod extremes;
mod results;
mod sorts;

use crate::slices::habit::{HABITS, Habit};
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};

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
