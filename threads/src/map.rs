//! The ordered, lazy map.

use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::pool::Pool;
use std::collections::VecDeque;
use std::fmt;
use std::iter::{Fuse, FusedIterator};
use std::sync::Arc;

/// Jobs per worker that a map keeps ahead of what it has returned: enough to even
/// out jobs of different lengths, and to wake workers and caller rarely when jobs
/// are short.
const AHEAD_PER_WORKER: usize = 16;

/// How many jobs a map over this pool keeps ahead by default.
pub(crate) fn default_buffer(pool: &Pool) -> usize {
    pool.workers() * AHEAD_PER_WORKER
}

/// Results in the order of the inputs; from [`Pool::map`].
///
/// A panicking job is an `Err` in its place, and the rest goes on. Dropping the
/// iterator cancels the jobs that are still queued; those that run, run to their
/// end.
///
/// It borrows the pool, which therefore cannot be shut down under it:
///
/// ```compile_fail,E0505
/// let pool = threads::Pool::new(1).unwrap();
/// let mut squares = pool.map(|x: u64| x * x, 0..3);
/// pool.shutdown();
/// squares.next();
/// ```
#[must_use = "a map is lazy: nothing runs until it is iterated"]
pub struct Map<'pool, F, I: Iterator, R> {
    /// Where the jobs run.
    pool: &'pool Pool,
    /// What is applied.
    f: Arc<F>,
    /// The inputs that are not submitted yet.
    xs: Fuse<I>,
    /// Submitted and not yet returned, oldest first.
    ahead: VecDeque<JoinHandle<R>>,
    /// The most that `ahead` may hold; at least 1.
    buffer: usize,
}

impl<'pool, F, I: Iterator, R> Map<'pool, F, I, R> {
    /// A map that has not begun.
    pub(crate) fn new(pool: &'pool Pool, f: F, xs: I) -> Self {
        let buffer = default_buffer(pool);
        Self { pool, f: Arc::new(f), xs: xs.fuse(), ahead: VecDeque::new(), buffer }
    }

    /// How many jobs may be ahead of what was returned: queued, running, or done
    /// and waiting for their turn. Default: 16 for each worker. Zero means one.
    ///
    /// They are submitted when `next` would wait, or when half of them have been
    /// returned, whichever comes first.
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.buffer = jobs.max(1);
        self
    }
}

impl<F, I, R> Iterator for Map<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    I: Iterator,
    I::Item: Send + 'static,
    R: Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Several at a time while there is something to return: fewer wake-ups.
        let enough = self.ahead.len() > self.buffer / 2;
        if !(enough && self.ahead.front().is_some_and(JoinHandle::is_finished)) {
            while self.ahead.len() < self.buffer
                && let Some(x) = self.xs.next()
            {
                let f = Arc::clone(&self.f);
                self.ahead.push_back(self.pool.spawn(move || f(x)));
            }
        }
        self.ahead.pop_front().map(JoinHandle::join)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.xs.size_hint();
        let ahead = self.ahead.len();
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }
}

impl<F, I, R> FusedIterator for Map<'_, F, I, R>
where
    I: Iterator,
    Self: Iterator,
{
}

impl<F, I: Iterator, R> Drop for Map<'_, F, I, R> {
    fn drop(&mut self) {
        for handle in &self.ahead {
            handle.cancel();
        }
    }
}

impl<F, I: Iterator, R> fmt::Debug for Map<'_, F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("ahead", &self.ahead)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
