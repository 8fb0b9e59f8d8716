//! How many items of a map travel together.
//!
//! A frame of items is to be about [`TARGET_NS`] of work: much more than it costs to send one, and
//! little enough that the workers end at about the same time. How long an item takes is not known
//! before the first ones have ended, so frames begin with one item and grow by [`GROWTH`] at most
//! from one that was timed to the next. Slower items than expected count at once, faster ones by
//! and by. Towards the end, where that is known, frames shrink: each is a part of what is left, so
//! that no worker gets much more than its share of the last items.
//!
//! A wrong guess costs little: a frame that takes long is cut as soon as a worker has nothing to do
//! (see [`crate::board`]).

use crate::frame::MAX_ITEMS;
use crate::harvest::Timing;

/// The work in a frame.
const TARGET_NS: u64 = 500_000;

/// The least work in a frame, however near the end is: less would cost more than it levels.
const LEAST_NS: u64 = 50_000;

/// What takes longer is no different. The times come from memory that a worker may have overwritten.
const LONGEST_NS: u64 = u64::MAX / 4;

/// How much longer a frame may be than one that was timed.
const GROWTH: u64 = 8;

/// Frames for each worker that may be on the way: one is executed, one waits in the worker, one in
/// the queue.
const FRAMES_PER_WORKER: u64 = 3;

/// Items for each worker that may be on the way in any case, unless they are long.
const ITEMS_PER_WORKER: u64 = 16;

/// Bytes for each worker that long items on the way may have together: what is copied a moment
/// later is still in the caches then. But each worker has one to execute and one that waits.
const BYTES_PER_WORKER: u64 = 4 << 20;

/// Bytes of the arena that the items of a frame may need for themselves, but for the last one.
const BYTES_PER_FRAME: usize = 1 << 20;

/// How many items travel together in a map.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How many workers there are.
    workers: u64,
    /// How many items may be ahead of what was consumed, if the user has said so.
    buffer: Option<u64>,
    /// How long an item takes, once one was timed; at least 1 ns.
    item_ns: Option<u64>,
    /// The length of the next frame unless the end is near.
    size: u64,
    /// How many bytes such an item has as the last one that was weighed.
    weight: Option<usize>,
    /// How many items may be on the way, as they are long.
    heavy: u64,
    /// A frame is sent when no more items than these are on the way.
    low: u64,
    /// A frame is sent when no more results than these were not consumed.
    high: u64,
}

impl Pace {
    /// Nothing is known yet.
    pub(crate) fn new(workers: usize) -> Self {
        let workers = u64::try_from(workers).expect("a number of processes").max(1);
        let (buffer, item_ns, weight, heavy) = (None, None, None, u64::MAX);
        let mut pace = Self { workers, buffer, item_ns, size: 1, weight, heavy, low: 0, high: 0 };
        pace.set_marks();
        pace
    }

    /// So many items may be ahead of what was consumed; at least 1.
    pub(crate) fn limit(&mut self, buffer: usize) {
        self.buffer = Some(u64::try_from(buffer.max(1)).unwrap_or(u64::MAX));
        self.set_marks();
    }

    /// How many items may be ahead of what was consumed, at present.
    pub(crate) fn buffer(&self) -> u64 {
        self.buffer.unwrap_or(self.high + self.next_frame(None))
    }

    /// Learns how long some items took.
    pub(crate) fn learn(&mut self, timing: Timing) {
        let count = u64::from(timing.count.max(1));
        let latest_ns = (timing.taken_ns / count).clamp(1, LONGEST_NS);
        let item_ns = match self.item_ns {
            Some(known_ns) if latest_ns < known_ns => (known_ns + latest_ns).div_ceil(2),
            _ => latest_ns,
        };
        self.item_ns = Some(item_ns);
        // A short frame near the end says nothing against long ones.
        let longest = self.size.max(count * GROWTH).min(u64::from(MAX_ITEMS));
        self.size = (TARGET_NS / item_ns).clamp(1, longest);
        self.set_marks();
    }

    /// Learns how long the encoding of an item is that was sent alone, or how much of the arena each item of
    /// a frame needs for itself, on the average.
    #[inline]
    pub(crate) fn weigh(&mut self, bytes: usize) {
        if self.weight != Some(bytes) {
            self.weight = Some(bytes);
            self.set_heavy(bytes);
        }
    }

    /// As [`weigh`](Self::weigh), of another weight than before.
    fn set_heavy(&mut self, bytes: usize) {
        let fit = BYTES_PER_WORKER * self.workers / (bytes as u64).max(1);
        let heavy = fit.max(2 * self.workers);
        if heavy != self.heavy {
            self.heavy = heavy;
            self.set_marks();
        }
    }

    /// Whether a frame is to have no more items, as those in it need so many bytes for themselves.
    #[inline]
    pub(crate) fn is_full(own_bytes: usize) -> bool {
        own_bytes >= BYTES_PER_FRAME
    }

    /// Whether more items should be sent, `on_the_way` being sent and not ended, and `ahead` taken
    /// and not consumed.
    #[inline]
    pub(crate) fn may_send(&self, on_the_way: u64, ahead: u64) -> bool {
        on_the_way <= self.low && ahead <= self.high
    }

    /// Computes the marks.
    fn set_marks(&mut self) {
        let size = self.next_frame(None);
        let enough = (FRAMES_PER_WORKER * self.workers * size).max(ITEMS_PER_WORKER * self.workers);
        let enough = enough.min(self.heavy.max(size));
        // Without a limit, results that nobody takes hold up the map all the same.
        let usual = if size > 1 { 2 * enough } else { enough };
        let buffer = self.buffer.unwrap_or(usual);
        self.low = enough - size;
        self.high = buffer.saturating_sub(size);
    }

    /// How many items to send together; `left`, if that is known, are not taken.
    pub(crate) fn next_frame(&self, left: Option<u64>) -> u64 {
        let mut size = self.size;
        if let Some(left) = left {
            let share = left.div_ceil(2 * self.workers);
            let least = self.item_ns.map_or(1, |item_ns| LEAST_NS.div_ceil(item_ns));
            size = size.min(share.max(least));
        }
        if let Some(buffer) = self.buffer {
            // All workers are to have some of what may be taken.
            size = size.min(buffer / (2 * self.workers));
        }
        size.min(self.heavy / (FRAMES_PER_WORKER * self.workers)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_long_items_are_on_the_way() {
        let mut pace = Pace::new(2);
        assert!(pace.may_send(31, 31) && !pace.may_send(32, 31));
        pace.weigh(1 << 20);
        assert!(pace.may_send(7, 7) && !pace.may_send(8, 0) && !pace.may_send(0, 8));
        pace.weigh(1 << 30);
        assert!(pace.may_send(3, 3) && !pace.may_send(4, 0), "one is executed, one waits");
        pace.weigh(20_000);
        assert!(pace.may_send(31, 31) && !pace.may_send(32, 31));
        pace.weigh(0);
        pace.limit(2);
        assert!(pace.may_send(1, 1) && !pace.may_send(2, 2));
    }

    /// The pace of a map whose items take so long, after so many frames.
    fn after(frames: u32, item_ns: u64) -> Pace {
        let mut pace = Pace::new(2);
        for _ in 0..frames {
            let count = u16::try_from(pace.next_frame(None)).unwrap();
            pace.learn(Timing { count, taken_ns: item_ns * u64::from(count) });
        }
        pace
    }

    #[test]
    fn frames_grow_to_half_a_millisecond() {
        let sizes: Vec<_> = (0..6).map(|frames| after(frames, 100).next_frame(None)).collect();
        assert_eq!(sizes, [1, 8, 64, 512, 4_096, 5_000]);
        assert_eq!(after(6, 100_000).next_frame(None), 5);
        assert_eq!(after(6, 1).next_frame(None), u64::from(MAX_ITEMS));
        assert_eq!(after(3, 1_000_000_000).next_frame(None), 1);
    }

    #[test]
    fn times_that_cannot_be_do_no_harm() {
        let mut pace = Pace::new(2);
        for taken_ns in [u64::MAX, u64::MAX - 1, 0, u64::MAX, u64::MAX - 3] {
            pace.learn(Timing { count: 1, taken_ns });
            assert!(pace.next_frame(Some(u64::MAX)) >= 1);
        }
        assert_eq!(pace.next_frame(None), 1);
    }

    #[test]
    fn slow_items_count_at_once_and_fast_ones_by_and_by() {
        let mut pace = after(6, 100);
        pace.learn(Timing { count: 10, taken_ns: 1_000_000 });
        assert_eq!(pace.next_frame(None), 5);
        pace.learn(Timing { count: 5, taken_ns: 500 });
        assert_eq!(pace.next_frame(None), 9, "half-way");
    }

    #[test]
    fn frames_shrink_towards_the_end_but_not_below_what_is_worth_it() {
        let pace = after(6, 100);
        assert_eq!(pace.next_frame(Some(1_000_000)), 5_000);
        assert_eq!(pace.next_frame(Some(8_000)), 2_000);
        assert_eq!(pace.next_frame(Some(100)), 500);
        assert_eq!(after(6, 10_000_000).next_frame(Some(3)), 1);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let pace = Pace::new(2);
        assert!(pace.may_send(31, 31) && !pace.may_send(32, 32));
        let pace = after(6, 100);
        assert!(pace.may_send(25_000, 25_000) && !pace.may_send(25_001, 25_001));
        assert!(pace.may_send(0, 55_000));
        assert!(!pace.may_send(0, 55_001), "nobody takes the results");
    }

    #[test]
    fn a_limit_of_the_user_is_kept_and_never_stops_the_map() {
        for buffer in [1, 5, 100, 100_000] {
            let mut pace = after(6, 100);
            pace.limit(buffer);
            let buffer = u64::try_from(buffer).unwrap();
            let size = pace.next_frame(None);
            assert!((1..=buffer).contains(&size), "{buffer}: {size}");
            assert!(pace.may_send(0, 0), "{buffer}");
            assert!(!pace.may_send(0, buffer - size + 1), "{buffer}");
        }
    }
}
