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
        let now = Instant::now();
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
        let Some(gift) = self.gift.take() else { return };
        if gift.elapsed() >= WORTH {
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
