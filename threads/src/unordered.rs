//! The lazy map in order of completion.

use crate::completed::AsCompleted;
use crate::error::JoinError;
use crate::map::default_buffer;
use crate::pool::Pool;
use std::fmt;
use std::iter::{Fuse, FusedIterator};
use std::sync::Arc;

/// Results in the order in which they are done; from [`Pool::map_unordered`].
///
/// A panicking job is an `Err` when its turn comes, and the rest goes on. Dropping
/// the iterator cancels the jobs that are still queued; those that run, run to
/// their end.
#[must_use = "a map is lazy: nothing runs until it is iterated"]
pub struct MapUnordered<'pool, F, I: Iterator, R> {
    /// Where the jobs run.
    pool: &'pool Pool,
    /// What is applied.
    f: Arc<F>,
    /// The inputs that are not submitted yet.
    xs: Fuse<I>,
    /// Submitted and not yet returned.
    ahead: AsCompleted<R>,
    /// The most that `ahead` may hold; at least 1.
    buffer: usize,
}

impl<'pool, F, I: Iterator, R> MapUnordered<'pool, F, I, R> {
    /// A map that has not begun.
    pub(crate) fn new(pool: &'pool Pool, f: F, xs: I) -> Self {
        let buffer = default_buffer(pool);
        Self { pool, f: Arc::new(f), xs: xs.fuse(), ahead: AsCompleted::new(), buffer }
    }

    /// How many jobs may be ahead of what was returned: queued, running, or done
    /// and not yet asked for. Default: 16 for each worker. Zero means one.
    ///
    /// They are submitted when `next` would wait, or when half of them have been
    /// returned, whichever comes first.
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.buffer = jobs.max(1);
        self
    }
}

impl<F, I, R> Iterator for MapUnordered<'_, F, I, R>
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
        if !(enough && self.ahead.has_finished()) {
            while self.ahead.len() < self.buffer
                && let Some(x) = self.xs.next()
            {
                let f = Arc::clone(&self.f);
                self.ahead.push(0, self.pool.spawn(move || f(x)));
            }
        }
        self.ahead.next().map(|(_, result)| result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.xs.size_hint();
        let ahead = self.ahead.len();
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }
}

impl<F, I, R> FusedIterator for MapUnordered<'_, F, I, R>
where
    I: Iterator,
    Self: Iterator,
{
}

impl<F, I: Iterator, R> Drop for MapUnordered<'_, F, I, R> {
    fn drop(&mut self) {
        self.ahead.cancel_queued();
    }
}

impl<F, I: Iterator, R> fmt::Debug for MapUnordered<'_, F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered")
            .field("ahead", &self.ahead)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
