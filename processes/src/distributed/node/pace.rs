//! How many calls may lie on a node: as many as its workers begin soon.
//!
//! Calls beyond those that workers execute are there so that no worker waits for the next one, which takes a
//! question to its client, and a request to the broker, of some hundred microseconds. So short calls are to
//! lie here by the dozen, and long ones not at all: they would wait here while another node has nothing to do.
//!
//! How long calls take is known of those that have ended. The ones that come may be others, which take a
//! thousand times as long. So no more than [`GROWTH`] times as many as have ended *lately* may lie here: a
//! node that begins to work, or comes to calls of another kind, has as many as workers, and then more with each
//! one that ends. With calls of some microseconds that takes a millisecond or two.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The work that is to lie here, at most: calls beyond the workers' are fetched ahead for so long.
pub(super) const AHEAD: Duration = Duration::from_millis(10);

/// The most calls for each worker.
pub(super) const MAX_AHEAD: usize = 64;

/// What has ended lately has within this time, or twice that.
const LATELY: Duration = Duration::from_millis(5);

/// So many times as many calls as have ended lately may lie here.
const GROWTH: usize = 2;

/// How long calls take that have ended, and how many have lately.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many workers there are.
    slots: usize,
    /// About how long a call takes, in nanoseconds; none: nobody knows.
    each_ns: Cell<Option<u64>>,
    /// How many have ended since `since`, and in the time before that which is as long as [`LATELY`].
    ended: Cell<[usize; 2]>,
    /// When the count has begun.
    since: Cell<Instant>,
}

impl Pace {
    /// Of so many workers, of whose calls nothing is known.
    pub(super) fn new(slots: usize) -> Self {
        let (each_ns, ended, since) = (Cell::new(None), Cell::default(), Cell::new(Instant::now()));
        Self { slots, each_ns, ended, since }
    }

    /// How many workers there are.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// A call has ended now, which has taken a worker so long.
    pub(super) fn learn(&self, took: Duration, now: Instant) {
        let latest = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let each = self.each_ns.get().map_or(latest, |known| (7 * (known / 8)) + latest / 8);
        self.each_ns.set(Some(each));
        self.turn(now);
        let [new, old] = self.ended.get();
        self.ended.set([new + 1, old]);
    }

    /// Whether calls take less than this.
    pub(super) fn is_below(&self, limit: Duration) -> bool {
        self.each_ns.get().map(Duration::from_nanos).is_some_and(|each| each < limit)
    }

    /// How many calls may lie here now, those included that workers execute.
    pub(super) fn limit(&self, now: Instant) -> usize {
        self.turn(now);
        let lately: usize = self.ended.get().iter().sum();
        (self.slots * self.each()).min(GROWTH * lately).max(self.slots)
    }

    /// How many more are to be worth a request, as long as workers have something to do.
    pub(super) fn worth(&self, now: Instant) -> usize {
        ((self.limit(now) - self.slots) / 2).max(1)
    }

    /// How many for each worker it would be by how long they take.
    fn each(&self) -> usize {
        let ahead_ns = u64::try_from(AHEAD.as_nanos()).unwrap_or(u64::MAX);
        let each = self.each_ns.get().map_or(1, |each_ns| ahead_ns.div_ceil(each_ns.max(1)));
        usize::try_from(each).unwrap_or(MAX_AHEAD).clamp(1, MAX_AHEAD)
    }

    /// Begins the next count when it is time.
    fn turn(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.since.get());
        if passed >= LATELY {
            let [new, _old] = self.ended.get();
            self.ended.set([0, if passed < 2 * LATELY { new } else { 0 }]);
            self.since.set(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many calls end, one after the other, each of which takes so long. Returns when the last one has.
    fn end(pace: &Pace, count: usize, each: Duration, from: Instant) -> Instant {
        let mut now = from;
        for _ in 0..count {
            now += each / u32::try_from(pace.slots).unwrap();
            pace.learn(each, now);
        }
        now
    }

    #[test]
    fn short_calls_lie_here_by_the_dozen_and_long_ones_do_not() {
        let pace = Pace::new(3);
        let mut now = pace.since.get();
        assert_eq!(pace.limit(now), 3, "nobody knows");
        for (each_us, limit) in [(2_000_000, 3), (10_000, 3), (9_000, 6), (5_100, 6), (20, 3 * 64)]
        {
            now = end(&pace, 2_000, Duration::from_micros(each_us), now);
            let found = pace.limit(now);
            assert!(found <= limit && 2 * found >= limit, "{each_us}: {found}");
        }
        assert_eq!((pace.limit(now), pace.worth(now)), (3 * 64, 3 * 63 / 2));
    }

    #[test]
    fn as_many_may_lie_here_as_calls_show_that_they_are_short() {
        let pace = Pace::new(2);
        let now = end(&pace, 10_000, Duration::from_micros(10), pace.since.get());
        assert_eq!(pace.limit(now), 2 * 64);
        // Nothing has ended for a while: those that come may be others.
        let now = now + 2 * LATELY;
        assert_eq!((pace.limit(now), pace.worth(now)), (2, 1));
        let (mut seen, mut ended) = (Vec::new(), 0);
        while pace.limit(now) < 2 * 64 {
            let limit = pace.limit(now);
            seen.push(limit);
            end(&pace, limit, Duration::from_micros(10), now);
            ended += limit;
            assert!(ended < 1_000, "it does not grow: {seen:?}");
        }
        assert!(seen.len() <= 5, "{seen:?}");
    }
}
