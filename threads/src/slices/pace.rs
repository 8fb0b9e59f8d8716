//! How many items to do before looking up.
//!
//! What an item costs is not known beforehand, and may change on the way. So blocks begin
//! with one item and grow up to [`BLOCK_NS`], and the clock is read after a *span* of
//! items. A span is as many as fit into that time, but at most [`GROWTH`] times the last
//! one: a thousand cheap items see it four times, and it costs less than a hundredth of
//! what is long.
//!
//! Two rules keep what is expensive from hiding behind what was cheap. A block has no more
//! items than were done before, and no more than half of those that are left.

use std::time::Instant;

/// Blocks are not longer than this, as far as one can know: a worker that has nothing to
/// do waits for the end of one.
const BLOCK_NS: u128 = 5_000;

/// A span is at most this many times as long as the one before.
const GROWTH: usize = 16;

/// Items of a block at most: should they suddenly be a thousand times as expensive, not too
/// many are done before that is seen. Long enough that looking up costs next to nothing.
const MAX_BLOCK: usize = 4096;

/// With spans below this, so little is known about the items that any two are worth
/// dividing.
const UNKNOWN: usize = 64;

/// What is known about the cost of the items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Items between two readings of the clock.
    span: usize,
    /// How many of them are still to be done.
    left: usize,
    /// Items done until now.
    done: usize,
    /// When the span began.
    since: Instant,
}

impl Pace {
    /// Nothing is known.
    pub(super) fn new() -> Self {
        Self { span: 1, left: 1, done: 0, since: Instant::now() }
    }

    /// The same knowledge, for other items from now on.
    pub(super) fn again(self) -> Self {
        Self { left: self.span, since: Instant::now(), ..self }
    }

    /// Whether `items` may be enough work to divide it. What takes less than an eighth of
    /// a block is not.
    pub(super) fn is_work(&self, items: usize) -> bool {
        items >= 2 && (self.span < UNKNOWN || items > self.span / 8)
    }

    /// How many to do now of the `items` that are left.
    pub(super) fn block(&self, items: usize) -> usize {
        self.left.min(MAX_BLOCK).min(self.done.max(1)).min(items.div_ceil(2))
    }

    /// A block of `items` was done.
    pub(super) fn advance(&mut self, items: usize) {
        self.done = self.done.saturating_add(items);
        self.left -= items;
        if self.left == 0 {
            self.read_clock();
        }
    }

    /// Decides how long the next span is.
    fn read_clock(&mut self) {
        let now = Instant::now();
        let elapsed_ns = (now - self.since).as_nanos().max(1);
        let fitting = usize::try_from(self.span as u128 * BLOCK_NS / elapsed_ns);
        let longest = self.span.saturating_mul(GROWTH);
        self.span = fitting.unwrap_or(longest).clamp(1, longest);
        self.left = self.span;
        self.since = now;
    }
}
