//! The lazy map in order of completion.

use crate::ahead::{Ahead, Item, MapTimedOut, Window};
use crate::cancel::CancelToken;
use crate::completed::AsCompleted;
use crate::deadline::Deadline;
use crate::handle::JoinHandle;
use crate::options::Priority;
use crate::pool::Pool;
use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

/// Results in the order in which they are done; from [`Pool::map_unordered`].
///
/// A panicking job is an `Err` when its turn comes, and the rest goes on. Dropping
/// the iterator cancels the jobs that are still queued; those that run, run to
/// their end.
#[must_use = "a map is lazy: nothing runs until it is iterated"]
pub struct MapUnordered<'pool, F, I: Iterator, R> {
    /// What is not submitted yet.
    rest: Ahead<'pool, F, I>,
    /// Submitted and not yet returned.
    ahead: AsCompleted<R>,
}

impl<R> Window<R> for AsCompleted<R> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn is_ready(&self) -> bool {
        self.has_finished()
    }

    fn push(&mut self, handle: JoinHandle<R>) {
        Self::push(self, 0, handle);
    }
}

impl<'pool, F, I: Iterator, R> MapUnordered<'pool, F, I, R> {
    /// A map that has not begun.
    pub(crate) fn new(pool: &'pool Pool, f: F, xs: I) -> Self {
        Self { rest: Ahead::new(pool, f, xs), ahead: AsCompleted::new() }
    }

    /// See [`Map::buffer`](crate::Map::buffer).
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.rest.buffer = jobs.max(1);
        self
    }

    /// See [`Map::token`](crate::Map::token).
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.rest.set_token(token);
        self
    }

    /// The priority of the jobs.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.rest.set_priority(priority);
        self
    }
}

impl<F, I, R> MapUnordered<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    I: Iterator,
    I::Item: Send + 'static,
    R: Send + 'static,
{
    /// Like `next`, but waits for the next result no longer than `limit`.
    ///
    /// # Errors
    ///
    /// When time is over. Nothing is lost: the result comes with a later call.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Item<R>>, MapTimedOut> {
        let deadline = Deadline::after(limit);
        if self.rest.top_up(&mut self.ahead, deadline) {
            return Err(MapTimedOut { limit });
        }
        match self.ahead.next_before(deadline) {
            Some((_, result)) => Ok(Some(result)),
            None if self.ahead.is_empty() => Ok(self.rest.take_cut()),
            None => Err(MapTimedOut { limit }),
        }
    }
}

impl<F, I, R> Iterator for MapUnordered<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    I: Iterator,
    I::Item: Send + 'static,
    R: Send + 'static,
{
    type Item = Item<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.top_up(&mut self.ahead, Deadline::Never);
        self.ahead.next().map(|(_, result)| result).or_else(|| self.rest.take_cut())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint(self.ahead.len())
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
        self.ahead.cancel();
    }
}

impl<F, I: Iterator, R> fmt::Debug for MapUnordered<'_, F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered")
            .field("ahead", &self.ahead)
            .field("buffer", &self.rest.buffer)
            .finish_non_exhaustive()
    }
}
