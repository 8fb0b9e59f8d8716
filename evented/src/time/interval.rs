//! Ticks.

use std::time::{Duration, Instant};

use super::{Sleep, after, now, sleep_until};

/// Ticks every `period`, the first time at once.
///
/// # Panics
///
/// When `period` is zero.
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// When `period` is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period that is not zero");
    Interval { next: sleep_until(start), period, missed: MissedTick::default() }
}

/// What an [`Interval`] does about ticks that nobody came for in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTick {
    /// Gives all of them, as fast as they are asked for, then keeps the old rhythm.
    #[default]
    Burst,
    /// Gives one, and counts the next period from then: the rhythm shifts.
    Delay,
    /// Gives one, and goes on with the next tick of the old rhythm.
    Skip,
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    /// Ends with the next tick.
    next: Sleep,
    period: Duration,
    missed: MissedTick,
}

impl Interval {
    /// What to do about missed ticks. Default: [`MissedTick::Burst`].
    #[must_use]
    pub fn missed_tick(mut self, policy: MissedTick) -> Self {
        self.missed = policy;
        self
    }

    /// Time between ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick and returns when it was due. May be dropped and called again: no tick
    /// is lost.
    pub async fn tick(&mut self) -> Instant {
        (&mut self.next).await;
        let due = self.next.deadline();
        self.next.reset(next_tick(self.missed, due, now(), self.period));
        due
    }
}

/// When the tick after the one that was due at `due` and given at `now` is due.
fn next_tick(policy: MissedTick, due: Instant, now: Instant, period: Duration) -> Instant {
    let regular = after(due, period);
    match policy {
        MissedTick::Burst => regular,
        _ if regular > now => regular,
        MissedTick::Delay => after(now, period),
        MissedTick::Skip => {
            let behind_ns = (now - due).as_nanos() % period.as_nanos();
            // At most the time since `due`: no process is centuries old.
            let behind = Duration::from_nanos(u64::try_from(behind_ns).unwrap_or(u64::MAX));
            after(now, period.saturating_sub(behind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let period = Duration::from_millis(10);
        let due = Instant::now();
        let at = |ms| due + Duration::from_millis(ms);
        for policy in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
            assert_eq!(next_tick(policy, due, at(3), period), at(10), "{policy:?} in time");
        }
        assert_eq!(next_tick(MissedTick::Burst, due, at(35), period), at(10));
        assert_eq!(next_tick(MissedTick::Delay, due, at(35), period), at(45));
        assert_eq!(next_tick(MissedTick::Skip, due, at(35), period), at(40));
        assert_eq!(next_tick(MissedTick::Skip, due, at(30), period), at(40));
    }
}
