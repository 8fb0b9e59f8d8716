//! How long a tick of a counter is.
//!
//! Counter and system clock are read at the same moment, now and then. The rate is what has passed of one by
//! what has passed of the other, and the longer ago the first reading is, the better it is known.
//!
//! The two do not always go on together. While a machine sleeps its clock stands still, and the counter goes
//! on, or begins anew, as the processor likes it; the same may happen to a virtual machine that is stopped,
//! or goes on elsewhere. A rate over such a time would be wrong, for ever after. So each reading is compared
//! with the one before: if less, or more, has been counted than the rate says, the reading is a new first one,
//! and the rate stays as it was known until more time has passed than it was taken from.

use std::time::{Duration, Instant};

/// A rate is not taken from less time than this: it would be off by more than a thousandth.
const SHORTEST: Duration = Duration::from_micros(100);
/// By how much counter and clock may differ while both go on: clocks that are set right gain or lose up to
/// half a thousandth.
const TOLERANCE: f64 = 0.002;
/// How often one tries to read both without an interruption.
const TRIES: u32 = 16;
/// No longer than this, in ticks, do both readings take without one; in a virtual machine, too.
const UNDISTURBED: u64 = 1 << 9;

/// Counter and clock at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) ticks: u64,
    pub(super) time: Instant,
    /// By how many ticks `ticks` may be wrong.
    pub(super) error: u64,
}

impl Moment {
    /// Now, as exactly as it can be had.
    pub(super) fn now(counter: fn() -> u64) -> Self {
        let read = || {
            let (before, time, after) = (counter(), Instant::now(), counter());
            let took = after.saturating_sub(before);
            Self { ticks: before.wrapping_add(took / 2), time, error: took / 2 + 1 }
        };
        let mut best = read();
        for _ in 1..TRIES {
            if best.error <= UNDISTURBED / 2 {
                break;
            }
            let again = read();
            if again.error < best.error {
                best = again;
            }
        }
        best
    }

    /// Ticks and nanoseconds that have passed since another moment. Ticks may have gone back.
    fn since(self, then: Self) -> (f64, f64) {
        let ticks = self.ticks.wrapping_sub(then.ticks).cast_signed();
        let nanos = self.time.saturating_duration_since(then.time).as_nanos();
        (ticks as f64, nanos as f64)
    }

    /// By how many ticks it may be wrong what has passed.
    fn error_since(self, then: Self) -> f64 {
        (self.error + then.error) as f64
    }
}

/// What is known of the rate of a counter.
#[derive(Debug)]
pub(super) struct Rate {
    /// From here on both have gone on together.
    first: Moment,
    /// The last reading.
    last: Moment,
    /// The rate in nanoseconds per tick, and the part by which it may be wrong, once it is known.
    known: Option<(f64, f64)>,
    /// From how much time it was taken.
    over: Duration,
}

impl Rate {
    pub(super) fn new(first: Moment) -> Self {
        Self { first, last: first, known: None, over: Duration::ZERO }
    }

    /// The rate, with one more reading. None until the readings are far enough apart.
    pub(super) fn take(&mut self, now: Moment) -> Option<f64> {
        if !self.agrees(now) {
            self.first = now;
        }
        self.last = now;
        let over = now.time.saturating_duration_since(self.first.time);
        let (ticks, nanos) = now.since(self.first);
        if over >= SHORTEST && over > self.over && ticks > 0.0 {
            self.known = Some((nanos / ticks, now.error_since(self.first) / ticks));
            self.over = over;
        }
        self.known.map(|(rate, _)| rate)
    }

    /// Whether counter and clock have gone on together since the last reading.
    fn agrees(&self, now: Moment) -> bool {
        let (ticks, nanos) = now.since(self.last);
        let error = now.error_since(self.last);
        let Some((rate, part)) = self.known else { return ticks >= -error };
        let expected = nanos / rate;
        (ticks - expected).abs() <= expected * (TOLERANCE + part) + error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A counter of two ticks per nanosecond and a clock, both of which may jump.
    struct Machine {
        ticks: u64,
        time: Instant,
        rate: Rate,
    }

    impl Machine {
        fn new() -> Self {
            let (ticks, time) = (1 << 40, Instant::now());
            let rate = Rate::new(Moment { ticks, time, error: 50 });
            Self { ticks, time, rate }
        }

        /// Both go on for so long; then a reading that is off by so many ticks is taken.
        fn goes_on(&mut self, by: Duration, off: i64) -> Option<f64> {
            self.time += by;
            self.ticks += 2 * u64::try_from(by.as_nanos()).unwrap();
            let ticks = self.ticks.checked_add_signed(off).unwrap();
            let error = off.unsigned_abs().max(50);
            self.rate.take(Moment { ticks, time: self.time, error })
        }

        /// The rate is known to a part of so much.
        fn is_known_to(&mut self, part: f64) -> bool {
            let rate = self.goes_on(Duration::ZERO, 0).expect("it is known");
            (rate / 0.5 - 1.0).abs() <= part
        }
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_is_known_after_a_while_and_better_later() {
        let mut machine = Machine::new();
        assert_eq!(machine.goes_on(SHORTEST / 2, 0), None);
        assert!(machine.goes_on(SHORTEST, 50).is_some());
        assert!(machine.is_known_to(1e-3) && !machine.is_known_to(1e-5));
        // Readings that follow at once are no better, and take nothing away.
        assert!(machine.goes_on(Duration::from_nanos(30), -50).is_some());
        assert!(machine.is_known_to(1e-3));
        for _ in 0..100 {
            machine.goes_on(millis(100), 50);
        }
        assert!(machine.is_known_to(1e-7));
    }

    /// While a machine sleeps its clock stands still, and the counter may go on.
    #[test]
    fn a_counter_that_goes_on_alone_changes_nothing() {
        let mut machine = Machine::new();
        machine.goes_on(millis(500), 0);
        for _ in 0..10 {
            machine.ticks += 1 << 44;
            machine.goes_on(millis(100), 0);
            machine.goes_on(millis(100), 0);
            assert!(machine.is_known_to(1e-6), "{machine:?}", machine = machine.rate);
        }
        // From then on it is known better again.
        for _ in 0..100 {
            machine.goes_on(millis(100), 0);
        }
        assert_eq!(machine.rate.over, millis(100) * 101);
    }

    /// So it may begin anew, below where it was, or seem to have stood still.
    #[test]
    fn a_counter_that_begins_anew_changes_nothing() {
        let mut machine = Machine::new();
        machine.goes_on(millis(500), 0);
        machine.ticks = 5;
        for wait in [Duration::from_nanos(7), millis(100), millis(100)] {
            machine.goes_on(wait, 0);
            assert!(machine.is_known_to(1e-6));
        }
        machine.time += Duration::from_hours(1);
        for _ in 0..3 {
            machine.goes_on(millis(100), 0);
            assert!(machine.is_known_to(1e-6));
        }
    }

    /// Also before the rate is known for the first time: nobody waits for it for ever.
    #[test]
    fn a_counter_that_begins_anew_at_once() {
        let mut machine = Machine::new();
        machine.ticks = 5;
        assert_eq!(machine.goes_on(SHORTEST * 2, 0), None);
        assert!(machine.goes_on(SHORTEST * 2, 0).is_some());
        assert!(machine.is_known_to(1e-3));
    }

    /// A slow reading says less, and is not taken for a jump.
    #[test]
    fn readings_are_believed_as_far_as_they_go() {
        let mut machine = Machine::new();
        machine.goes_on(millis(1), 2_000_000);
        assert!(!machine.is_known_to(0.1), "half of what was counted was an interruption");
        machine.goes_on(millis(1), 0);
        machine.goes_on(millis(98), 0);
        assert!(machine.is_known_to(1e-6));
        assert_eq!(machine.rate.over, millis(100));
    }

    /// Of readings that were interrupted the shortest counts, and none is needed after one that was not.
    #[test]
    fn the_shortest_reading_counts() {
        static READ: AtomicUsize = AtomicUsize::new(0);
        fn counter() -> u64 {
            let ticks = [0, 50_000, 100_000, 130_000, 200_000, 260_000, 300_000, 300_010];
            ticks[READ.fetch_add(1, Ordering::Relaxed)]
        }
        let moment = Moment::now(counter);
        assert_eq!((moment.ticks, moment.error), (300_005, 6));
    }

    #[test]
    fn both_are_read_at_one_moment() {
        static COUNTER: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        fn counter() -> u64 {
            let start = COUNTER.get_or_init(Instant::now);
            u64::try_from(start.elapsed().as_nanos()).unwrap()
        }
        counter();
        let moment = Moment::now(counter);
        let real = moment.time.duration_since(*COUNTER.get().unwrap()).as_nanos();
        let real = u64::try_from(real).unwrap();
        assert!(moment.ticks.abs_diff(real) <= moment.error, "{moment:?} {real}");
    }
}
