//! How often a thread gives away what it could do itself.
//!
//! Giving work to a sleeping worker costs a system call, some microseconds on the thread
//! that forks, whatever the size of the work. It is worth that for what takes longer, and
//! nobody knows how long a closure will take. So each thread has a budget: one gift in
//! [`PERIOD`] on average, [`BURST`] at once. Then giving costs a few per cent of the time at
//! most, however small the forked closures are; and large ones are given away at once. A gift
//! that somebody took and that was worth it is given back to the budget, so that loops of some
//! tens of microseconds, one after the other, are divided each time.
//!
//! The idea is that of heartbeat scheduling (Acar, Charguéraud, Guatto, Rainey and
//! Sieczkowski: Heartbeat Scheduling: Provable Efficiency for Nested Parallelism, PLDI
//! 2018); the budget is the generic cell rate algorithm (ITU-T I.371).

use std::cell::Cell;
use std::time::{Duration, Instant};

/// One gift in this time, on average, if gifts are in vain: more than an order of magnitude
/// more than waking a worker costs.
const PERIOD: Duration = Duration::from_micros(200);

/// A gift was worth it if somebody took it, and so much time passed before it was asked for.
const WORTH: Duration = Duration::from_micros(20);

/// So many at once, after a pause.
const BURST: u32 = 4;

/// The most times to say no without a look at the clock: what was done often in a moment may
/// take long in the next.
const MOST_SKIPPED: u32 = 256;

/// The budget of one thread.
#[derive(Default)]
pub(crate) struct Heartbeat {
    /// When the budget is full again; `None` if it is full.
    full: Cell<Option<Instant>>,
    /// So many times [`Heartbeat::is_due`] says no.
    skip: Cell<u32>,
    /// When the last gift was made.
    gift: Cell<Option<Instant>>,
    /// When the clock was looked at, and after how many calls it will be again.
    last: Cell<Option<(Instant, u32)>>,
}

impl Heartbeat {
    /// Whether it is likely that the budget has something: a guess without a look at the
    /// clock, which costs more than a fork.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let skip = self.skip.get();
        if skip > 0 {
            self.skip.set(skip - 1);
        }
        skip == 0
    }

    /// Takes one from the budget, if there is one. Looks at the clock.
    pub(crate) fn beat(&self) -> bool {
        self.beat_at(Instant::now())
    }

    /// [`Heartbeat::beat`] at this moment.
    fn beat_at(&self, now: Instant) -> bool {
        let full = self.full.get().map_or(now, |full| full.max(now));
        let missing = full.duration_since(now).saturating_sub(PERIOD * (BURST - 1));
        if missing.is_zero() {
            self.full.set(Some(full + PERIOD));
            self.gift.set(Some(now));
        }
        self.pace(now, if missing.is_zero() { PERIOD } else { missing });
        missing.is_zero()
    }

    /// Somebody has taken a gift, and its thread asks for it now.
    pub(crate) fn taken(&self) {
        self.taken_at(Instant::now());
    }

    /// [`Heartbeat::taken`] at this moment.
    fn taken_at(&self, now: Instant) {
        let Some(gift) = self.gift.take() else { return };
        if now.duration_since(gift) >= WORTH {
            let full = self.full.get().and_then(|full| full.checked_sub(PERIOD));
            self.full.set(full);
            self.skip.set(0);
        }
    }

    /// Decides when to look at the clock again: after half of the calls that will come until
    /// the budget has something, if they come as often as they did.
    fn pace(&self, now: Instant, missing: Duration) {
        let calls = match self.last.get() {
            None => 0,
            Some((last, planned)) => {
                let made = u128::from(planned - self.skip.get() + 1);
                let passed = now.duration_since(last).as_nanos().max(1);
                made * missing.as_nanos() / passed / 2
            }
        };
        let calls = u32::try_from(calls).unwrap_or(u32::MAX).min(MOST_SKIPPED);
        self.skip.set(calls);
        self.last.set(Some((now, calls)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gifts that are in vain, asked for each microsecond for a while.
    fn gifts(heartbeat: &Heartbeat, begin: Instant, time: Duration) -> u32 {
        let micros = u64::try_from(time.as_micros()).expect("it is short");
        let moments = (0..micros).map(|at| begin + Duration::from_micros(at));
        moments.map(|now| u32::from(heartbeat.beat_at(now))).sum()
    }

    #[test]
    fn some_at_once_and_then_one_in_a_period() {
        let (heartbeat, begin) = (Heartbeat::default(), Instant::now());
        assert!((0..BURST).all(|_| heartbeat.beat_at(begin)));
        assert!(!heartbeat.beat_at(begin));
        assert_eq!(gifts(&heartbeat, begin, 10 * PERIOD), 9);
        let later = begin + 100 * PERIOD;
        assert_eq!(gifts(&heartbeat, later, Duration::from_micros(100)), BURST);
    }

    #[test]
    fn what_was_worth_it_is_given_back() {
        let (heartbeat, begin) = (Heartbeat::default(), Instant::now());
        for round in 0..1_000 {
            let now = begin + 2 * WORTH * round;
            assert!(heartbeat.beat_at(now), "in round {round}");
            heartbeat.taken_at(now + WORTH);
        }
        let later = begin + 2 * WORTH * 1_000;
        let in_vain = (0..1_000).filter(|round| {
            let now = later + WORTH * *round;
            let given = heartbeat.beat_at(now);
            heartbeat.taken_at(now + WORTH / 2);
            given
        });
        let most = 1_000 * WORTH.as_micros() / PERIOD.as_micros() + u128::from(BURST);
        assert!(in_vain.count() as u128 <= most);
    }

    #[test]
    fn the_clock_is_looked_at_seldom_by_those_who_ask_often() {
        let (heartbeat, begin) = (Heartbeat::default(), Instant::now());
        assert!((0..BURST).all(|_| heartbeat.beat_at(begin)));
        let mut looks = 0;
        for step in 0..10_000_u64 {
            if heartbeat.is_due() {
                looks += 1;
                heartbeat.beat_at(begin + Duration::from_nanos(10 * step));
            }
        }
        assert!(looks < 500, "{looks} of 10,000");
        // Who asks seldom looks each time or so.
        let heartbeat = Heartbeat::default();
        let due = (0..100).filter(|step| {
            let due = heartbeat.is_due();
            if due {
                heartbeat.beat_at(begin + PERIOD * *step);
            }
            due
        });
        assert!(due.count() > 50);
    }
}
