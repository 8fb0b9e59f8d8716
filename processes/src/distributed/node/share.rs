//! How long the workers of a node are busy with each call.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Counts the calls that are being executed, or are about to be, and divides the time of the workers
/// among them: with more calls than workers, each has its share. All shares together are the time in
/// which workers had calls.
#[derive(Debug)]
pub(super) struct Shares {
    /// How many workers there are.
    slots: usize,
    /// How many calls.
    busy: Cell<usize>,
    /// What a call would have had that was there all the time, in nanoseconds.
    each_ns: Cell<u64>,
    /// Until when that is counted.
    until: Cell<Instant>,
}

/// When a call has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u64);

impl Shares {
    /// Of so many workers.
    pub(super) fn new(slots: usize) -> Self {
        let (busy, each_ns, until) = (Cell::new(0), Cell::new(0), Cell::new(Instant::now()));
        Self { slots, busy, each_ns, until }
    }

    /// How many workers.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// A call begins.
    pub(super) fn begin(&self) -> Mark {
        self.count(Instant::now());
        self.busy.set(self.busy.get() + 1);
        Mark(self.each_ns.get())
    }

    /// It has ended. Returns its share.
    pub(super) fn end(&self, begun: Mark) -> Duration {
        self.count(Instant::now());
        self.busy.set(self.busy.get() - 1);
        Duration::from_nanos(self.each_ns.get() - begun.0)
    }

    /// Counts until now.
    fn count(&self, now: Instant) {
        let passed = now.duration_since(self.until.replace(now)).as_nanos();
        let busy = self.busy.get() as u128;
        if let Some(each) = (passed * busy.min(self.slots as u128)).checked_div(busy) {
            let each = u64::try_from(each).unwrap_or(u64::MAX);
            self.each_ns.set(self.each_ns.get().saturating_add(each));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_time_of_the_workers() {
        let shares = Shares::new(2);
        let start = shares.until.get();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let begin = |ms| {
            shares.count(at(ms));
            shares.busy.set(shares.busy.get() + 1);
            shares.each_ns.get()
        };
        let end = |ms, begun: u64| {
            shares.count(at(ms));
            shares.busy.set(shares.busy.get() - 1);
            (shares.each_ns.get() - begun) / 1_000
        };
        let (a, b) = (begin(100), begin(200));
        let (c, d) = (begin(300), begin(300));
        // Four calls, two workers: half of the time for each.
        assert_eq!(end(700, a), 100_000 + 100_000 + 200_000);
        assert_eq!(end(700, b), 100_000 + 200_000);
        assert_eq!(end(700, c), 200_000);
        assert_eq!(end(800, d), 200_000 + 100_000);
        let idle = begin(2_000);
        assert_eq!(end(2_000, idle), 0);
    }
}
